// env/posix/page_cache: what the kernel has in memory of a file, and reads around it.
//
// A read through the page cache costs twice what one around it does where the bytes are not
// there (16 KiB: 19 µs of CPU against 9), and pushes out others' pages: worth it only for what
// will be read again.
//
// Thread: any. Lifetime: a PassingReader lives as long as the descriptor that it is given.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

#include "env/posix/file_descriptor.h"

namespace alfheim::env {

// Whether all pages of these bytes are in the page cache, or on their way there; asks nothing of
// the disk. nullopt: this kernel does not say (cachestat came with Linux 6.5), or may not.
std::optional<bool> is_cached(int descriptor, uint64_t offset_bytes, size_t length);

// Reads one file around the page cache.
class PassingReader {
 public:
  // Longer reads are rarer than what they take: the cache's own ways suit them well.
  static constexpr size_t kBytesMax = 1024 * 1024;

  // All of `out`, or false: then nothing was read, for whatever reason, and a read through the
  // page cache will do it or say what is wrong. `descriptor` is the file, open for reading.
  bool read(int descriptor, uint64_t offset_bytes, std::span<char> out);

 private:
  std::once_flag once_;    // guards the opening of direct_
  FileDescriptor direct_;  // not open where the file system refuses O_DIRECT, or few are left
  std::atomic<bool> is_refused_ = false;  // the open took O_DIRECT, a read did not
};

}  // namespace alfheim::env
