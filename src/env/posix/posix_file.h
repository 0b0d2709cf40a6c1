// env/posix/posix_file: one open file of the machine.
//
// Reads and buffered writes go through the page cache. A File opened with is_direct has a
// second descriptor, O_DIRECT | O_DSYNC, for write_at_durable; where the file system refuses
// O_DIRECT (EINVAL), a durable write is pwrite + fdatasync instead. Kernel and page cache stay
// coherent: a direct write drops the cached pages that it covers.
//
// Where the kernel says what is cached (page_cache), a read in kMemoryOnly starts nothing, and
// one in kPassing goes around the cache for what is not there, by a descriptor opened for the
// first of them. Elsewhere RWF_NOWAIT has begun to fill the cache by the time that it answers, so
// kPassing is kMayBlock. So is the first of a file: it shows whether the kernel's word holds.
//
// A sync or durable write that failed finishes the File: later writes and syncs answer kIo
// without asking the kernel, because fsync reports an error once and a retry would lie.
//
// Thread: any; two calls that touch the same bytes are the caller's to order.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "env/disk.h"
#include "env/posix/file_descriptor.h"
#include "env/posix/page_cache.h"

namespace alfheim::env {

class PosixFile final : public File {
 public:
  static base::Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options);

  base::Result<size_t> read_at(uint64_t offset_bytes, std::span<char> out, ReadMode mode) override;
  base::Status write_at(uint64_t offset_bytes, base::ByteView data) override;
  base::Status write_at_durable(uint64_t offset_bytes, base::ByteView data) override;
  base::Status sync() override;
  base::Result<uint64_t> size_bytes() override;
  base::Status allocate(uint64_t size_bytes) override;
  base::Status truncate(uint64_t size_bytes) override;

  // Whether durable writes really bypass the page cache (for tests and the log).
  bool has_direct_descriptor() const { return direct_.is_open() && !is_direct_refused_; }

 private:
  PosixFile(std::string path, FileDescriptor buffered, FileDescriptor direct, bool is_direct);

  // What the kernel says is cached of this file. On overlayfs, say, never anything: the pages are
  // those of the file below. So its word counts once it has called something cached, and no more
  // once it has called missing what was just read.
  enum class CacheWord : uint8_t { kUntried, kHolds, kEmpty };

  bool is_told_missing(uint64_t offset_bytes, size_t length);
  void note_cache_word(CacheWord word);
  base::Result<size_t> read_cached(uint64_t offset_bytes, std::span<char> out, ReadMode mode);
  base::Status write_all(int descriptor, uint64_t offset_bytes, base::ByteView data);
  base::Status write_direct(uint64_t offset_bytes, base::ByteView data);
  base::Status write_then_sync(uint64_t offset_bytes, base::ByteView data);
  base::Status sync_data();
  base::Status fill_with_zeros(uint64_t size_bytes);
  base::Status refuse_when_finished(const char* what) const;
  base::Error failure(const char* what, uint64_t offset_bytes, size_t length, int error) const;

  const std::string path_;
  const FileDescriptor buffered_;
  const FileDescriptor direct_;  // open only when the file system took O_DIRECT
  PassingReader passing_;
  std::atomic<CacheWord> cache_word_ = CacheWord::kUntried;
  std::atomic<uint64_t> known_bytes_ = 0;  // how long the file was when that was asked last
  const bool is_direct_;  // as the caller asked: alignment is checked even in fallback
  std::atomic<bool> is_direct_refused_ = false;  // the open took O_DIRECT, a write did not
  std::atomic<bool> is_finished_ = false;
};

}  // namespace alfheim::env
