// Seeded histories: however a machine restarts or applies in parts, it holds the same.
#include <gtest/gtest.h>

#include "machine/machine.h"
#include "machine/testing_world.h"

namespace alfheim::machine {
namespace {

// A seeded history, applied by a node that goes on and by one that restarts in its midst.
class HistoryTest : public testing::TestWithParam<uint64_t> {
 protected:
  base::Bytes some_entry(TestingNode& node, sim::SimRandom& dice) {
    BatchBuilder builder = node.batch();
    const uint64_t count = dice.below(5);
    for (uint64_t i = 0; i < count; ++i) add_call(builder, dice);
    return builder.take();
  }
  void add_call(BatchBuilder& builder, sim::SimRandom& dice) {
    const std::string key = "k" + std::to_string(dice.below(12));
    const std::string other = "k" + std::to_string(dice.below(12));
    const std::string value(dice.below(3000), static_cast<char>('a' + dice.below(26)));
    const std::string offset = std::to_string(dice.below(150'000));
    const std::string ms = std::to_string(1 + dice.below(300));
    const base::DatabaseIndex database{static_cast<uint32_t>(dice.below(2))};
    const std::vector<Words> choices = {{"SET", key, value},
                                        {"SET", key, value, "PX", ms},
                                        {"INCR", key},
                                        {"APPEND", key, value},
                                        {"SETRANGE", key, offset, value},
                                        {"DEL", key, other},
                                        {"UNLINK", key, other, key},
                                        {"MSET", key, value, other, ms, key, ms},
                                        {"MSETNX", key, value, other, value},
                                        {"PEXPIRE", key, ms},
                                        {"PERSIST", key},
                                        {"RENAME", key, other},
                                        {"COPY", key, other, "REPLACE"},
                                        {"MOVE", key, "1"},
                                        {"SETBIT", key, offset, "1"},
                                        {"GETDEL", key},
                                        {"FLUSHDB"},
                                        {"SWAPDB", "0", "1"},
                                        {"GET", key}};
    const Words& words = choices[dice.below(choices.size())];
    if ((words[0] == "FLUSHDB" || words[0] == "SWAPDB") && dice.below(4) != 0) return;
    builder.add_call({database, words}, words[0] == "GET");
  }
};

TEST_P(HistoryTest, ReplicasThatRestartFromAFreezeHoldTheSame) {
  sim::SimRandom dice(GetParam());
  World steady;
  World restarted;
  const uint64_t freeze_at = 20 + dice.below(100);
  const uint64_t restart_at = freeze_at + dice.below(60);
  for (uint64_t i = 0; i < 200; ++i) {
    steady.node->stamp.ms += dice.below(40);
    raft::Entry entry =
        steady.node->next_entry(raft::EntryKind::kCommands, some_entry(*steady.node, dice));
    KeptReplies replies;
    NoReplies nobody;
    steady.node->apply(entry, replies);
    restarted.node->apply(entry, nobody);
    if (i == freeze_at) restarted.node->freeze();
    if (i == restart_at) restarted.restart();
    if (i % 50 == 0) {
      ASSERT_EQ(steady.node->hash(), restarted.node->hash()) << i;
    }
  }
  EXPECT_EQ(steady.node->hash(), restarted.node->hash());
  EXPECT_EQ(steady.node->machine().state().encode(), restarted.node->machine().state().encode());
  EXPECT_EQ(steady.frozen_records(), restarted.frozen_records());
}

// Near a loop entries are applied in parts, up to what might wait; then by a thread that may.
TEST_P(HistoryTest, AnEntryInPartsAnswersAndLeavesTheSame) {
  sim::SimRandom dice(GetParam());
  World whole;
  World parts;
  parts.would_block_per_1000 = 500;
  size_t would_block_count = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    if (i % 40 == 39) {
      parts.node->freeze();
      parts.restart();  // nothing but the store knows the keys now
    }
    whole.node->stamp.ms += dice.below(40);
    const raft::Entry entry =
        whole.node->next_entry(raft::EntryKind::kCommands, some_entry(*whole.node, dice));
    KeptReplies expected;
    KeptReplies replies;
    whole.node->apply(entry, expected);
    parts.node->append(entry);
    Machine::Budget budget{.changes = dice.below(3), .may_block = false};
    for (;;) {
      const auto progress = parts.node->machine().apply_part(entry, replies, budget);
      ASSERT_TRUE(progress.is_ok()) << progress.error().message;
      if (*progress == Machine::Progress::kWhole) break;
      if (*progress == Machine::Progress::kWouldBlock) ++would_block_count;
      budget = {.changes = dice.below(3), .may_block = *progress == Machine::Progress::kWouldBlock};
    }
    parts.node->machine().check_invariants();
    for (size_t at = 0; at < 5; ++at) ASSERT_EQ(replies.at(at), expected.at(at)) << i;
  }
  EXPECT_GT(would_block_count, 10u);
  EXPECT_EQ(whole.node->hash(), parts.node->hash());
  EXPECT_EQ(whole.node->machine().state().encode(), parts.node->machine().state().encode());
}

INSTANTIATE_TEST_SUITE_P(Seeds, HistoryTest, testing::Range<uint64_t>(1, 16));

}  // namespace
}  // namespace alfheim::machine
