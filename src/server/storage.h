// server/storage: everything of a node that lies on its disk, opened in the right order.
//
// The directory's lock first, then which generation counts, the log, the index over its store, the
// state machine over both, and what keeps them small. Torn down in the opposite order.
//
// Thread: open on one; the parts say their own. Lifetime: the hands outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "env/clock.h"
#include "env/disk.h"
#include "env/random.h"
#include "index/index.h"
#include "index/rocks_store.h"
#include "machine/machine.h"
#include "server/generation.h"
#include "server/node_file.h"
#include "server/options.h"
#include "server/origin.h"
#include "upkeep/orphan_filter.h"
#include "upkeep/segment_keeper.h"
#include "upkeep/snapshots.h"
#include "vlog/log.h"

namespace alfheim::server {

struct StorageHands {
  env::Disk& disk;
  env::Random& random;
  const env::Clock& clock;
  const command::Table& table;
  // While a long tail of the log is scanned.
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)> on_scan;
  // One line for the log.
  std::function<void(const std::string& line)> on_trouble;
  // A snapshot that was fetched whole, to be installed first; 0: none.
  uint64_t snapshot_id = 0;
};

struct Storage {
  Storage() = default;
  Storage(Storage&&) = default;
  Storage& operator=(Storage&&) = default;
  ~Storage() {
    // It holds a snapshot of the store, and the store's compactions hold it.
    if (filter != nullptr) filter->detach();
  }

  std::unique_ptr<env::FileLock> lock;
  NodeFile node;  // data_uid 0: of a directory that an older version made
  Generation generation;
  std::unique_ptr<vlog::Log> log;
  std::unique_ptr<upkeep::OrphanFilter> filter;
  std::unique_ptr<index::RocksStore> store;
  std::unique_ptr<index::Index> index;
  std::unique_ptr<machine::Machine> machine;
  std::unique_ptr<upkeep::SegmentKeeper> keeper;
  std::unique_ptr<upkeep::Snapshots> snapshots;
};

// The number that Raft knows a node by: made from its --id, so the same name is the same node.
base::NodeId node_id_of(const std::string& name);

// Errors name the directory and say what to do.
// `origin`: of the directory, the cluster that it is to join being known.
base::Result<Storage> open_storage(const StorageHands& hands, const Options& options,
                                   const Origin& origin);

}  // namespace alfheim::server
