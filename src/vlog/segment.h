// vlog/segment: one segment as readers know it.
//
// The file stays open (for buffered reads) as long as anybody holds the Segment, so a reader is
// never cut off by a drop; the process needs one descriptor a segment for that.
//
// Thread: `table`, `data_end_bytes`, `is_sealed` and `sealed_last_index` are guarded by
// LogState's mutex; the rest never changes. Shared by the current SegmentSet, older sets that
// are pinned, readers in the middle of a read, and the list of those dropped.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "env/disk.h"
#include "vlog/format_v1.h"
#include "vlog/segment_table.h"

namespace alfheim::vlog {

struct Segment {
  Segment(SegmentHeader segment_header, std::string file_path, std::unique_ptr<env::File> reader)
      : header(segment_header),
        path(std::move(file_path)),
        file(std::move(reader)),
        table(header.first_index) {}

  const SegmentHeader header;
  const std::string path;
  const std::unique_ptr<env::File> file;

  SegmentTable table;
  uint64_t data_end_bytes = kSegmentHeaderBytes;
  bool is_sealed = false;
  // What the footer lists as last; a later segment may have truncated `table` below it.
  base::LogIndex sealed_last_index;

  bool is_trimmed() const { return is_sealed && table.last_index() < sealed_last_index; }
};

using SegmentPtr = std::shared_ptr<Segment>;

// Segments by ascending first_index, which no segment shares with another. Never changed.
class SegmentSet {
 public:
  SegmentSet() = default;
  explicit SegmentSet(std::vector<SegmentPtr> segments) : segments_(std::move(segments)) {
    std::sort(segments_.begin(), segments_.end(), [](const SegmentPtr& a, const SegmentPtr& b) {
      return a->header.first_index < b->header.first_index;
    });
  }
  const std::vector<SegmentPtr>& segments() const { return segments_; }
  // The only segment that can hold `index`; null where none can.
  SegmentPtr find(base::LogIndex index) const {
    const auto after = std::upper_bound(segments_.begin(), segments_.end(), index,
                                        [](base::LogIndex wanted, const SegmentPtr& segment) {
                                          return wanted < segment->header.first_index;
                                        });
    return after == segments_.begin() ? nullptr : *std::prev(after);
  }

 private:
  std::vector<SegmentPtr> segments_;
};

}  // namespace alfheim::vlog
