// vlog/aligned_buffer: memory that a direct write can take (env::kBlockBytes aligned).
//
// Grows to the largest size ever asked for and keeps it; the caller's limit bounds it.
// Thread: one at a time.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "base/check.h"
#include "env/disk.h"

namespace alfheim::vlog {

class AlignedBuffer {
 public:
  // At least `bytes`, a multiple of the block; what was in it is lost.
  char* reserve(size_t bytes) {
    ALF_CHECK(bytes % env::kBlockBytes == 0);
    if (bytes > capacity_bytes_) {
      memory_.reset(static_cast<char*>(std::aligned_alloc(env::kBlockBytes, bytes)));
      ALF_CHECK_MSG(memory_ != nullptr, "out of memory");
      capacity_bytes_ = bytes;
    }
    return memory_.get();
  }
  // A copy of `bytes`, aligned; valid until the next call.
  base::ByteView copy_of(base::ByteView bytes) {
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    return {memory_.get(), bytes.size()};
  }

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::unique_ptr<char, Free> memory_;
  size_t capacity_bytes_ = 0;
};

}  // namespace alfheim::vlog
