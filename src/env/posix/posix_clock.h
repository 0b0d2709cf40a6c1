// env/posix/posix_clock: the machine's own clocks.
//
// Monotonic time is CLOCK_BOOTTIME, so that a lease or a timeout does not sleep through a
// suspend; wall time is CLOCK_REALTIME.
//
// Thread: any. Lifetime: stateless.
#pragma once

#include "env/clock.h"

namespace alfheim::env {

class PosixClock final : public Clock {
 public:
  uint64_t monotonic_ns() const override;
  uint64_t wall_us() const override;
  uint64_t thread_cpu_ns() const override;
};

}  // namespace alfheim::env
