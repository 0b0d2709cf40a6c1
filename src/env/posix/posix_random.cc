#include "env/posix/posix_random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

namespace alfheim::env {

uint64_t PosixRandom::next_u64() {
  const std::lock_guard lock(mutex_);
  if (unused_count_ == 0) {
    // Up to 256 bytes come whole or not at all, and can only be interrupted before the
    // kernel's pool is seeded, early at boot (getrandom(2)).
    static_assert(sizeof buffer_ <= 256);
    ssize_t got = 0;
    do {
      got = getrandom(buffer_.data(), sizeof buffer_, 0);
    } while (got < 0 && errno == EINTR);
    ALF_CHECK_MSG(got == static_cast<ssize_t>(sizeof buffer_), "getrandom gave no bytes");
    unused_count_ = kBufferedCount;
  }
  return buffer_[--unused_count_];
}

}  // namespace alfheim::env
