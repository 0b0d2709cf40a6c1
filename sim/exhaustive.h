// sim/exhaustive: one run of a node, crashed at every single change of its disk.
//
// A point is (change of the disk, before | during | after it, what of the unsynced is lost). The
// run goes on undisturbed in this process; at each point that was chosen it forks, and the child
// is the same node, struck there: it recovers, is judged by the world's oracle, goes on for a
// while and dies. So a point costs one restart, however far into the run it lies.
//
// The same seed makes the same run, so one point alone can be run again, in this process.
//
// Thread: one; children are processes. Lifetime: of one run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "sim/world.h"

namespace alfheim::sim {

struct CrashPoint {
  uint64_t change = 0;  // from 1
  uint32_t place = 0;   // 0 before, 1 during, 2 after
  uint32_t subset = 0;  // of what was not synced: see crash_of
};

inline constexpr uint32_t kCrashPlaces = 3;
inline constexpr uint32_t kCrashSubsets = 7;

// Subset 0 loses all that was not synced. 1 is kill -9: nothing is lost at first, but all that is
// not synced then is, once the node has recovered. 2 and 3 keep, lose and tear by chance. 4 is
// kill -9, and the power goes in the midst of the recovery. 5 is a further draw of 2, for what a
// crash can cut in the midst. 6 keeps all content, and of the names the newest alone: what it leans
// on must have been durable before.
PlannedCrash crash_of(const CrashPoint& point);
// Whether it is another crash than those before it: a write that is cut, with all of it lost, is
// one that did not begin.
bool is_distinct(const CrashPoint& point, DiskOperationKind kind);

class Exhaustive {
 public:
  struct Options {
    uint64_t seed = 1;
    uint64_t changes = 5000;  // how long the run is
    uint64_t every = 1;       // each n-th point only, ...
    uint64_t offset = 0;      // ... beginning here
    uint64_t jobs = 2;        // children at a time
    std::optional<CrashPoint> only;
  };
  struct Result {
    uint64_t change_count = 0;
    uint64_t point_count = 0;
    uint64_t life_count = 0;  // of the run itself
    uint64_t failure_count = 0;
  };
  Exhaustive(const command::Table& table, World::Narrate narrate, Options options);

  // Prints each failure with the command that runs it alone.
  Result run();

 private:
  std::optional<PlannedCrash> plan(const DiskOperation& operation);
  std::optional<PlannedCrash> fork_at(const CrashPoint& point);
  void wait_for_one();
  void fail(const CrashPoint& point, const std::string& what);
  std::string replay_command(const CrashPoint& point) const;

  const command::Table& table_;
  const World::Narrate narrate_;
  const Options options_;
  std::map<pid_t, CrashPoint> children_;
  std::optional<CrashPoint> own_point_;  // of a child, or of the one point that is run again
  bool is_child_ = false;
  Result result_;
};

}  // namespace alfheim::sim
