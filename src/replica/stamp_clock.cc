#include "replica/stamp_clock.h"

#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"

namespace alfheim::replica {

void StampClock::start(base::Stamp last) {
  const std::lock_guard lock(mutex_);
  uint64_t floor_us = std::max(last.ms, told_.ms) * 1000;
  if (ALF_MUTANT(StampsGoBack)) floor_us = 0;
  anchor(clock_.monotonic_ns(), std::max(floor_us, clock_.wall_us()));
}

void StampClock::anchor(uint64_t monotonic_ns, uint64_t stamp_us) {
  anchor_ns_ = monotonic_ns;
  anchor_us_ = stamp_us;
  const uint64_t wall_us = clock_.wall_us();
  // Within a millisecond the two are equal.
  constexpr uint64_t kEqualUs = 1000;
  lean_ = wall_us > stamp_us + kEqualUs ? 1 : stamp_us > wall_us + kEqualUs ? -1 : 0;
}

base::Stamp StampClock::now() {
  const std::lock_guard lock(mutex_);
  const uint64_t monotonic_ns = clock_.monotonic_ns();
  ALF_CHECK(monotonic_ns >= anchor_ns_);
  const uint64_t elapsed_us = (monotonic_ns - anchor_ns_) / 1000;
  const uint64_t lean_us = elapsed_us / kSlewDivisor;
  uint64_t stamp_us = anchor_us_ + elapsed_us;
  if (lean_ > 0) stamp_us += lean_us;
  if (lean_ < 0) stamp_us -= lean_us;
  if (monotonic_ns - anchor_ns_ >= kAnchorNs) anchor(monotonic_ns, stamp_us);
  told_ = std::max(told_, base::Stamp{stamp_us / 1000});
  return told_;
}

}  // namespace alfheim::replica
