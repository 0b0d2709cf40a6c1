#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <set>

#include "base/hash.h"
#include "base/slot.h"
#include "command/family.h"
#include "command/scan_cursor.h"
#include "command/testing_context.h"
#include "resp/reply_parser.h"

namespace alfheim::command {
namespace {

using base::Bytes;

class ScanTest : public testing::Test, public CommandWorld {
 protected:
  ScanTest() {
    std::vector<Row> rows;
    add_generic_rows(rows);
    table_of_commands = std::make_unique<const Table>(std::move(rows));
  }
  void add(const Bytes& key) {
    next_entry(0);
    types::Database database = writer();
    ASSERT_TRUE(database.set_integer(key, 1, types::Deadline::kDrop));
  }
  void remove(const Bytes& key) {
    next_entry(0);
    types::Database database = writer();
    ASSERT_TRUE(database.erase(key));
  }

  struct Step {
    std::string cursor;
    std::vector<Bytes> keys;
  };
  // Cuts *2 $cursor *n $key...
  Step scan(const std::string& cursor, const std::vector<Bytes>& options = {}) {
    std::vector<Bytes> words = {"SCAN", cursor};
    words.insert(words.end(), options.begin(), options.end());
    const std::string reply = run(words);
    EXPECT_TRUE(last_status);
    Step step;
    size_t at = 4;
    const auto number = [&] {
      const size_t end = reply.find("\r\n", at);
      const size_t value = std::stoul(reply.substr(at + 1, end - at - 1));
      at = end + 2;
      return value;
    };
    const auto bulk = [&] {
      const size_t size = number();
      const Bytes text = reply.substr(at, size);
      at += size + 2;
      return text;
    };
    step.cursor = bulk();
    const size_t count = number();
    for (size_t i = 0; i < count; ++i) step.keys.push_back(bulk());
    EXPECT_EQ(at, reply.size());
    return step;
  }
  // A whole iteration; `between` runs after each step.
  std::multiset<Bytes> scan_all(
      const std::vector<Bytes>& options, size_t& step_count,
      const std::function<void()>& between = [] {}) {
    std::multiset<Bytes> seen;
    std::string cursor = "0";
    step_count = 0;
    do {
      const Step step = scan(cursor, options);
      seen.insert(step.keys.begin(), step.keys.end());
      cursor = step.cursor;
      ++step_count;
      between();
    } while (cursor != "0" && step_count < 100'000);
    EXPECT_EQ(cursor, "0");
    return seen;
  }
};

TEST_F(ScanTest, AnEmptyDatabaseIsOneStep) {
  EXPECT_EQ(run("SCAN 0"), "*2\r\n$1\r\n0\r\n*0\r\n");
  EXPECT_EQ(run({"SCAN", ""}), "*2\r\n$1\r\n0\r\n*0\r\n");
  EXPECT_EQ(run("SCAN -1"), "*2\r\n$1\r\n0\r\n*0\r\n");
  EXPECT_EQ(run("SCAN +0 type nosuch"), "*2\r\n$1\r\n0\r\n*0\r\n");
}

TEST_F(ScanTest, KeysOverManySlotsComeOnceEachInStepsOfAboutCount) {
  std::multiset<Bytes> wanted;
  for (int i = 0; i < 3000; ++i) {
    wanted.insert("key:" + std::to_string(i));
    add("key:" + std::to_string(i));
  }
  size_t step_count = 0;
  EXPECT_EQ(scan_all({}, step_count), wanted);
  EXPECT_GT(step_count, 250u);
  EXPECT_LE(step_count, 301u);
  EXPECT_EQ(scan_all({"COUNT", "100000"}, step_count), wanted);
  EXPECT_EQ(step_count, 1u);
  EXPECT_EQ(scan_all({"MATCH", "key:1?", "COUNT", "500"}, step_count).size(), 10u);
  EXPECT_EQ(scan_all({"TYPE", "STRING"}, step_count), wanted);
  EXPECT_TRUE(scan_all({"TYPE", "hash"}, step_count).empty());
}

TEST_F(ScanTest, ManyKeysOfOneHashTagAmongOthersComeOnceEachInManySteps) {
  std::multiset<Bytes> wanted;
  for (int i = 0; i < 20'000; ++i) {
    const Bytes key = "{tag}:user:" + std::to_string(i % 7) + ":" + std::to_string(i);
    wanted.insert(key);
    add(key);
  }
  const uint16_t slot = base::key_slot("tag");
  for (int i = 0; wanted.size() < 20'005; ++i) {  // strangers in the same slot
    const Bytes key = std::to_string(i);
    if (base::key_slot(key) != slot) continue;
    wanted.insert(key);
    add(key);
  }
  size_t step_count = 0;
  EXPECT_EQ(scan_all({}, step_count), wanted);
  EXPECT_GT(step_count, 60u);
  EXPECT_LE(step_count, 300u);
}

TEST_F(ScanTest, CursorsAreSmallOrPositiveSignedNumbers) {
  EXPECT_EQ(slot_cursor(0), 0u);
  EXPECT_EQ(slot_cursor(16383), 16383u);
  const uint64_t cursor = prefix_cursor(16383, Bytes(511, 'x'));
  EXPECT_EQ(cursor >> 63, 0u);
  // Format: a cursor that a client keeps over an upgrade means the same place.
  EXPECT_EQ(prefix_cursor(5, "abc"), 5u | 3u << 14 | (base::hash64("abc") & 0xffffffffff) << 23);
  EXPECT_EQ(parse_cursor("12"), 12u);
  EXPECT_EQ(parse_cursor("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_cursor("1 "), std::nullopt);
  EXPECT_EQ(parse_cursor(" 1"), std::nullopt);
  EXPECT_EQ(parse_cursor("-"), std::nullopt);
}

TEST_F(ScanTest, AnyNumberIsTakenAsACursorAndEnds) {
  for (int i = 0; i < 300; ++i) add("{a}" + std::to_string(i));
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    std::string cursor = std::to_string(random());
    size_t steps = 0;
    do {
      cursor = scan(cursor).cursor;
    } while (cursor != "0" && ++steps < 1000);
    ASSERT_EQ(cursor, "0");
  }
}

TEST_F(ScanTest, APrefixThatNoKeyHasAnyMoreStartsTheSlotAgainAndMissesNothing) {
  for (int i = 100; i < 400; ++i) add("{a}" + std::to_string(i));
  Step first = scan("0");
  ASSERT_NE(first.cursor, "0");
  ASSERT_GT(std::stoull(first.cursor), 16383u);
  std::set<Bytes> seen(first.keys.begin(), first.keys.end());
  // Exactly the keys behind the place go, up to the last three.
  std::set<Bytes> left;
  for (int i = 397; i < 400; ++i) left.insert("{a}" + std::to_string(i));
  for (int i = 100; i < 397; ++i) {
    if (!seen.contains("{a}" + std::to_string(i))) remove("{a}" + std::to_string(i));
  }
  std::string cursor = first.cursor;
  for (int i = 0; cursor != "0" && i < 100; ++i) {
    const Step step = scan(cursor);
    seen.insert(step.keys.begin(), step.keys.end());
    cursor = step.cursor;
  }
  EXPECT_EQ(cursor, "0");
  for (const Bytes& key : left) EXPECT_TRUE(seen.contains(key));
}

TEST_F(ScanTest, WhatStaysThroughAnIterationIsSeenWhateverElseComesAndGoes) {
  std::mt19937_64 random(7);
  const char* prefixes[] = {"", "{t}", "{t}abc:", "{t}abd:", "{t}\xff\xff", "{u}x"};
  for (int round = 0; round < 30; ++round) {
    records.map.clear();
    table = types::DatabaseTable::make_new();
    std::set<Bytes> staying;
    const auto some_key = [&](int bound) {
      return Bytes(prefixes[random() % 6]) + std::to_string(random() % bound);
    };
    for (int i = 0; i < 700; ++i) {
      const Bytes key = some_key(2000);
      staying.insert(key);
      add(key);
    }
    std::set<Bytes> passing;
    const auto churn = [&] {
      for (int i = 0; i < 30; ++i) {
        const Bytes key = some_key(3000);
        if (staying.contains(key)) continue;
        if (passing.erase(key) > 0) {
          remove(key);
        } else {
          passing.insert(key);
          add(key);
        }
      }
    };
    size_t step_count = 0;
    const std::multiset<Bytes> seen = scan_all({"COUNT", "5"}, step_count, churn);
    for (const Bytes& key : staying) ASSERT_TRUE(seen.contains(key)) << key;
    EXPECT_LT(step_count, 1000u);
  }
}

}  // namespace
}  // namespace alfheim::command
