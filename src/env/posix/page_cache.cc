#include "env/posix/page_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "env/disk.h"

namespace alfheim::env {
namespace {

// The kernel's; Debian 12's headers do not have them yet.
constexpr long kCachestatCall = 451;
struct CachestatRange {
  uint64_t offset_bytes;
  uint64_t length;  // 0: to the end
};
struct Cachestat {
  uint64_t cached, dirty, writeback, evicted, recently_evicted;  // pages
};

struct Free {
  void operator()(void* memory) const { free(memory); }
};

// Below the limit of open files, so many at most stay for whoever cannot do without: a segment that
// cannot be made ends the node, and a read through the page cache is merely slower.
constexpr rlim_t kLeftToOthersMax = 1024;

// The kernel gives out the lowest number that is free, so it tells how many are in use.
bool is_near_limit(int descriptor) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  const rlim_t left = std::min(kLeftToOthersMax, limit.rlim_cur / 4);
  return static_cast<rlim_t>(descriptor) >= limit.rlim_cur - left;
}

}  // namespace

std::optional<bool> is_cached(int descriptor, uint64_t offset_bytes, size_t length) {
  if (length == 0) return true;
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  CachestatRange range{offset_bytes, length};
  Cachestat found{};
  if (syscall(kCachestatCall, descriptor, &range, &found, 0) != 0) return std::nullopt;
  const uint64_t first = offset_bytes / page_bytes;
  const uint64_t last = (offset_bytes + length - 1) / page_bytes;
  return found.cached >= last - first + 1;
}

bool PassingReader::read(int descriptor, uint64_t offset_bytes, std::span<char> out) {
  if (out.size() > kBytesMax || is_refused_.load(std::memory_order_relaxed)) return false;
  // By its number, so that the file may have another name by now, or none.
  std::call_once(once_, [&] {
    const auto path = fmt::format("/proc/self/fd/{}", descriptor);
    direct_ = FileDescriptor(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    if (direct_.is_open() && is_near_limit(direct_.number())) direct_ = FileDescriptor();
  });
  if (!direct_.is_open()) return false;
  const uint64_t begin = offset_bytes - offset_bytes % kBlockBytes;
  const size_t skipped = offset_bytes - begin;
  const size_t needed = skipped + out.size();
  const size_t whole = (needed + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  const std::unique_ptr<char, Free> blocks(static_cast<char*>(aligned_alloc(kBlockBytes, whole)));
  if (blocks == nullptr) return false;
  ssize_t got = -1;
  do {
    got = pread(direct_.number(), blocks.get(), whole, static_cast<off_t>(begin));
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EINVAL) is_refused_.store(true, std::memory_order_relaxed);
  if (got < static_cast<ssize_t>(needed)) return false;
  memcpy(out.data(), blocks.get() + skipped, out.size());
  return true;
}

}  // namespace alfheim::env
