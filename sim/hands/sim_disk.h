// sim/hands/sim_disk: a disk in memory that forgets, tears, rots, fails and fills up.
//
// Promises exactly what env/disk.h promises and nothing more. Until a sync, what was written is
// seen by every reader but may be lost at `crash`, any subset of it: sectors (sim_file_image)
// and names (sim_names) alike, all from the seed.
//
// Faults: `fail_operation` fails the k-th operation of a kind; `set_operation_hook` is asked
// before each operation and may order an error or a crash before, in the midst of, or after it.
// After such a crash every call answers kIo (is_down) until the owner calls crash() or
// kill_process(), as a dead machine would; Files and locks opened before then are dead for good.
// Both also forget the faults still ordered by fail_operation; the hook stays.
//
// Thread: as env::Disk (one mutex guards everything); the hook runs under that mutex, so it must
// not call the disk (reseed apart). Lifetime: outlives its Files and locks. Parents must exist; "/"
// always does.
#pragma once

#include <absl/functional/function_ref.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "env/disk.h"
#include "sim/hands/sim_names.h"
#include "sim/hands/sim_random.h"

namespace alfheim::sim {

enum class DiskOperationKind : unsigned char {
  kOpen,  // of a file that is there
  kCreate,
  kRead,
  kWrite,
  kWriteDurable,
  kSync,
  kAllocate,
  kTruncate,
  kRename,
  kUnlink,
  kLink,
  kMakeDir,
  kRemoveDir,
  kSyncDir,
  kLock,
  kInspect,  // size, exists, link_count, list, free_bytes
};

// Whether a crash at this operation can leave anything different on the disk.
bool changes_disk(DiskOperationKind kind);
std::string_view disk_operation_name(DiskOperationKind kind);

struct DiskOperation {
  DiskOperationKind kind;
  uint64_t number;         // of all operations so far, from 1
  uint64_t change_number;  // of those with changes_disk, from 1; 0 for the others
  std::string_view path;   // borrowed for the call
  uint64_t offset_bytes = 0;
  uint64_t length = 0;
};

// What the hook may order.
enum class DiskOrder : unsigned char {
  kProceed,
  kFailIo,
  kFailNoSpace,
  kCrashBefore,  // nothing of the operation happened
  kCrashDuring,  // some sectors (or names) of it happened
  kCrashAfter,   // all of it happened, but nobody was told
  // All of it can be seen and none of it is durable: what a kill may leave of a durable write.
  kCrashUnsynced,
};

using DiskOperationHook = std::function<DiskOrder(const DiskOperation&)>;

class SimDisk final : public env::Disk {
 public:
  struct Options {
    uint64_t seed = 1;
    uint32_t cold_read_ppm = 0;  // kMemoryOnly reads that answer kWouldBlock
    uint64_t capacity_bytes = uint64_t{1} << 40;
    bool orders_appends = false;  // FileImage::order_appends, for all files
  };
  SimDisk() : SimDisk(Options{}) {}
  explicit SimDisk(Options options);
  ~SimDisk() override;

  base::Result<std::unique_ptr<env::File>> open(const std::string& path,
                                                env::OpenOptions options) override;
  base::Status rename(const std::string& from, const std::string& to) override;
  base::Status unlink(const std::string& path) override;
  base::Status link(const std::string& from, const std::string& to) override;
  base::Result<uint64_t> link_count(const std::string& path) override;
  base::Result<bool> exists(const std::string& path) override;
  base::Status make_dir(const std::string& path) override;
  base::Status remove_dir(const std::string& path) override;
  base::Status sync_dir(const std::string& path) override;
  base::Result<std::vector<std::string>> list(const std::string& path) override;
  base::Result<std::unique_ptr<env::FileLock>> lock(const std::string& path) override;
  base::Result<uint64_t> free_bytes(const std::string& path) override;

  // The machine loses power and comes back: see CrashOptions.
  void crash(const CrashOptions& options = {});
  // Only the process dies (kill -9): the page cache lives on, and is still not synced.
  void kill_process();
  // From now on every call answers kIo, until crash() or kill_process().
  void go_down();
  bool is_down() const;

  void set_operation_hook(DiskOperationHook hook);  // null takes it away
  // What is torn, kept and lost from here on is another seed's. The one call that the hook may
  // make: the same operation can then be cut in more than one way.
  void reseed(uint64_t seed) { random_.reseed(seed); }
  // The `occurrence`-th operation of `kind` from now (1 is the next) fails, once.
  void fail_operation(DiskOperationKind kind, uint64_t occurrence, base::ErrorCode code);
  void set_capacity_bytes(uint64_t bytes);
  void set_cold_read_ppm(uint32_t parts);
  // Rot of what is stored. The file must be there and hold that offset.
  void flip_bit(const std::string& path, uint64_t offset_bytes, unsigned bit = 0);
  // Reads of these bytes answer kIo until they are written again.
  void make_unreadable(const std::string& path, uint64_t offset_bytes, size_t length);

  uint64_t operation_count() const;
  uint64_t change_count() const;  // operations with changes_disk
  // What a crash now could lose: zero of both proves that everything was synced.
  size_t unsynced_sector_count() const;
  size_t unsynced_name_count() const;

 private:
  class SimFile;
  class SimFileLock;
  struct Fault {
    DiskOperationKind kind;
    uint64_t occurrences_left;
    base::ErrorCode code;
  };

  // Asks faults and hook what becomes of an operation. Never kProceed while down.
  DiskOrder decide(DiskOperationKind kind, std::string_view path, uint64_t offset_bytes = 0,
                   uint64_t length = 0);
  // Runs `whole` as `order` has it; `part` is what kCrashDuring
  // and kCrashUnsynced leave behind.
  base::Status carry_out(DiskOrder order, DiskOperationKind kind, std::string_view path,
                         absl::FunctionRef<base::Status()> whole, absl::FunctionRef<void()> part);
  // The same for an operation that happens whole or not at all.
  base::Status operate(DiskOperationKind kind, std::string_view path,
                       absl::FunctionRef<base::Status()> whole);
  bool has_room(const Inode& inode, uint64_t size_bytes) const;
  void restart();
  Inode& existing_file(const std::string& path);

  mutable std::mutex mutex_;  // guards all members below
  SimRandom random_;
  NameTree names_;
  uint64_t capacity_bytes_;
  uint32_t cold_read_ppm_;
  const bool orders_appends_;
  uint64_t generation_ = 1;  // Files and locks of earlier ones are dead
  bool is_down_ = false;
  std::map<const Inode*, InodePtr> locked_;  // by inode: two names of one file share the lock
  DiskOperationHook hook_;
  std::vector<Fault> faults_;
  uint64_t operation_count_ = 0;
  uint64_t change_count_ = 0;
};

}  // namespace alfheim::sim
