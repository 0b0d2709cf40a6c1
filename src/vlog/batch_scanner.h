// vlog/batch_scanner: walks a segment batch by batch, trusting nothing but its header.
//
// For recovery and inspection. Holds one batch in memory at a time (kBatchBodyBytesMax).
// Thread: one. Lifetime: within the file's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "env/disk.h"
#include "vlog/format_v1.h"

namespace alfheim::vlog {

struct ScannedRecord {
  RecordHeader header;
  RecordPlace place;
  base::ByteView payload;  // borrowed from the scanner, until its next call
};

struct ScannedBatch {
  BatchHeader header;
  std::vector<ScannedRecord> records;
};

class BatchScanner {
 public:
  BatchScanner(env::File& file, std::string path, const SegmentHeader& header)
      : file_(file), path_(std::move(path)), header_(header) {}

  // Where the next batch would stand.
  uint64_t offset_bytes() const { return offset_bytes_; }
  uint64_t batch_count() const { return sequence_; }

  // The batch at offset_bytes(). kCorruption: there is no whole batch; the offset stays. Other
  // errors: the file cannot be read.
  base::Result<ScannedBatch> next();

  // Where the first batch header stands that lies behind offset_bytes() and belongs to this
  // segment; nothing if there is none up to the file's end.
  base::Result<std::optional<uint64_t>> find_later_batch();

 private:
  base::Status read(uint64_t offset_bytes, uint64_t length_bytes);
  base::Result<ScannedBatch> parse(const BatchHeader& header) const;

  env::File& file_;
  std::string path_;
  SegmentHeader header_;
  uint64_t offset_bytes_ = kSegmentHeaderBytes;
  uint64_t sequence_ = 0;
  base::Bytes bytes_;
};

}  // namespace alfheim::vlog
