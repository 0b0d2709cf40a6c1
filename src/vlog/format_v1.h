// vlog/format_v1: how a segment's parts lie in bytes (docs/formats/segment.md).
//
// Segment := Header block, Batch*, free space, Footer. A batch begins at a block, carries one or
// more records, and is padded with zeros to the next block. All checksums but the header's are
// seeded with the segment's uid, so that old bytes of a recycled file are never read as new (I6).
//
// Pure functions over bytes. Version 1: never edited once released; a new version stands beside it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "env/disk.h"
#include "raft/entry.h"
#include "vlog/meta_v1.h"

namespace alfheim::vlog {

inline constexpr size_t kSegmentHeaderBytes = env::kBlockBytes;
inline constexpr size_t kBatchHeaderBytes = 64;
inline constexpr size_t kRecordHeaderBytes = 48;
inline constexpr size_t kFooterTrailerBytes = 64;
// Records of one batch, without header and padding; also bounds what a decoder will read.
inline constexpr size_t kBatchBodyBytesMax = 8 * 1024 * 1024;
// Offsets in a segment are stored in 32 bits.
inline constexpr uint64_t kSegmentBytesMax = uint64_t{1} << 31;

inline uint64_t round_up_to_block(uint64_t bytes) {
  return (bytes + env::kBlockBytes - 1) / env::kBlockBytes * env::kBlockBytes;
}

struct SegmentHeader {
  uint64_t uid = 0;  // random, new for each use of a file
  uint64_t id = 0;
  Identity identity;
  base::LogIndex first_index;  // of the first record; none lies below it
  uint64_t file_bytes = 0;
  // Not 0: the records up to `copied_last_index` were copied from this segment, which an unclean
  // stop had left open; they were all durable before this segment had its name.
  uint64_t replaces_id = 0;
  base::LogIndex copied_last_index;
  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

struct BatchHeader {
  uint64_t sequence = 0;       // 0, 1, 2, ... in the segment
  uint64_t offset_bytes = 0;   // where it stands
  uint64_t durable_bytes = 0;  // all before this offset was durable when the batch was written
  uint64_t body_bytes = 0;
  uint32_t record_count = 0;
  bool is_copied = false;  // copied records never truncate (I7)
  base::LogIndex first_index;
  friend bool operator==(const BatchHeader&, const BatchHeader&) = default;

  uint64_t padded_bytes() const { return round_up_to_block(kBatchHeaderBytes + body_bytes); }
};

struct RecordHeader {
  base::LogIndex index;
  base::Term term;
  base::Stamp stamp;
  uint64_t seed = 0;
  raft::EntryKind kind = raft::EntryKind::kNoop;
  bool is_copied = false;
  uint32_t payload_bytes = 0;
  uint32_t payload_crc = 0;
  friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};

// Where a record's header stands, and how long its payload is.
struct RecordPlace {
  uint32_t offset_bytes = 0;
  uint32_t payload_bytes = 0;
  friend bool operator==(const RecordPlace&, const RecordPlace&) = default;
};
static_assert(sizeof(RecordPlace) == 8);

// Entries from `first_index` on, up to the next run, are of `term`.
struct TermRun {
  base::LogIndex first_index;
  base::Term term;
  friend bool operator==(const TermRun&, const TermRun&) = default;
};

// The entries that stood in the segment when it was sealed, those it truncated itself left out.
struct Footer {
  base::LogIndex first_index;
  uint64_t data_end_bytes = 0;
  uint64_t batch_count = 0;
  uint64_t record_count = 0;  // of all batches
  std::vector<TermRun> runs;
  std::vector<RecordPlace> places;
  friend bool operator==(const Footer&, const Footer&) = default;
};

// The seed of all checksums of a segment.
uint32_t checksum_seed(uint64_t uid);

// kSegmentHeaderBytes long.
base::Bytes encode_segment_header(const SegmentHeader& header);
base::Result<SegmentHeader> decode_segment_header(base::ByteView block);

// Writes kBatchHeaderBytes to `out`.
void encode_batch_header(const BatchHeader& header, uint64_t uid, char* out);
base::Result<BatchHeader> decode_batch_header(base::ByteView bytes, uint64_t uid);

// Writes kRecordHeaderBytes to `out`; `header.payload_crc` as of record_payload_crc.
void encode_record_header(const RecordHeader& header, uint64_t uid, char* out);
base::Result<RecordHeader> decode_record_header(base::ByteView bytes, uint64_t uid);
uint32_t record_payload_crc(base::ByteView payload, uint64_t uid);

// Length of a footer, padded to whole blocks; it takes up the file's last bytes.
uint64_t footer_bytes(uint64_t place_count, uint64_t run_count);
base::Bytes encode_footer(const Footer& footer, uint64_t uid);
// What the file's last kFooterTrailerBytes say by themselves.
struct FooterTrailer {
  uint64_t footer_bytes = 0;
  uint64_t data_end_bytes = 0;
};
base::Result<FooterTrailer> decode_footer_trailer(base::ByteView trailer, uint64_t uid);
base::Result<Footer> decode_footer(base::ByteView bytes, uint64_t uid);

}  // namespace alfheim::vlog
