#include "upkeep/segment_keeper.h"

#include <optional>

#include "base/mutant.h"
#include "types/liveness.h"
#include "upkeep/persisted_source.h"

namespace alfheim::upkeep {
namespace {

// Lets one sweep run at a time, and forgets it on every way out.
class SweepClaim {
 public:
  explicit SweepClaim(std::atomic<bool>& flag) : flag_(flag), is_owned_(!flag.exchange(true)) {}
  ~SweepClaim() {
    if (is_owned_) flag_.store(false);
  }
  bool is_owned() const { return is_owned_; }

 private:
  std::atomic<bool>& flag_;
  bool is_owned_;
};

}  // namespace

base::Result<bool> SegmentKeeper::has_live_value(const vlog::SegmentInfo& segment) {
  const std::shared_ptr<const index::StoreSnapshot> snapshot = hands_.store.snapshot();
  PersistedSource source(*snapshot);
  ALF_TRY(const types::DatabaseTable table, hands_.database_table(source));
  index::ScanOptions bounds;
  bounds.lower = types::reference_begin(segment.first_index);
  bounds.upper = types::reference_begin(segment.last_index.next());
  const std::unique_ptr<index::Cursor> cursor = snapshot->scan(bounds);
  for (cursor->seek(bounds.lower); cursor->is_valid(); cursor->next()) {
    ALF_TRY(const bool is_live, types::is_reference_live(cursor->key(), source, table));
    if (is_live || ALF_MUTANT(FirstReferenceDecides)) return is_live;
  }
  ALF_TRY_STATUS(cursor->status());
  return false;
}

base::Result<SweepReport> SegmentKeeper::sweep(Spares spares, uint64_t kept_free_bytes) {
  SweepReport report;
  const SweepClaim claim(is_sweeping_);
  if (!claim.is_owned()) return report;
  const base::LogIndex log_first = hands_.log.first_index();
  for (const vlog::SegmentInfo& segment : hands_.log.sealed_segments()) {
    if (segment.last_index >= log_first) continue;
    ++report.segments_judged;
    ALF_TRY(const bool is_live, has_live_value(segment));
    if (is_live && !ALF_MUTANT(LiveSegmentDropped)) continue;
    ALF_TRY_STATUS(hands_.log.drop_segment(segment.id));
    ++report.segments_dropped;
  }
  ALF_TRY_STATUS(hands_.log.reap());
  // What cannot be made for want of room is made by a later sweep.
  base::Status made;
  if (spares != Spares::kNone && hands_.log.reserve_missing_bytes() > 0) {
    made = hands_.log.replenish_reserve();
  }
  if (made && spares == Spares::kAll && hands_.log.wants_spares()) {
    made = hands_.log.replenish_spares(kept_free_bytes);
  }
  report.lacks_space = !made && made.error().code == base::ErrorCode::kNoSpace;
  if (!made && !report.lacks_space) return std::move(made).error();
  return report;
}

}  // namespace alfheim::upkeep
