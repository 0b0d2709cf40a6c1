#include "sim/hands/sim_disk.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "sim/hands/sim_disk_file.h"

namespace alfheim::sim {

using Kind = DiskOperationKind;

bool changes_disk(DiskOperationKind kind) {
  switch (kind) {
    case Kind::kOpen:
    case Kind::kRead:
    case Kind::kInspect: return false;
    case Kind::kCreate:
    case Kind::kWrite:
    case Kind::kWriteDurable:
    case Kind::kSync:
    case Kind::kAllocate:
    case Kind::kTruncate:
    case Kind::kRename:
    case Kind::kUnlink:
    case Kind::kLink:
    case Kind::kMakeDir:
    case Kind::kRemoveDir:
    case Kind::kSyncDir:
    case Kind::kLock: return true;
  }
  return true;
}

std::string_view disk_operation_name(DiskOperationKind kind) {
  switch (kind) {
    case Kind::kOpen: return "open";
    case Kind::kCreate: return "create";
    case Kind::kRead: return "read";
    case Kind::kWrite: return "write";
    case Kind::kWriteDurable: return "durable write";
    case Kind::kSync: return "sync";
    case Kind::kAllocate: return "allocate";
    case Kind::kTruncate: return "truncate";
    case Kind::kRename: return "rename";
    case Kind::kUnlink: return "unlink";
    case Kind::kLink: return "link";
    case Kind::kMakeDir: return "make directory";
    case Kind::kRemoveDir: return "remove directory";
    case Kind::kSyncDir: return "sync directory";
    case Kind::kLock: return "lock";
    case Kind::kInspect: return "inspect";
  }
  return "?";
}

class SimDisk::SimFileLock final : public env::FileLock {
 public:
  SimFileLock(SimDisk& disk, const Inode* inode)
      : disk_(disk), inode_(inode), generation_(disk.generation_) {}
  ~SimFileLock() override {
    const std::lock_guard lock(disk_.mutex_);
    // A lock of before a crash is gone already, and another may hold the file now.
    if (generation_ == disk_.generation_) disk_.locked_.erase(inode_);
  }

 private:
  SimDisk& disk_;
  const Inode* inode_;
  const uint64_t generation_;
};

SimDisk::SimDisk(Options options)
    : random_(options.seed),
      capacity_bytes_(options.capacity_bytes),
      cold_read_ppm_(options.cold_read_ppm),
      orders_appends_(options.orders_appends) {}

SimDisk::~SimDisk() = default;

DiskOrder SimDisk::decide(DiskOperationKind kind, std::string_view path, uint64_t offset_bytes,
                          uint64_t length) {
  if (is_down_) return DiskOrder::kCrashBefore;
  ++operation_count_;
  if (changes_disk(kind)) ++change_count_;
  DiskOrder order = DiskOrder::kProceed;
  for (Fault& fault : faults_) {
    if (fault.kind != kind || fault.occurrences_left == 0) continue;
    if (--fault.occurrences_left > 0) continue;
    order = fault.code == base::ErrorCode::kNoSpace ? DiskOrder::kFailNoSpace : DiskOrder::kFailIo;
  }
  std::erase_if(faults_, [](const Fault& fault) { return fault.occurrences_left == 0; });
  if (order != DiskOrder::kProceed || hook_ == nullptr) return order;
  return hook_(DiskOperation{.kind = kind,
                             .number = operation_count_,
                             .change_number = changes_disk(kind) ? change_count_ : 0,
                             .path = path,
                             .offset_bytes = offset_bytes,
                             .length = length});
}

base::Status SimDisk::carry_out(DiskOrder order, DiskOperationKind kind, std::string_view path,
                                absl::FunctionRef<base::Status()> whole,
                                absl::FunctionRef<void()> part) {
  const auto failure = [&](base::ErrorCode code, const char* found) {
    return base::Error{
        code, fmt::format("{} {}: {} (simulated)", disk_operation_name(kind), path, found)};
  };
  switch (order) {
    case DiskOrder::kProceed: return whole();
    case DiskOrder::kFailIo: return failure(base::ErrorCode::kIo, "EIO was ordered");
    case DiskOrder::kFailNoSpace: return failure(base::ErrorCode::kNoSpace, "ENOSPC was ordered");
    case DiskOrder::kCrashBefore: break;
    case DiskOrder::kCrashUnsynced:
    case DiskOrder::kCrashDuring: part(); break;
    case DiskOrder::kCrashAfter: {
      // Whether it worked is nobody's business any more: the caller is dead.
      const base::Status unheard = whole();
      static_cast<void>(unheard);
      break;
    }
  }
  is_down_ = true;
  return failure(base::ErrorCode::kIo, "the machine is down");
}

base::Status SimDisk::operate(DiskOperationKind kind, std::string_view path,
                              absl::FunctionRef<base::Status()> whole) {
  DiskOrder order = decide(kind, path);
  if (order == DiskOrder::kCrashUnsynced) order = DiskOrder::kCrashAfter;
  if (order == DiskOrder::kCrashDuring) {
    order = random_.coin() ? DiskOrder::kCrashBefore : DiskOrder::kCrashAfter;
  }
  return carry_out(order, kind, path, whole, [] {});
}

base::Result<std::unique_ptr<env::File>> SimDisk::open(const std::string& path,
                                                       env::OpenOptions options) {
  ALF_CHECK(!options.is_direct || options.is_writable);
  const std::lock_guard lock(mutex_);
  InodePtr inode;
  ALF_TRY_STATUS(
      operate(options.create_new ? Kind::kCreate : Kind::kOpen, path, [&]() -> base::Status {
        if (options.create_new) {
          ALF_TRY(inode, names_.create(path, false));
          if (orders_appends_) inode->image.order_appends();
          return base::ok();
        }
        ALF_TRY(inode, names_.find(path));
        if (!inode->is_directory) return base::ok();
        return base::Error{base::ErrorCode::kIo, fmt::format("open {}: a directory", path)};
      }));
  return std::unique_ptr<env::File>(
      std::make_unique<SimFile>(*this, std::move(inode), path, options));
}

base::Status SimDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  return operate(Kind::kRename, from, [&] { return names_.rename(from, to); });
}

base::Status SimDisk::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return operate(Kind::kUnlink, path, [&] { return names_.unlink(path); });
}

base::Status SimDisk::link(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  return operate(Kind::kLink, from, [&] { return names_.link(from, to); });
}

base::Result<uint64_t> SimDisk::link_count(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ALF_TRY_STATUS(operate(Kind::kInspect, path, [] { return base::ok(); }));
  return names_.link_count(path);
}

base::Result<bool> SimDisk::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ALF_TRY_STATUS(operate(Kind::kInspect, path, [] { return base::ok(); }));
  return names_.find(path).is_ok();
}

base::Status SimDisk::make_dir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return operate(Kind::kMakeDir, path, [&]() -> base::Status {
    const auto found = names_.find(path);
    if (found.is_ok() && (*found)->is_directory) return base::ok();
    ALF_TRY_STATUS(names_.create(path, true));
    return base::ok();
  });
}

base::Status SimDisk::remove_dir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return operate(Kind::kRemoveDir, path, [&] { return names_.remove_dir(path); });
}

base::Status SimDisk::sync_dir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const DiskOrder order = decide(Kind::kSyncDir, path);
  return carry_out(
      order, Kind::kSyncDir, path, [&] { return names_.sync_dir(path); },
      [&] {
        if (order == DiskOrder::kCrashUnsynced) return;
        // A directory that is not there has nothing to sync in part.
        const base::Status unheard = names_.sync_dir_some(path, random_);
        static_cast<void>(unheard);
      });
}

base::Result<std::vector<std::string>> SimDisk::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ALF_TRY_STATUS(operate(Kind::kInspect, path, [] { return base::ok(); }));
  return names_.list(path);
}

base::Result<std::unique_ptr<env::FileLock>> SimDisk::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  InodePtr inode;
  ALF_TRY_STATUS(operate(Kind::kLock, path, [&]() -> base::Status {
    auto found = names_.find(path);
    if (!found.is_ok()) found = names_.create(path, false);
    ALF_TRY(inode, std::move(found));
    if (!locked_.contains(inode.get())) return base::ok();
    return base::Error{base::ErrorCode::kAlreadyExists,
                       fmt::format("lock {}: held by another process (simulated)", path)};
  }));
  const Inode* held = inode.get();
  locked_.emplace(held, std::move(inode));
  return std::unique_ptr<env::FileLock>(std::make_unique<SimFileLock>(*this, held));
}

base::Result<uint64_t> SimDisk::free_bytes(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ALF_TRY_STATUS(operate(Kind::kInspect, path, [] { return base::ok(); }));
  ALF_TRY_STATUS(names_.find(path));
  const uint64_t used = names_.allocated_bytes();
  return used < capacity_bytes_ ? capacity_bytes_ - used : 0;
}

void SimDisk::crash(const CrashOptions& options) {
  const std::lock_guard lock(mutex_);
  names_.crash(random_, options);
  restart();
}

void SimDisk::kill_process() {
  const std::lock_guard lock(mutex_);
  restart();
}

void SimDisk::restart() {
  ++generation_;
  is_down_ = false;
  locked_.clear();
  faults_.clear();
}

void SimDisk::go_down() {
  const std::lock_guard lock(mutex_);
  is_down_ = true;
}

bool SimDisk::is_down() const {
  const std::lock_guard lock(mutex_);
  return is_down_;
}

void SimDisk::set_operation_hook(DiskOperationHook hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void SimDisk::fail_operation(DiskOperationKind kind, uint64_t occurrence, base::ErrorCode code) {
  ALF_CHECK(occurrence > 0);
  const std::lock_guard lock(mutex_);
  faults_.push_back(Fault{.kind = kind, .occurrences_left = occurrence, .code = code});
}

void SimDisk::set_capacity_bytes(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_bytes_ = bytes;
}

void SimDisk::set_cold_read_ppm(uint32_t parts) {
  const std::lock_guard lock(mutex_);
  cold_read_ppm_ = parts;
}

void SimDisk::flip_bit(const std::string& path, uint64_t offset_bytes, unsigned bit) {
  const std::lock_guard lock(mutex_);
  existing_file(path).image.flip_bit(offset_bytes, bit);
}

void SimDisk::make_unreadable(const std::string& path, uint64_t offset_bytes, size_t length) {
  const std::lock_guard lock(mutex_);
  existing_file(path).image.make_unreadable(offset_bytes, length);
}

Inode& SimDisk::existing_file(const std::string& path) {
  const auto found = names_.find(path);
  ALF_CHECK_MSG(found.is_ok(), "a fault was ordered for a file that is not there");
  return **found;
}

uint64_t SimDisk::operation_count() const {
  const std::lock_guard lock(mutex_);
  return operation_count_;
}

uint64_t SimDisk::change_count() const {
  const std::lock_guard lock(mutex_);
  return change_count_;
}

size_t SimDisk::unsynced_sector_count() const {
  const std::lock_guard lock(mutex_);
  return names_.unsynced_sector_count();
}

size_t SimDisk::unsynced_name_count() const {
  const std::lock_guard lock(mutex_);
  return names_.unsynced_operation_count();
}

// Whether growing this file to `size_bytes` fits the disk; what is there already always does.
bool SimDisk::has_room(const Inode& inode, uint64_t size_bytes) const {
  const uint64_t present = inode.image.allocated_bytes();
  const uint64_t wanted = (size_bytes + env::kBlockBytes - 1) / env::kBlockBytes * env::kBlockBytes;
  if (wanted <= present) return true;
  const uint64_t used = names_.allocated_bytes();
  return used - std::min(used, present) + wanted <= capacity_bytes_;
}

}  // namespace alfheim::sim
