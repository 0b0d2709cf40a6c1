#include "tools/print_log.h"

#include <gmock/gmock.h>

#include "tools/testing_directory.h"

namespace alfheim::tools {
namespace {

using testing::HasSubstr;

class PrintLogTest : public DirectoryTest {
 protected:
  std::vector<std::string> print(const PrintOptions& options) {
    std::vector<std::string> lines;
    const auto printed =
        print_log(disk, dir, options, [&](const std::string& line) { lines.push_back(line); });
    EXPECT_TRUE(printed.is_ok()) << printed.error().message;
    return lines;
  }
};

TEST_F(PrintLogTest, AnEntryIsOneLineWithItsTimeAndQuotedWords) {
  node->stamp = base::Stamp{1'700'000'000'123};
  ASSERT_EQ(node->run({"SET", "a key", "line\nend"}), "+OK\r\n");
  stop();
  const auto lines = print({});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0],
            "1 term=1 commands 2023-11-14T22:13:20.123Z (1700000000123 ms) seed=0x9e3779b97f4a7c15 "
            "bytes=32 | \"SET\" \"a key\" \"line\\nend\"");
}

TEST_F(PrintLogTest, LongWordsAreCutUnlessAskedFor) {
  ASSERT_EQ(node->run({"SET", "k", std::string(5000, 'v')}), "+OK\r\n");
  stop();
  EXPECT_LT(print({}).at(0).size(), 300u);
  EXPECT_THAT(print({.has_values = true}).at(0), HasSubstr(std::string(5000, 'v') + "\""));
}

TEST_F(PrintLogTest, TicksBlocksHashesFragmentsAndReadsAreNamed) {
  node->tick();
  machine::BatchBuilder builder = node->batch();
  base::Bytes block;
  const machine::Watch watch{base::DatabaseIndex{2}, "w", base::LogIndex{7}};
  const base::Bytes call = machine::call_of({"SET", "k", "v"}, 1);
  machine::put_block(block, std::span(&watch, 1), std::span(&call, 1));
  builder.add_body(machine::OperationKind::kBlock, 0, block);
  builder.add_call({base::DatabaseIndex{0}, machine::Words{"GET", "k"}}, true);
  builder.add_body(machine::OperationKind::kStateHash, 0, {});
  machine::KeptReplies replies;
  node->propose(builder.take(), replies);
  const std::string value(3000, 'f');
  ASSERT_EQ(node->run_in_fragments(machine::OperationKind::kCommand,
                                   machine::call_of({"SET", "f", value}), 2000),
            "+OK\r\n");
  stop();
  const auto lines = print({});
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_THAT(lines[0], testing::EndsWith("bytes=0 tick"));
  EXPECT_THAT(lines[1],
              HasSubstr(" | MULTI watch(\"w\" db=2 version=7) { db=1 \"SET\" \"k\" \"v\" } "
                        "EXEC | (read) \"GET\" \"k\" | RAFT HASH"));
  EXPECT_THAT(lines[2], HasSubstr(" fragment "));
  EXPECT_THAT(lines[4], HasSubstr("command of 3010 bytes in fragments 3+2000 4+1010"));
}

TEST_F(PrintLogTest, ARangeAndALimitAreKept) {
  for (int i = 0; i < 9; ++i) node->tick();
  stop();
  EXPECT_EQ(print({.from = 3, .to = 7}).size(), 5u);
  EXPECT_EQ(print({.from = 3, .to = 7, .limit = 2}).size(), 2u);
  EXPECT_EQ(print({.limit = 0}).size(), 0u);
}

TEST_F(PrintLogTest, CopiedAndTruncatedRecordsAreMarked) {
  for (int i = 0; i < 4; ++i) node->tick();
  node.reset();  // killed
  store.reset();
  start();  // the tail is copied forward
  raft::Entry entry = node->next_entry(raft::EntryKind::kCommands, {});
  entry.index = base::LogIndex{3};
  entry.term = base::Term{2};
  ASSERT_TRUE(node->log().append(std::span(&entry, 1)).is_ok());
  node.reset();
  store.reset();
  const auto lines = print({});
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  EXPECT_THAT(all, HasSubstr("[copied]\n"));
  EXPECT_THAT(all, HasSubstr("[copied] [truncated or replaced]\n"));
  EXPECT_THAT(all, HasSubstr("3 term=2 commands"));
}

TEST_F(PrintLogTest, ABadPlaceIsALineAndIsCounted) {
  fill();
  stop();
  flip(files("log/", ".seg").at(0), 4096 + 70);
  std::string all;
  const auto bad = print_log(disk, dir, {}, [&](const std::string& line) { all += line + "\n"; });
  ASSERT_TRUE(bad.is_ok());
  EXPECT_EQ(*bad, 1u);
  EXPECT_THAT(all, HasSubstr("BAD "));
}

}  // namespace
}  // namespace alfheim::tools
