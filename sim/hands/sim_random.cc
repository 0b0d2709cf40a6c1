#include "sim/hands/sim_random.h"

#include <bit>

#include "base/check.h"

namespace alfheim::sim {
namespace {

uint64_t splitmix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

}  // namespace

SimRandom::SimRandom(uint64_t seed) { reseed(seed); }

void SimRandom::reseed(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  for (uint64_t& word : state_) word = splitmix64(seed);
}

uint64_t SimRandom::next_u64() {
  const std::lock_guard lock(mutex_);
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t SimRandom::below(uint64_t bound) {
  ALF_CHECK(bound > 0);
  // Draws that would favour the small numbers are thrown away.
  const uint64_t unfair_below = (0 - bound) % bound;
  uint64_t drawn = next_u64();
  while (drawn < unfair_below) drawn = next_u64();
  return drawn % bound;
}

uint64_t SimRandom::between(uint64_t first, uint64_t last) {
  ALF_CHECK(first <= last);
  const uint64_t span = last - first;
  return span == UINT64_MAX ? next_u64() : first + below(span + 1);
}

bool SimRandom::chance_ppm(uint32_t parts) {
  if (parts == 0) return false;  // draws nothing, so a fault that is off shifts no stream
  if (parts >= kAlwaysPpm) return true;
  return below(kAlwaysPpm) < parts;
}

uint64_t SimRandom::fork_seed(std::string_view domain) {
  uint64_t seed = next_u64();
  for (const char letter : domain) {
    seed ^= static_cast<uint8_t>(letter);
    seed = splitmix64(seed);
  }
  return seed;
}

}  // namespace alfheim::sim
