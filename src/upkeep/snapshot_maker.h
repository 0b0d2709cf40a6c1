// upkeep/snapshot_maker: makes snapshots of a running node, out of hard links, and reads them.
//
// Each snapshot is a directory of its own below `dir`, named by its id. Links cost no room and no
// time; what takes time is the sum of every file. The index's own manifest is copied, so a disk
// needs kMakeBytes free. They live as long as the process: what an earlier one left goes at start.
//
// The order is the caller's (replica/snapshot_sender): a pin of the log, begin, Log::seal, link,
// the sums; and nobody is told of it before all its entries are committed.
//
// Thread: each call on the pool; for one id one at a time. cancel() from any. Lifetime: the hands
// outlive it. Format: docs/formats/snapshot.md.
#pragma once

#include <atomic>
#include <span>
#include <string>

#include "env/disk.h"
#include "index/store.h"
#include "upkeep/snapshot_manifest.h"
#include "upkeep/snapshot_sums.h"
#include "vlog/log.h"

namespace alfheim::upkeep {

class SnapshotMaker {
 public:
  struct Hands {
    env::Disk& disk;
    index::Store& store;
  };
  SnapshotMaker(Hands hands, std::string dir) : hands_(hands), dir_(std::move(dir)) {}

  // Free room without which none is begun: of a store of 16,000 tables, the manifest.
  static constexpr uint64_t kMakeBytes = 8 * 1024 * 1024;

  // A checkpoint of the index; the entry that it stands at. kNoSpace: too little room.
  base::Result<base::LogIndex> begin(uint64_t id);
  // Links the files of the log. From here on nobody needs its pins.
  base::Status link(uint64_t id, const vlog::SealedLog& sealed);
  // The sums of its files, still to be read; `manifest`: all of it but the files.
  SnapshotSums sums(SnapshotManifest manifest) const;
  base::Status remove(uint64_t id);
  // Of a file of a snapshot; shorter only at its end.
  base::Result<base::Bytes> read(uint64_t id, std::string_view name, uint64_t offset_bytes,
                                 size_t length) const;
  // Ends the sums that are under way, and those to come: the node stops.
  void cancel() { is_cancelled_.store(true, std::memory_order_release); }

 private:
  std::string path_of(uint64_t id) const;

  const Hands hands_;
  const std::string dir_;
  std::atomic<bool> is_cancelled_{false};
};

}  // namespace alfheim::upkeep
