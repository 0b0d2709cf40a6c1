// Replies as redis-server 7.0.15 gives them, command by command, over an index in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command/family.h"
#include "command/generic_rows.h"
#include "command/testing_context.h"
#include "types/testing_consistency.h"

namespace alfheim::command {
namespace {

using testing::HasSubstr;

class GenericCommandsTest : public testing::Test, public CommandWorld {
 protected:
  GenericCommandsTest() {
    std::vector<Row> rows;
    add_generic_rows(rows);
    table_of_commands = std::make_unique<const Table>(std::move(rows));
  }
  void TearDown() override {
    EXPECT_THAT(types::inconsistencies(records, table), testing::IsEmpty());
  }

  void set(std::string_view key, std::string_view value) {
    next_entry(0);
    types::Database database = writer(selected);
    ASSERT_TRUE(database.set_string(key, give(value), types::Deadline::kDrop));
  }
  std::string get(std::string_view key) {
    types::Database database = reader(selected);
    const auto found = database.find(key);
    return found && *found ? *database.read_whole_string(**found) : "(none)";
  }
};

struct Case {
  const char* given;
  const char* then;
};

TEST_F(GenericCommandsTest, WhatIsWrongIsSaidInRedissWordsAndOrder) {
  set("k", "v");
  const Case cases[] = {
      {"MOVE k 16", "-ERR DB index is out of range\r\n"},
      {"MOVE nosuch -1", "-ERR DB index is out of range\r\n"},
      {"MOVE k x", "-ERR value is not an integer or out of range\r\n"},
      {"MOVE k 4294967296",
       "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"},
      {"MOVE k 0", "-ERR source and destination objects are the same\r\n"},
      {"SWAPDB a 1", "-ERR invalid first DB index\r\n"},
      {"SWAPDB 1 b", "-ERR invalid second DB index\r\n"},
      {"SWAPDB 1 99", "-ERR DB index is out of range\r\n"},
      {"COPY k k", "-ERR source and destination objects are the same\r\n"},
      {"COPY k b DB 16", "-ERR DB index is out of range\r\n"},
      {"COPY k b DB x", "-ERR value is not an integer or out of range\r\n"},
      {"COPY k b DB -4294967296",
       "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"},
      {"COPY k b DB", "-ERR syntax error\r\n"},
      {"COPY k b foo", "-ERR syntax error\r\n"},
      {"RENAME nosuch nosuch", "-ERR no such key\r\n"},
      {"RENAMENX nosuch b", "-ERR no such key\r\n"},
      {"FLUSHDB x", "-ERR syntax error\r\n"},
      {"FLUSHALL sync async", "-ERR syntax error\r\n"},
      {"SCAN x", "-ERR invalid cursor\r\n"},
      {"SCAN 18446744073709551616", "-ERR invalid cursor\r\n"},
      {"SCAN x count 0", "-ERR invalid cursor\r\n"},
      {"SCAN 0 count", "-ERR syntax error\r\n"},
      {"SCAN 0 count 0", "-ERR syntax error\r\n"},
      {"SCAN 0 count x", "-ERR value is not an integer or out of range\r\n"},
      {"SCAN 0 foo bar", "-ERR syntax error\r\n"},
      {"EXPIRE k x foo", "-ERR Unsupported option foo\r\n"},
      {"EXPIRE k 1 nx xx",
       "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
      {"EXPIRE k 1 gt lt", "-ERR GT and LT options at the same time are not compatible\r\n"},
      {"EXPIRE k x nx", "-ERR value is not an integer or out of range\r\n"},
      {"EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"},
      {"EXPIRE k -9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"},
      {"PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n"},
      {"EXPIREAT k 9223372036854776", "-ERR invalid expire time in 'expireat' command\r\n"},
      {"OBJECT", "-ERR wrong number of arguments for 'object' command\r\n"},
      {"OBJECT foo", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.\r\n"},
      {"OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command\r\n"},
      {"MEMORY USAGE k samples -1", "-ERR syntax error\r\n"},
      {"MEMORY USAGE nosuch samples x", "-ERR value is not an integer or out of range\r\n"},
      {"MEMORY USAGE k foo 1", "-ERR syntax error\r\n"},
      {"MEMORY USAGE k samples", "-ERR syntax error\r\n"},
  };
  const auto before = records.map;
  for (const Case& given : cases) EXPECT_EQ(run(std::string_view(given.given)), given.then);
  EXPECT_EQ(records.map, before);
}

TEST_F(GenericCommandsTest, KeysAreCountedAndRemoved) {
  set("a", "1");
  set("b", "2");
  EXPECT_EQ(run("EXISTS a b nosuch a"), ":3\r\n");
  EXPECT_EQ(run("TOUCH a nosuch"), ":1\r\n");
  EXPECT_EQ(run("TYPE a"), "+string\r\n");
  EXPECT_EQ(run("TYPE nosuch"), "+none\r\n");
  EXPECT_EQ(run("DBSIZE"), ":2\r\n");
  EXPECT_EQ(run("DEL a a nosuch"), ":1\r\n");
  EXPECT_EQ(run("UNLINK b"), ":1\r\n");
  EXPECT_EQ(run("DBSIZE"), ":0\r\n");
}

TEST_F(GenericCommandsTest, ADeadlineIsGivenUnderItsConditions) {
  const Case cases[] = {
      {"EXPIRE nosuch 10", ":0\r\n"},
      {"TTL nosuch", ":-2\r\n"},
      {"TTL k", ":-1\r\n"},
      {"EXPIRETIME k", ":-1\r\n"},
      {"EXPIRE k 100 XX", ":0\r\n"},
      {"EXPIRE k 100 GT", ":0\r\n"},
      {"EXPIRE k 100 nx", ":1\r\n"},
      {"TTL k", ":100\r\n"},
      {"EXPIRE k 200 NX", ":0\r\n"},
      {"EXPIRE k 100 GT", ":0\r\n"},
      {"EXPIRE k 200 gt", ":1\r\n"},
      {"PTTL k", ":200000\r\n"},
      {"EXPIRE k 200 LT", ":0\r\n"},
      {"PEXPIRE k 1499 LT XX", ":1\r\n"},
      {"TTL k", ":1\r\n"},
      {"PEXPIRE k 1500", ":1\r\n"},
      {"TTL k", ":2\r\n"},
      {"PERSIST k", ":1\r\n"},
      {"PERSIST k", ":0\r\n"},
      {"PERSIST nosuch", ":0\r\n"},
      {"EXPIRE k 50 LT", ":1\r\n"},
      {"EXPIREAT k 2000", ":1\r\n"},
      {"EXPIRETIME k", ":2000\r\n"},
      {"PEXPIREAT k 2000500", ":1\r\n"},
      {"EXPIRETIME k", ":2001\r\n"},
      {"PEXPIRETIME k", ":2000500\r\n"},
      {"EXPIREAT k 9223372036854775", ":1\r\n"},
      {"PEXPIRETIME k", ":9223372036854775000\r\n"},
      {"EXPIRETIME k", ":9223372036854775\r\n"},
      {"EXPIRE k -1", ":1\r\n"},
      {"EXISTS k", ":0\r\n"},
      {"DBSIZE", ":0\r\n"},
  };
  set("k", "v");
  for (const Case& given : cases) {
    EXPECT_EQ(run(std::string_view(given.given)), given.then) << given.given;
  }
}

TEST_F(GenericCommandsTest, ReadsCountDownByTheClockAndAskForATickWhereAKeyIsDue) {
  set("k", "v");
  EXPECT_EQ(run("PEXPIRE k 100"), ":1\r\n");
  clock_ahead_ms = 60;
  EXPECT_EQ(run("PTTL k"), ":40\r\n");
  clock_ahead_ms = 100;
  for (const char* command : {"PTTL k", "EXISTS k", "KEYS *", "SCAN 0", "RANDOMKEY", "TYPE k"}) {
    run(std::string_view(command));
    ASSERT_FALSE(last_status) << command;
    EXPECT_TRUE(types::Database::is_needs_tick(last_status.error()));
  }
  next_entry(100);
  EXPECT_EQ(run("PTTL k"), ":-2\r\n");
  EXPECT_EQ(run("EXPIRE k 10"), ":0\r\n");
  EXPECT_EQ(run("DEL k"), ":0\r\n");
  EXPECT_EQ(run("RANDOMKEY"), "$-1\r\n");
}

TEST_F(GenericCommandsTest, AValueMovesWithItsDeadline) {
  set("a", std::string(3000, 'x'));
  EXPECT_EQ(run("EXPIRE a 100"), ":1\r\n");
  EXPECT_EQ(run("RENAME a a"), "+OK\r\n");
  EXPECT_EQ(run("RENAMENX a a"), ":0\r\n");
  set("b", "old");
  EXPECT_EQ(run("RENAMENX a b"), ":0\r\n");
  EXPECT_EQ(run("RENAME a b"), "+OK\r\n");
  EXPECT_EQ(run("TTL b"), ":100\r\n");
  EXPECT_EQ(run("RENAMENX b c"), ":1\r\n");
  EXPECT_EQ(get("c"), std::string(3000, 'x'));
  EXPECT_EQ(run("COPY c d"), ":1\r\n");
  EXPECT_EQ(run("COPY c d"), ":0\r\n");
  EXPECT_EQ(run("COPY nosuch d replace"), ":0\r\n");
  EXPECT_EQ(run("COPY c d REPLACE"), ":1\r\n");
  EXPECT_EQ(run("COPY c c DB 3"), ":1\r\n");
  EXPECT_EQ(run("TTL d"), ":100\r\n");
  EXPECT_EQ(run("MOVE c 3"), ":0\r\n");
  EXPECT_EQ(run("MOVE nosuch 3"), ":0\r\n");
  EXPECT_EQ(run("MOVE d 3"), ":1\r\n");
  EXPECT_EQ(run("EXISTS d"), ":0\r\n");
  selected = 3;
  EXPECT_EQ(run("DBSIZE"), ":2\r\n");
  EXPECT_EQ(get("d"), std::string(3000, 'x'));
  EXPECT_EQ(run("TTL d"), ":100\r\n");
  // Edited values stay edited.
  ASSERT_TRUE(writer(3).write_range("d", 0, "y"));
  EXPECT_EQ(run("RENAME d e"), "+OK\r\n");
  EXPECT_EQ(run("OBJECT ENCODING e"), "$3\r\nraw\r\n");
}

TEST_F(GenericCommandsTest, WholeDatabasesGoAndChangePlaces) {
  set("a", "0");
  selected = 1;
  set("b", "1");
  EXPECT_EQ(run("SWAPDB 0 1"), "+OK\r\n");
  EXPECT_EQ(run("KEYS *"), "*1\r\n$1\r\na\r\n");
  EXPECT_EQ(run("FLUSHDB ASYNC"), "+OK\r\n");
  EXPECT_EQ(run("DBSIZE"), ":0\r\n");
  selected = 0;
  EXPECT_EQ(run("DBSIZE"), ":1\r\n");
  EXPECT_EQ(run("FLUSHALL"), "+OK\r\n");
  EXPECT_EQ(run("DBSIZE"), ":0\r\n");
  EXPECT_EQ(run("KEYS *"), "*0\r\n");
  EXPECT_EQ(run("SWAPDB 2 2"), "+OK\r\n");
}

TEST_F(GenericCommandsTest, ObjectShowsWhatRedisWouldShow) {
  set("int", "123");
  set("big", "10000");
  set("embstr", std::string(44, 'x'));
  set("raw", std::string(45, 'x'));
  set("separated", std::string(5000, 'x'));
  const Case cases[] = {
      {"OBJECT ENCODING nosuch", "$-1\r\n"},
      {"OBJECT ENCODING int", "$3\r\nint\r\n"},
      {"OBJECT ENCODING embstr", "$6\r\nembstr\r\n"},
      {"OBJECT ENCODING raw", "$3\r\nraw\r\n"},
      {"object encoding separated", "$3\r\nraw\r\n"},
      {"OBJECT REFCOUNT int", ":2147483647\r\n"},
      {"OBJECT REFCOUNT big", ":1\r\n"},
      {"OBJECT REFCOUNT raw", ":1\r\n"},
      {"OBJECT REFCOUNT nosuch", "$-1\r\n"},
      {"OBJECT IDLETIME raw", ":0\r\n"},
      {"OBJECT IDLETIME nosuch", "$-1\r\n"},
      {"OBJECT FREQ nosuch", "$-1\r\n"},
      {"MEMORY USAGE nosuch", "$-1\r\n"},
      // key 7 + 3, record 4 + 8
      {"MEMORY USAGE int", ":22\r\n"},
      // key 7 + 9, record 4 + 20, reference 21 + 16, value 5000
      {"MEMORY USAGE separated SAMPLES 0", ":5077\r\n"},
  };
  for (const Case& given : cases) {
    EXPECT_EQ(run(std::string_view(given.given)), given.then) << given.given;
  }
  EXPECT_THAT(run("OBJECT FREQ raw"), HasSubstr("-ERR An LFU maxmemory policy is not selected"));
  EXPECT_THAT(run("OBJECT HELP"), HasSubstr("*15\r\n+OBJECT <subcommand>"));
  protocol = resp::ProtocolVersion::kResp3;
  EXPECT_EQ(run("OBJECT ENCODING nosuch"), "_\r\n");
  EXPECT_EQ(run("RANDOMKEY").front(), '$');
  point.value_threshold_bytes = 1;
  set("tiny", "7");
  EXPECT_EQ(run("OBJECT ENCODING tiny"), "$3\r\nint\r\n");
}

TEST_F(GenericCommandsTest, KeysFollowsThePattern) {
  EXPECT_EQ(run("KEYS *"), "*0\r\n");
  set("", "empty");
  set("one", "1");
  set("two", "2");
  EXPECT_THAT(run("KEYS *"), HasSubstr("*3\r\n"));
  EXPECT_EQ(run("KEYS o*"), "*1\r\n$3\r\none\r\n");
  EXPECT_EQ(run("KEYS ?wo"), "*1\r\n$3\r\ntwo\r\n");
  EXPECT_EQ(run({"KEYS", ""}), "*1\r\n$0\r\n\r\n");
  records.can_walk = false;
  run("KEYS *");
  ASSERT_FALSE(last_status);
  EXPECT_EQ(last_status.error().code, base::ErrorCode::kWouldBlock);
}

TEST_F(GenericCommandsTest, RandomkeyReachesEveryKeyAndNoDeadOne) {
  std::set<std::string> wanted;
  for (int i = 0; i < 20; ++i) {
    const std::string key = (i < 10 ? "{t}" : "") + std::to_string(i);
    set(key, "v");
    if (i % 4 == 0) {
      ASSERT_TRUE(writer().set_deadline(key, log_time.ms));
    } else {
      wanted.insert("$" + std::to_string(key.size()) + "\r\n" + key + "\r\n");
    }
  }
  std::set<std::string> seen;
  for (int i = 0; i < 3000; ++i) seen.insert(run("RANDOMKEY"));
  EXPECT_EQ(seen, wanted);
}

}  // namespace
}  // namespace alfheim::command
