#include "types/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "types/expiry.h"
#include "types/logical_hash.h"
#include "types/testing_consistency.h"
#include "types/testing_world.h"

namespace alfheim::types {
namespace {

using base::Bytes;
using base::ByteView;
using testing::IsEmpty;

#define ASSERT_OK(expression)                                  \
  do {                                                         \
    const auto result_of_it = (expression);                    \
    ASSERT_TRUE(result_of_it) << result_of_it.error().message; \
  } while (false)

Bytes pattern(size_t size, int salt = 0) {
  Bytes out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i * 31 + i / 997 + salt) & 0xff);
  return out;
}

class DatabaseTest : public testing::Test, public TestingWorld {
 protected:
  void TearDown() override { EXPECT_THAT(inconsistencies(records, table), IsEmpty()); }

  std::optional<Bytes> get(ByteView key, uint32_t index = 0) {
    Database database = reader(index);
    auto found = database.find(key);
    EXPECT_TRUE(found);
    if (!*found) return std::nullopt;
    auto bytes = database.read_whole_string(**found);
    EXPECT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(*database.string_length(**found), bytes->size());
    return *bytes;
  }
  Layout layout(ByteView key) { return reader().find(key).value()->record.layout; }
  size_t count_kind(char kind) {
    return std::count_if(records.map.begin(), records.map.end(),
                         [&](const auto& record) { return record.first.front() == kind; });
  }
};

TEST_F(DatabaseTest, AValueLiesWhereItsSizeAndItsPlaceSay) {
  struct Case {
    Bytes value;
    Layout then;
  };
  const Case cases[] = {{"", Layout::kInline},
                        {"hello", Layout::kInline},
                        {"123", Layout::kInteger},
                        {"-9223372036854775808", Layout::kInteger},
                        {"9223372036854775808", Layout::kInline},
                        {"0123", Layout::kInline},
                        {"-0", Layout::kInline},
                        {pattern(1023), Layout::kInline},
                        {pattern(1024), Layout::kSeparated},
                        {pattern(1'000'000), Layout::kSeparated}};
  for (const Case& given : cases) {
    next_entry();
    ASSERT_OK(writer().set_string("k", give(given.value), Deadline::kDrop));
    EXPECT_EQ(layout("k"), given.then) << given.value.size();
    EXPECT_EQ(get("k"), given.value);
    EXPECT_EQ(reader().find("k").value()->record.last_write, point.index);
    EXPECT_EQ(count_kind(kKindReference), given.then == Layout::kSeparated ? 1u : 0u);
    EXPECT_EQ(reader().key_count(), 1u);
    EXPECT_THAT(inconsistencies(records, table), IsEmpty());
  }
  // A script's large value has no place in the log.
  ASSERT_OK(
      writer().set_string("k", ValueInput{cases[9].value, 1'000'000, {}, {}}, Deadline::kDrop));
  EXPECT_EQ(layout("k"), Layout::kChunked);
  EXPECT_EQ(get("k"), cases[9].value);
}

TEST_F(DatabaseTest, AFragmentedValueIsReadInPartsAndWhole) {
  const Bytes value = pattern(300'000);
  const ValueInput input = give_fragments(value, 70'000, 29);
  next_entry();
  ASSERT_OK(writer().set_string("big", input, Deadline::kDrop));
  EXPECT_EQ(layout("big"), Layout::kFragments);
  EXPECT_EQ(count_kind(kKindReference), 5u);
  EXPECT_EQ(get("big"), value);
  Database database = reader();
  const auto found = database.find("big");
  values.read_bytes = 0;
  Bytes part;
  ASSERT_OK(database.read_string(**found, 139'900, 200, part));
  EXPECT_EQ(part, value.substr(139'900, 200));
  EXPECT_EQ(values.read_bytes, 200u);
  part.clear();
  ASSERT_OK(database.read_string(**found, 299'990, 1000, part));
  EXPECT_EQ(part, value.substr(299'990));
  part.clear();
  ASSERT_OK(database.read_string(**found, 300'000, 1, part));
  EXPECT_EQ(part, "");
}

TEST_F(DatabaseTest, AWriteIntoALongStringTouchesOnlyItsChunks) {
  Bytes value = pattern(10 * kChunkBytes + 5);
  ASSERT_OK(writer().set_computed("c", value, Deadline::kDrop, true));
  EXPECT_EQ(count_kind(kKindChunk), 11u);
  next_entry();
  records.write_count = 0;
  ASSERT_OK(writer().write_range("c", 2 * kChunkBytes - 3, "abcdef"));
  EXPECT_EQ(records.write_count, 3u);  // two chunks and the record
  value.replace(2 * kChunkBytes - 3, 6, "abcdef");
  EXPECT_EQ(get("c"), value);
  // Far behind the end: the gap is zeros that are nowhere.
  ASSERT_OK(writer().write_range("c", 100 * kChunkBytes + 7, "end"));
  value.resize(100 * kChunkBytes + 7, '\0');
  value += "end";
  EXPECT_EQ(get("c"), value);
  EXPECT_EQ(count_kind(kKindChunk), 12u);
  EXPECT_THAT(inconsistencies(records, table), IsEmpty());
  // Longer than what is erased at once: the chunks stay as orphans.
  ASSERT_OK(writer().erase("c"));
  EXPECT_EQ(count_kind(kKindVersion), 0u);
  EXPECT_EQ(count_kind(kKindChunk), 12u);
  for (const auto& [key, bytes] : records.map) {
    EXPECT_TRUE(*is_orphan(key, bytes, records, table));
  }
}

TEST_F(DatabaseTest, AnEditTakesASeparatedOrFragmentedStringIntoTheIndex) {
  struct Case {
    size_t size;
    uint32_t piece;  // 0: separated
    uint64_t offset;
    Layout then;
  };
  const Case cases[] = {{2000, 0, 1990, Layout::kInline},
                        {2000, 0, 70'000, Layout::kChunked},
                        {200'000, 0, 0, Layout::kChunked},
                        {400'000, 65'536, 399'999, Layout::kChunked},
                        {400'001, 100'000, 400'001, Layout::kChunked}};
  for (const Case& given : cases) {
    Bytes value = pattern(given.size);
    next_entry();
    const ValueInput input =
        given.piece == 0 ? give(value) : give_fragments(value, given.piece, 13);
    ASSERT_OK(writer().set_string("k", input, Deadline::kDrop));
    next_entry();
    ASSERT_OK(writer().write_range("k", given.offset, "0123456789ABCDEF"));
    if (value.size() < given.offset + 16) value.resize(given.offset + 16, '\0');
    value.replace(given.offset, 16, "0123456789ABCDEF");
    EXPECT_EQ(layout("k"), given.then);
    EXPECT_TRUE(reader().find("k").value()->record.is_edited);
    EXPECT_EQ(get("k"), value);
    EXPECT_EQ(count_kind(kKindReference), 0u);
    EXPECT_THAT(inconsistencies(records, table), IsEmpty());
  }
}

TEST_F(DatabaseTest, AKeyIsDeadFromItsDeadlineOnAndAReadAheadOfTheLogNeedsATick) {
  ASSERT_OK(writer().set_string("k", give("v"), Deadline::kDrop));
  ASSERT_OK(writer().set_deadline("k", log_time.ms + 10));
  EXPECT_TRUE(reader(0, 9).find("k")->has_value());
  const auto due = reader(0, 10).find("k");
  ASSERT_FALSE(due);
  EXPECT_TRUE(Database::is_needs_tick(due.error()));
  const auto walked =
      reader(0, 10).walk_keys("", 10, [](ByteView, const KeyRecord&) { return true; });
  ASSERT_FALSE(walked);
  EXPECT_TRUE(Database::is_needs_tick(walked.error()));
  next_entry(10);
  EXPECT_FALSE(reader().find("k")->has_value());
  EXPECT_FALSE(writer().find("k")->has_value());
  EXPECT_EQ(reader().key_count(), 1u);
  EXPECT_EQ(reader().deadline_count(), 1u);
  // Writing over the dead key takes its belongings away; its deadline is not kept.
  ASSERT_OK(writer().set_string("k", give("w"), Deadline::kKeep));
  EXPECT_EQ(get("k"), "w");
  EXPECT_EQ(reader().deadline_count(), 0u);
  EXPECT_EQ(count_kind(kKindExpiry), 0u);
}

TEST_F(DatabaseTest, WriteRangeOverADeadKeyStartsFromNothing) {
  ASSERT_OK(writer().set_computed("k", pattern(100'000), Deadline::kDrop, false));
  ASSERT_OK(writer().set_deadline("k", log_time.ms + 1));
  next_entry();
  ASSERT_OK(writer().write_range("k", 2, "x"));
  EXPECT_EQ(get("k"), Bytes("\0\0x", 3));
  EXPECT_EQ(*writer().erase("k"), true);
  EXPECT_EQ(*writer().erase("k"), false);
  ASSERT_OK(writer().set_integer("i", 5, Deadline::kDrop));
  ASSERT_OK(writer().set_deadline("i", log_time.ms));
  EXPECT_EQ(*writer().erase("i"), false);  // it was dead; it goes all the same
  EXPECT_TRUE(records.map.empty());
}

TEST_F(DatabaseTest, KeepingADeadlineAndChangingItStaysInStep) {
  ASSERT_OK(writer().set_string("k", give("v"), Deadline::kDrop));
  ASSERT_OK(writer().set_deadline("k", log_time.ms + 100));
  ASSERT_OK(writer().set_deadline("k", log_time.ms + 200));
  EXPECT_EQ(count_kind(kKindExpiry), 1u);
  ASSERT_OK(writer().set_string("k", give(pattern(5000)), Deadline::kKeep));
  EXPECT_EQ(reader().find("k").value()->record.deadline_ms, log_time.ms + 200);
  EXPECT_THAT(inconsistencies(records, table), IsEmpty());
  ASSERT_OK(writer().set_deadline("k", std::nullopt));
  EXPECT_EQ(count_kind(kKindExpiry), 0u);
  EXPECT_EQ(count_kind(kKindReference), 1u);
  EXPECT_EQ(get("k"), pattern(5000));
}

TEST_F(DatabaseTest, CopyAndMoveWriteFurtherReferencesAndMoveTakesTheSourcesAway) {
  const Bytes value = pattern(3000);
  ASSERT_OK(writer().set_string("a", give(value), Deadline::kDrop));
  ASSERT_OK(writer().set_deadline("a", log_time.ms + 1000));
  next_entry();
  Database zero = writer(0);
  Database five = writer(5);
  ASSERT_OK(zero.copy_to("a", zero, "b"));
  ASSERT_OK(zero.copy_to("a", five, "a"));
  EXPECT_EQ(count_kind(kKindReference), 3u);
  EXPECT_EQ(get("b"), value);
  EXPECT_EQ(get("a", 5), value);
  EXPECT_EQ(reader(5).find("a").value()->record.deadline_ms, log_time.ms + 999);
  ASSERT_OK(zero.erase("a"));
  EXPECT_EQ(get("b"), value);
  ASSERT_OK(zero.move_to("b", five, "a"));
  EXPECT_EQ(count_kind(kKindReference), 1u);
  EXPECT_EQ(zero.key_count(), 0u);
  EXPECT_EQ(five.key_count(), 1u);
  EXPECT_EQ(get("a", 5), value);
}

TEST_F(DatabaseTest, MovingAChunkedStringTouchesNoChunkAndCopyingMakesItsOwn) {
  const Bytes value = pattern(20 * kChunkBytes);
  ASSERT_OK(writer().set_computed("a", value, Deadline::kDrop, false));
  ASSERT_OK(writer().set_string("b", give("old"), Deadline::kDrop));
  Database zero = writer();
  records.write_count = 0;
  ASSERT_OK(zero.move_to("a", zero, "b"));
  EXPECT_LT(records.write_count, 8u);
  EXPECT_EQ(get("b"), value);
  EXPECT_EQ(get("a"), std::nullopt);
  EXPECT_THAT(inconsistencies(records, table), IsEmpty());
  ASSERT_OK(zero.copy_to("b", zero, "c"));
  ASSERT_OK(zero.write_range("b", 0, "different"));
  EXPECT_EQ(get("c"), value);
  EXPECT_EQ(count_kind(kKindVersion), 2u);
}

TEST_F(DatabaseTest, AFlushedDatabaseIsEmptyAtOnceAndItsRecordsAreOrphans) {
  ASSERT_OK(writer(1).set_string("a", give(pattern(3000)), Deadline::kDrop));
  ASSERT_OK(writer(1).set_deadline("a", log_time.ms + 5));
  ASSERT_OK(writer(1).set_computed("c", pattern(100'000), Deadline::kDrop, false));
  ASSERT_OK(writer(2).set_string("a", give("stays"), Deadline::kDrop));
  writer(1).flush();
  EXPECT_EQ(reader(1).key_count(), 0u);
  EXPECT_EQ(get("a", 1), std::nullopt);
  EXPECT_EQ(get("a", 2), "stays");
  size_t orphans = 0;
  for (const auto& [key, value] : records.map) orphans += *is_orphan(key, value, records, table);
  EXPECT_EQ(orphans, records.map.size() - 1);
  // The flushed key's expiry record is the filter's; no count goes below zero.
  next_entry(5);
  EXPECT_EQ(*remove_due_keys(hands(), log_time), 0u);
  std::erase_if(records.map, [&](const auto& record) {
    return *is_orphan(record.first, record.second, records, table);
  });
}

TEST_F(DatabaseTest, FlushingAnEmptyDatabaseUsesUpNoEpoch) {
  const uint32_t next_epoch = table.next_epoch;
  for (int i = 0; i < 3; ++i) writer(1).flush();
  EXPECT_EQ(table.next_epoch, next_epoch);
  ASSERT_OK(writer(1).set_integer("k", 1, Deadline::kDrop));
  for (int i = 0; i < 3; ++i) writer(1).flush();
  EXPECT_EQ(table.next_epoch, next_epoch + 1);
  EXPECT_EQ(get("k", 1), std::nullopt);
}

TEST_F(DatabaseTest, AnEpochNewerThanTheJudgingTableIsNoOrphan) {
  ASSERT_OK(writer().set_integer("old", 1, Deadline::kDrop));
  const DatabaseTable old_table = table;
  writer(0).flush();
  ASSERT_OK(writer().set_string("k", give(pattern(2000)), Deadline::kDrop));
  for (const auto& [key, value] : records.map) {
    EXPECT_FALSE(*is_orphan(key, value, records, old_table));
  }
}

TEST_F(DatabaseTest, WhatCompactionHasNotYetDroppedDoesNotChangeWhichDueKeysLeave) {
  for (int i = 0; i < 200; ++i) {
    const uint32_t index = i % 2;
    const Bytes key = "k" + std::to_string(i);
    ASSERT_OK(writer(index).set_integer(key, i, Deadline::kDrop));
    ASSERT_OK(writer(index).set_deadline(key, log_time.ms + 1 + i));
  }
  writer(1).flush();
  next_entry(1000);
  // The orphans of database 1 are all there; on another node a filter has dropped them.
  TestingWorld filtered(static_cast<const TestingWorld&>(*this));
  const size_t dropped = std::erase_if(filtered.records.map, [&](const auto& record) {
    return *is_orphan(record.first, record.second, filtered.records, filtered.table);
  });
  ASSERT_EQ(dropped, 200u);
  EXPECT_EQ(*next_deadline(records, table), *next_deadline(filtered.records, filtered.table));
  EXPECT_EQ(*remove_due_keys(hands(), log_time), kExpiryRecordsPerEntryMax);
  EXPECT_EQ(*remove_due_keys(filtered.hands(), log_time), kExpiryRecordsPerEntryMax);
  EXPECT_EQ(reader(0).key_count(), filtered.reader(0).key_count());
  std::erase_if(records.map, [&](const auto& record) {
    return *is_orphan(record.first, record.second, records, table);
  });
  EXPECT_EQ(records.map, filtered.records.map);
}

TEST_F(DatabaseTest, DueKeysLeaveOldestFirstAndABoundedNumberAtATime) {
  for (int i = 0; i < 100; ++i) {
    const Bytes key = "k" + std::to_string(i);
    ASSERT_OK(writer(i % 3).set_integer(key, i, Deadline::kDrop));
    ASSERT_OK(writer(i % 3).set_deadline(key, log_time.ms + 100 - i));
  }
  EXPECT_EQ(*next_deadline(records, table), log_time.ms + 1);
  next_entry(80);
  const auto first = remove_due_keys(hands(), log_time);
  ASSERT_OK(first);
  EXPECT_EQ(*first, kExpiryRecordsPerEntryMax);
  const auto second = remove_due_keys(hands(), log_time);
  ASSERT_OK(second);
  EXPECT_EQ(*second, 80 - kExpiryRecordsPerEntryMax);
  EXPECT_EQ(*next_deadline(records, table), log_time.ms + 1);
  EXPECT_EQ(reader(0).key_count() + reader(1).key_count() + reader(2).key_count(), 20u);
  next_entry(1000);
  ASSERT_OK(remove_due_keys(hands(), log_time));
  EXPECT_EQ(*next_deadline(records, table), std::nullopt);
}

TEST_F(DatabaseTest, AnExpiryRecordThatContradictsItsKeyIsCorruption) {
  ASSERT_OK(writer().set_integer("k", 1, Deadline::kDrop));
  ASSERT_OK(writer().set_deadline("k", log_time.ms + 9));
  const Bytes stray = expiry_key(5, key_record_key(table.at({0}).epoch, "ghost"));
  records.put(stray, "");
  const auto taken = remove_due_keys(hands(), log_time);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, base::ErrorCode::kCorruption);
  records.erase(stray);
}

TEST_F(DatabaseTest, AWalkVisitsEachLiveKeyOnceInStepsOfAnySize) {
  std::set<Bytes> wanted;
  for (int i = 0; i < 200; ++i) {
    const Bytes key = i % 2 ? "{tag}" + std::to_string(i) : std::to_string(i);
    ASSERT_OK(writer().set_integer(key, i, Deadline::kDrop));
    if (i % 5 == 0) {
      ASSERT_OK(writer().set_deadline(key, log_time.ms));  // dead at once
    } else {
      wanted.insert(key);
    }
  }
  ASSERT_OK(writer(1).set_integer("other", 1, Deadline::kDrop));
  for (const uint64_t steps : {1, 3, 1000}) {
    std::set<Bytes> seen;
    std::optional<Bytes> position = Bytes();
    while (position) {
      uint64_t visits = 0;
      auto next = reader().walk_keys(*position, steps, [&](ByteView key, const KeyRecord&) {
        EXPECT_TRUE(seen.insert(Bytes(key)).second);
        return ++visits % 7 != 0;
      });
      ASSERT_OK(next);
      position = *next;
    }
    EXPECT_EQ(seen, wanted);
  }
  records.can_walk = false;
  const auto walked = reader().walk_keys("", 1, [](ByteView, const KeyRecord&) { return true; });
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, base::ErrorCode::kWouldBlock);
}

TEST_F(DatabaseTest, ChanceFollowsTheSeedAndNeverRepeatsWithinAnEntry) {
  ApplyPoint one{.index = base::LogIndex{5}, .seed = 9};
  ApplyPoint same = one;
  ApplyPoint other{.index = base::LogIndex{5}, .seed = 10};
  const uint64_t first = one.random();
  EXPECT_EQ(first, same.random());
  EXPECT_NE(first, other.random());
  EXPECT_NE(first, one.random());
  EXPECT_EQ(one.mutation_count, 2u);
}

TEST_F(DatabaseTest, ABadValueInTheLogIsCorruptionAndChangesNothing) {
  ASSERT_OK(writer().set_string("k", give(pattern(100'000)), Deadline::kDrop));
  values.entries[1][5] ^= 1;
  const auto map = records.map;
  next_entry();
  const auto status = writer().write_range("k", 1, "x");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, base::ErrorCode::kCorruption);
  EXPECT_EQ(records.map, map);
}

uint64_t hash_of(TestingWorld& world, uint64_t slice_bytes) {
  LogicalHash hash;
  for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
    Database database = world.reader(i);
    for (bool is_done = false; !is_done;) {
      auto step = hash.step(database, slice_bytes);
      EXPECT_TRUE(step);
      is_done = step && *step;
    }
  }
  return hash.digest();
}

TEST_F(DatabaseTest, TheLogicalHashSeesContentAndNotHowItLies) {
  TestingWorld other;
  other.next_entry(0);
  other.table.flush({0});
  const Bytes big = pattern(5'000'000);
  ASSERT_OK(writer().set_computed("big", big, Deadline::kDrop, true));
  ASSERT_OK(writer().set_string("mid", give(pattern(2000)), Deadline::kDrop));
  ASSERT_OK(writer().set_integer("dead", 1, Deadline::kDrop));
  ASSERT_OK(writer().set_deadline("dead", log_time.ms));
  const ValueInput fragments = other.give_fragments(big, 1'000'000, 5);
  ASSERT_OK(other.writer().set_string("big", fragments, Deadline::kDrop));
  ASSERT_OK(other.writer().set_computed("mid", pattern(2000), Deadline::kDrop, false));
  const uint64_t hash = hash_of(*this, 1u << 30);
  EXPECT_EQ(hash, hash_of(other, 1u << 30));
  for (const uint64_t slice : {1, 100, 3'000'000}) EXPECT_EQ(hash, hash_of(*this, slice));
  ASSERT_OK(other.writer().set_deadline("mid", log_time.ms + 99));
  EXPECT_NE(hash, hash_of(other, 1u << 30));
  ASSERT_OK(other.writer().set_deadline("mid", std::nullopt));
  EXPECT_EQ(hash, hash_of(other, 1u << 30));
  ASSERT_OK(other.writer().write_range("big", 4'999'999, "x"));
  EXPECT_NE(hash, hash_of(other, 1u << 30));
}

}  // namespace
}  // namespace alfheim::types
