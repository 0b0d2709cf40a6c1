// tools/log_map: which record of a log's files is the entry that stands at an index.
//
// A file still holds what a later record truncated; copies of a tail stand twice. The map
// follows the order of writing (docs/formats/segment.md, "Truncation"), as recovery does.
//
// Thread: one. Memory: about 50 bytes an entry.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <optional>

#include "vlog/inspect.h"
#include "vlog/meta_v1.h"

namespace alfheim::tools {

struct EntryPlace {
  uint64_t segment_id = 0;
  uint64_t offset_bytes = 0;
  uint32_t payload_bytes = 0;
  base::Term term;
};

class LogMap {
 public:
  // Without META nothing is known of the log's start, nor of trims.
  static base::Result<LogMap> read(env::Disk& disk, const std::string& log_dir);

  const std::optional<vlog::Meta>& meta() const { return meta_; }
  const absl::btree_map<uint64_t, EntryPlace>& entries() const { return entries_; }
  const EntryPlace* find(base::LogIndex index) const;
  // Whether this record is the one that counts for its index.
  bool holds(const vlog::InspectedRecord& record) const;

 private:
  void add(const vlog::InspectedRecord& record);
  bool is_trimmed(const vlog::InspectedRecord& record) const;

  std::optional<vlog::Meta> meta_;
  absl::btree_map<uint64_t, EntryPlace> entries_;
};

}  // namespace alfheim::tools
