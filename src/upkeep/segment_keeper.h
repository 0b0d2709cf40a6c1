// upkeep/segment_keeper: takes away segments of the log that nobody needs, keeps spares ready.
//
// A sealed segment goes when it lies below the log's start and no value in it is live. What
// is live is judged by the persisted index alone (invariant I4): replaying after a crash
// starts there, and must find every value that it may read. Segments with some live values
// stay (moving those values is garbage collection's work).
//
// Thread: sweep on the pool, one at a time (the keeper sees to it). Lifetime: hands outlive it.
#pragma once

#include <atomic>
#include <functional>

#include "base/result.h"
#include "index/store.h"
#include "types/database_table.h"
#include "types/record_source.h"
#include "vlog/log.h"

namespace alfheim::upkeep {

// Which files a sweep makes where some are missing. On a full disk spares would take room that
// others need; while the index finds none, even the reserve would.
enum class Spares : uint8_t { kAll, kReserveOnly, kNone };

struct SweepReport {
  uint64_t segments_judged = 0;
  uint64_t segments_dropped = 0;
  bool lacks_space = false;  // spare or reserve segments could not be made
};

class SegmentKeeper {
 public:
  struct Hands {
    vlog::Log& log;
    index::Store& store;
    // Which databases a persisted state has: the machine's record, which upkeep cannot read.
    std::function<base::Result<types::DatabaseTable>(types::RecordSource&)> database_table;
  };
  explicit SegmentKeeper(Hands hands) : hands_(std::move(hands)) {}

  // Judges and drops, then fills the pool of spares. Returns at once where a sweep runs.
  // Spares are made only where `kept_free_bytes` stay free. May block and run long: pool only.
  base::Result<SweepReport> sweep(Spares spares = Spares::kAll, uint64_t kept_free_bytes = 0);

 private:
  base::Result<bool> has_live_value(const vlog::SegmentInfo& segment);

  Hands hands_;
  std::atomic<bool> is_sweeping_{false};
};

}  // namespace alfheim::upkeep
