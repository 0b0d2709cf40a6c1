#include "vlog/segment_reader.h"

#include "base/format.h"

namespace alfheim::vlog {

base::Error corruption_at(const std::string& path, uint64_t offset_bytes,
                          const std::string& words) {
  return {base::ErrorCode::kCorruption,
          base::format("read {} at offset_bytes={}: {}", path, offset_bytes, words)};
}

base::Status read_exactly(env::File& file, const std::string& path, uint64_t offset_bytes,
                          std::span<char> out, env::ReadMode mode) {
  ALF_TRY(const size_t length, file.read_at(offset_bytes, out, mode));
  if (length == out.size()) return base::ok();
  return corruption_at(
      path, offset_bytes + length,
      base::format("the file ends here, {} bytes more were expected", out.size() - length));
}

base::Result<SegmentHeader> read_segment_header(env::File& file, const std::string& path) {
  base::Bytes block(kSegmentHeaderBytes, '\0');
  ALF_TRY_STATUS(read_exactly(file, path, 0, block, env::ReadMode::kMayBlock));
  auto header = decode_segment_header(block);
  if (!header.is_ok()) return corruption_at(path, 0, header.error().message);
  return header;
}

base::Result<FooterState> read_footer(env::File& file, const std::string& path,
                                      const SegmentHeader& header) {
  FooterState state;
  base::Bytes trailer(kFooterTrailerBytes, '\0');
  const uint64_t trailer_offset = header.file_bytes - kFooterTrailerBytes;
  ALF_TRY_STATUS(read_exactly(file, path, trailer_offset, trailer, env::ReadMode::kMayBlock));
  auto lengths = decode_footer_trailer(trailer, header.uid);
  if (!lengths.is_ok()) {
    state.why_not = lengths.error().message;
    return state;
  }
  const bool is_placed_well =
      lengths->footer_bytes + kSegmentHeaderBytes <= header.file_bytes &&
      lengths->data_end_bytes <= header.file_bytes - lengths->footer_bytes &&
      lengths->data_end_bytes % env::kBlockBytes == 0 &&
      lengths->data_end_bytes > kSegmentHeaderBytes;
  if (!is_placed_well) return corruption_at(path, trailer_offset, "footer contradicts the header");
  base::Bytes bytes(lengths->footer_bytes, '\0');
  ALF_TRY_STATUS(
      read_exactly(file, path, header.file_bytes - bytes.size(), bytes, env::ReadMode::kMayBlock));
  auto footer = decode_footer(bytes, header.uid);
  if (footer.is_ok() && footer->first_index != header.first_index) {
    return corruption_at(path, trailer_offset, "footer begins at another index than the header");
  }
  state.known_durable_bytes = lengths->data_end_bytes;
  if (footer.is_ok()) {
    state.footer = std::move(footer).value();
  } else {
    state.why_not = footer.error().message;
  }
  return state;
}

base::Result<OpenedSegment> open_segment(env::Disk& disk, const std::string& path, uint64_t id) {
  ALF_TRY(auto file, disk.open(path, {}));
  ALF_TRY(const SegmentHeader header, read_segment_header(*file, path));
  if (header.id != id) {
    return corruption_at(path, 0,
                         base::format("header names segment {}, the file {}", header.id, id));
  }
  ALF_TRY(const uint64_t size_bytes, file->size_bytes());
  if (size_bytes != header.file_bytes) {
    return corruption_at(
        path, size_bytes,
        base::format("the file ends here, its header names {} bytes", header.file_bytes));
  }
  OpenedSegment opened;
  ALF_TRY(opened.footer, read_footer(*file, path, header));
  opened.segment = std::make_shared<Segment>(header, path, std::move(file));
  if (opened.footer.footer) {
    Segment& segment = *opened.segment;
    auto table = SegmentTable::from_footer(*opened.footer.footer);
    if (!table.is_ok()) return corruption_at(path, header.file_bytes, table.error().message);
    segment.table = std::move(table).value();
    segment.data_end_bytes = opened.footer.footer->data_end_bytes;
    ALF_CHECK(segment.table.first_index() == header.first_index);
    segment.is_sealed = true;
    segment.sealed_last_index = segment.table.last_index();
  }
  return opened;
}

base::Result<raft::Entry> decode_record(base::ByteView bytes, uint64_t uid, base::LogIndex wanted) {
  ALF_TRY(const RecordHeader header, decode_record_header(bytes, uid));
  if (header.index != wanted) {
    return base::Error{
        base::ErrorCode::kCorruption,
        base::format("record of entry {} where {} was expected", header.index.value, wanted.value)};
  }
  const base::ByteView payload = bytes.substr(kRecordHeaderBytes);
  if (payload.size() != header.payload_bytes) {
    return base::Error{
        base::ErrorCode::kCorruption,
        base::format("record of entry {} has a payload of {} bytes, the table says {}",
                     wanted.value, header.payload_bytes, payload.size())};
  }
  const uint32_t computed = record_payload_crc(payload, uid);
  if (computed != header.payload_crc) {
    return base::Error{base::ErrorCode::kCorruption,
                       base::format("payload crc {:#010x} stored, {:#010x} computed, entry {}",
                                    header.payload_crc, computed, wanted.value)};
  }
  raft::Entry entry{.index = header.index,
                    .term = header.term,
                    .kind = header.kind,
                    .stamp = header.stamp,
                    .seed = header.seed,
                    .payload = nullptr};
  if (!payload.empty()) entry.payload = std::make_shared<const base::Bytes>(payload);
  return entry;
}

base::Result<raft::Entry> read_record(const Segment& segment, RecordPlace place,
                                      base::LogIndex wanted, env::ReadMode mode) {
  base::Bytes bytes(kRecordHeaderBytes + place.payload_bytes, '\0');
  ALF_TRY_STATUS(read_exactly(*segment.file, segment.path, place.offset_bytes, bytes, mode));
  auto entry = decode_record(bytes, segment.header.uid, wanted);
  if (!entry.is_ok()) return corruption_at(segment.path, place.offset_bytes, entry.error().message);
  return entry;
}

}  // namespace alfheim::vlog
