// env/posix/posix_random: chance from the kernel.
//
// Every number is the kernel's own (getrandom), fetched a buffer at a time, so that ids made
// by different nodes, also by clones of one virtual machine, do not repeat.
//
// Thread: any (a mutex guards the buffer). Lifetime: owns its buffer.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>

#include "env/random.h"

namespace alfheim::env {

class PosixRandom final : public Random {
 public:
  uint64_t next_u64() override;

 private:
  static constexpr size_t kBufferedCount = 32;

  std::mutex mutex_;  // guards both members below
  std::array<uint64_t, kBufferedCount> buffer_{};
  size_t unused_count_ = 0;
};

}  // namespace alfheim::env
