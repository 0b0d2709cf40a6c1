// vlog/meta_v1: what META holds, and how it lies in one block (docs/formats/meta.md).
//
// Pure functions over bytes; vlog/meta owns the file. Version 1: never edited once released.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "raft/ready.h"

namespace alfheim::vlog {

using raft::HardState;  // what Raft must not forget (I10)

// Whose log this is.
struct Identity {
  uint64_t cluster_uid = 0;
  base::NodeId node;
  base::GroupId group;
  friend bool operator==(const Identity&, const Identity&) = default;
};

// Segments go from one member of a group to another as they are, so they may bear the number of
// any; they are never another cluster's or another group's.
inline bool is_same_group(const Identity& a, const Identity& b) {
  return a.cluster_uid == b.cluster_uid && a.group == b.group;
}

// The footer of sealed segment `segment_id` lists entries after `last_index` that a later segment
// truncated; kept here because that later segment is gone.
struct SegmentTrim {
  uint64_t segment_id = 0;
  base::LogIndex last_index;
  friend bool operator==(const SegmentTrim&, const SegmentTrim&) = default;
};

struct Meta {
  uint64_t generation = 0;  // the greater one of two that are whole is valid
  Identity identity;
  HardState hard_state;
  base::LogIndex log_start{1};
  base::Term log_start_previous_term;
  uint64_t next_segment_id =
      1;                       // no id at or above it was ever given to a segment, as of this write
  bool is_clean = false;       // the last stop was clean, and nothing was written since
  uint64_t clean_tail_id = 0;  // with is_clean: the open segment, 0 for none
  uint64_t clean_tail_bytes = 0;  // with is_clean: where its last batch ends
  std::vector<SegmentTrim> trims;
  friend bool operator==(const Meta&, const Meta&) = default;
};

inline constexpr size_t kMetaBlockBytes = 4096;
inline constexpr size_t kMetaTrimsMax = 128;

// Exactly kMetaBlockBytes, zero-padded. The caller keeps `trims` within kMetaTrimsMax.
base::Bytes encode_meta(const Meta& meta);
// kCorruption says what was wrong with the block.
base::Result<Meta> decode_meta(base::ByteView block);

}  // namespace alfheim::vlog
