// Reads that began on a loop and end on the pool (machine/read_context.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "machine/machine.h"
#include "machine/testing_world.h"

namespace alfheim::machine {
namespace {

using testing::HasSubstr;

// What a read of one key leaves for the pool: the request again, over what it had found.
class BegunReadTest : public MachineTest {
 protected:
  void SetUp() override {
    run({"SET", "a", old_value_});
    run({"SET", "due", old_value_, "PX", "1000"});
    node().close();
    world.restart();
    world.disk.set_cold_read_ppm(1'000'000);
    clock_ = node().stamp;
  }
  std::unique_ptr<BegunRead> begin(const Words& words) {
    std::unique_ptr<BegunRead> begun;
    const auto answer = ask(words, [&](const ReadRequest& request, resp::ReplyWriter& reply) {
      return read_point(node().machine(), request, reply, &begun);
    });
    EXPECT_TRUE(answer.starts_with('!') || !begun) << answer;
    return begun;
  }
  std::string finish(const BegunRead& begun, const Words& words) {
    return ask(words, [&](const ReadRequest& request, resp::ReplyWriter& reply) {
      return begun.run(request, reply);
    });
  }

  const std::string old_value_ = std::string(2000, 'o');

 private:
  template <typename Run>
  std::string ask(const Words& words, Run ask_now) {
    const command::Arguments args{std::span<const base::ByteView>(words)};
    const command::Row* row = node().machine().table().find(args);
    base::Bytes out;
    resp::ReplyWriter reply(out, resp::ProtocolVersion::kResp2);
    const base::Status status = ask_now(
        ReadRequest{.row = *row, .args = args, .database = {}, .clock = clock_, .limits = {}},
        reply);
    return status ? out : "!" + status.error().message;
  }

  base::Stamp clock_;  // when the requests came
};

TEST_F(BegunReadTest, EndsOverWhatItFoundWhateverIsWrittenMeanwhile) {
  const auto begun = begin({"GET", "a"});
  const auto part = begin({"GETRANGE", "a", "1998", "5000"});
  ASSERT_TRUE(begun && part);
  run({"SET", "a", "new"});
  run({"FLUSHALL"});
  node().freeze();
  EXPECT_EQ(finish(*begun, {"GET", "a"}), "$2000\r\n" + old_value_ + "\r\n");
  EXPECT_EQ(finish(*part, {"GETRANGE", "a", "1998", "5000"}), "$2\r\noo\r\n");
  EXPECT_EQ(node().point({"GET", "a"}), "$-1\r\n");
}

TEST_F(BegunReadTest, ASegmentThatIsDroppedMeanwhileStaysForIt) {
  auto begun = begin({"GET", "a"});
  ASSERT_TRUE(begun);
  run({"DEL", "a", "due"});
  const std::string other(600'000, 'x');
  for (int i = 0; i < 2; ++i) run({"SET", "other", other});  // the next segment begins
  node().freeze();
  vlog::Log& log = node().log();
  ASSERT_TRUE(log.set_log_start(log.last_index().next(), node().term).is_ok());
  ASSERT_EQ(log.sealed_segments().size(), 1u);
  ASSERT_TRUE(log.drop_segment(log.sealed_segments()[0].id).is_ok());
  EXPECT_TRUE(log.sealed_segments().empty());
  ASSERT_TRUE(log.reap().is_ok());
  EXPECT_EQ(finish(*begun, {"GET", "a"}), "$2000\r\n" + old_value_ + "\r\n");
}

TEST_F(BegunReadTest, AKeyThatFellDueBehindItWasAliveThen) {
  const auto begun = begin({"GET", "due"});
  ASSERT_TRUE(begun);
  node().stamp.ms += 2000;
  run({"SET", "other", "1"});
  EXPECT_EQ(node().point({"GET", "due"}), "$-1\r\n");
  EXPECT_EQ(finish(*begun, {"GET", "due"}), "$2000\r\n" + old_value_ + "\r\n");
}

TEST_F(BegunReadTest, ServesNothingOfAValueThatRotted) {
  const auto begun = begin({"GET", "a"});
  ASSERT_TRUE(begun);
  const auto names = world.disk.list("/node/log");
  ASSERT_TRUE(names.is_ok());
  for (const std::string& name : *names) {
    if (name.ends_with(".seg")) world.disk.flip_bit("/node/log/" + name, 4096 + 300);
  }
  const std::string answer = finish(*begun, {"GET", "a"});
  EXPECT_THAT(answer, testing::StartsWith("!read value of entry 1"));
  EXPECT_THAT(answer, HasSubstr("/node/log/"));
}

TEST_F(BegunReadTest, OnlyAReadOfOneKeyThatLacksAValueBegins) {
  EXPECT_FALSE(begin({"MGET", "a", "due"}));
  EXPECT_FALSE(begin({"MGET", "a"}));
  EXPECT_FALSE(begin({"STRLEN", "a"}));
  EXPECT_FALSE(begin({"GET", "missing"}));
}

// A row that joins them must look at no record but its key's.
TEST(BegunRead, RowsOfOneKeyAreThese) {
  const auto table = command::Table::make();
  std::set<std::string_view> found;
  for (const command::Row* row : table->rows()) {
    if (row->is_read() && row->is_of_one_key()) found.insert(row->name);
  }
  EXPECT_THAT(found, testing::UnorderedElementsAre("bitfield_ro", "expiretime", "get", "getbit",
                                                   "getrange", "pexpiretime", "pttl", "strlen",
                                                   "substr", "ttl", "type"));
}

// Entries in parts of one operation: between them readers see what they see in its midst.
std::vector<std::string> look_between_operations(TestingNode& node, const raft::Entry& entry) {
  std::vector<std::string> seen;
  NoReplies nobody;
  for (size_t changes = 0;; changes = 1) {
    const auto progress =
        node.machine().apply_part(entry, nobody, Machine::Budget{.changes = changes});
    EXPECT_TRUE(progress.is_ok());
    if (*progress == Machine::Progress::kWhole) return seen;
    seen.push_back(node.view({"EXISTS", "k"}));
  }
}

TEST_F(MachineTest, AKeyThatAnEntryFoundDeadIsDeadForViewsInItsMidst) {
  // More due keys than one entry removes: the last are dead, and still there.
  for (int i = 0; i < 64; ++i) run({"SET", "a" + std::to_string(i), "v", "PX", "10"});
  run({"SET", "k", "v", "PX", "11"});
  node().stamp.ms += 20;
  BatchBuilder builder = node().batch();
  for (int i = 0; i < 2; ++i) builder.add_call({base::DatabaseIndex{0}, Words{"INCR", "n"}}, false);
  const raft::Entry entry = node().next_entry(raft::EntryKind::kCommands, builder.take());
  EXPECT_THAT(look_between_operations(node(), entry), testing::ElementsAre(":0\r\n", ":0\r\n"));
  EXPECT_TRUE(node().look("k").has_value());
}

}  // namespace
}  // namespace alfheim::machine
