#include "sim/hands/sim_disk_file.h"

#include <fmt/format.h>

#include "base/check.h"

namespace alfheim::sim {
namespace {

using Kind = DiskOperationKind;

// Larger files are a bug of the caller in any test of ours (and would fill our own memory).
constexpr uint64_t kFileBytesMax = uint64_t{1} << 40;

}  // namespace

SimDisk::SimFile::SimFile(SimDisk& disk, InodePtr inode, std::string path, env::OpenOptions options)
    : disk_(disk),
      inode_(std::move(inode)),
      path_(std::move(path)),
      options_(options),
      generation_(disk.generation_) {}

base::Error SimDisk::SimFile::failure(base::ErrorCode code, const char* what,
                                      const char* found) const {
  return base::Error{code, fmt::format("{} {}: {} (simulated)", what, path_, found)};
}

base::Status SimDisk::SimFile::refuse_when_dead(const char* what) const {
  if (generation_ == disk_.generation_) return base::ok();
  return failure(base::ErrorCode::kIo, what, "opened before a crash");
}

base::Status SimDisk::SimFile::refuse_change(const char* what) const {
  ALF_TRY_STATUS(refuse_when_dead(what));
  if (!options_.is_writable) return failure(base::ErrorCode::kIo, what, "opened for reading");
  if (is_finished_) {
    return failure(base::ErrorCode::kIo, what, "refused, an earlier sync of this file failed");
  }
  return base::ok();
}

base::Status SimDisk::SimFile::refuse_without_room(const char* what, uint64_t size_bytes) const {
  ALF_CHECK(size_bytes <= kFileBytesMax);
  if (disk_.has_room(*inode_, size_bytes)) return base::ok();
  return failure(base::ErrorCode::kNoSpace, what, "the disk is full");
}

base::Result<size_t> SimDisk::SimFile::read_at(uint64_t offset_bytes, std::span<char> out,
                                               env::ReadMode mode) {
  const std::lock_guard lock(disk_.mutex_);
  ALF_TRY_STATUS(refuse_when_dead("read"));
  const DiskOrder order = disk_.decide(Kind::kRead, path_, offset_bytes, out.size());
  size_t count = 0;
  ALF_TRY_STATUS(disk_.carry_out(
      order, Kind::kRead, path_,
      [&]() -> base::Status {
        if (mode == env::ReadMode::kMemoryOnly && disk_.random_.chance_ppm(disk_.cold_read_ppm_)) {
          return base::Error{base::ErrorCode::kWouldBlock, {}};
        }
        if (inode_->image.is_unreadable(offset_bytes, out.size())) {
          return failure(base::ErrorCode::kIo, "read", "an unreadable sector");
        }
        count = inode_->image.read(offset_bytes, out);
        return base::ok();
      },
      [] {}));
  return count;
}

base::Status SimDisk::SimFile::write_at(uint64_t offset_bytes, base::ByteView data) {
  const std::lock_guard lock(disk_.mutex_);
  ALF_TRY_STATUS(refuse_change("write"));
  const DiskOrder order = disk_.decide(Kind::kWrite, path_, offset_bytes, data.size());
  FileImage& image = inode_->image;
  const bool is_refused = order == DiskOrder::kFailIo || order == DiskOrder::kFailNoSpace;
  if (is_refused && !data.empty()) {
    // pwrite had put the first part where the error met it.
    const size_t part = disk_.random_.below(data.size());
    if (disk_.has_room(*inode_, offset_bytes + part))
      image.write(offset_bytes, data.substr(0, part));
  }
  return disk_.carry_out(
      order, Kind::kWrite, path_,
      [&]() -> base::Status {
        ALF_TRY_STATUS(refuse_without_room("write", offset_bytes + data.size()));
        image.write(offset_bytes, data);
        return base::ok();
      },
      [&] {
        if (order == DiskOrder::kCrashUnsynced) return image.write(offset_bytes, data);
        image.write_some(offset_bytes, data, disk_.random_);
      });
}

base::Status SimDisk::SimFile::write_at_durable(uint64_t offset_bytes, base::ByteView data) {
  if (options_.is_direct) {
    ALF_CHECK(offset_bytes % env::kBlockBytes == 0);
    ALF_CHECK(data.size() % env::kBlockBytes == 0);
    ALF_CHECK(reinterpret_cast<uintptr_t>(data.data()) % env::kBlockBytes == 0);
  }
  const std::lock_guard lock(disk_.mutex_);
  ALF_TRY_STATUS(refuse_change("durable write"));
  const DiskOrder order = disk_.decide(Kind::kWriteDurable, path_, offset_bytes, data.size());
  FileImage& image = inode_->image;
  if (order == DiskOrder::kFailIo || order == DiskOrder::kFailNoSpace) {
    if (disk_.has_room(*inode_, offset_bytes + data.size())) {
      image.write_some(offset_bytes, data, disk_.random_);
      image.fail_sync(disk_.random_);
    }
  }
  base::Status written = disk_.carry_out(
      order, Kind::kWriteDurable, path_,
      [&]() -> base::Status {
        ALF_TRY_STATUS(refuse_without_room("durable write", offset_bytes + data.size()));
        image.write(offset_bytes, data);
        image.sync_range(offset_bytes, data.size());
        return base::ok();
      },
      [&] {
        if (order == DiskOrder::kCrashUnsynced) return image.write(offset_bytes, data);
        image.write_some(offset_bytes, data, disk_.random_);
      });
  if (!written.is_ok()) is_finished_ = true;
  return written;
}

base::Status SimDisk::SimFile::sync() {
  const std::lock_guard lock(disk_.mutex_);
  ALF_TRY_STATUS(refuse_when_dead("sync"));
  if (is_finished_) return refuse_change("sync");
  const DiskOrder order = disk_.decide(Kind::kSync, path_);
  FileImage& image = inode_->image;
  if (order == DiskOrder::kFailIo || order == DiskOrder::kFailNoSpace) {
    image.fail_sync(disk_.random_);
  }
  base::Status synced = disk_.carry_out(
      order, Kind::kSync, path_,
      [&] {
        image.sync();
        return base::ok();
      },
      [&] {
        if (order != DiskOrder::kCrashUnsynced) image.sync_some(disk_.random_);
      });
  if (!synced.is_ok()) is_finished_ = true;
  return synced;
}

base::Result<uint64_t> SimDisk::SimFile::size_bytes() {
  const std::lock_guard lock(disk_.mutex_);
  ALF_TRY_STATUS(refuse_when_dead("size of"));
  ALF_TRY_STATUS(disk_.operate(Kind::kInspect, path_, [] { return base::ok(); }));
  return inode_->image.size_bytes();
}

base::Status SimDisk::SimFile::allocate(uint64_t size_bytes) {
  const std::lock_guard lock(disk_.mutex_);
  ALF_TRY_STATUS(refuse_change("allocate"));
  return disk_.operate(Kind::kAllocate, path_, [&]() -> base::Status {
    if (size_bytes <= inode_->image.size_bytes()) return base::ok();
    ALF_TRY_STATUS(refuse_without_room("allocate", size_bytes));
    inode_->image.set_size(size_bytes);
    return base::ok();
  });
}

base::Status SimDisk::SimFile::truncate(uint64_t size_bytes) {
  const std::lock_guard lock(disk_.mutex_);
  ALF_TRY_STATUS(refuse_change("truncate"));
  return disk_.operate(Kind::kTruncate, path_, [&]() -> base::Status {
    ALF_TRY_STATUS(refuse_without_room("truncate", size_bytes));
    inode_->image.set_size(size_bytes);
    return base::ok();
  });
}

}  // namespace alfheim::sim
