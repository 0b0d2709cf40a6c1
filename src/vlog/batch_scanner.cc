#include "vlog/batch_scanner.h"

#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "vlog/segment_reader.h"

namespace alfheim::vlog {
namespace {

constexpr uint64_t kSearchBytes = base::kMiB;

base::Error bad(std::string message) { return {base::ErrorCode::kCorruption, std::move(message)}; }

}  // namespace

base::Status BatchScanner::read(uint64_t offset_bytes, uint64_t length_bytes) {
  bytes_.resize(length_bytes);
  return read_exactly(file_, path_, offset_bytes, bytes_, env::ReadMode::kMayBlock);
}

base::Result<ScannedBatch> BatchScanner::next() {
  if (offset_bytes_ + env::kBlockBytes > header_.file_bytes) {
    return corruption_at(path_, offset_bytes_, "the segment is full");
  }
  ALF_TRY_STATUS(read(offset_bytes_, env::kBlockBytes));
  auto header = decode_batch_header(bytes_, header_.uid);
  if (!header.is_ok()) return corruption_at(path_, offset_bytes_, header.error().message);
  if (header->offset_bytes != offset_bytes_ || header->sequence != sequence_) {
    return corruption_at(path_, offset_bytes_,
                         base::format("batch {} of offset_bytes={} where batch {} was expected",
                                      header->sequence, header->offset_bytes, sequence_));
  }
  if (offset_bytes_ + header->padded_bytes() > header_.file_bytes) {
    return corruption_at(path_, offset_bytes_, "batch reaches beyond the segment");
  }
  ALF_TRY_STATUS(read(offset_bytes_, header->padded_bytes()));
  // Read twice: the header must not have changed under us, or the file is being written.
  auto again = decode_batch_header(bytes_, header_.uid);
  if (!again.is_ok() || !(*again == *header)) {
    return corruption_at(path_, offset_bytes_, "batch header changed while it was read");
  }
  auto batch = parse(*header);
  if (!batch.is_ok()) return corruption_at(path_, offset_bytes_, batch.error().message);
  ALF_CHECK(batch->records.size() == header->record_count);
  offset_bytes_ += header->padded_bytes();
  ALF_CHECK(offset_bytes_ % env::kBlockBytes == 0);
  ++sequence_;
  return batch;
}

base::Result<ScannedBatch> BatchScanner::parse(const BatchHeader& header) const {
  ScannedBatch batch{.header = header, .records = {}};
  base::ByteView rest = base::ByteView(bytes_).substr(kBatchHeaderBytes, header.body_bytes);
  base::LogIndex expected = header.first_index;
  for (uint32_t i = 0; i < header.record_count; ++i) {
    const auto place_offset =
        static_cast<uint32_t>(offset_bytes_ + kBatchHeaderBytes + header.body_bytes - rest.size());
    ALF_TRY(const RecordHeader record, decode_record_header(rest, header_.uid));
    rest.remove_prefix(kRecordHeaderBytes);
    if (record.payload_bytes > rest.size()) return bad("record reaches beyond its batch");
    const base::ByteView payload = rest.substr(0, record.payload_bytes);
    rest.remove_prefix(record.payload_bytes);
    if (record_payload_crc(payload, header_.uid) != record.payload_crc &&
        !ALF_MUTANT(TornRecordTaken)) {
      return bad(base::format("payload crc of entry {} does not match", record.index.value));
    }
    if (record.index != expected || record.index < header_.first_index) {
      return bad(base::format("record of entry {} where {} was expected", record.index.value,
                              expected.value));
    }
    if (record.is_copied != header.is_copied) return bad("record and batch differ in `copied`");
    expected = expected.next();
    batch.records.push_back({record, {place_offset, record.payload_bytes}, payload});
  }
  if (!rest.empty()) return bad("batch is longer than its records");
  const base::ByteView padding =
      base::ByteView(bytes_).substr(kBatchHeaderBytes + header.body_bytes);
  if (padding.find_first_not_of('\0') != base::ByteView::npos) return bad("padding is not zero");
  return batch;
}

base::Result<std::optional<uint64_t>> BatchScanner::find_later_batch() {
  for (uint64_t offset = offset_bytes_ + env::kBlockBytes; offset < header_.file_bytes;
       offset += kSearchBytes) {
    ALF_TRY_STATUS(read(offset, std::min(kSearchBytes, header_.file_bytes - offset)));
    for (uint64_t at = 0; at < bytes_.size(); at += env::kBlockBytes) {
      auto header = decode_batch_header(base::ByteView(bytes_).substr(at), header_.uid);
      // It names its own place, so that a value holding a copy of a segment is not taken for one.
      if (header.is_ok() && header->offset_bytes == offset + at) {
        return std::optional<uint64_t>(offset + at);
      }
    }
  }
  return std::optional<uint64_t>();
}

}  // namespace alfheim::vlog
