// sim/store_crash: the real index store, crashed or failed at every change of its disk.
//
// A run freezes the index again and again into RocksDB over a simulated disk: first files, files
// over files, deletions, several files at once, a compaction, a restart. For each change of the
// disk the run is made anew up to there and struck; then the store is opened again, and must be
// exactly what the last ingest that was acknowledged left, or the one in flight (I2), and go on.
//
// The points are those of sim/exhaustive; beside them each change fails once with EIO or ENOSPC.
//
// Thread: RocksDB makes its own; so a point may strike another operation of a compaction than the
// last time. Lifetime: of one run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/exhaustive.h"

namespace alfheim::sim {

inline constexpr uint32_t kFailPlaces = 2;  // place kCrashPlaces: EIO, the next one: ENOSPC

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
    uint64_t point_count = 0;
    uint64_t old_count = 0;  // runs that were struck in an ingest, and found the old state ...
    uint64_t new_count = 0;  // ... or the new one
    uint64_t failure_count = 0;
  };
  explicit StoreCrash(Options options) : options_(options) {}

  // Prints each failure with the command that runs it alone.
  Result run();

 private:
  void run_point(const CrashPoint& point);

  const Options options_;
  Result result_;
};

}  // namespace alfheim::sim
