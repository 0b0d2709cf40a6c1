#include "env/posix/posix_clock.h"

#include <time.h>

#include "base/check.h"

namespace alfheim::env {

uint64_t PosixClock::monotonic_ns() const {
  timespec now{};
  ALF_CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t PosixClock::wall_us() const {
  timespec now{};
  ALF_CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

uint64_t PosixClock::thread_cpu_ns() const {
  timespec used{};
  ALF_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
  return static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(used.tv_nsec);
}

}  // namespace alfheim::env
