#include "machine/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "machine/testing_world.h"

namespace alfheim::machine {
namespace {

using testing::HasSubstr;

TEST_F(MachineTest, CommandsAreAppliedAndAnswered) {
  EXPECT_EQ(run({"SET", "a", "1"}), "+OK\r\n");
  EXPECT_EQ(run({"INCR", "a"}), ":2\r\n");
  EXPECT_EQ(run({"INCRBY", "a", "40"}), ":42\r\n");
  EXPECT_EQ(run({"APPEND", "a", "!"}), ":3\r\n");
  EXPECT_THAT(run({"INCR", "a"}), HasSubstr("-ERR value is not an integer"));
  EXPECT_EQ(run({"DEL", "a", "b"}), ":1\r\n");
  EXPECT_EQ(node().machine().applied(), base::LogIndex{6});
  EXPECT_EQ(node().view({"GET", "a"}), "$-1\r\n");
}

TEST_F(MachineTest, AnEntryAnswersEachOfItsOperations) {
  BatchBuilder builder = node().batch();
  for (int i = 0; i < 3; ++i) builder.add_call({base::DatabaseIndex{0}, Words{"INCR", "n"}}, false);
  builder.add_call({base::DatabaseIndex{0}, Words{"GET", "n"}}, true);
  builder.add_call({base::DatabaseIndex{1}, Words{"GET", "n"}}, true);
  builder.add_body(OperationKind::kStateHash, 0, {});
  KeptReplies replies;
  node().propose(builder.take(), replies);
  EXPECT_EQ(replies.at(0), ":1\r\n");
  EXPECT_EQ(replies.at(2), ":3\r\n");
  EXPECT_EQ(replies.at(3), "$1\r\n3\r\n");
  EXPECT_EQ(replies.at(4), "$-1\r\n");
  EXPECT_EQ(replies.hash_count, 1u);
}

TEST_F(MachineTest, PointReadsAndViewsAnswerAlike) {
  const std::string value(5000, 'v');
  run({"SET", "long", value});
  run({"SET", "short", "s"});
  for (const char* key : {"long", "short", "none"}) {
    EXPECT_EQ(node().point({"GET", key}), node().view({"GET", key})) << key;
  }
  EXPECT_EQ(node().point({"STRLEN", "long"}), ":5000\r\n");
}

TEST_F(MachineTest, AValueFromTheThresholdOnLiesAtItsPlaceInTheLog) {
  const std::string below(1023, 'b');
  const std::string at(1024, 'a');
  run({"SET", "below", below});
  run({"SET", "at", at});
  EXPECT_EQ(node().look("below")->record.layout, types::Layout::kInline);
  const auto found = node().look("at");
  ASSERT_EQ(found->record.layout, types::Layout::kSeparated);
  const auto address = types::decode_separated(found->record.body);
  EXPECT_EQ(address->index, base::LogIndex{2});
  EXPECT_EQ(node().view({"GET", "at"}), "$1024\r\n" + at + "\r\n");
}

TEST_F(MachineTest, TheThresholdIsTheEntrysNotTheNodes) {
  node().header.value_threshold_bytes = 4;
  run({"SET", "k", "12345"});
  EXPECT_EQ(node().look("k")->record.layout, types::Layout::kSeparated);
  EXPECT_EQ(node().view({"GET", "k"}), "$5\r\n12345\r\n");
}

TEST_F(MachineTest, ALargeValueInFragmentsStaysWhereItIs) {
  std::string value(300'000, 'x');
  for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>('a' + i % 23);
  EXPECT_EQ(
      node().run_in_fragments(OperationKind::kCommand, call_of({"SET", "big", value}), 100'000),
      "+OK\r\n");
  const auto found = node().look("big");
  ASSERT_EQ(found->record.layout, types::Layout::kFragments);
  EXPECT_EQ(types::decode_fragments(found->record.body)->pieces.size(), 4u);
  EXPECT_EQ(node().view({"STRLEN", "big"}), ":300000\r\n");
  EXPECT_TRUE(node().view({"GET", "big"}) == "$300000\r\n" + value + "\r\n");
  EXPECT_EQ(node().view({"GETRANGE", "big", "99990", "100009"}),
            "$20\r\n" + value.substr(99990, 20) + "\r\n");
  EXPECT_EQ(node().view({"GETRANGE", "big", "-3", "-1"}), "$3\r\n" + value.substr(299997) + "\r\n");
  world.restart();
  EXPECT_TRUE(node().view({"GET", "big"}) == "$300000\r\n" + value + "\r\n");
}

TEST_F(MachineTest, AMiddlingWordInFragmentsKeepsExactPlaces) {
  const std::string value(40'000, 'm');
  EXPECT_EQ(
      node().run_in_fragments(OperationKind::kCommand, call_of({"SET", "mid", value}), 16'000),
      "+OK\r\n");
  const auto found = node().look("mid");
  ASSERT_EQ(found->record.layout, types::Layout::kFragments);
  const auto list = types::decode_fragments(found->record.body);
  EXPECT_EQ(list->skip_bytes, 0u);
  EXPECT_EQ(list->pieces.size(), 3u);
  EXPECT_TRUE(node().view({"GET", "mid"}) == "$40000\r\n" + value + "\r\n");
}

TEST_F(MachineTest, ManyWordsInFragmentsAreAllRead) {
  std::vector<std::string> kept;
  for (int i = 0; i < 60'000; ++i) kept.push_back("k" + std::to_string(i));
  Words words{"DEL"};
  words.insert(words.end(), kept.begin(), kept.end());
  run({"SET", "k59999", "v"});
  EXPECT_EQ(node().run_in_fragments(OperationKind::kCommand, call_of(words), 50'000), ":1\r\n");
}

TEST_F(MachineTest, ABlockIsAppliedWhereItsWatchesHold) {
  run({"SET", "w", "1"});  // entry 1
  const base::Bytes call = call_of({"SET", "done", "yes"});
  const Watch holds{base::DatabaseIndex{0}, "w", base::LogIndex{1}};
  const Watch missing{base::DatabaseIndex{0}, "nothing", base::LogIndex{0}};
  EXPECT_EQ(run_block({holds, missing}, {call, call_of({"INCR", "n"})}), "+OK\r\n:1\r\n");
  EXPECT_EQ(node().view({"GET", "done"}), "$3\r\nyes\r\n");
}

// Looks at the node in the midst of a block, as a reader of another thread would.
class Onlooker : public KeptReplies {
 public:
  Onlooker(TestingNode& node, Words read) : node_(node), read_(std::move(read)) {}
  void end_part(size_t ordinal) override {
    KeptReplies::end_part(ordinal);
    seen.insert(node_.point(read_));
    seen.insert(node_.view(read_));
  }

  std::set<std::string> seen;

 private:
  TestingNode& node_;
  const Words read_;
};

TEST_F(MachineTest, NoReaderSeesABlockHalfDone) {
  run({"MSET", "from", "10", "to", "0"});
  BatchBuilder builder = node().batch();
  builder.add_body(OperationKind::kBlock, 0,
                   block_of({}, {call_of({"DECRBY", "from", "3"}), call_of({"INCRBY", "to", "3"}),
                                 call_of({"INCR", "transfers"})}));
  Onlooker onlooker(node(), {"MGET", "from", "to", "transfers"});
  node().propose(builder.take(), onlooker);
  EXPECT_EQ(onlooker.at(0), ":7\r\n:3\r\n:1\r\n");
  EXPECT_THAT(onlooker.seen, testing::ElementsAre("*3\r\n$2\r\n10\r\n$1\r\n0\r\n$-1\r\n"));
}

TEST_F(MachineTest, ABlockWhoseWatchFailsDoesNothing) {
  run({"SET", "w", "1"});
  run({"SET", "w", "1"});  // the same bytes, another write
  const base::Bytes call = call_of({"SET", "done", "yes"});
  EXPECT_EQ(run_block({{base::DatabaseIndex{0}, "w", base::LogIndex{1}}}, {call}),
            "(watch failed)");
  EXPECT_EQ(run_block({{base::DatabaseIndex{0}, "w", base::LogIndex{0}}}, {call}),
            "(watch failed)");
  EXPECT_EQ(run_block({{base::DatabaseIndex{0}, "none", base::LogIndex{2}}}, {call}),
            "(watch failed)");
  EXPECT_EQ(node().view({"EXISTS", "done"}), ":0\r\n");
  EXPECT_EQ(run_block({{base::DatabaseIndex{0}, "w", base::LogIndex{2}}}, {call}), "+OK\r\n");
}

TEST_F(MachineTest, AWatchNoticesThatItsDatabaseWasSwappedForOneWrittenByTheSameEntry) {
  const base::DatabaseIndex zero{0};
  run_block({}, {call_of({"SET", "w", "zero"}), call_of({"COPY", "w", "w", "DB", "1"}),
                 call_of({"SET", "w", "other"})});  // entry 1 wrote both
  const base::Bytes call = call_of({"GET", "w"});
  run({"SWAPDB", "0", "0"});  // nothing changes places
  EXPECT_EQ(run_block({{zero, "w", base::LogIndex{1}}}, {call}), "$5\r\nother\r\n");
  run({"SWAPDB", "0", "1"});  // entry 4
  EXPECT_EQ(run_block({{zero, "w", base::LogIndex{1}}}, {call}), "(watch failed)");
  EXPECT_EQ(*key_version(node().machine(), zero, "w", node().stamp), base::LogIndex{4});
  EXPECT_EQ(*ReadView::open(node().machine())->version(zero, "w", node().stamp), base::LogIndex{4});
  EXPECT_EQ(run_block({{zero, "w", base::LogIndex{4}}}, {call}), "$4\r\nzero\r\n");
  EXPECT_EQ(*key_version(node().machine(), zero, "none", node().stamp), base::LogIndex{0});
}

TEST_F(MachineTest, AWatchedKeyThatFallsDueIsGone) {
  run({"SET", "w", "1", "PX", "100"});
  const Watch watch{base::DatabaseIndex{0}, "w", base::LogIndex{1}};
  node().stamp.ms += 100;
  EXPECT_EQ(run_block({watch}, {call_of({"SET", "done", "yes"})}), "(watch failed)");
}

TEST_F(MachineTest, LongStringsOfOneBlockDoNotShareTheirChunks) {
  run_block({},
            {call_of({"SETRANGE", "a", "70000", "aa"}), call_of({"SETRANGE", "b", "70000", "b"}),
             call_of({"COPY", "a", "c"}), call_of({"SETRANGE", "c", "70000", "c"})});
  EXPECT_EQ(run({"GETRANGE", "a", "69999", "-1"}), base::Bytes("$3\r\n\0aa\r\n", 9));
  EXPECT_EQ(run({"GETRANGE", "b", "69999", "-1"}), base::Bytes("$2\r\n\0b\r\n", 8));
  EXPECT_EQ(run({"GETRANGE", "c", "69999", "-1"}), base::Bytes("$3\r\n\0ca\r\n", 9));
}

// Between a fragment and its command nothing else says that the log must keep it.
TEST_F(MachineTest, TheLogIsNeededFromTheFirstFragmentWhoseCommandIsToCome) {
  run({"SET", "a", "1"});
  EXPECT_EQ(node().machine().log_needed_from(), base::LogIndex{2});
  NoReplies nobody;
  node().apply(node().next_entry(raft::EntryKind::kFragment, "piece"), nobody);  // entry 2
  run({"SET", "a", "2"});
  EXPECT_EQ(node().machine().log_needed_from(), base::LogIndex{2});
}

TEST_F(MachineTest, ABlockInFragmentsIsAppliedWhole) {
  const std::string value(5000, 'b');
  const base::Bytes body =
      block_of({}, {call_of({"SET", "a", value}), call_of({"APPEND", "a", "!"})});
  EXPECT_EQ(node().run_in_fragments(OperationKind::kBlock, body, 2000), "+OK\r\n:5001\r\n");
  EXPECT_EQ(node().view({"GETRANGE", "a", "4999", "5000"}), "$2\r\nb!\r\n");
}

TEST_F(MachineTest, AValueInABlockLiesAtItsPlaceToo) {
  const std::string value(2000, 'b');
  EXPECT_EQ(run_block({}, {call_of({"SET", "a", "x"}), call_of({"SET", "b", value})}),
            "+OK\r\n+OK\r\n");
  EXPECT_EQ(node().look("b")->record.layout, types::Layout::kSeparated);
  EXPECT_EQ(node().view({"GET", "b"}), "$2000\r\n" + value + "\r\n");
}

TEST_F(MachineTest, AKeyDiesWithLogTimeAndNeverBefore) {
  run({"SET", "k", "v", "PX", "1000"});
  EXPECT_EQ(node().machine().next_deadline(), base::Stamp{node().stamp.ms + 1000});
  node().stamp.ms += 999;
  node().tick();
  EXPECT_EQ(node().view({"GET", "k"}), "$1\r\nv\r\n");
  node().stamp.ms += 1;
  node().tick();
  EXPECT_EQ(node().view({"GET", "k"}), "$-1\r\n");
  EXPECT_FALSE(node().look("k").has_value());
  EXPECT_FALSE(node().machine().next_deadline().has_value());
}

TEST_F(MachineTest, AReadOfAKeyDueByTheClockWaitsForATick) {
  run({"SET", "k", "v", "PX", "1000"});
  EXPECT_EQ(node().point({"GET", "k"}, 999), "$1\r\nv\r\n");
  EXPECT_EQ(node().point({"GET", "k"}, 1000), "!tick");
  EXPECT_EQ(node().view({"GET", "k"}, 1000), "!tick");
  node().stamp.ms += 1000;
  node().tick();
  EXPECT_EQ(node().point({"GET", "k"}, 1000), "$-1\r\n");
}

TEST_F(MachineTest, AtMostSixtyFourDueKeysLeaveInOneEntry) {
  for (int i = 0; i < 150; ++i) run({"SET", "k" + std::to_string(i), "v", "PX", "10"});
  run({"SET", "stays", "v"});
  const auto count = [&] {
    return node().machine().state().databases.at(base::DatabaseIndex{0}).key_count;
  };
  ASSERT_EQ(count(), 151u);
  node().stamp.ms += 10;
  node().tick();
  EXPECT_EQ(count(), 87u);
  EXPECT_EQ(node().view({"EXISTS", "k149"}), ":0\r\n");  // dead before it is removed
  node().tick();
  EXPECT_EQ(count(), 23u);
  node().tick();
  EXPECT_EQ(count(), 1u);
  EXPECT_FALSE(node().machine().next_deadline().has_value());
}

TEST_F(MachineTest, ReadsThatNobodyWaitsForChangeNothing) {
  World other;
  const auto entry_of = [](TestingNode& node) {
    BatchBuilder builder = node.batch();
    builder.add_call({base::DatabaseIndex{0}, Words{"SET", "a", "1"}}, false);
    builder.add_call({base::DatabaseIndex{0}, Words{"RANDOMKEY"}}, true);
    builder.add_call({base::DatabaseIndex{0}, Words{"GET", "a"}}, true);
    const std::string large(70'000, 'c');
    builder.add_call({base::DatabaseIndex{0}, Words{"SETRANGE", "c", "100000", large}}, false);
    return node.next_entry(raft::EntryKind::kCommands, builder.take());
  };
  const raft::Entry entry = entry_of(node());
  KeptReplies waiting;
  KeptReplies nobody(false);
  node().apply(entry, waiting);
  other.node->apply(entry, nobody);
  EXPECT_EQ(waiting.at(1), "$1\r\na\r\n");
  EXPECT_EQ(nobody.at(1), "(nobody asked)");
  EXPECT_EQ(world.frozen_records(), other.frozen_records());
}

TEST_F(MachineTest, FlushingGivesANewEpochAtOnceAndReadersFollow) {
  run({"SET", "a", "1"});
  BatchBuilder builder = node().batch();
  builder.add_call({base::DatabaseIndex{0}, Words{"FLUSHDB"}}, false);
  builder.add_call({base::DatabaseIndex{0}, Words{"SET", "b", "2"}}, false);
  KeptReplies replies;
  node().propose(builder.take(), replies);
  EXPECT_EQ(replies.at(1), "+OK\r\n");
  EXPECT_EQ(node().view({"EXISTS", "a", "b"}), ":1\r\n");
  EXPECT_EQ(node().point({"DBSIZE"}), ":1\r\n");
}

TEST_F(MachineTest, ConfigurationsAndNoopsAdvanceWithoutTime) {
  NoReplies nobody;
  raft::Entry noop = node().next_entry(raft::EntryKind::kNoop, {});
  noop.stamp = base::Stamp{};
  node().apply(noop, nobody);
  raft::Entry members = node().next_entry(raft::EntryKind::kConfiguration, "members");
  members.stamp = base::Stamp{};
  node().apply(members, nobody);
  EXPECT_EQ(node().machine().state().configuration, "members");
  EXPECT_EQ(node().machine().state().log_time, base::Stamp{});
  EXPECT_EQ(node().machine().applied(), base::LogIndex{2});
}

TEST_F(MachineTest, AViewStaysAtItsEntry) {
  run({"SET", "a", "1"});
  const auto view = ReadView::open(node().machine());
  run({"SET", "a", "2"});
  const auto version = view->version(base::DatabaseIndex{0}, "a", node().stamp);
  EXPECT_EQ(*version, base::LogIndex{1});
  EXPECT_EQ(*key_version(node().machine(), base::DatabaseIndex{0}, "a", node().stamp),
            base::LogIndex{2});
  EXPECT_EQ(*key_version(node().machine(), base::DatabaseIndex{0}, "b", node().stamp),
            base::LogIndex{0});
}

class NotedKeys : public WriteObserver {
 public:
  bool is_observing() const override { return true; }
  void on_key_written(base::DatabaseIndex database, base::ByteView key) override {
    keys.push_back(std::to_string(database.value) + ":" + base::Bytes(key));
  }
  std::vector<base::Bytes> keys;
};

TEST_F(MachineTest, AnObserverHearsOfKeysThatWereWrittenButNotOfDueOnes) {
  NotedKeys noted;
  node().machine().set_observer(&noted);
  run({"SET", "a", "1", "PX", "5"});
  run({"DEL", "none"});
  EXPECT_THAT(noted.keys, testing::ElementsAre("0:a"));
  node().stamp.ms += 5;
  node().tick();
  EXPECT_FALSE(node().look("a").has_value());
  EXPECT_EQ(noted.keys.size(), 1u);  // it was dead before, whoever watched it
}

TEST_F(MachineTest, AnObserverHearsOfAKeyOnceItCanBeRead) {
  // Whoever begins to watch after that must see the write: nobody tells of it again.
  class Reader : public WriteObserver {
   public:
    explicit Reader(TestingNode& node) : node_(node) {}
    bool is_observing() const override { return true; }
    void on_key_written(base::DatabaseIndex, base::ByteView key) override {
      replies.insert(node_.point({"GET", key}));
    }
    std::set<std::string> replies;

   private:
    TestingNode& node_;
  };
  Reader reader(node());
  node().machine().set_observer(&reader);
  // So many that readers are let in before the observer hears of all.
  std::vector<std::string> keys;
  for (int i = 0; i < 300; ++i) keys.push_back(std::to_string(i));
  Words words = {"MSET"};
  for (const std::string& key : keys) words.insert(words.end(), {key, "v"});
  run(words);
  EXPECT_THAT(reader.replies, testing::ElementsAre("$1\r\nv\r\n"));
}

TEST_F(MachineTest, AnObserverHearsOfAKeyWhereItsDatabaseWasAndWhereItIs) {
  NotedKeys noted;
  node().machine().set_observer(&noted);
  run({"SWAPDB", "0", "3"});
  run({"SET", "a", "1"});
  EXPECT_THAT(noted.keys, testing::ElementsAre("0:a"));
  noted.keys.clear();
  run({"FLUSHALL"});
  run({"SET", "a", "1"});
  EXPECT_THAT(noted.keys, testing::ElementsAre("0:a"));
  noted.keys.clear();
  run_block({}, {call_of({"SET", "b", "1"}), call_of({"SWAPDB", "0", "2"})});
  EXPECT_THAT(noted.keys, testing::ElementsAre("0:b", "2:b"));
  noted.keys.clear();
  run_block({}, {call_of({"SET", "c", "1"}), call_of({"FLUSHALL"})});
  EXPECT_THAT(noted.keys, testing::ElementsAre("0:c"));
}

TEST_F(MachineTest, AnUnknownCommandStopsTheNode) {
  BatchBuilder builder = node().batch();
  builder.add_call({base::DatabaseIndex{0}, Words{"NOSUCHCOMMAND", "a"}}, false);
  NoReplies nobody;
  const base::Status status =
      node().try_apply(node().next_entry(raft::EntryKind::kCommands, builder.take()), nobody);
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.error().code, base::ErrorCode::kCorruption);
  EXPECT_THAT(status.error().message, HasSubstr("this release does not know it"));
}

// What a block had done before its call failed stays in nobody's hands: the node still answers
// until it has stopped, and looks at itself.
TEST_F(MachineTest, ABlockThatFailsInItsMidstLeavesNothing) {
  run({"SET", "a", "1"});
  base::Bytes body;
  put_block(body, {}, std::vector{call_of({"SET", "a", "2"}), call_of({"NOSUCHCOMMAND", "a"})});
  BatchBuilder builder = node().batch();
  builder.add_body(OperationKind::kBlock, 0, body);
  NoReplies nobody;
  const base::Status status =
      node().try_apply(node().next_entry(raft::EntryKind::kCommands, builder.take()), nobody);
  ASSERT_FALSE(status.is_ok());
  node().machine().check_invariants();
  EXPECT_EQ(node().point({"GET", "a"}), "$1\r\n1\r\n");
}

// Readers must not wait for ever for an entry that will never be whole: the node stops, and
// whoever asks it to is one of them.
TEST_F(MachineTest, AnEntryThatFailsInItsMidstLetsReadersGo) {
  BatchBuilder builder = node().batch();
  builder.add_call({base::DatabaseIndex{0}, Words{"SET", "a", "1"}}, false);
  builder.add_call({base::DatabaseIndex{0}, Words{"NOSUCHCOMMAND", "a"}}, false);
  NoReplies nobody;
  const raft::Entry entry = node().next_entry(raft::EntryKind::kCommands, builder.take());
  ASSERT_FALSE(node().try_apply(entry, nobody).is_ok());
  EXPECT_EQ(node().point({"GET", "a"}), "$1\r\n1\r\n");
}

using MachineDeathTest = MachineTest;

TEST_F(MachineDeathTest, LogTimeNeverGoesBack) {
  node().tick();
  node().stamp.ms -= 1;
  EXPECT_DEATH(node().tick(), "log time never goes back");
}

TEST_F(MachineDeathTest, AnEntryIsNotSkipped) {
  raft::Entry entry = node().next_entry(raft::EntryKind::kNoop, {});
  entry.index = entry.index.next();
  NoReplies nobody;
  EXPECT_DEATH((void)node().machine().apply(entry, nobody), "applied in order");
}

TEST_F(MachineDeathTest, AReadOperationDoesNotWrite) {
  BatchBuilder builder = node().batch();
  builder.add_call({base::DatabaseIndex{0}, Words{"INCR", "a"}}, true);
  KeptReplies replies;
  EXPECT_DEATH(node().propose(builder.take(), replies), "it may not write");
}

}  // namespace
}  // namespace alfheim::machine
