// sim/faults: what can go wrong in a run, and which of it a seed has.
//
// Thread: none; values and draws. docs/simulator.md says how to add one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "env/clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"

namespace alfheim::sim {

enum class Fault : uint8_t {
  kPowerLoss,     // now, between two events
  kKill,          // kill -9: the page cache lives on
  kCrashAtWrite,  // before, in the midst of, or after one of the next changes of the disk
  kCleanStop,     // SIGTERM and a start
  kDiskError,     // one write, sync or name operation fails with EIO
  kDiskFull,      // for a while
  kIngestError,   // the index cannot be persisted
  kStoreFull,     // level 0 is full for a while: freezes wait
  kPause,         // SIGSTOP, SIGCONT
  kWallJump,      // of the wall clock, up to an hour either way
  kDisconnect,    // a client goes in the midst of things
};
inline constexpr Fault kAllFaults[] = {Fault::kPowerLoss,   Fault::kKill,      Fault::kCrashAtWrite,
                                       Fault::kCleanStop,   Fault::kDiskError, Fault::kDiskFull,
                                       Fault::kIngestError, Fault::kStoreFull, Fault::kPause,
                                       Fault::kWallJump,    Fault::kDisconnect};

std::string_view fault_name(Fault fault);

struct FaultOptions {
  std::vector<Fault> kinds;  // empty: an undisturbed run
  uint32_t count = 0;
  uint64_t gap_ns_max = 0;
  bool crashes_in_recovery = false;
  CrashOptions crash;
};

// A crash that is ordered for one change of the disk, and what it loses.
struct PlannedCrash {
  DiskOrder order = DiskOrder::kCrashBefore;
  // Only the process dies: recovery sees all that was written, and the power goes after it.
  bool is_kill = false;
  // Not 0: the power goes in the midst of that recovery, at this change of the disk.
  uint64_t recovery_change = 0;
  CrashOptions options;
  uint64_t seed = 1;  // of what is torn, kept and lost
};
// Asked before each change of the disk, until it orders the one crash of a run. It runs under the
// disk's mutex.
using CrashPlan = std::function<std::optional<PlannedCrash>(const DiskOperation&)>;

// Of one seed: a random subset of all.
FaultOptions draw_faults(SimRandom& random);
// What a power loss does this time.
CrashOptions draw_crash(SimRandom& random);
// An operation that may fail with EIO.
DiskOperationKind draw_failing_kind(SimRandom& random);

}  // namespace alfheim::sim
