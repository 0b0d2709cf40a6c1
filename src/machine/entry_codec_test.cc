#include "machine/entry_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/limits.h"

namespace alfheim::machine {
namespace {

using base::Bytes;
using base::ByteView;
using Words = std::vector<ByteView>;

const PayloadHeader kHeader{.value_threshold_bytes = 1024, .string_bytes_max = 512};

std::vector<std::string> words_of(ByteView body) {
  const auto shape = parse_call_shape(body, body.size());
  EXPECT_TRUE(shape.is_ok());
  std::vector<std::string> words;
  uint64_t at = shape->words_offset_bytes;
  for (const uint64_t length : shape->word_bytes) {
    words.emplace_back(body.substr(at, length));
    at += length;
  }
  return words;
}

// One operation of each kind.
Bytes full_payload() {
  BatchBuilder builder;
  builder.start(kHeader);
  builder.add_call({base::DatabaseIndex{0}, Words{"SET", "foo", "bar"}}, false);
  builder.add_call({base::DatabaseIndex{15}, Words{"GET", ""}}, true);
  Bytes call;
  put_call(call, {base::DatabaseIndex{1}, Words{"DEL", "k"}});
  const Watch watch{base::DatabaseIndex{2}, "w", base::LogIndex{300}};
  Bytes block;
  put_block(block, std::span(&watch, 1), std::span(&call, 1));
  builder.add_body(OperationKind::kBlock, 0, block);
  builder.add_body(OperationKind::kStateHash, 0, {});
  const vlog::ValueAddress piece{base::LogIndex{258}, 0, 1048576, 0x01020304};
  Bytes list;
  put_fragmented_body(list, 1048576, std::span(&piece, 1));
  builder.add_body(OperationKind::kCommand, kOperationIsFragments, list);
  return builder.take();
}

base::Status parse_all(ByteView payload) {
  ALF_TRY(PayloadReader reader, PayloadReader::open(payload));
  while (reader.has_next()) {
    ALF_TRY(const Operation operation, reader.next());
    if ((operation.flags & kOperationIsFragments) != 0) {
      ALF_TRY_STATUS(parse_fragmented_body(operation.body));
    } else if (operation.kind == OperationKind::kCommand) {
      ALF_TRY_STATUS(parse_call_shape(operation.body, operation.body.size()));
    } else if (operation.kind == OperationKind::kBlock) {
      ALF_TRY_STATUS(parse_block(operation.body));
    }
  }
  return base::ok();
}

TEST(EntryCodec, CallsOfABlockMayBeEncodedAsTheyCome) {
  const Watch watch{base::DatabaseIndex{2}, "w", base::LogIndex{300}};
  std::vector<Bytes> calls;
  BlockCalls coming;
  for (const Words& words :
       {Words{"SET", "k", std::string_view("v")}, Words{"DEL", "k", "", "l"}}) {
    put_call(calls.emplace_back(), {base::DatabaseIndex{7}, words});
    coming.add({base::DatabaseIndex{7}, words});
  }
  Bytes expected;
  put_block(expected, std::span(&watch, 1), calls);
  Bytes found;
  put_block(found, std::span(&watch, 1), coming);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(found.size(), block_bytes(std::span(&watch, 1), coming));
}

TEST(EntryCodecTest, AnEmptyPayloadIsATick) {
  auto reader = PayloadReader::open({});
  ASSERT_TRUE(reader.is_ok());
  EXPECT_FALSE(reader->has_next());
}

TEST(EntryCodecTest, OperationsComeBackInOrderWithTheirPlaces) {
  const Bytes payload = full_payload();
  auto reader = PayloadReader::open(payload);
  ASSERT_TRUE(reader.is_ok());
  EXPECT_EQ(reader->header().value_threshold_bytes, 1024u);
  EXPECT_EQ(reader->header().string_bytes_max, 512u);
  const auto set = reader->next();
  ASSERT_TRUE(set.is_ok());
  EXPECT_EQ(set->flags, 0);
  EXPECT_EQ(words_of(set->body), (std::vector<std::string>{"SET", "foo", "bar"}));
  EXPECT_EQ(ByteView(payload).substr(set->body_offset_bytes, set->body.size()), set->body);
  const auto get = reader->next();
  ASSERT_TRUE(get.is_ok());
  EXPECT_EQ(get->flags, kOperationIsRead);
  EXPECT_EQ(parse_call_shape(get->body, get->body.size())->database, base::DatabaseIndex{15});
  EXPECT_EQ(words_of(get->body), (std::vector<std::string>{"GET", ""}));
  const auto block = reader->next();
  ASSERT_TRUE(block.is_ok());
  const auto parsed = parse_block(block->body);
  ASSERT_TRUE(parsed.is_ok());
  ASSERT_EQ(parsed->watches.size(), 1u);
  EXPECT_EQ(parsed->watches[0].key, "w");
  EXPECT_EQ(parsed->watches[0].database, base::DatabaseIndex{2});
  EXPECT_EQ(parsed->watches[0].version, base::LogIndex{300});
  ASSERT_EQ(parsed->calls.size(), 1u);
  EXPECT_EQ(words_of(parsed->calls[0].body), (std::vector<std::string>{"DEL", "k"}));
  EXPECT_EQ(block->body.substr(parsed->calls[0].offset_bytes), parsed->calls[0].body);
  const auto hash = reader->next();
  ASSERT_TRUE(hash.is_ok());
  EXPECT_EQ(hash->kind, OperationKind::kStateHash);
  const auto fragments = reader->next();
  ASSERT_TRUE(fragments.is_ok());
  const auto list = parse_fragmented_body(fragments->body);
  ASSERT_TRUE(list.is_ok());
  EXPECT_EQ(list->length_bytes, 1048576u);
  ASSERT_EQ(list->pieces.size(), 1u);
  EXPECT_EQ(list->pieces[0], (vlog::ValueAddress{base::LogIndex{258}, 0, 1048576, 0x01020304}));
  EXPECT_FALSE(reader->has_next());
}

TEST(EntryCodecTest, CallBytesIsWhatPutCallWrites) {
  for (const size_t length : {0, 1, 127, 128, 16383, 16384, 100000}) {
    const Bytes word(length, 'w');
    const Words words{"SET", word};
    Bytes out;
    put_call(out, {base::DatabaseIndex{3}, words});
    EXPECT_EQ(out.size(), call_bytes({base::DatabaseIndex{3}, words}));
  }
}

TEST(EntryCodecTest, ABuilderIsEmptyAfterTake) {
  BatchBuilder builder;
  builder.start(kHeader);
  builder.add_call({base::DatabaseIndex{0}, Words{"PING"}}, false);
  EXPECT_EQ(builder.operation_count(), 1u);
  EXPECT_FALSE(builder.take().empty());
  EXPECT_FALSE(builder.is_started());
  EXPECT_EQ(builder.operation_count(), 0u);
  EXPECT_EQ(builder.size_bytes(), 0u);
}

TEST(EntryCodecTest, APayloadCutAnywhereIsAnErrorOrEndsBetweenOperations) {
  const Bytes payload = full_payload();
  std::vector<size_t> boundaries;
  auto reader = PayloadReader::open(payload);
  ASSERT_TRUE(reader.is_ok());
  boundaries.push_back(0);  // a tick
  size_t end = payload.size();
  while (reader->has_next()) {
    const auto operation = reader->next();
    ASSERT_TRUE(operation.is_ok());
    end = operation->body_offset_bytes + operation->body.size();
    boundaries.push_back(end);
  }
  boundaries.push_back(5);  // the header alone
  for (size_t length = 0; length < payload.size(); ++length) {
    const base::Status status = parse_all(ByteView(payload).substr(0, length));
    const bool is_boundary =
        std::find(boundaries.begin(), boundaries.end(), length) != boundaries.end();
    EXPECT_EQ(status.is_ok(), is_boundary) << "cut at " << length;
    if (!status) {
      EXPECT_EQ(status.error().code, base::ErrorCode::kCorruption);
    }
  }
}

TEST(EntryCodecTest, FlippedBitsNeverCrash) {
  const Bytes payload = full_payload();
  for (size_t bit = 0; bit < payload.size() * 8; ++bit) {
    Bytes bad = payload;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const base::Status status = parse_all(bad);
    if (!status) {
      EXPECT_EQ(status.error().code, base::ErrorCode::kCorruption);
    }
  }
}

struct GarbageCase {
  const char* what;
  Bytes given;
  const char* then_says;
};

TEST(EntryCodecTest, GarbageIsNamed) {
  const Bytes header("\x01\x80\x08\x80\x04", 5);
  const GarbageCase cases[] = {
      {"a newer version", Bytes("\x02\x00\x00", 3), "version 2 found"},
      {"no header", Bytes("\x01\xff", 2), "header is cut short"},
      {"kind 0", header + Bytes("\x00\x00\x00", 3), "unknown kind 0"},
      {"kind 4", header + Bytes("\x04\x00\x00", 3), "unknown kind 4"},
      {"flags of the future", header + Bytes("\x01\x04\x00", 3), "unknown flags 4"},
      {"no words", header + Bytes("\x01\x00\x02\x00\x00", 5), "bad word count"},
      {"database 16", header + Bytes("\x01\x00\x04\x10\x01\x01x", 7), "no such database"},
      {"a word too long", header + Bytes("\x01\x00\x04\x00\x01\x09x", 7), "word too long"},
      {"a byte too many", header + Bytes("\x01\x00\x05\x00\x01\x01xy", 8), "do not add up"},
      {"a call count of 2^63",
       header + Bytes("\x02\x00\x0b\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 14),
       "bad call count"},
      {"bytes behind the block", header + Bytes("\x02\x00\x03\x00\x00\x00", 6), "behind the block"},
      {"a fragment count of nothing", header + Bytes("\x01\x02\x02\x05\x01", 5), "does not match"},
      {"fragments of another length", header + Bytes("\x01\x02\x02\x05\x00", 5), "add up"},
  };
  for (const GarbageCase& garbage : cases) {
    const base::Status status = parse_all(garbage.given);
    ASSERT_FALSE(status.is_ok()) << garbage.what;
    EXPECT_EQ(status.error().code, base::ErrorCode::kCorruption) << garbage.what;
    EXPECT_THAT(status.error().message, testing::HasSubstr(garbage.then_says)) << garbage.what;
  }
}

TEST(EntryCodecTest, TheFrontOfACallIsEnoughToKnowItsShape) {
  const Bytes value(5000, 'v');
  Bytes body;
  put_call(body, {base::DatabaseIndex{4}, Words{"SET", "key", value}});
  for (size_t length = 0; length < 6; ++length) {
    const auto shape = parse_call_shape(ByteView(body).substr(0, length), body.size());
    ASSERT_FALSE(shape.is_ok());
    EXPECT_EQ(shape.error().code, base::ErrorCode::kWouldBlock) << length;
  }
  const auto shape = parse_call_shape(ByteView(body).substr(0, 6), body.size());
  ASSERT_TRUE(shape.is_ok());
  EXPECT_EQ(shape->word_bytes.back(), 5000u);
  EXPECT_EQ(shape->words_offset_bytes, 6u);
}

}  // namespace
}  // namespace alfheim::machine
