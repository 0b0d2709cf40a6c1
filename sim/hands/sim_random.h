// sim/hands/sim_random: chance that repeats.
//
// xoshiro256** (Blackman and Vigna), its state filled from the seed by splitmix64. The same
// seed gives the same numbers on every machine. `fork` gives each domain (disk, network,
// workload) a stream of its own, so that one more draw in one domain does not shift another.
//
// Thread: any (a mutex guards the state), though only one thread makes it repeat.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "env/random.h"

namespace alfheim::sim {

class SimRandom final : public env::Random {
 public:
  explicit SimRandom(uint64_t seed);

  // From here on the numbers of another seed.
  void reseed(uint64_t seed);
  uint64_t next_u64() override;
  // Uniform in [0, bound); `bound` is at least 1.
  uint64_t below(uint64_t bound);
  // Uniform in [first, last].
  uint64_t between(uint64_t first, uint64_t last);
  // True `parts` times in a million: never for 0, always for 1,000,000.
  bool chance_ppm(uint32_t parts);
  bool one_in(uint64_t count) { return below(count) == 0; }
  bool coin() { return (next_u64() >> 63) != 0; }
  // The seed of a stream of its own, named by its domain. Draws one number.
  uint64_t fork_seed(std::string_view domain);

 private:
  std::mutex mutex_;  // guards state_
  std::array<uint64_t, 4> state_;
};

inline constexpr uint32_t kAlwaysPpm = 1'000'000;

}  // namespace alfheim::sim
