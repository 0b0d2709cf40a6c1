#include "server/config.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/option_table.h"
#include "server/slow_log.h"

namespace alfheim::server {
namespace {

std::vector<Config::Pair> get(const Config& config, std::vector<std::string_view> patterns) {
  return config.get(patterns);
}

std::string set(Config& config, std::vector<std::pair<std::string_view, std::string_view>> pairs) {
  const base::Status status = config.set(pairs);
  return status ? "OK" : status.error().message;
}

TEST(Config, GetAnswersPatternsOnceEachAndInOrder) {
  Config config{Options{}};
  const std::vector<Config::Pair> expected = {{"tcp-keepalive", "300"}, {"timeout", "0"}};
  EXPECT_EQ(get(config, {"TIMEOUT", "tcp*", "time*"}), expected);
  EXPECT_TRUE(get(config, {"nosuch"}).empty());
  EXPECT_EQ(get(config, {"save"}), (std::vector<Config::Pair>{{"save", ""}}));
  EXPECT_EQ(get(config, {"port"}), (std::vector<Config::Pair>{{"port", "6379"}}));
  EXPECT_EQ(get(config, {"maxmemory-policy"})[0].second, "noeviction");
  EXPECT_EQ(get(config, {"appendonly"})[0].second, "yes");
}

TEST(Config, GetKnowsEveryOption) {
  Config config{Options{}};
  for (const OptionRow& row : option_rows()) {
    EXPECT_EQ(get(config, {row.name}).size(), 1u) << row.name;
  }
}

TEST(Config, OnASmallMachineAStringMayBeLongerThanWhatManyShare) {
  Config config{defaults_for(512 * base::kMiB)};
  EXPECT_EQ(set(config, {{"proto-max-bulk-len", "512mb"}}), "OK");
}

TEST(Config, SetChangesTheLiveValueAndTellsTheListener) {
  Config config{Options{}};
  int told = 0;
  config.set_listener([&](const Config&) { ++told; });
  EXPECT_EQ(set(config, {{"timeout", "5"},
                         {"MAXCLIENTS", "7"},
                         {"requirepass", "secret"},
                         {"proto-max-bulk-len", "1mb"},
                         {"client-output-buffer-limit", "normal 1kb 2 3"},
                         {"slowlog-log-slower-than", "-1"},
                         {"loglevel", "debug"}}),
            "OK");
  EXPECT_EQ(told, 1);
  EXPECT_EQ(config.timeout_s(), 5u);
  EXPECT_EQ(config.clients_max(), 7u);
  EXPECT_TRUE(config.has_password());
  EXPECT_EQ(config.requirepass(), "secret");
  EXPECT_EQ(config.bulk_bytes_max(), base::kMiB);
  EXPECT_EQ(config.output_limit(), (OutputLimit{1024, 2, 3}));
  EXPECT_EQ(config.slowlog_threshold_us(), -1);
  EXPECT_EQ(config.log_level(), LogLevel::kDebug);
  EXPECT_EQ(config.startup().client.timeout_s, 0u);
  // No limit, however it is written, as on the command line.
  for (const char* none : {"0", "0mb"}) {
    EXPECT_EQ(set(config, {{"client-memory", "64mb"}}), "OK");
    EXPECT_EQ(set(config, {{"client-memory", none}}), "OK");
    EXPECT_EQ(config.client_memory_bytes(), 0u);
  }
  EXPECT_EQ(get(config, {"client-output-buffer-limit"})[0].second,
            "normal 1024 2 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
  EXPECT_EQ(set(config, {{"requirepass", ""}}), "OK");
  EXPECT_FALSE(config.has_password());
}

TEST(Config, SetIsAllOrNothing) {
  Config config{Options{}};
  EXPECT_EQ(set(config, {{"timeout", "5"}, {"tcp-keepalive", "x"}}),
            "ERR CONFIG SET failed (possibly related to argument 'tcp-keepalive') - argument "
            "couldn't be parsed into an integer");
  EXPECT_EQ(config.timeout_s(), 0u);
}

TEST(Config, RefusalsAreRedisWordForWord) {
  struct RefusedCase {
    const char* name;
    const char* value;
    const char* then;  // behind "... related to argument '<name>') - "
  };
  constexpr RefusedCase kCases[] = {
      {"timeout", "-1", "argument must be between 0 and 2147483647 inclusive"},
      {"timeout", "x", "argument couldn't be parsed into an integer"},
      {"databases", "3", "can't set immutable config"},
      {"cluster-enabled", "no", "can't set immutable config"},
      {"dir", "/x", "can't set immutable config"},
      {"id", "n2", "can't set immutable config"},
      {"port", "1", "can't set immutable config"},
      {"maxclients", "0", "argument must be between 1 and 4294967295 inclusive"},
      {"slowlog-log-slower-than", "-2",
       "argument must be between -1 and 9223372036854775807 inclusive"},
      {"proto-max-bulk-len", "1", "argument must be between 1048576 and 536870912 inclusive"},
      {"proto-max-bulk-len", "1xx", "argument must be a memory value"},
      {"loglevel", "foo",
       "argument(s) must be one of the following: debug, verbose, notice, warning"},
      {"client-output-buffer-limit", "foo 1 2 3",
       "Invalid client class specified in buffer limit configuration."},
      {"client-output-buffer-limit", "normal 1 2 3 4 5",
       "Wrong number of arguments in buffer limit configuration."},
      {"appendonly", "no", "this server knows no other value than 'yes'"},
      {"maxmemory", "100mb", "this server knows no other value than '0'"},
  };
  for (const RefusedCase& c : kCases) {
    Config config{Options{}};
    EXPECT_EQ(set(config, {{c.name, c.value}}),
              "ERR CONFIG SET failed (possibly related to argument '" + std::string(c.name) +
                  "') - " + c.then);
  }
  Config config{Options{}};
  EXPECT_EQ(set(config, {{"timeout", "5"}, {"foo", "1"}}),
            "ERR Unknown option or number of arguments for CONFIG SET - 'foo'");
  EXPECT_EQ(set(config, {{"timeout", "5"}, {"Timeout", "6"}}),
            "ERR CONFIG SET failed (possibly related to argument 'Timeout') - duplicate parameter");
  EXPECT_EQ(set(config, {{"appendonly", "yes"}, {"save", ""}, {"maxmemory", "0"}}), "OK");
}

TEST(SlowLog, KeepsTheNewestAndShortensWords) {
  Config config{Options{}};
  SlowLog log(config);
  ASSERT_EQ(set(config, {{"slowlog-max-len", "2"}, {"slowlog-log-slower-than", "100"}}), "OK");
  ClientInfo client;
  client.peer = {"127.0.0.1", 5};
  client.edit_names([](ClientNames& names) { names.name = "me"; });
  std::vector<std::string> words(41, "x");
  words[1] = std::string(200, 'v');
  const std::vector<base::ByteView> views(words.begin(), words.end());
  const command::Arguments args{std::span<const base::ByteView>(views)};
  log.note(7'000'000, 99, args, client);
  EXPECT_EQ(log.count(), 0u);
  for (uint64_t i = 0; i < 3; ++i) log.note(7'000'000, 100 + i, args, client);
  const std::vector<SlowLog::Entry> entries = log.newest(10);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].id, 2u);
  EXPECT_EQ(entries[0].time_s, 7u);
  EXPECT_EQ(entries[0].duration_us, 102u);
  ASSERT_EQ(entries[0].words.size(), 32u);
  EXPECT_EQ(entries[0].words[1], std::string(128, 'v') + "... (72 more bytes)");
  EXPECT_EQ(entries[0].words[31], "... (10 more arguments)");
  EXPECT_EQ(entries[0].client_address, "127.0.0.1:5");
  EXPECT_EQ(entries[0].client_name, "me");
  EXPECT_EQ(log.newest(1).size(), 1u);
  ASSERT_EQ(set(config, {{"slowlog-log-slower-than", "-1"}}), "OK");
  EXPECT_FALSE(log.wants(1'000'000));
  log.clear();
  EXPECT_EQ(log.count(), 0u);
}

}  // namespace
}  // namespace alfheim::server
