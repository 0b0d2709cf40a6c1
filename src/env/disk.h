// env/disk: the seam through which every file is touched (the index's RocksDB excepted).
//
// A Disk names files by path; a File is one open file, read and written at offsets.
// What is durable when:
//   - bytes of write_at: after the next successful sync() of a File of that file;
//   - bytes of write_at_durable, and the file's length with them: when it returns;
//   - a name (create, rename, unlink, link, make_dir, remove_dir): after sync_dir of its directory.
// A failed sync or durable write finishes the File: nobody may retry it, because the page
// cache may have dropped the bytes (promise 2). The owner stops the node.
//
// Hands: env/posix/posix_disk (real), sim/hands/sim_disk (keeps any subset of unsynced sectors
// at a crash, tears, rots, fails, fills up).
//
// Thread: a Disk and its Files may be used from any thread; two calls that touch the same
// bytes of a file are the caller's to order. Lifetime: the Disk outlives its Files.
// Errors: kNotFound, kAlreadyExists, kNoSpace, kIo; the message names call, path and errno.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace alfheim::env {

// Whether a read may wait for the disk. kMemoryOnly answers kWouldBlock instead, and where the
// hand can tell what is in memory it asks nothing of the disk. kPassing may wait as kMayBlock; what
// it had to fetch need not stay in memory: it makes no room there, at the cost of what is there.
enum class ReadMode : unsigned char { kMemoryOnly, kMayBlock, kPassing };

class File {
 public:
  virtual ~File() = default;

  // Reads up to out.size() bytes at `offset_bytes`; fewer only at the end of the file.
  virtual base::Result<size_t> read_at(uint64_t offset_bytes, std::span<char> out,
                                       ReadMode mode = ReadMode::kMayBlock) = 0;
  // Writes all of `data`, extending the file where needed. Not durable before sync().
  virtual base::Status write_at(uint64_t offset_bytes, base::ByteView data) = 0;
  // Writes all of `data` and returns when it is on stable storage. In a file opened with
  // `is_direct`, offset, length and address of `data` must be multiples of kBlockBytes, and
  // over pre-written blocks this is one system call (O_DIRECT + O_DSYNC).
  virtual base::Status write_at_durable(uint64_t offset_bytes, base::ByteView data) = 0;
  virtual base::Status sync() = 0;  // data and size (fdatasync)
  virtual base::Result<uint64_t> size_bytes() = 0;
  // Reserves blocks for [0, size_bytes) and makes the file that long, filled with zeros.
  virtual base::Status allocate(uint64_t size_bytes) = 0;
  virtual base::Status truncate(uint64_t size_bytes) = 0;
};

// Unit of direct writes, and the least that a disk is assumed to write as a whole
// physically; nothing durable is ever rewritten by a later write to the same block.
inline constexpr size_t kBlockBytes = 4096;

// Holds an exclusive lock on a file while it lives.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct OpenOptions {
  bool is_writable = false;
  bool create_new = false;  // fails with kAlreadyExists where the file is there
  bool is_direct = false;   // see File::write_at_durable
};

class Disk {
 public:
  virtual ~Disk() = default;

  virtual base::Result<std::unique_ptr<File>> open(const std::string& path,
                                                   OpenOptions options) = 0;
  virtual base::Status rename(const std::string& from, const std::string& to) = 0;
  virtual base::Status unlink(const std::string& path) = 0;
  virtual base::Status link(const std::string& from, const std::string& to) = 0;
  virtual base::Result<uint64_t> link_count(const std::string& path) = 0;
  virtual base::Result<bool> exists(const std::string& path) = 0;
  virtual base::Status make_dir(const std::string& path) = 0;  // success where it is there already
  virtual base::Status remove_dir(const std::string& path) = 0;  // an empty one; kIo for another
  virtual base::Status sync_dir(const std::string& path) = 0;
  // Names (not paths) of the entries of a directory, sorted.
  virtual base::Result<std::vector<std::string>> list(const std::string& path) = 0;
  // kAlreadyExists where another process (or Disk user) holds it.
  virtual base::Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  virtual base::Result<uint64_t> free_bytes(const std::string& path) = 0;
};

}  // namespace alfheim::env
