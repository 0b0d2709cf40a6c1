#include "server/command_line.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "server/machine_memory.h"
#include "server/option_table.h"
#include "server/option_text.h"

namespace alfheim::server {
namespace {

base::Result<ParsedCommandLine> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "alfheimdb");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}
base::Result<ParsedCommandLine> parse_on(uint64_t machine_bytes, std::vector<const char*> words) {
  words.insert(words.begin(), "alfheimdb");
  return parse_command_line(static_cast<int>(words.size()), words.data(), machine_bytes);
}

std::string refusal(const std::vector<const char*>& words) {
  const base::Result<ParsedCommandLine> parsed = parse(words);
  return parsed ? "accepted" : parsed.error().message;
}

std::string write_file(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

TEST(CommandLine, WithoutWordsEverythingHasItsDefault) {
  const base::Result<ParsedCommandLine> parsed = parse({});
  ASSERT_TRUE(parsed) << parsed.error().message;
  const Options& options = parsed->options;
  EXPECT_EQ(options.group.id, "n1");
  EXPECT_EQ(options.storage.dir, "./data");
  EXPECT_EQ(address_text(options.address.resp), "127.0.0.1:6379");
  EXPECT_EQ(address_text(options.address.raft), "127.0.0.1:7379");
  EXPECT_EQ(address_text(*options.address.http), "127.0.0.1:8379");
  const StorageOptions defaults = defaults_for(machine_memory_bytes()).storage;
  EXPECT_EQ(options.storage.memory_budget_bytes, defaults.memory_budget_bytes);
  EXPECT_EQ(options.storage.dirty_budget_bytes, defaults.dirty_budget_bytes);
  EXPECT_EQ(options.storage.block_cache_bytes, defaults.block_cache_bytes);
  EXPECT_TRUE(options.storage.warms_up);
}

TEST(CommandLine, ADirtyBudgetThatIsNotGivenIsAQuarterOfAMemoryBudgetThatIs) {
  EXPECT_EQ(parse({"--memory-budget", "1gb"})->options.storage.dirty_budget_bytes,
            256 * base::kMiB);
  EXPECT_EQ(parse({"--memory-budget", "1gb", "--dirty-budget", "2mb"})
                ->options.storage.dirty_budget_bytes,
            2 * base::kMiB);
}

TEST(CommandLine, ADirtyBudgetAloneThatDoesNotFitTheMachineIsRefusedInItsOwnWords) {
  const auto refused = parse_on(base::kGiB, {"--dirty-budget", "200mb"});
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.error().message,
            "--dirty-budget 200mb needs a --memory-budget of 400mb or more; not given, that is "
            "256mb, a quarter of this machine's memory");
  const auto fits = parse_on(base::kGiB, {"--dirty-budget", "128mb"});
  ASSERT_TRUE(fits.is_ok());
  EXPECT_EQ(fits->options.storage.memory_budget_bytes, 256 * base::kMiB);
  EXPECT_TRUE(
      parse_on(base::kGiB, {"--dirty-budget", "200mb", "--memory-budget", "400mb"}).is_ok());
}

TEST(CommandLine, ASmallMachineStartsWithLittleMemoryForRequestsAndLongStrings) {
  const auto small = parse_on(512 * base::kMiB, {});
  ASSERT_TRUE(small.is_ok()) << small.error().message;
  EXPECT_EQ(small->options.client.request_memory_bytes, 64 * base::kMiB);
  EXPECT_EQ(small->options.client.bulk_bytes_max, base::kBulkBytesMax);
}

TEST(CommandLine, ASwitchIsOnOrOff) {
  EXPECT_FALSE(parse({"--warm-up", "off"})->options.storage.warms_up);
  EXPECT_TRUE(parse({"--warm-up", "on"})->options.storage.warms_up);
}

TEST(CommandLine, ClocksMayDriftByHalfAtMost) {
  EXPECT_EQ(parse({})->options.group.clock_drift_permille, 10u);
  EXPECT_EQ(parse({"--clock-drift-permille", "500"})->options.group.clock_drift_permille, 500u);
  EXPECT_NE(refusal({"--clock-drift-permille", "501"}), "accepted");
}

TEST(CommandLine, EveryOptionAcceptsItsOwnDefaultBack) {
  for (const OptionRow& row : option_rows()) {
    Options options;
    const std::string shown = row.show(options);
    EXPECT_TRUE(row.set(options, shown)) << row.name << " " << shown;
    EXPECT_EQ(row.show(options), shown) << row.name;
  }
}

TEST(CommandLine, HelpShowsEveryOptionWithItsDefault) {
  const base::Result<ParsedCommandLine> parsed = parse({"--help"});
  ASSERT_TRUE(parsed);
  const std::string& help = parsed->print_and_exit;
  for (const OptionRow& row : option_rows()) {
    EXPECT_NE(help.find("--" + std::string(row.name)), std::string::npos) << row.name;
  }
  EXPECT_NE(help.find("--config"), std::string::npos);
  EXPECT_NE(help.find("127.0.0.1:6379"), std::string::npos);
#ifdef ALF_MUTANTS
  EXPECT_EQ(parse({"--version"})->print_and_exit, "alfheimdb 0.1.0-mutants\n");
#else
  EXPECT_EQ(parse({"--version"})->print_and_exit, "alfheimdb 0.1.0\n");
#endif
}

TEST(CommandLine, FlagsAreReadInBothForms) {
  const base::Result<ParsedCommandLine> parsed =
      parse({"--resp-addr", "[::1]:7000", "--loops=2", "--memory-budget", "1gb", "--http-addr=",
             "--requirepass", "a b#c", "--slowlog-log-slower-than", "-1", "--loops", "3"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  const Options& options = parsed->options;
  EXPECT_EQ(options.address.resp.host, "::1");
  EXPECT_EQ(options.address.resp.port, 7000);
  EXPECT_FALSE(options.address.http.has_value());
  EXPECT_EQ(options.thread.loop_count, 3u);
  EXPECT_EQ(options.storage.memory_budget_bytes, base::kGiB);
  EXPECT_EQ(options.client.requirepass, "a b#c");
  EXPECT_EQ(options.observation.slowlog_threshold_us, -1);
}

TEST(CommandLine, WhatCannotBeIsRefusedWithOneLine) {
  struct RefusedCase {
    std::vector<const char*> given;
    const char* then_has;
  };
  const RefusedCase kCases[] = {
      {{"--nosuch", "1"}, "--nosuch"},
      {{"extra"}, "extra"},
      {{"--loops"}, "--loops"},
      {{"--loops", "0"}, "--loops: found \"0\", expected a whole number from 1 to 64"},
      {{"--loops", "x"}, "--loops: found \"x\""},
      {{"--warm-up", "yes"}, "--warm-up: found \"yes\", expected on or off"},
      {{"--resp-addr", "6379"}, "--resp-addr: found \"6379\", expected HOST:PORT"},
      {{"--resp-addr", "a:70000"}, "expected HOST:PORT"},
      {{"--resp-addr", "::1:5"}, "expected HOST:PORT"},
      {{"--raft-addr", ":5"}, "expected HOST:PORT"},
      {{"--resp-addr", "[[x]]:5"}, "expected HOST:PORT"},  // would be shown as [x]:5, host x
      {{"--id", "a\nb"}, "--id: found \"a b\""},
      {{"--cluster", "n1\n"}, "--cluster: found"},
      {{"--id", "a b"}, "--id: found \"a b\""},
      {{"--dir", ""}, "--dir"},
      {{"--memory-budget", "10xb"}, "expected a size"},
      {{"--memory-budget", "99999999999gb"}, "expected a size"},
      {{"--memory-budget", "64mb", "--dirty-budget", "48mb"}, "at least twice --dirty-budget"},
      {{"--segment-size", "5000001"}, "multiple of 4096"},
      {{"--segment-size", "1kb"}, "expected 4mb to 1gb"},
      {{"--log-level", "loud"}, "expected debug, info, warning or error"},
      {{"--proto-max-bulk-len", "1gb"}, "expected 1mb to 512mb"},
      {{"--request-memory", "64mb"}, "at least --proto-max-bulk-len"},
      {{"--cluster", "n1=127.0.0.1:1,n1=127.0.0.1:2"}, "a member is named twice"},
      {{"--cluster", "n1=127.0.0.1:1,n2=127.0.0.1:1"}, "two members have one address"},
      {{"--join", "nowhere"}, "expected HOST:PORT"},
      {{"--join", "127.0.0.1:7379", "--cluster", "n1=127.0.0.1:7379"}, "exclude each other"},
      {{"--cluster", "n2=127.0.0.1:1"}, "does not name this node, --id n1"},
      {{"--cluster", "n1"}, "expected ID=HOST:PORT"},
      {{"--config", "/nonexistent/a.toml"}, "read configuration /nonexistent/a.toml: No such file"},
      {{"--config", "/"}, "read configuration /: "},
  };
  for (const RefusedCase& c : kCases) {
    const std::string message = refusal(c.given);
    EXPECT_NE(message.find(c.then_has), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  EXPECT_TRUE(parse({"--cluster", "n1=127.0.0.1:7379"}));
  EXPECT_TRUE(parse({"--cluster", "n2=127.0.0.1:7380,n1=127.0.0.1:7379"}));
}

TEST(CommandLine, AFlagBeatsTheFileAndTheFileBeatsTheDefault) {
  const std::string path = write_file("alfheim_options.toml",
                                      "# a comment\n"
                                      "id = \"n7\"   # another\r\n"
                                      "loops = 2\n"
                                      "memory-budget = \"512mb\"\n"
                                      "requirepass = \"pass#word \\\"quoted\\\"\"\n"
                                      "dir = 'C:\\raw'\n"
                                      "timeout = 1_000\n");
  const base::Result<ParsedCommandLine> parsed = parse({"--config", path.c_str(), "--loops", "4"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  const Options& options = parsed->options;
  EXPECT_EQ(options.config_path, path);
  EXPECT_EQ(options.group.id, "n7");
  EXPECT_EQ(options.thread.loop_count, 4u);
  EXPECT_EQ(options.storage.memory_budget_bytes, 512 * base::kMiB);
  EXPECT_EQ(options.storage.dirty_budget_bytes, 128 * base::kMiB);
  EXPECT_EQ(options.client.requirepass, "pass#word \"quoted\"");
  EXPECT_EQ(options.storage.dir, "C:\\raw");
  EXPECT_EQ(options.client.timeout_s, 1000u);
}

TEST(CommandLine, AMistakeInTheFileIsNamedWithItsLine) {
  struct MistakeCase {
    const char* given;
    const char* then;
  };
  constexpr MistakeCase kCases[] = {
      {"\nnosuch = 1\n", "line 2: nosuch is no option"},
      {"loops = 0\n", "line 1: loops: found \"0\""},
      {"[server]\nloops = 1\n", "line 1: tables are not known here"},
      {"loops\n", "line 1: found \"loops\", expected key = value"},
      {"loops =\n", "line 1: loops has no value"},
      {"dir = \"open\n", "line 1: the value of dir is neither"},
      {"dir = \"bad \\q\"\n", "line 1: the value of dir is neither"},
      {"dir = plain\n", "line 1: the value of dir is neither"},
      {"dir = [\"a\"]\n", "line 1: the value of dir is neither"},
      {"dir = \"a\" b\n", "line 1: found \"b\" behind the value of dir"},
      {"loops = 1\nloops = 2\n", "line 2: loops stands already in line 1"},
      {"help = true\n", "line 1: help is no option"},
      {"lo ops = 1\n", "line 1: \"lo ops\" is no key"},
      {"id = \"a\\nb\"\n", "line 1: id: found \"a b\""},  // a message is one line
  };
  for (const MistakeCase& c : kCases) {
    Options options;
    const base::Status status = apply_toml(c.given, "x.toml", options);
    ASSERT_FALSE(status) << c.given;
    EXPECT_EQ(status.error().message.find("read configuration x.toml: "), 0u);
    EXPECT_NE(status.error().message.find(c.then), std::string::npos) << status.error().message;
  }
}

TEST(OptionText, SizesAreThoseOfRedis) {
  struct SizeCase {
    const char* given;
    uint64_t then;
  };
  constexpr SizeCase kCases[] = {
      {"0", 0},         {"17", 17},        {"1b", 1},        {"1k", 1000},
      {"1kb", 1024},    {"2m", 2'000'000}, {"2MB", 2 << 20}, {"1g", 1'000'000'000},
      {"1Gb", 1u << 30}};
  for (const SizeCase& c : kCases) {
    const base::Result<uint64_t> size = parse_size(c.given);
    ASSERT_TRUE(size) << c.given;
    EXPECT_EQ(*size, c.then) << c.given;
  }
  for (const char* given : {"", "b", "-1", "1tb", "1 kb", "1.5mb", "99999999999999999999"}) {
    EXPECT_FALSE(parse_size(given)) << given;
  }
  EXPECT_EQ(size_text(256 * base::kMiB), "256mb");
  EXPECT_EQ(size_text(0), "0");
  EXPECT_EQ(size_text(1500), "1500");
}

}  // namespace
}  // namespace alfheim::server
