// replica/stamp_clock: the leader's clock for log time.
//
// Stamps never go back, also across leaders: a leadership starts at the greatest stamp of the
// log or at wall time, whichever is later. Within it, stamps follow the monotonic clock, and
// lean towards wall time by at most one tenth, so that a jump of the wall clock neither
// freezes nor rushes them.
//
// Thread: any; a mutex guards the anchor. Lifetime: `clock` outlives it.
#pragma once

#include <cstdint>
#include <mutex>

#include "base/ids.h"
#include "env/clock.h"

namespace alfheim::replica {

class StampClock {
 public:
  explicit StampClock(const env::Clock& clock) : clock_(clock) {}

  // A leadership begins; `last` is the greatest stamp that the log holds.
  void start(base::Stamp last);
  // The time now; issue() will never give less.
  base::Stamp now();
  // A stamp for an entry: now(), and no earlier than any issued or told before.
  base::Stamp issue() { return now(); }

 private:
  static constexpr uint64_t kSlewDivisor = 10;
  // Re-anchored this often, so that the lean follows the wall clock.
  static constexpr uint64_t kAnchorNs = 50'000'000;

  void anchor(uint64_t monotonic_ns, uint64_t stamp_us);

  const env::Clock& clock_;
  std::mutex mutex_;  // guards all below
  uint64_t anchor_ns_ = 0;
  uint64_t anchor_us_ = 0;  // the stamp at the anchor, in microseconds
  int lean_ = 0;            // -1, 0, 1: a tenth slower, equal, a tenth faster
  base::Stamp told_;
};

}  // namespace alfheim::replica
