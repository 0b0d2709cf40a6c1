// vlog/segment_writer: the hand that writes the one open segment.
//
// Turns a run of entries into one batch: one write, one sync. Never touches a block that was
// written before. Knows the file and where its data ends; the table is the owner's.
//
// Thread: the log strand. Lifetime: the buffer and the Disk outlive it.
// After an error of write_batch or seal the writer is finished, and the log with it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "env/disk.h"
#include "raft/entry.h"
#include "vlog/aligned_buffer.h"
#include "vlog/format_v1.h"
#include "vlog/segment_table.h"

namespace alfheim::vlog {

inline uint64_t record_bytes(const raft::Entry& entry) {
  return kRecordHeaderBytes + entry.bytes().size();
}

class SegmentWriter {
 public:
  // Takes the file (opened direct) of a segment whose data end at `end_bytes` after
  // `batch_count` batches with `record_count` records.
  struct Position {
    uint64_t end_bytes = kSegmentHeaderBytes;
    uint64_t batch_count = 0;
    uint64_t record_count = 0;
  };
  SegmentWriter(std::unique_ptr<env::File> file, const SegmentHeader& header, Position position,
                AlignedBuffer& buffer);

  // Makes the file of a new segment (zeros, or over what a spare file holds) with a durable
  // header. kNoSpace leaves nothing but a file to be removed.
  static base::Result<std::unique_ptr<env::File>> make_file(env::Disk& disk,
                                                            const std::string& path,
                                                            const SegmentHeader& header,
                                                            bool is_spare, AlignedBuffer& buffer);

  // Whether a batch of `entry_count` records, `body_bytes` together, and after it the footer,
  // still have room.
  bool has_room(uint64_t body_bytes, uint64_t entry_count, const SegmentTable& table) const;
  // The file length that a segment needs to take such a batch as its first.
  static uint64_t file_bytes_for(uint64_t body_bytes, uint64_t entry_count);

  // Returns where each record landed. `entries` are at most kBatchBodyBytesMax together.
  base::Result<std::vector<RecordPlace>> write_batch(std::span<const raft::Entry> entries,
                                                     bool is_copied);
  // Writes the footer. Nothing may follow.
  base::Status seal(const SegmentTable& table);

  const Position& position() const { return position_; }
  const SegmentHeader& header() const { return header_; }
  uint64_t last_write_bytes() const { return last_write_bytes_; }

 private:
  std::unique_ptr<env::File> file_;
  SegmentHeader header_;
  Position position_;
  AlignedBuffer& buffer_;
  uint64_t last_write_bytes_ = 0;
  bool is_sealed_ = false;
};

}  // namespace alfheim::vlog
