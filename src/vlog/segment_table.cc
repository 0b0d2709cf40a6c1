#include "vlog/segment_table.h"

#include <algorithm>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::vlog {

base::Result<SegmentTable> SegmentTable::from_footer(const Footer& footer) {
  SegmentTable table(footer.first_index);
  table.places_ = footer.places;
  table.runs_ = footer.runs;
  for (const RecordPlace& place : table.places_) {
    if (place.offset_bytes < kSegmentHeaderBytes ||
        place.offset_bytes + kRecordHeaderBytes + place.payload_bytes > footer.data_end_bytes) {
      return base::Error{base::ErrorCode::kCorruption,
                         base::format("footer places a record of {} bytes at offset_bytes={}, "
                                      "outside of the data",
                                      place.payload_bytes, place.offset_bytes)};
    }
  }
  for (size_t i = 1; i < table.runs_.size(); ++i) {
    const bool is_ascending = table.runs_[i].first_index > table.runs_[i - 1].first_index &&
                              table.runs_[i].term > table.runs_[i - 1].term &&
                              table.runs_[i].first_index <= table.last_index();
    if (!is_ascending) {
      return base::Error{base::ErrorCode::kCorruption, "footer's terms are not in order"};
    }
  }
  return table;
}

RecordPlace SegmentTable::place_at(base::LogIndex index) const {
  ALF_CHECK(holds(index));
  return places_[index.value - first_index_.value];
}

base::Term SegmentTable::term_at(base::LogIndex index) const {
  ALF_CHECK(holds(index));
  const auto after = std::upper_bound(
      runs_.begin(), runs_.end(), index,
      [](base::LogIndex wanted, const TermRun& run) { return wanted < run.first_index; });
  ALF_CHECK(after != runs_.begin());
  return std::prev(after)->term;
}

void SegmentTable::push(base::LogIndex index, base::Term term, RecordPlace place) {
  ALF_CHECK(index >= first_index_);
  ALF_CHECK(index <= last_index().next());
  if (index <= last_index()) trim_after(base::LogIndex{index.value - 1});
  ALF_CHECK(runs_.empty() || runs_.back().term <= term);
  if (runs_.empty() || runs_.back().term != term) runs_.push_back({index, term});
  places_.push_back(place);
  ALF_CHECK(last_index() == index);
}

void SegmentTable::trim_after(base::LogIndex last) {
  if (last >= last_index()) return;
  const uint64_t kept = last < first_index_ ? 0 : last.value - first_index_.value + 1;
  places_.resize(kept);
  while (!runs_.empty() && runs_.back().first_index > last) runs_.pop_back();
  ALF_CHECK(places_.empty() == runs_.empty());
}

}  // namespace alfheim::vlog
