// What tables of replies do not show: how much is touched, and when things end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/number.h"
#include "command/string_testing.h"

namespace alfheim::command {
namespace {

using base::Bytes;
using base::ByteView;

constexpr uint64_t kMiB = base::kMiB;

// Bytes without a period that pieces or chunks share.
Bytes noise(size_t count, uint64_t seed) {
  Bytes out;
  out.reserve(count + 8);
  for (uint64_t i = 0; out.size() < count; ++i) base::put_u64(out, base::hash64("noise", seed + i));
  out.resize(count);
  return out;
}

Bytes number(uint64_t value) { return base::format_int64(static_cast<int64_t>(value)); }

Bytes bulk(ByteView bytes) { return base::format("${}\r\n{}\r\n", bytes.size(), bytes); }

class StringCommands : public testing::Test {
 protected:
  Bytes run(const std::vector<ByteView>& words) { return bench_.run(words); }
  uint64_t last_write(ByteView key) { return bench_.look(key)->record.last_write.value; }
  std::optional<uint64_t> deadline(ByteView key) { return bench_.look(key)->record.deadline_ms; }
  uint64_t now_ms() const { return bench_.world.log_time.ms; }
  void TearDown() override {
    EXPECT_THAT(types::inconsistencies(bench_.world.records, bench_.world.table),
                testing::IsEmpty());
  }

  StringBench bench_;
};

TEST_F(StringCommands, RelativeDeadlinesCountFromLogTime) {
  run({"SET", "k", "v", "EX", "10"});
  EXPECT_EQ(deadline("k"), now_ms() + 10'000);
  run({"SET", "k", "v", "PX", "10"});
  EXPECT_EQ(deadline("k"), now_ms() + 10);
  run({"SETEX", "k", "2", "v"});
  EXPECT_EQ(deadline("k"), now_ms() + 2'000);
  run({"PSETEX", "k", "2", "v"});
  EXPECT_EQ(deadline("k"), now_ms() + 2);
  run({"GETEX", "k", "EX", "3"});
  EXPECT_EQ(deadline("k"), now_ms() + 3'000);
  run({"GETEX", "k", "PX", "3"});
  EXPECT_EQ(deadline("k"), now_ms() + 3);
}

TEST_F(StringCommands, ADeadlineIsPastFromLogTimeOn) {
  for (const ByteView command : {"SET", "GETEX"}) {
    run({"SET", "k", "v"});
    std::vector<ByteView> words = {command, "k"};
    if (command == "SET") words.push_back("w");
    words.push_back("PXAT");
    const Bytes later = number(now_ms() + 1);
    words.push_back(later);
    run(words);
    EXPECT_TRUE(bench_.look("k")) << command;
    const Bytes now = number(now_ms());
    words.back() = now;
    run(words);
    EXPECT_FALSE(bench_.look("k")) << command;
    EXPECT_EQ(bench_.world.writer().key_count(), 0u) << command;
  }
}

TEST_F(StringCommands, AReadOfAKeyThatIsDueByTheClockWaitsForATick) {
  run({"SET", "k", "v", "PX", "10"});
  bench_.clock_ahead_ms = 9;
  EXPECT_EQ(run({"GET", "k"}), bulk("v"));
  bench_.clock_ahead_ms = 10;
  for (const std::vector<ByteView>& words :
       std::vector<std::vector<ByteView>>{{"GET", "k"},
                                          {"STRLEN", "k"},
                                          {"MGET", "x", "k"},
                                          {"GETRANGE", "k", "0", "1"},
                                          {"GETBIT", "k", "1"},
                                          {"BITCOUNT", "k"},
                                          {"BITPOS", "k", "1"},
                                          {"LCS", "x", "k"},
                                          {"BITFIELD_RO", "k", "GET", "u8", "0"}}) {
    EXPECT_EQ(run(words), "!" + types::Database::needs_tick().message) << words.front();
  }
}

TEST_F(StringCommands, WhatChangesNothingIsNoWriteForWatch) {
  run({"SETRANGE", "k", "0", "a"});
  const uint64_t before = last_write("k");
  run({"SETBIT", "k", "1", "1"});
  run({"BITFIELD", "k", "SET", "u8", "0", "97", "GET", "u8", "0"});
  run({"BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u8", "0", "200"});
  run({"GETEX", "k"});
  run({"GETEX", "k", "PERSIST"});
  run({"SET", "k", "v", "NX", "GET"});
  run({"SETRANGE", "k", "0", ""});
  EXPECT_EQ(last_write("k"), before);
  run({"SETBIT", "k", "1", "0"});
  EXPECT_GT(last_write("k"), before);
}

TEST_F(StringCommands, ALimitHoldsForAppendSetrangeAndBits) {
  bench_.limits.string_bytes_max = 10;
  run({"SET", "k", "12345"});
  const Bytes refusal = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
  EXPECT_EQ(run({"APPEND", "k", "678901"}), refusal);
  EXPECT_EQ(run({"SETRANGE", "k", "5", "678901"}), refusal);
  EXPECT_EQ(run({"APPEND", "k", "67890"}), ":10\r\n");
  EXPECT_EQ(run({"SETRANGE", "k", "9", "x"}), ":10\r\n");
  const Bytes out_of_range = "-ERR bit offset is not an integer or out of range\r\n";
  EXPECT_EQ(run({"SETBIT", "k", "80", "1"}), out_of_range);
  EXPECT_EQ(run({"SETBIT", "k", "79", "1"}), ":0\r\n");
  EXPECT_EQ(run({"BITFIELD", "k", "GET", "u8", "#10"}), out_of_range);
  EXPECT_THAT(run({"LCS", "k", "k"}), testing::StartsWith("-ERR Insufficient memory, transient"));
}

TEST_F(StringCommands, AnEditOfALongStringWritesOnlyItsChunks) {
  EXPECT_EQ(run({"SETBIT", "k", "4294967295", "1"}), ":0\r\n");
  EXPECT_EQ(run({"STRLEN", "k"}), ":536870912\r\n");
  const auto writes_of = [&](const std::vector<ByteView>& words) {
    const uint64_t before = bench_.world.records.write_count;
    run(words);
    return bench_.world.records.write_count - before;
  };
  EXPECT_LE(writes_of({"SETBIT", "k", "2000000000", "1"}), 2u);
  EXPECT_LE(writes_of({"SETRANGE", "k", "65534", "abcd"}), 3u);
  EXPECT_LE(writes_of({"BITFIELD", "k", "SET", "u8", "0", "7", "SET", "u8", "#400000000", "9"}),
            4u);
  EXPECT_EQ(run({"GETBIT", "k", "2000000000"}), ":1\r\n");
  EXPECT_EQ(run({"GETRANGE", "k", "65533", "65538"}), bulk(ByteView("\0abcd\0", 6)));
  EXPECT_EQ(run({"BITFIELD", "k", "GET", "u8", "0", "GET", "u8", "#400000000"}),
            "*2\r\n:7\r\n:9\r\n");
  EXPECT_EQ(run({"APPEND", "k", "x"}),
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
  EXPECT_LE(bench_.world.records.map.size(), 10u);
}

TEST_F(StringCommands, PartsOfAFragmentedValueReadOnlyTheirPieces) {
  const Bytes body = noise(3 * kMiB, 1);
  types::Database writer = bench_.world.writer();
  ASSERT_TRUE(
      writer.set_string("k", bench_.world.give_fragments(body, kMiB, 17), types::Deadline::kDrop));
  const auto read_by = [&](const std::vector<ByteView>& words, const Bytes& reply) {
    const uint64_t before = bench_.world.values.read_bytes;
    EXPECT_EQ(run(words), reply) << words.front();
    return bench_.world.values.read_bytes - before;
  };
  EXPECT_EQ(read_by({"STRLEN", "k"}, ":3145728\r\n"), 0u);
  EXPECT_EQ(read_by({"GETRANGE", "k", "1048570", "1048579"}, bulk(body.substr(1048570, 10))), 10u);
  EXPECT_EQ(read_by({"GETBIT", "k", "8"}, (body[1] & 0x80) != 0 ? ":1\r\n" : ":0\r\n"), 1u);
  EXPECT_EQ(read_by({"INCR", "k"}, "-ERR value is not an integer or out of range\r\n"), 0u);
  EXPECT_EQ(read_by({"INCRBYFLOAT", "k", "1"}, "-ERR value is not a valid float\r\n"), 0u);
  EXPECT_EQ(read_by({"APPEND", "k", ""}, ":3145728\r\n"), 0u);
}

TEST_F(StringCommands, CountsAndSearchesRunOverTheBordersOfPieces) {
  Bytes body(2 * kMiB + 1000, '\xff');
  body[2 * kMiB + 500] = '\xfd';
  types::Database writer = bench_.world.writer();
  ASSERT_TRUE(
      writer.set_string("k", bench_.world.give_fragments(body, kMiB, 3), types::Deadline::kDrop));
  const uint64_t bit_count = body.size() * 8;
  const uint64_t hole = (2 * kMiB + 500) * 8 + 6;
  EXPECT_EQ(run({"BITCOUNT", "k"}), ":" + number(bit_count - 1) + "\r\n");
  EXPECT_EQ(run({"BITCOUNT", "k", "3", "-4", "BIT"}), ":" + number(bit_count - 7) + "\r\n");
  EXPECT_EQ(run({"BITCOUNT", "k", "1048575", "1048576"}), ":16\r\n");
  EXPECT_EQ(run({"BITPOS", "k", "0"}), ":" + number(hole) + "\r\n");
  EXPECT_EQ(run({"BITPOS", "k", "0", "5", "-1", "BIT"}), ":" + number(hole) + "\r\n");
  EXPECT_EQ(run({"BITPOS", "k", "0", number(hole + 1), "-1", "BIT"}), ":-1\r\n");
  EXPECT_EQ(run({"BITPOS", "k", "0", number(2 * kMiB + 501)}), ":" + number(bit_count) + "\r\n");
}

// One operation on whole strings, the slow and plain way.
Bytes combined(BitOperation operation, ByteView a, ByteView b) {
  Bytes out;
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const char x = i < a.size() ? a[i] : '\0';
    const char y = i < b.size() ? b[i] : '\0';
    out.push_back(operation == BitOperation::kAnd   ? static_cast<char>(x & y)
                  : operation == BitOperation::kOr  ? static_cast<char>(x | y)
                  : operation == BitOperation::kXor ? static_cast<char>(x ^ y)
                                                    : static_cast<char>(~x));
  }
  return out;
}

struct BitopCase {
  const char* name;
  BitOperation operation;
  const char* word;
  ByteView target;
};
constexpr BitopCase kBitops[] = {
    {"a new target", BitOperation::kXor, "XOR", "new"},
    {"the longer source", BitOperation::kAnd, "AND", "long"},
    {"the shorter source", BitOperation::kOr, "OR", "short"},
    {"itself", BitOperation::kNot, "NOT", "long"},
};

TEST_F(StringCommands, BitopOfLongStringsMayWriteIntoItsSources) {
  const Bytes longer = noise(2 * kMiB + 70'001, 2);
  const Bytes shorter = noise(kMiB + 3, 3);
  for (const BitopCase& given : kBitops) {
    // Once over values in the log, once over computed strings with a deadline.
    for (const bool is_computed : {false, true}) {
      run({"FLUSHALL"});
      types::Database writer = bench_.world.writer();
      if (is_computed) {
        ASSERT_TRUE(writer.set_computed("long", longer, types::Deadline::kDrop, false));
        ASSERT_TRUE(writer.set_computed("short", shorter, types::Deadline::kDrop, false));
        run({"GETEX", "long", "EX", "100"});
        run({"GETEX", "short", "EX", "100"});
      } else {
        ASSERT_TRUE(writer.set_string("long", bench_.world.give_fragments(longer, kMiB, 9),
                                      types::Deadline::kDrop));
        ASSERT_TRUE(writer.set_string("short", bench_.world.give_fragments(shorter, kMiB, 9),
                                      types::Deadline::kDrop));
      }
      std::vector<ByteView> words = {"BITOP", given.word, given.target, "long"};
      if (given.operation != BitOperation::kNot) words.push_back("short");
      EXPECT_EQ(run(words), ":" + number(longer.size()) + "\r\n") << given.name;
      const auto found = bench_.look(given.target);
      ASSERT_TRUE(found);
      EXPECT_FALSE(found->record.deadline_ms) << given.name;
      EXPECT_TRUE(found->record.is_edited) << given.name;
      const auto result = bench_.world.reader().read_whole_string(*found);
      ASSERT_TRUE(result);
      EXPECT_TRUE(*result == combined(given.operation, longer, shorter)) << given.name;
    }
  }
}

TEST_F(StringCommands, AppendedPiecesStandBehindEachOtherOverChunks) {
  Bytes expected;
  for (uint64_t i = 0; i < 40; ++i) {
    const Bytes piece = noise(1000 + 400 * i, i);
    expected += piece;
    EXPECT_EQ(run({"APPEND", "k", piece}), ":" + number(expected.size()) + "\r\n");
  }
  EXPECT_GT(expected.size(), 4 * types::kChunkBytes);
  EXPECT_TRUE(run({"GET", "k"}) == bulk(expected));
  EXPECT_TRUE(run({"GETDEL", "k"}) == bulk(expected));
  EXPECT_TRUE(bench_.world.records.map.empty());
}

TEST_F(StringCommands, AnErrorBelowIsGivenOnAndNotAnswered) {
  const Bytes body = noise(5000, 5);
  run({"SET", "k", body});
  bench_.world.values.entries.clear();
  for (const std::vector<ByteView>& words :
       std::vector<std::vector<ByteView>>{{"GET", "k"},
                                          {"MGET", "k"},
                                          {"GETRANGE", "k", "0", "9"},
                                          {"GETBIT", "k", "1"},
                                          {"BITCOUNT", "k"},
                                          {"LCS", "k", "k"},
                                          {"APPEND", "k", "x"},
                                          {"SET", "k", "v", "GET"},
                                          {"BITOP", "NOT", "k", "k"},
                                          {"BITFIELD", "k", "GET", "u8", "0"}}) {
    EXPECT_THAT(run(words), testing::StartsWith("!")) << words.front();
  }
}

}  // namespace
}  // namespace alfheim::command
