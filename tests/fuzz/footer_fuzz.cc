// Fuzzes the footer of a segment: vlog/format_v1, segment_reader's read of it, and the table
// that is made of it.
//
// The input is the trailer (64 bytes) and then the footer's body; here they are put together as
// they lie in a file, padded, with magic, uid and checksums made right. Bit 0 of the first byte:
// the checksums are left as they are in the input.
#include "base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/memory_file.h"
#include "vlog/format_v1.h"
#include "vlog/segment_reader.h"
#include "vlog/segment_table.h"

namespace alfheim::fuzz {
namespace {

using vlog::Footer;
using vlog::kFooterTrailerBytes;
using vlog::kSegmentHeaderBytes;

constexpr uint64_t kUid = 0x0123456789abcdef;
constexpr uint8_t kKeepsChecksums = 1;
// Of the trailer.
constexpr size_t kMagicOffset = 4;
constexpr size_t kUidOffset = 8;
constexpr size_t kPlaceCountOffset = 48;
constexpr size_t kRunCountOffset = 52;
constexpr size_t kBodyCrcOffset = 56;
// More places than that teach nothing new, and cost time.
constexpr uint64_t kFooterBytesMax = 64 * 1024;

// A whole footer of this trailer and this body.
base::Bytes assemble(base::Bytes trailer, base::ByteView body, bool keeps_checksums) {
  const auto place_count = integer_at<uint32_t>(trailer, kPlaceCountOffset);
  const auto run_count = integer_at<uint32_t>(trailer, kRunCountOffset);
  const uint64_t length = std::min(vlog::footer_bytes(place_count, run_count), kFooterBytesMax);
  base::Bytes footer(body.substr(0, length - kFooterTrailerBytes));
  footer.resize(length - kFooterTrailerBytes, '\0');
  if (!keeps_checksums) {
    static const base::Bytes kProper = vlog::encode_footer(Footer{}, kUid);
    const size_t proper_trailer = kProper.size() - kFooterTrailerBytes;
    trailer.replace(kMagicOffset, 12, kProper, proper_trailer + kMagicOffset, 12);
    const uint32_t seed = vlog::checksum_seed(kUid);
    overwrite(trailer, kBodyCrcOffset, base::crc32c(footer, seed));
    reseal_front(trailer, 0, trailer.size(), seed);
    static_assert(kUidOffset == kMagicOffset + 4);
  }
  return footer + trailer;
}

void use_table(const Footer& footer) {
  const auto table = vlog::SegmentTable::from_footer(footer);
  if (!table.is_ok()) return;
  ALF_CHECK(table->first_index() == footer.first_index);
  ALF_CHECK(table->places().size() == footer.places.size());
  base::LogIndex index = table->first_index();
  base::Term term;
  for (const vlog::RecordPlace& place : footer.places) {
    ALF_CHECK(table->holds(index));
    ALF_CHECK(table->place_at(index) == place);
    ALF_CHECK(table->term_at(index) >= term);
    term = table->term_at(index);
    index = index.next();
  }
  ALF_CHECK(!table->holds(index));
}

void decode(base::ByteView bytes) {
  const auto footer = vlog::decode_footer(bytes, kUid);
  if (!footer.is_ok()) {
    ALF_CHECK(footer.error().code == base::ErrorCode::kCorruption);
    return;
  }
  const auto trailer =
      vlog::decode_footer_trailer(bytes.substr(bytes.size() - kFooterTrailerBytes), kUid);
  ALF_CHECK(trailer.is_ok());
  ALF_CHECK(trailer->footer_bytes == bytes.size());
  ALF_CHECK(trailer->data_end_bytes == footer->data_end_bytes);
  const base::Bytes again = vlog::encode_footer(*footer, kUid);
  ALF_CHECK(again.size() == bytes.size());
  const auto second = vlog::decode_footer(again, kUid);
  ALF_CHECK(second.is_ok());
  ALF_CHECK(*second == *footer);
  use_table(*footer);
}

// As recovery meets it: at the end of a file whose header may say otherwise.
void read_from_file(const base::Bytes& footer, uint64_t data_blocks) {
  const vlog::SegmentHeader header{
      .uid = kUid,
      .id = 1,
      .first_index = base::LogIndex{integer_at<uint64_t>(
          base::ByteView(footer).substr(footer.size() - kFooterTrailerBytes), 16)},
      .file_bytes = kSegmentHeaderBytes + data_blocks * env::kBlockBytes + footer.size()};
  base::Bytes bytes(header.file_bytes - footer.size(), '\0');
  MemoryFile file(bytes + footer);
  const auto state = vlog::read_footer(file, "fuzz.seg", header);
  if (!state.is_ok()) return;
  ALF_CHECK(state->footer.has_value() == state->why_not.empty());
  ALF_CHECK(state->known_durable_bytes <= header.file_bytes);
}

}  // namespace
}  // namespace alfheim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alfheim;
  fuzz::decode(base::ByteView(reinterpret_cast<const char*>(data), size));
  fuzz::Input input(data, size);
  const uint8_t choice = input.take_u8();
  base::Bytes trailer = input.take_padded(vlog::kFooterTrailerBytes);
  const base::Bytes footer =
      fuzz::assemble(std::move(trailer), input.take_rest(), (choice & fuzz::kKeepsChecksums) != 0);
  fuzz::decode(footer);
  fuzz::read_from_file(footer, choice >> 4);
  return 0;
}
