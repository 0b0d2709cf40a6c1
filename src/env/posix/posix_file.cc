#include "env/posix/posix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/limits.h"
#include "env/posix/posix_error.h"

namespace alfheim::env {
namespace {

constexpr mode_t kFileMode = 0640;

int open_retrying(const std::string& path, int flags) {
  int number = -1;
  do {
    number = ::open(path.c_str(), flags | O_CLOEXEC, kFileMode);
  } while (number < 0 && errno == EINTR);
  return number;
}

// Opens the second descriptor of a direct file. Not open (and no error) where the file system
// refuses O_DIRECT.
base::Result<FileDescriptor> open_direct(const std::string& path, const struct stat& expected) {
  FileDescriptor direct(open_retrying(path, O_WRONLY | O_DIRECT | O_DSYNC));
  if (!direct.is_open()) {
    if (errno == EINVAL || errno == EOPNOTSUPP) return direct;
    return error_from_errno("open for direct writes", path, errno);
  }
  struct stat found {};
  if (fstat(direct.number(), &found) != 0) return error_from_errno("fstat", path, errno);
  if (found.st_dev != expected.st_dev || found.st_ino != expected.st_ino) {
    return base::Error{base::ErrorCode::kIo,
                       fmt::format("open for direct writes {}: the name was given to another "
                                   "file meanwhile",
                                   path)};
  }
  return direct;
}

}  // namespace

base::Result<std::unique_ptr<File>> PosixFile::open(const std::string& path, OpenOptions options) {
  ALF_CHECK(!options.is_direct || options.is_writable);
  int flags = options.is_writable ? O_RDWR : O_RDONLY;
  if (options.create_new) flags |= O_CREAT | O_EXCL;
  FileDescriptor buffered(open_retrying(path, flags));
  if (!buffered.is_open()) return error_from_errno("open", path, errno);
  struct stat found {};
  if (fstat(buffered.number(), &found) != 0) return error_from_errno("fstat", path, errno);
  if (!S_ISREG(found.st_mode)) return error_from_errno("open", path, EISDIR);
  FileDescriptor direct;
  if (options.is_direct) {
    ALF_TRY(direct, open_direct(path, found));
  }
  return std::unique_ptr<File>(
      new PosixFile(path, std::move(buffered), std::move(direct), options.is_direct));
}

PosixFile::PosixFile(std::string path, FileDescriptor buffered, FileDescriptor direct,
                     bool is_direct)
    : path_(std::move(path)),
      buffered_(std::move(buffered)),
      direct_(std::move(direct)),
      is_direct_(is_direct) {
  ALF_CHECK(buffered_.is_open());
}

base::Result<size_t> PosixFile::read_at(uint64_t offset_bytes, std::span<char> out, ReadMode mode) {
  const bool is_missing = mode != ReadMode::kMayBlock && is_told_missing(offset_bytes, out.size());
  if (is_missing && mode == ReadMode::kPassing && cache_word_.load() == CacheWord::kHolds &&
      passing_.read(buffered_.number(), offset_bytes, out)) {
    return out.size();
  }
  if (is_missing && mode == ReadMode::kMemoryOnly) {
    // What lies behind the end of the file is not in memory either, but does not block. Where the
    // file has become shorter since it was asked, a read that may block will find out.
    const uint64_t wanted_end = offset_bytes + out.size();
    if (wanted_end > known_bytes_.load(std::memory_order_relaxed)) {
      ALF_TRY(const uint64_t end, size_bytes());
      known_bytes_.store(end, std::memory_order_relaxed);
    }
    if (wanted_end <= known_bytes_.load(std::memory_order_relaxed)) {
      return base::Error{base::ErrorCode::kWouldBlock, {}};
    }
  }
  base::Result<size_t> got = read_cached(offset_bytes, out, mode);
  if (got && mode != ReadMode::kMemoryOnly && cache_word_.load() == CacheWord::kUntried &&
      is_told_missing(offset_bytes, *got)) {
    note_cache_word(CacheWord::kEmpty);
  }
  return got;
}

// Whether the kernel says so, where its word holds.
bool PosixFile::is_told_missing(uint64_t offset_bytes, size_t length) {
  if (length == 0 || cache_word_.load() == CacheWord::kEmpty) return false;
  const std::optional<bool> is_there = is_cached(buffered_.number(), offset_bytes, length);
  if (is_there == true) note_cache_word(CacheWord::kHolds);
  return is_there == false;
}

// The first that is known stays.
void PosixFile::note_cache_word(CacheWord word) {
  if (cache_word_.load() != CacheWord::kUntried) return;
  CacheWord untried = CacheWord::kUntried;
  cache_word_.compare_exchange_strong(untried, word);
}

base::Result<size_t> PosixFile::read_cached(uint64_t offset_bytes, std::span<char> out,
                                            ReadMode mode) {
  const int flags = mode == ReadMode::kMemoryOnly ? RWF_NOWAIT : 0;
  size_t done = 0;
  while (done < out.size()) {
    const iovec part{out.data() + done, out.size() - done};
    const auto at = static_cast<off_t>(offset_bytes + done);
    const ssize_t got = preadv2(buffered_.number(), &part, 1, at, flags);
    if (got > 0) {
      done += static_cast<size_t>(got);
      continue;
    }
    if (got == 0) {
      if (mode != ReadMode::kMemoryOnly) break;
      // Linux 5.9 and 5.10 answer 0 under RWF_NOWAIT also where the bytes are merely not in
      // memory (preadv2(2), BUGS), so the end of the file is asked for.
      ALF_TRY(const uint64_t end, size_bytes());
      if (offset_bytes + done >= end) break;
      return base::Error{base::ErrorCode::kWouldBlock, {}};
    }
    if (errno == EINTR) continue;
    // EOPNOTSUPP: this file system cannot tell what is in memory, so every read may block.
    if (mode == ReadMode::kMemoryOnly && (errno == EAGAIN || errno == EOPNOTSUPP)) {
      return base::Error{base::ErrorCode::kWouldBlock, {}};
    }
    return failure("read", offset_bytes + done, out.size() - done, errno);
  }
  return done;
}

base::Status PosixFile::write_at(uint64_t offset_bytes, base::ByteView data) {
  ALF_TRY_STATUS(refuse_when_finished("write"));
  return write_all(buffered_.number(), offset_bytes, data);
}

base::Status PosixFile::write_at_durable(uint64_t offset_bytes, base::ByteView data) {
  if (is_direct_) {
    ALF_CHECK(offset_bytes % kBlockBytes == 0);
    ALF_CHECK(data.size() % kBlockBytes == 0);
    ALF_CHECK(reinterpret_cast<uintptr_t>(data.data()) % kBlockBytes == 0);
  }
  ALF_TRY_STATUS(refuse_when_finished("durable write"));
  base::Status written = has_direct_descriptor() ? write_direct(offset_bytes, data)
                                                 : write_then_sync(offset_bytes, data);
  if (!written.is_ok()) is_finished_ = true;
  return written;
}

base::Status PosixFile::write_direct(uint64_t offset_bytes, base::ByteView data) {
  size_t done = 0;
  while (done < data.size()) {
    const auto at = static_cast<off_t>(offset_bytes + done);
    const ssize_t put = pwrite(direct_.number(), data.data() + done, data.size() - done, at);
    if (put > 0) {
      // A short direct write may end inside a block; the block is then written again whole.
      const size_t end = done + static_cast<size_t>(put);
      const size_t whole = end - end % kBlockBytes;
      if (whole == done && end < data.size()) {
        return failure("durable write", offset_bytes + done, data.size() - done, EIO);
      }
      done = end == data.size() ? end : whole;
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EINVAL) {
      // The file system takes O_DIRECT at open but not for this write (nothing was written):
      // from now on this File syncs instead.
      is_direct_refused_ = true;
      return write_then_sync(offset_bytes + done, data.substr(done));
    }
    return failure("durable write", offset_bytes + done, data.size() - done,
                   put == 0 ? EIO : errno);
  }
  return base::ok();
}

base::Status PosixFile::write_then_sync(uint64_t offset_bytes, base::ByteView data) {
  ALF_TRY_STATUS(write_all(buffered_.number(), offset_bytes, data));
  return sync_data();
}

base::Status PosixFile::write_all(int descriptor, uint64_t offset_bytes, base::ByteView data) {
  size_t done = 0;
  while (done < data.size()) {
    const auto at = static_cast<off_t>(offset_bytes + done);
    const ssize_t put = pwrite(descriptor, data.data() + done, data.size() - done, at);
    if (put > 0) {
      done += static_cast<size_t>(put);
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    return failure("write", offset_bytes + done, data.size() - done, put == 0 ? EIO : errno);
  }
  return base::ok();
}

base::Status PosixFile::sync() {
  ALF_TRY_STATUS(refuse_when_finished("sync"));
  base::Status synced = sync_data();
  if (!synced.is_ok()) is_finished_ = true;
  return synced;
}

// Any failure counts, EINTR too: asking a second time may answer "all is well" for pages that
// the kernel has already given up.
base::Status PosixFile::sync_data() {
  if (fdatasync(buffered_.number()) != 0) return error_from_errno("fdatasync", path_, errno);
  return base::ok();
}

base::Result<uint64_t> PosixFile::size_bytes() {
  struct stat found {};
  if (fstat(buffered_.number(), &found) != 0) return error_from_errno("fstat", path_, errno);
  return static_cast<uint64_t>(found.st_size);
}

base::Status PosixFile::allocate(uint64_t size_bytes) {
  ALF_TRY_STATUS(refuse_when_finished("allocate"));
  if (size_bytes == 0) return base::ok();  // fallocate calls that an error
  int result = 0;
  do {
    result = fallocate(buffered_.number(), 0, 0, static_cast<off_t>(size_bytes));
  } while (result != 0 && errno == EINTR);
  if (result == 0) return base::ok();
  if (errno == EOPNOTSUPP || errno == ENOSYS) return fill_with_zeros(size_bytes);
  return failure("allocate", 0, size_bytes, errno);
}

// The slow way to reserve blocks: write them. Holes before the present end stay holes. The sync
// keeps the promise that a durable write makes the length durable too: it would sync its own
// bytes only, and a length that is owed to pages still in memory goes with them in a crash.
base::Status PosixFile::fill_with_zeros(uint64_t size_bytes) {
  static constexpr std::array<char, 64 * base::kKiB> kZeros{};
  ALF_TRY(uint64_t end, this->size_bytes());
  while (end < size_bytes) {
    const size_t length = std::min<uint64_t>(size_bytes - end, kZeros.size());
    ALF_TRY_STATUS(write_all(buffered_.number(), end, base::ByteView(kZeros.data(), length)));
    end += length;
  }
  return sync();
}

base::Status PosixFile::truncate(uint64_t size_bytes) {
  ALF_TRY_STATUS(refuse_when_finished("truncate"));
  int result = 0;
  do {
    result = ftruncate(buffered_.number(), static_cast<off_t>(size_bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0) return failure("truncate", 0, size_bytes, errno);
  return base::ok();
}

base::Status PosixFile::refuse_when_finished(const char* what) const {
  if (!is_finished_) return base::ok();
  return base::Error{
      base::ErrorCode::kIo,
      fmt::format("{} {}: refused, an earlier sync of this file failed", what, path_)};
}

base::Error PosixFile::failure(const char* what, uint64_t offset_bytes, size_t length,
                               int error) const {
  return error_from_errno(
      fmt::format("{} {} bytes at offset_bytes={} of", what, length, offset_bytes), path_, error);
}

}  // namespace alfheim::env
