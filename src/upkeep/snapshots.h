// upkeep/snapshots: the two ends of a node's snapshots: those that it makes, and one that it
// fetches.
//
// Lifetime: the hands of both outlive it. Thread: as the parts say.
#pragma once

#include "upkeep/snapshot_maker.h"
#include "upkeep/snapshot_staging.h"

namespace alfheim::upkeep {

struct Snapshots {
  Snapshots(SnapshotMaker::Hands hands, std::string made_dir, std::string staging_dir)
      : maker(hands, std::move(made_dir)), staging(hands.disk, std::move(staging_dir)) {}

  SnapshotMaker maker;
  SnapshotStaging staging;

  // The node stops: nothing long goes on.
  void cancel() {
    maker.cancel();
    staging.cancel();
  }
};

}  // namespace alfheim::upkeep
