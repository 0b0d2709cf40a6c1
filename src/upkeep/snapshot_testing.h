// upkeep/snapshot_testing: what tests of several rooms do with snapshots.
#pragma once

#include "upkeep/snapshot_maker.h"

namespace alfheim::upkeep {

// All sums without a pause, and MANIFEST; fills `manifest.files`.
inline base::Result<SnapshotFile> sum_all(const SnapshotMaker& maker, SnapshotManifest& manifest) {
  SnapshotSums sums = maker.sums(manifest);
  for (;;) {
    ALF_TRY(const std::optional<uint64_t> bytes, sums.read_on());
    if (!bytes) break;
  }
  ALF_TRY(SnapshotFile itself, sums.write_manifest());
  manifest = sums.manifest();
  return itself;
}

}  // namespace alfheim::upkeep
