// vlog/segment_reader: reads of a segment file: header, footer, one record.
//
// Nothing here trusts the file: what is bad is kCorruption with path and offset.
// Thread: any.
#pragma once

#include <optional>
#include <span>

#include "base/result.h"
#include "env/disk.h"
#include "raft/entry.h"
#include "vlog/segment.h"

namespace alfheim::vlog {

// All of `out`, or kCorruption where the file ends before.
base::Status read_exactly(env::File& file, const std::string& path, uint64_t offset_bytes,
                          std::span<char> out, env::ReadMode mode);

// kCorruption, with path and offset put before the words.
base::Error corruption_at(const std::string& path, uint64_t offset_bytes, const std::string& words);

base::Result<SegmentHeader> read_segment_header(env::File& file, const std::string& path);

// What the end of a segment file says.
struct FooterState {
  std::optional<Footer> footer;  // whole
  // Without a footer: where the data ended if a torn one still says so; all before was durable.
  uint64_t known_durable_bytes = 0;
  std::string why_not;  // without a footer: what was found instead
};
base::Result<FooterState> read_footer(env::File& file, const std::string& path,
                                      const SegmentHeader& header);

// Opens the segment `id` and reads its header and, where it is sealed, its table.
struct OpenedSegment {
  SegmentPtr segment;
  FooterState footer;
};
base::Result<OpenedSegment> open_segment(env::Disk& disk, const std::string& path, uint64_t id);

// The entry whose record `bytes` are; checks both checksums and that it is the one wanted.
base::Result<raft::Entry> decode_record(base::ByteView bytes, uint64_t uid, base::LogIndex wanted);

base::Result<raft::Entry> read_record(const Segment& segment, RecordPlace place,
                                      base::LogIndex wanted, env::ReadMode mode);

}  // namespace alfheim::vlog
