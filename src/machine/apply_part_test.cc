// An entry that is applied in parts: readers are let in between them, and near a loop a part is
// small.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "machine/machine.h"
#include "machine/testing_world.h"

namespace alfheim::machine {
namespace {

// Looks at the state whenever apply has let go of it, as another thread would.
class Peeping : public KeptReplies {
 public:
  explicit Peeping(TestingNode& node) : node_(node) {}
  resp::ReplyWriter* begin(size_t ordinal) override {
    seen.push_back(node_.point({"MGET", "k0", "k5000", "k9999"}));  // dies under an open slice
    return KeptReplies::begin(ordinal);
  }
  std::vector<std::string> seen;

 private:
  TestingNode& node_;
};

TEST_F(MachineTest, ALongCommandAndABlockRunWhileReadersRead) {
  Words words{"MSET"};
  std::vector<std::string> keys;
  for (int i = 0; i < 10'000; ++i) keys.push_back("k" + std::to_string(i));
  for (const std::string& key : keys) words.insert(words.end(), {key, "1"});
  BatchBuilder builder = node().batch();
  const base::Bytes small = block_of({}, {call_of({"INCR", "n"})});
  builder.add_body(OperationKind::kBlock, 0, small);
  builder.add_call({base::DatabaseIndex{0}, words}, false);
  builder.add_body(OperationKind::kBlock, 0, small);
  Peeping replies(node());
  node().propose(builder.take(), replies);
  EXPECT_THAT(replies.seen,
              testing::ElementsAre("*3\r\n$-1\r\n$-1\r\n$-1\r\n", "*3\r\n$-1\r\n$-1\r\n$-1\r\n",
                                   "*3\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n"));
  EXPECT_EQ(replies.at(1), "+OK\r\n");
  EXPECT_EQ(node().view({"DBSIZE"}), ":10001\r\n");
}

TEST_F(MachineTest, NearALoopAPartChangesLittleAndAnswersLittle) {
  Words words{"MSET"};
  std::vector<std::string> keys;
  for (int i = 0; i < 60; ++i) keys.push_back("k" + std::to_string(i));
  for (const std::string& key : keys) words.insert(words.end(), {key, "1"});
  run({"SET", "v", std::string(20'000, 'v')});
  BatchBuilder builder = node().batch();
  for (int i = 0; i < 8; ++i) builder.add_call({base::DatabaseIndex{0}, words}, false);
  for (int i = 0; i < 8; ++i) builder.add_call({base::DatabaseIndex{0}, Words{"GET", "v"}}, true);
  const raft::Entry entry = node().next_entry(raft::EntryKind::kCommands, builder.take());
  node().append(entry);
  KeptReplies replies;
  const Machine::Budget budget{.changes = 200, .bytes = 50'000, .may_block = false};
  std::vector<size_t> replied;
  for (;;) {
    const size_t before = replies.replied_bytes();
    const auto progress = node().machine().apply_part(entry, replies, budget);
    ASSERT_TRUE(progress.is_ok());
    ASSERT_NE(*progress, Machine::Progress::kWouldBlock);
    replied.push_back(replies.replied_bytes() - before);
    if (*progress == Machine::Progress::kWhole) break;
  }
  // Two MSETs of 121 words use up the one, three replies of 20,000 bytes the other.
  EXPECT_EQ(replied.size(), 7u);
  for (const size_t bytes : replied) EXPECT_LE(bytes, 70'000u);
  EXPECT_EQ(replies.at(15).size(), 20'010u);
}

TEST_F(MachineTest, ACallOfManyWordsOrALongStringIsNotForALoop) {
  Words many{"UNLINK"};
  const std::string key = "k";
  for (int i = 0; i < 200; ++i) many.push_back(key);
  run({"SETRANGE", "long", "300000", "x"});  // in chunks, all in memory
  EXPECT_EQ(node().point({"GET", "long"}), "!read a long string: not in one go");
  EXPECT_EQ(node().point({"GETRANGE", "long", "299998", "-1"}), base::Bytes("$3\r\n\0\0x\r\n", 9));
  for (const Words& words : {many, Words{"GET", "long"}, Words{"GETDEL", "long"}}) {
    BatchBuilder builder = node().batch();
    builder.add_call({base::DatabaseIndex{0}, words}, words[0] == "GET");
    const raft::Entry entry = node().next_entry(raft::EntryKind::kCommands, builder.take());
    node().append(entry);
    KeptReplies replies;
    const Machine::Budget near{.changes = 100, .bytes = 50'000, .may_block = false};
    EXPECT_EQ(*node().machine().apply_part(entry, replies, near), Machine::Progress::kWouldBlock);
    EXPECT_EQ(*node().machine().apply_part(entry, replies, {}), Machine::Progress::kWhole);
    if (words[0] == "GETDEL") {
      EXPECT_EQ(replies.at(0).size(), 300'001u + 11);
    }
  }
}

TEST_F(MachineTest, ManyLongValuesInOneReadAreNotForALoop) {
  for (const char* key : {"a", "b", "c", "d", "e"}) run({"SET", key, std::string(60'000, 'v')});
  EXPECT_EQ(node().point({"MGET", "a", "b", "c", "d"}).size(), 4 * 60'010u + 4);
  EXPECT_EQ(node().point({"MGET", "a", "b", "c", "d", "e"}), "!large value: read it on the pool");
}

TEST_F(MachineTest, AVersionOfAnEntryInItsMidstIsNotToldByAViewEither) {
  BatchBuilder builder = node().batch();
  for (const char* key : {"a", "b"}) {
    builder.add_call({base::DatabaseIndex{0}, Words{"SET", key, "1"}}, false);
  }
  const raft::Entry entry = node().next_entry(raft::EntryKind::kCommands, builder.take());
  node().append(entry);
  NoReplies nobody;
  ASSERT_EQ(*node().machine().apply_part(entry, nobody, {.changes = 1}), Machine::Progress::kPart);
  const auto version =
      ReadView::open(node().machine())->version(base::DatabaseIndex{0}, "a", node().stamp);
  ASSERT_FALSE(version.is_ok());
  EXPECT_TRUE(types::Database::is_needs_tick(version.error()));
  ASSERT_EQ(*node().machine().apply_part(entry, nobody, {}), Machine::Progress::kWhole);
  EXPECT_EQ(*ReadView::open(node().machine())->version(base::DatabaseIndex{0}, "a", node().stamp),
            entry.index);
}

}  // namespace
}  // namespace alfheim::machine
