// A Log's files for somebody else: all sealed, held as they are.
#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"
#include "vlog/log_state.h"

namespace alfheim::vlog {
namespace {

// Of both sets each segment once, by first index; those of which nothing is left are left out.
std::vector<SegmentPtr> all_of(const SegmentSet& earlier, const SegmentSet& now) {
  std::vector<SegmentPtr> all = now.segments();
  for (const SegmentPtr& segment : earlier.segments()) {
    if (std::find(all.begin(), all.end(), segment) == all.end()) all.push_back(segment);
  }
  std::erase_if(all, [](const SegmentPtr& segment) { return segment->table.is_empty(); });
  return SegmentSet(std::move(all)).segments();
}

}  // namespace

base::Result<SealedLog> Log::seal(Pin earlier, base::LogIndex last) {
  const LogState::Turn turn(state_->strand_turn);
  ALF_TRY_STATUS(state_->check_usable());
  ALF_TRY_STATUS(state_->seal_open_segment());
  SealedLog sealed;
  const std::shared_lock lock(state_->mutex);
  const LogState::Shared& shared = state_->shared;
  ALF_CHECK(last.next() >= shared.first_index && last <= shared.last_index);
  std::vector<SegmentPtr> segments = all_of(*earlier, *shared.set);
  std::erase_if(segments,
                [last](const SegmentPtr& one) { return one->table.first_index() > last; });
  sealed.first_index = shared.first_index;
  sealed.previous_term = shared.previous_term;
  sealed.last_index = last;
  sealed.last_term = shared.previous_term;
  base::LogIndex expected = shared.first_index;
  for (const SegmentPtr& segment : segments) {
    ALF_CHECK_MSG(segment->is_sealed, "only one segment is ever open, and it was sealed");
    sealed.files.push_back({segment->header.id, segment->path, segment->header.file_bytes});
    const base::LogIndex held_until = std::min(segment->table.last_index(), last);
    const bool is_cut = held_until < segment->table.last_index() && !ALF_MUTANT(CutNotTold);
    if (is_cut || (segment->is_trimmed() && !LogState::is_trim_told(*segment, segments, 0))) {
      sealed.trims.push_back({segment->header.id, held_until});
    }
    if (held_until < shared.first_index) continue;
    ALF_CHECK_MSG(segment->table.first_index() <= expected, "a gap in the log");
    expected = held_until.next();
    sealed.last_term = segment->table.term_at(held_until);
  }
  ALF_CHECK_MSG(expected == last.next(), "part of the log stands in no segment");
  if (sealed.trims.size() > kMetaTrimsMax) {
    return base::Error{base::ErrorCode::kLimit,
                       base::format("seal log {}: {} segments were truncated, META has room for {}",
                                    state_->options.dir, sealed.trims.size(), kMetaTrimsMax)};
  }
  sealed.pins = {std::move(earlier), shared.set};
  return sealed;
}

}  // namespace alfheim::vlog
