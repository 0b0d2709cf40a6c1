#include "vlog/format_v1.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/crc32c.h"
#include "sim/hands/sim_random.h"

namespace alfheim::vlog {
namespace {

constexpr uint64_t kUid = 0x1122334455667788;

SegmentHeader a_header() {
  return {.uid = kUid,
          .id = 7,
          .identity = {1, {2}, {3}},
          .first_index = {100},
          .file_bytes = 65536,
          .replaces_id = 6,
          .copied_last_index = {120}};
}
BatchHeader a_batch() {
  return {.sequence = 3,
          .offset_bytes = 8192,
          .durable_bytes = 8192,
          .body_bytes = 200,
          .record_count = 2,
          .is_copied = true,
          .first_index = {105}};
}
RecordHeader a_record() {
  return {.index = {105},
          .term = {4},
          .stamp = {1700000000000},
          .seed = 99,
          .kind = raft::EntryKind::kCommands,
          .is_copied = false,
          .payload_bytes = 5,
          .payload_crc = record_payload_crc("hello", kUid)};
}
Footer a_footer() {
  return {.first_index = {100},
          .data_end_bytes = 20480,
          .batch_count = 4,
          .record_count = 3,
          .runs = {{{100}, {4}}, {{101}, {5}}},
          .places = {{4160, 10}, {8256, 0}}};
}
Meta a_meta() {
  return {.generation = 9,
          .identity = {1, {2}, {3}},
          .hard_state = {{4}, {2}},
          .log_start = {50},
          .log_start_previous_term = {3},
          .next_segment_id = 12,
          .is_clean = true,
          .clean_tail_id = 11,
          .clean_tail_bytes = 8192,
          .trims = {{5, {44}}}};
}

// Each decoder as bytes -> whether they were taken.
struct DecoderCase {
  const char* name;
  base::Bytes good;
  std::function<bool(base::ByteView)> accepts;
};

std::vector<DecoderCase> decoder_cases() {
  base::Bytes batch(kBatchHeaderBytes, '\0'), record(kRecordHeaderBytes, '\0');
  encode_batch_header(a_batch(), kUid, batch.data());
  encode_record_header(a_record(), kUid, record.data());
  return {
      {"segment header", encode_segment_header(a_header()),
       [](base::ByteView bytes) { return decode_segment_header(bytes).is_ok(); }},
      {"batch header", batch,
       [](base::ByteView bytes) { return decode_batch_header(bytes, kUid).is_ok(); }},
      {"record header", record,
       [](base::ByteView bytes) { return decode_record_header(bytes, kUid).is_ok(); }},
      {"footer", encode_footer(a_footer(), kUid),
       [](base::ByteView bytes) { return decode_footer(bytes, kUid).is_ok(); }},
      {"META", encode_meta(a_meta()),
       [](base::ByteView bytes) { return decode_meta(bytes).is_ok(); }},
  };
}

TEST(FormatV1, WhatWasEncodedIsDecoded) {
  EXPECT_EQ(*decode_segment_header(encode_segment_header(a_header())), a_header());
  base::Bytes batch(kBatchHeaderBytes, '\0'), record(kRecordHeaderBytes, '\0');
  encode_batch_header(a_batch(), kUid, batch.data());
  EXPECT_EQ(*decode_batch_header(batch, kUid), a_batch());
  encode_record_header(a_record(), kUid, record.data());
  EXPECT_EQ(*decode_record_header(record, kUid), a_record());
  EXPECT_EQ(*decode_footer(encode_footer(a_footer(), kUid), kUid), a_footer());
  EXPECT_EQ(*decode_meta(encode_meta(a_meta())), a_meta());
}

TEST(FormatV1, EveryFlippedBitIsDetected) {
  for (const DecoderCase& decoder : decoder_cases()) {
    ASSERT_TRUE(decoder.accepts(decoder.good)) << decoder.name;
    for (size_t bit = 0; bit < decoder.good.size() * 8; ++bit) {
      base::Bytes bad = decoder.good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
      ASSERT_FALSE(decoder.accepts(bad)) << decoder.name << " bit " << bit;
    }
  }
}

TEST(FormatV1, EveryTruncationIsDetected) {
  for (const DecoderCase& decoder : decoder_cases()) {
    for (size_t length = 0; length < decoder.good.size(); ++length) {
      ASSERT_FALSE(decoder.accepts(base::ByteView(decoder.good).substr(0, length)))
          << decoder.name << " cut to " << length;
    }
  }
}

TEST(FormatV1, GarbageIsNeverTaken) {
  sim::SimRandom random(5);
  for (int round = 0; round < 2000; ++round) {
    base::Bytes garbage(random.coin() ? 4096 : random.below(300), '\0');
    for (char& byte : garbage) byte = static_cast<char>(random.next_u64());
    for (const DecoderCase& decoder : decoder_cases()) ASSERT_FALSE(decoder.accepts(garbage));
  }
}

TEST(FormatV1, ARecordOfAnotherSegmentIsNotTaken) {
  base::Bytes batch(kBatchHeaderBytes, '\0'), record(kRecordHeaderBytes, '\0');
  encode_batch_header(a_batch(), kUid, batch.data());
  encode_record_header(a_record(), kUid, record.data());
  EXPECT_FALSE(decode_batch_header(batch, kUid + 1).is_ok());
  EXPECT_FALSE(decode_record_header(record, kUid + 1).is_ok());
  EXPECT_FALSE(decode_footer(encode_footer(a_footer(), kUid), kUid + 1).is_ok());
}

// Found by segment_fuzz: it was taken, and ended the process where it was encoded again.
TEST(FormatV1, ABatchThatNamesAPlaceWithinABlockIsNotTaken) {
  base::Bytes batch(kBatchHeaderBytes, '\0');
  encode_batch_header(a_batch(), kUid, batch.data());
  batch[24] = 1;  // the first byte of its offset
  const uint32_t crc = base::crc32c(base::ByteView(batch).substr(4), checksum_seed(kUid));
  batch.replace(0, 4, reinterpret_cast<const char*>(&crc), 4);
  const auto decoded = decode_batch_header(batch, kUid);
  ASSERT_FALSE(decoded.is_ok());
  EXPECT_NE(decoded.error().message.find("contradicts itself"), std::string::npos);
}

TEST(FormatV1, ATrailerTellsItsLengthAlone) {
  const base::Bytes footer = encode_footer(a_footer(), kUid);
  const auto trailer = decode_footer_trailer(
      base::ByteView(footer).substr(footer.size() - kFooterTrailerBytes), kUid);
  ASSERT_TRUE(trailer.is_ok());
  EXPECT_EQ(trailer->footer_bytes, footer.size());
  EXPECT_EQ(trailer->data_end_bytes, 20480u);
}

}  // namespace
}  // namespace alfheim::vlog
