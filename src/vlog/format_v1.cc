#include "vlog/format_v1.h"

#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/mutant.h"

namespace alfheim::vlog {
namespace {

using base::Bytes;
using base::ByteView;

constexpr uint64_t kSegmentMagic = 0x3130474553464c41;  // "ALFSEG01"
constexpr uint32_t kBatchMagic = 0x48435442;            // "BTCH"
constexpr uint32_t kFooterMagic = 0x52544f46;           // "FOTR"
constexpr uint32_t kSegmentVersion = 1;
constexpr uint32_t kSegmentKindLog = 1;  // 2 is kept for segments that were compacted
constexpr uint32_t kFlagCopied = 1;
constexpr size_t kRunBytes = 16;
constexpr size_t kPlaceBytes = 8;

static_assert(kBatchBodyBytesMax >= base::kEntryBytesMax + kRecordHeaderBytes);
static_assert(kFooterTrailerBytes < env::kBlockBytes);

base::Error bad(std::string message) { return {base::ErrorCode::kCorruption, std::move(message)}; }

base::Error bad_crc(const char* what, uint32_t stored, uint32_t computed) {
  return bad(base::format("{} crc {:#010x} stored, {:#010x} computed", what, stored, computed));
}

template <typename Integer>
char* store(char* out, Integer value) {
  std::memcpy(out, &value, sizeof value);
  return out + sizeof value;
}

bool is_known_kind(uint8_t kind) {
  return kind >= static_cast<uint8_t>(raft::EntryKind::kNoop) &&
         kind <= static_cast<uint8_t>(raft::EntryKind::kFragment);
}

struct Trailer {
  uint32_t body_crc = 0;
  uint32_t run_count = 0;
  uint32_t place_count = 0;
  Footer footer;
};

base::Result<Trailer> decode_trailer(ByteView bytes, uint64_t uid) {
  if (bytes.size() != kFooterTrailerBytes) return bad("footer trailer is cut off");
  base::Reader reader(bytes);
  Trailer trailer;
  Footer& footer = trailer.footer;
  uint32_t crc = 0, magic = 0;
  uint64_t stored_uid = 0;
  uint32_t reserved = 0;
  const bool is_whole = reader.get_u32(crc) && reader.get_u32(magic) &&
                        reader.get_u64(stored_uid) && reader.get_u64(footer.first_index.value) &&
                        reader.get_u64(footer.data_end_bytes) &&
                        reader.get_u64(footer.batch_count) && reader.get_u64(footer.record_count) &&
                        reader.get_u32(trailer.place_count) && reader.get_u32(trailer.run_count) &&
                        reader.get_u32(trailer.body_crc) && reader.get_u32(reserved);
  ALF_CHECK(is_whole);
  if (magic != kFooterMagic) return bad(base::format("footer magic {:#010x} unknown", magic));
  const uint32_t computed = base::crc32c(bytes.substr(4), checksum_seed(uid));
  if (crc != computed) return bad_crc("footer trailer", crc, computed);
  if (stored_uid != uid) return bad("footer of another segment");
  if (reserved != 0) return bad("footer has unknown flags");
  return trailer;
}

}  // namespace

uint32_t checksum_seed(uint64_t uid) {
  if (ALF_MUTANT(StaleBytesTaken)) return 0;
  return base::crc32c(ByteView(reinterpret_cast<const char*>(&uid), sizeof uid));
}

Bytes encode_segment_header(const SegmentHeader& header) {
  ALF_CHECK(header.id != 0);
  ALF_CHECK(header.first_index.value != 0);
  ALF_CHECK(header.file_bytes % env::kBlockBytes == 0);
  ALF_CHECK(header.file_bytes <= kSegmentBytesMax);
  Bytes body;
  base::put_u32(body, kSegmentKindLog);
  base::put_u32(body, 0);
  base::put_u64(body, header.uid);
  base::put_u64(body, header.id);
  base::put_u64(body, header.identity.cluster_uid);
  base::put_u64(body, header.identity.node.value);
  base::put_u64(body, header.identity.group.value);
  base::put_u64(body, header.first_index.value);
  base::put_u64(body, header.file_bytes);
  base::put_u64(body, header.replaces_id);
  base::put_u64(body, header.copied_last_index.value);
  body.resize(kSegmentHeaderBytes - 16, '\0');
  Bytes block;
  base::put_u64(block, kSegmentMagic);
  base::put_u32(block, kSegmentVersion);
  base::put_u32(block, base::crc32c(body, base::crc32c(block)));
  block += body;
  return block;
}

base::Result<SegmentHeader> decode_segment_header(ByteView block) {
  if (block.size() != kSegmentHeaderBytes) {
    return bad(base::format("segment header has {} bytes, {} expected", block.size(),
                            kSegmentHeaderBytes));
  }
  base::Reader reader(block);
  SegmentHeader header;
  uint64_t magic = 0;
  uint32_t version = 0, crc = 0, kind = 0, reserved = 0;
  const bool is_whole =
      reader.get_u64(magic) && reader.get_u32(version) && reader.get_u32(crc) &&
      reader.get_u32(kind) && reader.get_u32(reserved) && reader.get_u64(header.uid) &&
      reader.get_u64(header.id) && reader.get_u64(header.identity.cluster_uid) &&
      reader.get_u64(header.identity.node.value) && reader.get_u64(header.identity.group.value) &&
      reader.get_u64(header.first_index.value) && reader.get_u64(header.file_bytes) &&
      reader.get_u64(header.replaces_id) && reader.get_u64(header.copied_last_index.value);
  ALF_CHECK(is_whole);
  if (magic != kSegmentMagic) return bad(base::format("segment magic {:#018x} unknown", magic));
  if (version != kSegmentVersion) return bad(base::format("segment version {} unknown", version));
  const uint32_t computed = base::crc32c(block.substr(16), base::crc32c(block.substr(0, 12)));
  if (crc != computed) return bad_crc("segment header", crc, computed);
  if (kind != kSegmentKindLog) return bad(base::format("segment kind {} unknown", kind));
  if (header.first_index.value == 0 || header.id == 0) return bad("segment header names 0");
  if (header.file_bytes % env::kBlockBytes != 0 || header.file_bytes > kSegmentBytesMax) {
    return bad(base::format("segment header names a length of {} bytes", header.file_bytes));
  }
  return header;
}

void encode_batch_header(const BatchHeader& header, uint64_t uid, char* out) {
  ALF_CHECK(header.body_bytes <= kBatchBodyBytesMax);
  ALF_CHECK(header.offset_bytes % env::kBlockBytes == 0);
  ALF_CHECK(header.durable_bytes <= header.offset_bytes);
  ALF_CHECK(header.record_count > 0);
  char* end = store(out + 4, kBatchMagic);
  end = store(end, uid);
  end = store(end, header.sequence);
  end = store(end, header.offset_bytes);
  end = store(end, header.durable_bytes);
  end = store(end, header.first_index.value);
  end = store(end, static_cast<uint32_t>(header.body_bytes));
  end = store(end, header.record_count);
  end = store(end, header.is_copied ? kFlagCopied : uint32_t{0});
  end = store(end, uint32_t{0});
  ALF_CHECK(end == out + kBatchHeaderBytes);
  store(out, base::crc32c(ByteView(out + 4, kBatchHeaderBytes - 4), checksum_seed(uid)));
}

base::Result<BatchHeader> decode_batch_header(ByteView bytes, uint64_t uid) {
  if (bytes.size() < kBatchHeaderBytes) return bad("batch header is cut off");
  bytes = bytes.substr(0, kBatchHeaderBytes);
  base::Reader reader(bytes);
  BatchHeader header;
  uint32_t crc = 0, magic = 0, body_bytes = 0, flags = 0, reserved = 0;
  uint64_t stored_uid = 0;
  const bool is_whole =
      reader.get_u32(crc) && reader.get_u32(magic) && reader.get_u64(stored_uid) &&
      reader.get_u64(header.sequence) && reader.get_u64(header.offset_bytes) &&
      reader.get_u64(header.durable_bytes) && reader.get_u64(header.first_index.value) &&
      reader.get_u32(body_bytes) && reader.get_u32(header.record_count) && reader.get_u32(flags) &&
      reader.get_u32(reserved);
  ALF_CHECK(is_whole);
  if (magic != kBatchMagic) return bad(base::format("batch magic {:#010x} unknown", magic));
  if (stored_uid != uid && !ALF_MUTANT(StaleBytesTaken)) return bad("batch of another segment");
  const uint32_t computed = base::crc32c(bytes.substr(4), checksum_seed(uid));
  if (crc != computed) return bad_crc("batch header", crc, computed);
  if (flags > kFlagCopied || reserved != 0) return bad("batch has unknown flags");
  if (body_bytes > kBatchBodyBytesMax || header.record_count == 0 ||
      header.durable_bytes > header.offset_bytes || header.offset_bytes % env::kBlockBytes != 0 ||
      body_bytes < header.record_count * kRecordHeaderBytes) {
    return bad(base::format("batch header contradicts itself: {} records in {} bytes",
                            header.record_count, body_bytes));
  }
  header.body_bytes = body_bytes;
  header.is_copied = flags == kFlagCopied;
  return header;
}

void encode_record_header(const RecordHeader& header, uint64_t uid, char* out) {
  ALF_CHECK(header.payload_bytes <= base::kEntryBytesMax);
  ALF_CHECK(is_known_kind(static_cast<uint8_t>(header.kind)));
  char* end = store(out + 4, header.payload_crc);
  end = store(end, header.index.value);
  end = store(end, header.term.value);
  end = store(end, header.stamp.ms);
  end = store(end, header.seed);
  end = store(end, header.payload_bytes);
  end = store(end, static_cast<uint8_t>(header.kind));
  end = store(end, static_cast<uint8_t>(header.is_copied ? kFlagCopied : 0));
  end = store(end, uint16_t{0});
  ALF_CHECK(end == out + kRecordHeaderBytes);
  store(out, base::crc32c(ByteView(out + 4, kRecordHeaderBytes - 4), checksum_seed(uid)));
}

base::Result<RecordHeader> decode_record_header(ByteView bytes, uint64_t uid) {
  if (bytes.size() < kRecordHeaderBytes) return bad("record header is cut off");
  bytes = bytes.substr(0, kRecordHeaderBytes);
  base::Reader reader(bytes);
  RecordHeader header;
  uint32_t crc = 0;
  uint8_t kind = 0, flags = 0;
  uint16_t reserved = 0;
  const bool is_whole = reader.get_u32(crc) && reader.get_u32(header.payload_crc) &&
                        reader.get_u64(header.index.value) && reader.get_u64(header.term.value) &&
                        reader.get_u64(header.stamp.ms) && reader.get_u64(header.seed) &&
                        reader.get_u32(header.payload_bytes) && reader.get_u8(kind) &&
                        reader.get_u8(flags) && reader.get_u16(reserved);
  ALF_CHECK(is_whole);
  const uint32_t computed = base::crc32c(bytes.substr(4), checksum_seed(uid));
  if (crc != computed) return bad_crc("record header", crc, computed);
  if (header.payload_bytes > base::kEntryBytesMax) {
    return bad(base::format("record names a payload of {} bytes", header.payload_bytes));
  }
  if (!is_known_kind(kind)) return bad(base::format("record kind {} unknown", kind));
  if (flags > kFlagCopied || reserved != 0) return bad("record has unknown flags");
  if (header.index.value == 0) return bad("record names index 0");
  header.kind = static_cast<raft::EntryKind>(kind);
  header.is_copied = flags == kFlagCopied;
  return header;
}

uint32_t record_payload_crc(ByteView payload, uint64_t uid) {
  return base::crc32c(payload, checksum_seed(uid));
}

uint64_t footer_bytes(uint64_t place_count, uint64_t run_count) {
  return round_up_to_block(run_count * kRunBytes + place_count * kPlaceBytes + kFooterTrailerBytes);
}

Bytes encode_footer(const Footer& footer, uint64_t uid) {
  Bytes out;
  out.reserve(footer_bytes(footer.places.size(), footer.runs.size()));
  for (const TermRun& run : footer.runs) {
    base::put_u64(out, run.first_index.value);
    base::put_u64(out, run.term.value);
  }
  for (const RecordPlace& place : footer.places) {
    base::put_u32(out, place.offset_bytes);
    base::put_u32(out, place.payload_bytes);
  }
  out.resize(footer_bytes(footer.places.size(), footer.runs.size()) - kFooterTrailerBytes, '\0');
  const uint32_t body_crc = base::crc32c(out, checksum_seed(uid));
  Bytes trailer;
  base::put_u32(trailer, kFooterMagic);
  base::put_u64(trailer, uid);
  base::put_u64(trailer, footer.first_index.value);
  base::put_u64(trailer, footer.data_end_bytes);
  base::put_u64(trailer, footer.batch_count);
  base::put_u64(trailer, footer.record_count);
  base::put_u32(trailer, static_cast<uint32_t>(footer.places.size()));
  base::put_u32(trailer, static_cast<uint32_t>(footer.runs.size()));
  base::put_u32(trailer, body_crc);
  base::put_u32(trailer, 0);
  base::put_u32(out, base::crc32c(trailer, checksum_seed(uid)));
  out += trailer;
  ALF_CHECK(out.size() % env::kBlockBytes == 0);
  return out;
}

base::Result<FooterTrailer> decode_footer_trailer(ByteView bytes, uint64_t uid) {
  ALF_TRY(const Trailer trailer, decode_trailer(bytes, uid));
  return FooterTrailer{footer_bytes(trailer.place_count, trailer.run_count),
                       trailer.footer.data_end_bytes};
}

base::Result<Footer> decode_footer(ByteView bytes, uint64_t uid) {
  if (bytes.size() < kFooterTrailerBytes) return bad("footer is cut off");
  ALF_TRY(Trailer trailer, decode_trailer(bytes.substr(bytes.size() - kFooterTrailerBytes), uid));
  if (bytes.size() != footer_bytes(trailer.place_count, trailer.run_count)) {
    return bad(base::format("footer has {} bytes, {} expected", bytes.size(),
                            footer_bytes(trailer.place_count, trailer.run_count)));
  }
  const ByteView body = bytes.substr(0, bytes.size() - kFooterTrailerBytes);
  const uint32_t computed = base::crc32c(body, checksum_seed(uid));
  if (trailer.body_crc != computed && !ALF_MUTANT(FooterNotVerified)) {
    return bad_crc("footer", trailer.body_crc, computed);
  }
  Footer footer = std::move(trailer.footer);
  footer.runs.resize(trailer.run_count);
  footer.places.resize(trailer.place_count);
  base::Reader reader(body);
  bool is_whole = true;
  for (TermRun& run : footer.runs) {
    is_whole = is_whole && reader.get_u64(run.first_index.value) && reader.get_u64(run.term.value);
  }
  for (RecordPlace& place : footer.places) {
    is_whole =
        is_whole && reader.get_u32(place.offset_bytes) && reader.get_u32(place.payload_bytes);
  }
  ALF_CHECK(is_whole);
  if (footer.places.empty() || footer.runs.empty() ||
      footer.runs.front().first_index != footer.first_index) {
    return bad("footer contradicts itself");
  }
  return footer;
}

}  // namespace alfheim::vlog
