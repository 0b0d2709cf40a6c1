// sim/store_crash: the real index store, crashed or failed at every change of its disk.
//
// A run freezes the index again and again into RocksDB over a simulated disk: first files, files
// over files, deletions, several files at once, a compaction, a restart. For each change of the
// disk the run is made anew up to there and struck; then the store is opened again, and must be
// exactly what the last ingest that was acknowledged left, or the one in flight (I2), and go on.
//
// The points are those of sim/exhaustive; beside them each operation fails once with EIO, reads,
// opens and listings too, and each change with ENOSPC. A point that meets nothing is a failure.
//
// Thread: RocksDB makes its own, one at work at a time (RocksStore's is_sequential): the run makes
// the same operations each time, and says so where it does not. Lifetime: of one run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/apart.h"
#include "sim/exhaustive.h"

namespace alfheim::sim {

// Place kCrashPlaces: EIO, the next one: ENOSPC. There `change` numbers all operations.
inline constexpr uint32_t kFailPlaces = 2;

class StoreCrash {
 public:
  struct Options {
    uint64_t seed = 1;
    uint64_t every = 1;
    uint64_t offset = 0;
    std::optional<CrashPoint> only;
  };
  struct Result {
    uint64_t change_count = 0;  // of a run without a crash
    uint64_t operation_count = 0;
    uint64_t point_count = 0;
    uint64_t old_count = 0;  // runs that were struck in an ingest, and found the old state ...
    uint64_t new_count = 0;  // ... or the new one
    // RocksDB ended the process by an assertion of its own when it could not read. What the disk
    // holds is what it held before: the crash points of the next change judge that.
    uint64_t death_count = 0;
    uint64_t failure_count = 0;
  };
  explicit StoreCrash(Options options) : options_(options) {}

  // Prints each failure with the command that runs it alone.
  Result run();

 private:
  // What outlives a process that dies.
  struct Progress {
    Result result;
    uint64_t done = 0;  // points, chosen or not
    bool may_die = false;
    char point[256] = {};
  };
  void run_all();
  struct Operation {
    DiskOperationKind kind = DiskOperationKind::kOpen;
    std::string path;
    friend bool operator==(const Operation&, const Operation&) = default;
  };
  // The operations of a run that nothing disturbs; empty where it failed.
  std::vector<Operation> undisturbed();
  void fail(const std::string& what);
  void run_crashes(const std::vector<Operation>& operations);
  void run_errors(const std::vector<Operation>& operations);
  void run_if_chosen(const CrashPoint& point);
  void run_point(const CrashPoint& point);

  const Options options_;
  uint64_t number_ = 0;  // of the next point
  Outliving<Progress> progress_;
};

}  // namespace alfheim::sim
