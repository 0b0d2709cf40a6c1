#include "command/command_docs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "base/text.h"
#include "command/family.h"
#include "resp/inline_request.h"

namespace alfheim::command {
namespace {

using base::Bytes;
using base::ByteView;

base::Status run_nothing(Context&, const Arguments&, resp::ReplyWriter&) { return base::ok(); }

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  add_generic_rows(rows);
  add_string_rows(rows);
  add_bitmap_rows(rows);
  add_session_rows(rows);
  return rows;
}

// Replies of a real server by command, in RESP3 (scripts/golden_command_docs says what is left
// out).
std::map<Bytes, Bytes> golden_replies() {
  std::ifstream file(ALF_SOURCE_DIR "/tests/golden/command/docs_arguments.txt");
  std::map<Bytes, Bytes> replies;
  for (Bytes line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    std::vector<ByteView> words;
    EXPECT_TRUE(resp::split_inline(line, words));
    EXPECT_EQ(words.size(), 3u);
    replies.emplace(words[0], words[2]);
  }
  return replies;
}

// As the script that made the file has proved of the real server's replies.
Bytes in_resp2(const Bytes& reply) {
  Bytes out;
  for (size_t at = 0; at < reply.size();) {
    const size_t end = reply.find("\r\n", at) + 2;
    Bytes line = reply.substr(at, end - at);
    if (line.front() == '~') line.front() = '*';
    if (line.front() == '%') line = "*" + std::to_string(2 * std::stoi(line.substr(1))) + "\r\n";
    out += line;
    at = end;
  }
  return out;
}

Bytes docs(const Table& table, std::string_view name, resp::ProtocolVersion version) {
  const std::vector<ByteView> words = {"COMMAND", "DOCS", name};
  Bytes out;
  resp::ReplyWriter reply(out, version);
  reply_docs(table, Arguments{std::span<const ByteView>(words)}, reply);
  return out;
}

void leave_out_words(Row& row) {
  row.summary = "...";
  if (!row.complexity.empty()) row.complexity = "...";
}

// `row` as the only one of a table, without its subcommands.
Table alone(Row row) {
  leave_out_words(row);
  if (!row.subcommands.empty() && !row.is_session()) row.handler = run_nothing;
  row.subcommands.clear();
  std::vector<Row> rows;
  rows.push_back(std::move(row));
  return Table(std::move(rows));
}

void expect_golden(const Table& table, std::string_view name, const Bytes& golden) {
  const Bytes reply = docs(table, name, resp::ProtocolVersion::kResp3);
  EXPECT_EQ(base::to_quoted(reply), base::to_quoted(golden)) << name;
  EXPECT_EQ(base::to_quoted(docs(table, name, resp::ProtocolVersion::kResp2)),
            base::to_quoted(in_resp2(golden)))
      << name;
}

TEST(CommandDocs, EveryCommandThatRedisKnowsIsDescribedAsRedisDoes) {
  const std::map<Bytes, Bytes> golden = golden_replies();
  ASSERT_GT(golden.size(), 300u);
  std::vector<Row> rows = all_rows();
  int compared_count = 0;
  std::vector<std::string> unknown;
  for (Row& row : rows) {
    const auto known = golden.find(Bytes(row.name));
    if (known == golden.end()) {
      unknown.emplace_back(row.name);
    } else {
      expect_golden(alone(row), row.name, known->second);
      ++compared_count;
    }
    for (Row& subcommand : row.subcommands) leave_out_words(subcommand);
  }
  const Table table(std::move(rows));
  for (const Row* row : table.rows()) {
    for (const Row& subcommand : row->subcommands) {
      const auto known = golden.find(Bytes(subcommand.name));
      if (known == golden.end()) {
        unknown.emplace_back(subcommand.name);
      } else {
        expect_golden(table, subcommand.name, known->second);
        ++compared_count;
      }
    }
  }
  EXPECT_GT(compared_count, 100);
  // SENTINEL's rows are those of a redis-sentinel, which a redis-server does not have.
  std::erase_if(unknown, [](const Bytes& name) { return name.starts_with("sentinel"); });
  // Ours, and those of a later Redis. A command that moves from here to there was misspelt.
  EXPECT_THAT(unknown, testing::UnorderedElementsAre(
                           "raft", "raft|add", "raft|hash", "raft|help", "raft|info",
                           "raft|members", "raft|promote", "raft|remove", "raft|snapshot",
                           "raft|transfer", "raft|tunnel", "waitaof", "client|no-touch",
                           "client|setinfo", "cluster|myshardid", "debug|help", "debug|sleep"));
}

void expect_keys_within(const Row& row, const std::vector<SyntaxArgument>& arguments) {
  for (const SyntaxArgument& argument : arguments) {
    EXPECT_LT(argument.key_spec_index, static_cast<int>(row.keys.size())) << row.name;
    expect_keys_within(row, argument.arguments);
  }
}

void expect_usage(const Row& row) {
  expect_keys_within(row, row.usage.arguments);
  const int name_word_count = row.name.find('|') == std::string_view::npos ? 1 : 2;
  const bool takes_words = row.arity != name_word_count && row.subcommands.empty();
  // Redis itself names no arguments for those two.
  const bool is_undescribed =
      row.name == "command|getkeys" || row.name == "command|getkeysandflags";
  if (takes_words && !is_undescribed && row.name != "quit") {
    EXPECT_FALSE(row.usage.arguments.empty())
        << row.name << " takes arguments and has no syntax in its usage_*.cc";
  }
  for (const Row& subcommand : row.subcommands) expect_usage(subcommand);
}

TEST(CommandDocs, ACommandThatTakesWordsSaysWhich) {
  for (const Row& row : all_rows()) expect_usage(row);
}

TEST(CommandDocs, UnknownNamesAreLeftOut) {
  const Table table(all_rows());
  EXPECT_EQ(docs(table, "nosuch", resp::ProtocolVersion::kResp3), "%0\r\n");
  EXPECT_EQ(docs(table, "nosuch", resp::ProtocolVersion::kResp2), "*0\r\n");
}

TEST(UsageDeathTest, AUsageMustNameARowAndBeReadable) {
  std::vector<Row> rows = all_rows();
  const UsageText nameless[] = {{.name = "nosuch", .syntax = "key#0"}};
  EXPECT_DEATH(set_usages(rows, nameless), "nosuch");
  const UsageText again[] = {{.name = "get", .syntax = "key#0"}};
  EXPECT_DEATH(set_usages(rows, again), "get");
  EXPECT_DEATH(read_usage({.name = "x", .syntax = "key"}), "parse syntax");
  EXPECT_DEATH(read_usage({.name = "x", .history = "1.0.0"}), "1.0.0");
}

}  // namespace
}  // namespace alfheim::command
