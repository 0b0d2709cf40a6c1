// upkeep/orphan_filter: tells compaction which records belong to nobody any more (I9).
//
// FLUSHDB gives a database a new epoch and leaves its records where they are; compaction
// forgets them as it comes by. Judged by a persisted state that no open view is older than:
// an epoch that is dead there stays dead, and a version whose record is gone there never
// comes back. Keys that are alive, and their deadlines, are apply's alone; those of a dead epoch
// may go at any time, because apply only ever looks at the deadlines of living epochs.
//
// Thread: RocksDB's compaction threads; a mutex guards the state judged by.
// Lifetime: attach before the first ingest, detach before index and store go; the filter itself
// outlives the store, whose compactions may still ask.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "index/index.h"
#include "types/database_table.h"
#include "types/record_source.h"

namespace alfheim::upkeep {

// What a persisted state says of itself; both from one snapshot, or they do not belong together.
struct PersistedState {
  base::LogIndex applied;
  types::DatabaseTable databases;
};

class OrphanFilter {
 public:
  struct Hands {
    index::Index* index = nullptr;
    index::Store* store = nullptr;
    // Reads it from the machine's record, which upkeep cannot read.
    std::function<base::Result<PersistedState>(types::RecordSource&)> persisted_state;
  };
  void attach(const Hands& hands);
  // From here on it keeps everything and holds no snapshot: before the store is closed.
  void detach();
  // Whether compaction may forget the record. Keeps whatever it cannot judge.
  bool should_drop(base::ByteView key, base::ByteView value);

 private:
  struct Judged {
    std::shared_ptr<const index::StoreSnapshot> snapshot;
    PersistedState state;
  };
  std::shared_ptr<const Judged> current();
  static bool is_dead_owner(const Judged& judged, base::ByteView record_key);
  static bool is_orphan_chunk(const Judged& judged, base::ByteView key);

  std::mutex mutex_;  // guards what follows
  Hands hands_;
  std::shared_ptr<const Judged> judged_;  // also held by a thread that judges by it
};

}  // namespace alfheim::upkeep
