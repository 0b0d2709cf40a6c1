// Fuzzes the records and batches of a segment: vlog/format_v1 and vlog/batch_scanner.
//
// The input's first byte chooses what is made right, the rest is a list of batches, each: the
// batch header (64 bytes), u16 length of the body, body. They are laid out in a segment as a
// writer would, each padded to a block, and scanned as recovery does. Bits of the first byte:
//   1  the rest is the segment's data as it is
//   2  each batch's place, sequence and length stay as the input has them
//   4  checksums of batch headers stay      8  checksums of records stay
#include <vector>

#include "base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/memory_file.h"
#include "vlog/batch_scanner.h"
#include "vlog/segment_reader.h"

namespace alfheim::fuzz {
namespace {

using vlog::kBatchHeaderBytes;
using vlog::kRecordHeaderBytes;
using vlog::kSegmentHeaderBytes;

constexpr uint8_t kIsRaw = 1;
constexpr uint8_t kKeepsPlaces = 2;
constexpr uint8_t kKeepsBatchChecksums = 4;
constexpr uint8_t kKeepsRecordChecksums = 8;
constexpr uint64_t kUid = 0x0123456789abcdef;
constexpr size_t kDataBytesMax = 256 * 1024;
// Of a batch header.
constexpr size_t kMagicOffset = 4;
constexpr size_t kSequenceOffset = 16;
constexpr size_t kOffsetOffset = 24;
constexpr size_t kBodyBytesOffset = 48;
// Of a record header.
constexpr size_t kPayloadCrcOffset = 4;
constexpr size_t kPayloadBytesOffset = 40;

// Gives each record that lies whole in `body` the checksums of its bytes.
void reseal_records(base::Bytes& body) {
  const uint32_t seed = vlog::checksum_seed(kUid);
  for (size_t at = 0; at + kRecordHeaderBytes <= body.size();) {
    const auto payload_bytes = integer_at<uint32_t>(body, at + kPayloadBytesOffset);
    const base::ByteView rest = base::ByteView(body).substr(at + kRecordHeaderBytes);
    const base::ByteView payload = rest.substr(0, payload_bytes);
    overwrite(body, at + kPayloadCrcOffset, vlog::record_payload_crc(payload, kUid));
    reseal_front(body, at, kRecordHeaderBytes, seed);
    at += kRecordHeaderBytes + payload.size();
  }
}

void reseal_batch(base::Bytes& header, uint64_t sequence, uint64_t offset_bytes, size_t body_bytes,
                  uint8_t choice) {
  if ((choice & kKeepsPlaces) == 0) {
    overwrite(header, kSequenceOffset, sequence);
    overwrite(header, kOffsetOffset, offset_bytes);
    overwrite(header, kBodyBytesOffset, static_cast<uint32_t>(body_bytes));
  }
  if ((choice & kKeepsBatchChecksums) != 0) return;
  base::Bytes proper(kBatchHeaderBytes, '\0');
  vlog::encode_batch_header({.record_count = 1}, kUid, proper.data());
  header.replace(kMagicOffset, 12, proper, kMagicOffset, 12);  // magic and uid
  reseal_front(header, 0, kBatchHeaderBytes, vlog::checksum_seed(kUid));
}

// What stands behind the segment's header.
base::Bytes lay_out(Input& input, uint8_t choice) {
  if ((choice & kIsRaw) != 0) return base::Bytes(input.take_rest());
  base::Bytes data;
  for (uint64_t sequence = 0; !input.is_empty() && data.size() < kDataBytesMax; ++sequence) {
    base::Bytes header = input.take_padded(kBatchHeaderBytes);
    const uint16_t body_bytes = input.take_u16();
    base::Bytes body(input.take(body_bytes));
    if ((choice & kKeepsRecordChecksums) == 0) reseal_records(body);
    reseal_batch(header, sequence, kSegmentHeaderBytes + data.size(), body.size(), choice);
    data += header;
    data += body;
    data.resize(vlog::round_up_to_block(data.size()), '\0');
  }
  return data;
}

// What was decoded must be what an encoder would have written, byte by byte.
void compare_with_encoder(const vlog::ScannedBatch& batch, base::ByteView file) {
  base::Bytes header(kBatchHeaderBytes, '\0');
  vlog::encode_batch_header(batch.header, kUid, header.data());
  ALF_CHECK(file.substr(batch.header.offset_bytes, kBatchHeaderBytes) == header);
  for (const vlog::ScannedRecord& record : batch.records) {
    base::Bytes bytes(kRecordHeaderBytes, '\0');
    vlog::encode_record_header(record.header, kUid, bytes.data());
    ALF_CHECK(file.substr(record.place.offset_bytes, kRecordHeaderBytes) == bytes);
    ALF_CHECK(record.payload.size() == record.place.payload_bytes);
    bytes += record.payload;
    const auto entry = vlog::decode_record(bytes, kUid, record.header.index);
    ALF_CHECK(entry.is_ok());
    ALF_CHECK(entry->term == record.header.term);
    ALF_CHECK(entry->payload == nullptr ? record.payload.empty()
                                        : base::ByteView(*entry->payload) == record.payload);
  }
}

void scan(base::ByteView bytes, const vlog::SegmentHeader& header) {
  MemoryFile file{base::Bytes(bytes)};
  vlog::BatchScanner scanner(file, "fuzz.seg", header);
  for (;;) {
    const uint64_t begin = scanner.offset_bytes();
    const auto batch = scanner.next();
    if (!batch.is_ok()) {
      ALF_CHECK(scanner.offset_bytes() == begin);
      break;
    }
    ALF_CHECK(scanner.offset_bytes() > begin);
    compare_with_encoder(*batch, bytes);
  }
  const auto later = scanner.find_later_batch();
  ALF_CHECK(later.is_ok());
  if (later->has_value()) ALF_CHECK(**later > scanner.offset_bytes());
}

// Headers by themselves, at any place: what is decoded, is encoded to the same bytes.
void decode_headers(base::ByteView bytes) {
  if (const auto batch = vlog::decode_batch_header(bytes, kUid); batch.is_ok()) {
    base::Bytes again(kBatchHeaderBytes, '\0');
    vlog::encode_batch_header(*batch, kUid, again.data());
    ALF_CHECK(bytes.substr(0, kBatchHeaderBytes) == again);
  }
  if (const auto record = vlog::decode_record_header(bytes, kUid); record.is_ok()) {
    base::Bytes again(kRecordHeaderBytes, '\0');
    vlog::encode_record_header(*record, kUid, again.data());
    ALF_CHECK(bytes.substr(0, kRecordHeaderBytes) == again);
  }
}

}  // namespace
}  // namespace alfheim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alfheim;
  using namespace alfheim::fuzz;
  Input input(data, size);
  const uint8_t choice = input.take_u8();
  base::Bytes body = lay_out(input, choice);
  decode_headers(body);
  decode_headers(base::ByteView(body).substr(std::min(body.size(), kBatchHeaderBytes)));
  body.resize(vlog::round_up_to_block(body.size()), '\0');
  const vlog::SegmentHeader header{
      .uid = kUid, .id = 1, .first_index = {1}, .file_bytes = kSegmentHeaderBytes + body.size()};
  const base::Bytes front = vlog::encode_segment_header(header);
  ALF_CHECK(vlog::decode_segment_header(front).is_ok());
  ALF_CHECK(*vlog::decode_segment_header(front) == header);
  scan(front + body, header);
  return 0;
}
