#include "sim/faults.h"

namespace alfheim::sim {
namespace {

constexpr uint32_t kFaultCountMax = 12;

}  // namespace

std::string_view fault_name(Fault fault) {
  switch (fault) {
    case Fault::kPowerLoss: return "power loss";
    case Fault::kKill: return "kill -9";
    case Fault::kCrashAtWrite: return "crash at a write";
    case Fault::kCleanStop: return "clean stop";
    case Fault::kDiskError: return "disk error";
    case Fault::kDiskFull: return "disk full";
    case Fault::kIngestError: return "ingest error";
    case Fault::kStoreFull: return "store full";
    case Fault::kPause: return "pause";
    case Fault::kWallJump: return "wall clock jump";
    case Fault::kDisconnect: return "disconnect";
  }
  return "?";
}

FaultOptions draw_faults(SimRandom& random) {
  FaultOptions options;
  if (random.below(16) == 0) return options;
  for (const Fault fault : kAllFaults) {
    if (random.coin()) options.kinds.push_back(fault);
  }
  if (options.kinds.empty()) options.kinds.push_back(Fault::kCrashAtWrite);
  options.count = static_cast<uint32_t>(random.between(1, kFaultCountMax));
  options.crashes_in_recovery = random.coin();
  return options;
}

CrashOptions draw_crash(SimRandom& random) {
  switch (random.below(4)) {
    case 0: return CrashOptions::lose_all_unsynced();
    case 1: return CrashOptions::keep_all_unsynced();
    case 2: {
      CrashOptions options;
      options.keep_sector_ppm = static_cast<uint32_t>(random.below(kAlwaysPpm));
      options.keep_name_ppm = static_cast<uint32_t>(random.below(kAlwaysPpm));
      options.block_damage_ppm = 100'000;
      return options;
    }
    default: return CrashOptions();
  }
}

DiskOperationKind draw_failing_kind(SimRandom& random) {
  static constexpr DiskOperationKind kKinds[] = {
      DiskOperationKind::kWrite,  DiskOperationKind::kWriteDurable, DiskOperationKind::kSync,
      DiskOperationKind::kCreate, DiskOperationKind::kSyncDir,      DiskOperationKind::kAllocate,
      DiskOperationKind::kRename, DiskOperationKind::kUnlink};
  return kKinds[random.below(std::size(kKinds))];
}

}  // namespace alfheim::sim
