// vlog/segment_table: where the entries of one segment stand in its file.
//
// Dense: entry first_index + i is places_[i]; terms are kept as runs. 8 bytes an entry, so at
// most one sixth of a segment's length (records of empty payload: 48 bytes each), and 1/512 where
// each batch is one small entry. Follows append order: a record at an index that is
// there already removes it and all after it.
//
// Thread: guarded by whoever owns it (LogState's mutex).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "vlog/format_v1.h"

namespace alfheim::vlog {

class SegmentTable {
 public:
  explicit SegmentTable(base::LogIndex first_index) : first_index_(first_index) {}
  // What a footer says; kCorruption where it contradicts itself.
  static base::Result<SegmentTable> from_footer(const Footer& footer);

  base::LogIndex first_index() const { return first_index_; }
  // first_index() - 1 where it is empty.
  base::LogIndex last_index() const {
    return base::LogIndex{first_index_.value + places_.size() - 1};
  }
  bool is_empty() const { return places_.empty(); }
  bool holds(base::LogIndex index) const {
    return index >= first_index_ && index.value - first_index_.value < places_.size();
  }
  // For an index that it holds.
  RecordPlace place_at(base::LogIndex index) const;
  base::Term term_at(base::LogIndex index) const;

  // `index` is first_index() .. last_index() + 1.
  void push(base::LogIndex index, base::Term term, RecordPlace place);
  void trim_after(base::LogIndex last);

  std::span<const RecordPlace> places() const { return places_; }
  std::span<const TermRun> runs() const { return runs_; }

 private:
  base::LogIndex first_index_;
  std::vector<RecordPlace> places_;
  std::vector<TermRun> runs_;
};

}  // namespace alfheim::vlog
