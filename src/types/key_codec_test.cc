#include "types/key_codec.h"

#include <gtest/gtest.h>

#include "base/slot.h"
#include "types/database_table.h"
#include "types/key_record.h"

namespace alfheim::types {
namespace {

using base::Bytes;

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes out;
  for (const int value : values) out.push_back(static_cast<char>(value));
  return out;
}

TEST(KeyCodec, TheWorkedBytesOfTheFormatPageStand) {
  // docs/formats/index_records.md, "Worked bytes".
  EXPECT_EQ(base::key_slot("foo"), 0x2f96);
  const Bytes key = bytes_of({'K', 0, 0, 0, 1, 0x2f, 0x96, 'f', 'o', 'o'});
  EXPECT_EQ(key_record_key(Epoch{1}, "foo"), key);
  const Version version{base::LogIndex{258}, 3};
  EXPECT_EQ(version_key(version), bytes_of({'V', 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3}));
  EXPECT_EQ(chunk_key(version, 7), bytes_of({'C', 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 0, 0, 0, 7}));
  const vlog::ValueAddress address{base::LogIndex{258}, 16, 1024, 0x01020304};
  EXPECT_EQ(reference_key(address, key),
            bytes_of({'R', 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 16, 0, 0, 4, 0, 1, 2, 3, 4}) + key);
  EXPECT_EQ(expiry_key(1000, key), bytes_of({'X', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0xe8}) + key);
  EXPECT_EQ(meta_key("applied"), "Mapplied");
}

TEST(KeyCodec, KeysOfADatabaseStandBetweenItsBeginAndEndBySlot) {
  for (const char* key : {"", "a", "foo", "{user1000}.following", "\xff\xff\xff\xff\xff"}) {
    const Bytes record_key = key_record_key(Epoch{5}, key);
    EXPECT_GE(record_key, database_begin(Epoch{5}));
    EXPECT_LT(record_key, database_end(Epoch{5}));
    EXPECT_GE(record_key, slot_begin(Epoch{5}, base::key_slot(key)));
    EXPECT_GE(database_begin(Epoch{6}), database_end(Epoch{5}));
    Epoch epoch;
    uint16_t slot = 0;
    base::ByteView user_key;
    ASSERT_TRUE(parse_key_record_key(record_key, epoch, slot, user_key));
    EXPECT_EQ(epoch, Epoch{5});
    EXPECT_EQ(slot, base::key_slot(key));
    EXPECT_EQ(user_key, key);
  }
  EXPECT_LT(key_record_key(Epoch{UINT32_MAX}, "zz"), database_end(Epoch{UINT32_MAX}));
}

TEST(KeyCodec, EveryKeyReadsBackAndNoShortKeyIsTaken) {
  const vlog::ValueAddress address{base::LogIndex{1u << 20}, 16, 1024, 0xffffffff};
  const Bytes record_key = key_record_key(Epoch{1}, "k");
  const Bytes reference = reference_key(address, record_key);
  EXPECT_GE(reference, reference_begin(address.index));
  EXPECT_LT(reference, reference_begin(address.index.next()));
  vlog::ValueAddress address_back;
  base::ByteView owner;
  ASSERT_TRUE(parse_reference_key(reference, address_back, owner));
  EXPECT_EQ(address_back, address);
  EXPECT_EQ(owner, record_key);
  EXPECT_FALSE(parse_reference_key(reference.substr(0, 20), address_back, owner));
  uint64_t deadline_ms = 0;
  const Bytes expiry = expiry_key(77, record_key);
  ASSERT_TRUE(parse_expiry_key(expiry, deadline_ms, owner));
  EXPECT_EQ(deadline_ms, 77u);
  EXPECT_EQ(owner, record_key);
  EXPECT_TRUE(expiry.starts_with(expiry_begin(Epoch{1})));
  EXPECT_FALSE(parse_expiry_key("X123", deadline_ms, owner));
  Bytes contradiction = expiry;
  contradiction[4] = 2;  // one epoch in front, another in the owner's key
  EXPECT_FALSE(parse_expiry_key(contradiction, deadline_ms, owner));
  const Version version{base::LogIndex{9}, 8};
  Version version_back;
  uint32_t number = 0;
  ASSERT_TRUE(parse_chunk_key(chunk_key(version, 4), version_back, number));
  EXPECT_EQ(version_back, version);
  EXPECT_EQ(number, 4u);
  ASSERT_TRUE(parse_version_key(version_key(version), version_back));
  EXPECT_FALSE(parse_version_key(version_key(version) + "x", version_back));
  Epoch epoch;
  uint16_t slot = 0;
  EXPECT_FALSE(parse_key_record_key("K12345", epoch, slot, owner));
  EXPECT_FALSE(parse_key_record_key("V123456", epoch, slot, owner));
}

TEST(KeyRecord, TheWorkedBytesOfTheFormatPageStand) {
  KeyRecord record;
  record.last_write = base::LogIndex{300};
  record.body = "bar";
  Bytes out;
  put_key_record(out, record);
  EXPECT_EQ(out, bytes_of({0, 0, 0, 0xac, 0x02, 'b', 'a', 'r'}));
  out.clear();
  const Bytes body = encode_integer(-2);
  record.layout = Layout::kInteger;
  record.deadline_ms = 1000;
  record.body = body;
  put_key_record(out, record);
  EXPECT_EQ(out, bytes_of({0, 1, 1,    0xac, 0x02, 0xe8, 3,    0,    0,    0,   0,
                           0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
}

TEST(KeyRecord, EveryLayoutReadsBack) {
  const vlog::ValueAddress one{base::LogIndex{5}, 0, 100, 1};
  const vlog::ValueAddress two{base::LogIndex{6}, 0, 50, 2};
  const FragmentList list{10, 130, {one, two}};
  const Bytes bodies[] = {"", encode_integer(INT64_MIN), encode_separated(one),
                          encode_fragments(list), encode_chunked({{base::LogIndex{7}, 1}, 99})};
  const size_t address_counts[] = {0, 0, 1, 2, 0};
  for (size_t i = 0; i < std::size(bodies); ++i) {
    for (const bool has_deadline : {false, true}) {
      KeyRecord record;
      record.layout = static_cast<Layout>(i);
      record.is_edited = has_deadline;
      record.last_write = base::LogIndex{1234567};
      if (has_deadline) record.deadline_ms = 0x1122334455667788;
      record.body = bodies[i];
      Bytes out;
      put_key_record(out, record);
      const auto back = parse_key_record(out);
      ASSERT_TRUE(back);
      EXPECT_EQ(back->layout, record.layout);
      EXPECT_EQ(back->is_edited, record.is_edited);
      EXPECT_EQ(back->last_write, record.last_write);
      EXPECT_EQ(back->deadline_ms, record.deadline_ms);
      EXPECT_EQ(back->body, record.body);
      const auto addresses = addresses_of(*back);
      ASSERT_TRUE(addresses);
      EXPECT_EQ(addresses->size(), address_counts[i]);
    }
  }
  EXPECT_EQ(*decode_integer(bodies[1]), INT64_MIN);
  EXPECT_EQ(decode_fragments(bodies[3])->pieces[1], two);
  EXPECT_EQ(decode_chunked(bodies[4])->length_bytes, 99u);
}

TEST(KeyRecord, BadBytesAreCorruptionAndSayWhatTheyAre) {
  const Bytes bad[] = {"",
                       Bytes(2, '\0'),
                       bytes_of({5, 0, 0, 1}),
                       bytes_of({0, 5, 0, 1}),
                       bytes_of({0, 0, 4, 1}),
                       bytes_of({0, 0, 1, 1, 2, 3}),
                       bytes_of({0, 0, 0, 0x80})};
  for (const Bytes& bytes : bad) {
    const auto record = parse_key_record(bytes);
    ASSERT_FALSE(record);
    EXPECT_EQ(record.error().code, base::ErrorCode::kCorruption);
  }
  EXPECT_FALSE(decode_integer("1234567"));
  EXPECT_FALSE(decode_separated(Bytes(19, 'a')));
  EXPECT_FALSE(decode_chunked(Bytes(12, 'a')));
  // More length than the pieces hold, and a count that the body does not have.
  EXPECT_FALSE(decode_fragments(encode_fragments({1, 100, {{base::LogIndex{5}, 0, 100, 1}}})));
  EXPECT_FALSE(decode_fragments(bytes_of({0, 0, 0x7f})));
}

TEST(DatabaseTable, FlushGivesANewEpochAndSwapTakesCountsAlong) {
  DatabaseTable table = DatabaseTable::make_new();
  EXPECT_EQ(table.at({0}).epoch, Epoch{1});
  EXPECT_EQ(table.at({15}).epoch, Epoch{16});
  table.at({3}).key_count = 9;
  table.swap({3}, {0});
  EXPECT_EQ(table.at({0}).key_count, 9u);
  EXPECT_EQ(table.at({0}).epoch, Epoch{4});
  EXPECT_EQ(table.database_of(Epoch{4}), base::DatabaseIndex{0});
  table.flush({0});
  EXPECT_EQ(table.at({0}).key_count, 0u);
  EXPECT_EQ(table.at({0}).epoch, Epoch{17});
  EXPECT_FALSE(table.is_live(Epoch{4}));
  EXPECT_FALSE(table.is_live(Epoch{0}));
}

}  // namespace
}  // namespace alfheim::types
