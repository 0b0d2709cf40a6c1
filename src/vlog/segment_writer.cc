#include "vlog/segment_writer.h"

#include <cstring>

#include "base/check.h"
#include "base/mutant.h"

namespace alfheim::vlog {

SegmentWriter::SegmentWriter(std::unique_ptr<env::File> file, const SegmentHeader& header,
                             Position position, AlignedBuffer& buffer)
    : file_(std::move(file)), header_(header), position_(position), buffer_(buffer) {
  ALF_CHECK(file_ != nullptr);
  ALF_CHECK(position_.end_bytes >= kSegmentHeaderBytes);
  ALF_CHECK(position_.end_bytes % env::kBlockBytes == 0);
  ALF_CHECK(position_.end_bytes <= header_.file_bytes);
}

base::Result<std::unique_ptr<env::File>> SegmentWriter::make_file(env::Disk& disk,
                                                                  const std::string& path,
                                                                  const SegmentHeader& header,
                                                                  bool is_spare,
                                                                  AlignedBuffer& buffer) {
  ALF_TRY(auto file,
          disk.open(path, {.is_writable = true, .create_new = !is_spare, .is_direct = true}));
  if (!is_spare) ALF_TRY_STATUS(file->allocate(header.file_bytes));
  const base::ByteView block = buffer.copy_of(encode_segment_header(header));
  if (ALF_MUTANT(NamedBeforeItsHeader)) {
    ALF_TRY_STATUS(file->write_at(0, block));
    return file;
  }
  ALF_TRY_STATUS(file->write_at_durable(0, block));
  return file;
}

bool SegmentWriter::has_room(uint64_t body_bytes, uint64_t entry_count,
                             const SegmentTable& table) const {
  const uint64_t batch_bytes = round_up_to_block(kBatchHeaderBytes + body_bytes);
  const uint64_t places = table.places().size() + entry_count;
  const uint64_t runs = table.runs().size() + entry_count;
  return position_.end_bytes + batch_bytes + footer_bytes(places, runs) <= header_.file_bytes;
}

uint64_t SegmentWriter::file_bytes_for(uint64_t body_bytes, uint64_t entry_count) {
  return kSegmentHeaderBytes + round_up_to_block(kBatchHeaderBytes + body_bytes) +
         footer_bytes(entry_count, entry_count);
}

base::Result<std::vector<RecordPlace>> SegmentWriter::write_batch(
    std::span<const raft::Entry> entries, bool is_copied) {
  ALF_CHECK(!is_sealed_);
  ALF_CHECK(!entries.empty());
  uint64_t body_bytes = 0;
  for (const raft::Entry& entry : entries) body_bytes += record_bytes(entry);
  const BatchHeader batch{.sequence = position_.batch_count,
                          .offset_bytes = position_.end_bytes,
                          // One write is under way at a time, so all before this one is durable.
                          .durable_bytes = position_.end_bytes,
                          .body_bytes = body_bytes,
                          .record_count = static_cast<uint32_t>(entries.size()),
                          .is_copied = is_copied,
                          .first_index = entries.front().index};
  const uint64_t padded_bytes = batch.padded_bytes();
  ALF_CHECK(position_.end_bytes + padded_bytes <= header_.file_bytes);
  char* const start = buffer_.reserve(padded_bytes);
  encode_batch_header(batch, header_.uid, start);
  char* out = start + kBatchHeaderBytes;
  std::vector<RecordPlace> places;
  places.reserve(entries.size());
  for (const raft::Entry& entry : entries) {
    const base::ByteView payload = entry.bytes();
    places.push_back({static_cast<uint32_t>(position_.end_bytes + (out - start)),
                      static_cast<uint32_t>(payload.size())});
    encode_record_header({.index = entry.index,
                          .term = entry.term,
                          .stamp = entry.stamp,
                          .seed = entry.seed,
                          .kind = entry.kind,
                          .is_copied = is_copied,
                          .payload_bytes = static_cast<uint32_t>(payload.size()),
                          .payload_crc = record_payload_crc(payload, header_.uid)},
                         header_.uid, out);
    out += kRecordHeaderBytes;
    if (!payload.empty()) std::memcpy(out, payload.data(), payload.size());
    out += payload.size();
  }
  ALF_CHECK(out == start + kBatchHeaderBytes + body_bytes);
  std::memset(out, 0, padded_bytes - static_cast<uint64_t>(out - start));
  ALF_TRY_STATUS(ALF_MUTANT(SyncSkipped)
                     ? file_->write_at(position_.end_bytes, {start, padded_bytes})
                     : file_->write_at_durable(position_.end_bytes, {start, padded_bytes}));
  position_.end_bytes += padded_bytes;
  position_.batch_count += 1;
  position_.record_count += entries.size();
  ALF_CHECK(position_.end_bytes % env::kBlockBytes == 0);
  ALF_CHECK(position_.end_bytes <= header_.file_bytes);
  last_write_bytes_ = padded_bytes;
  return places;
}

base::Status SegmentWriter::seal(const SegmentTable& table) {
  ALF_CHECK(!is_sealed_);
  ALF_CHECK(!table.is_empty());
  is_sealed_ = true;
  const Footer footer{.first_index = table.first_index(),
                      .data_end_bytes = position_.end_bytes,
                      .batch_count = position_.batch_count,
                      .record_count = position_.record_count,
                      .runs = {table.runs().begin(), table.runs().end()},
                      .places = {table.places().begin(), table.places().end()}};
  const base::Bytes bytes = encode_footer(footer, header_.uid);
  const uint64_t offset_bytes = header_.file_bytes - bytes.size();
  ALF_CHECK_MSG(offset_bytes >= position_.end_bytes, "room for the footer was kept by has_room");
  last_write_bytes_ = bytes.size();
  if (ALF_MUTANT(FooterNotSynced)) return file_->write_at(offset_bytes, bytes);
  return file_->write_at_durable(offset_bytes, buffer_.copy_of(bytes));
}

}  // namespace alfheim::vlog
