#include "server/transaction_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace alfheim::server {
namespace {

class TransactionQueueTest : public testing::Test {
 protected:
  void add(const std::vector<base::ByteView>& words) {
    const command::Arguments args{std::span<const base::ByteView>(words)};
    const command::Row* row = commands_->find(args);
    ASSERT_NE(row, nullptr);
    queue_.add(words, *row);
  }
  void watch(const std::string& key) {
    queue_.watches().add({}, key);
    queue_.watches().settle();
  }

  const std::unique_ptr<const command::Table> commands_ = command::Table::make();
  WatchTable table_;
  TransactionQueue queue_{table_};
};

TEST_F(TransactionQueueTest, SelectInTheBlockMovesWhatFollows) {
  queue_.open(base::DatabaseIndex{3});
  add({"set", "a", "1"});
  add({"select", "7"});
  add({"set", "a", "2"});
  add({"select", "99"});  // fails at EXEC, moves nothing
  add({"select", "x"});
  add({"get", "a"});
  EXPECT_EQ(queue_.database().value, 7u);
  const QueuedBlock block = queue_.take();
  ASSERT_EQ(block.command_count(), 6u);
  const size_t places[] = {1, 3, 4};
  ASSERT_EQ(block.session_commands.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(block.session_commands[i].place, places[i]) << i;
  base::Bytes body;
  machine::put_block(body, {}, block.calls);
  base::Result<machine::BlockView> view = machine::parse_block(body);
  ASSERT_TRUE(view.is_ok());
  ASSERT_EQ(view->calls.size(), 3u);
  const uint32_t databases[] = {3, 7, 7};
  std::vector<base::ByteView> words;
  for (size_t i = 0; i < 3; ++i) {
    base::DatabaseIndex database;
    ASSERT_TRUE(machine::parse_call(view->calls[i].body, database, words).is_ok());
    EXPECT_EQ(database.value, databases[i]) << i;
  }
  EXPECT_EQ(words[1], "a");
}

TEST_F(TransactionQueueTest, NothingIsKeptOfAnEndedBlockAndOfWatches) {
  for (int i = 0; i < 100; ++i) watch(std::to_string(i));
  queue_.open({});
  for (int i = 0; i < 1000; ++i) add({"set", "a", "1"});
  for (int i = 0; i < 1000; ++i) add({"ping"});
  queue_.discard();
  EXPECT_EQ(queue_.take_watches()->count(), 100u);
  EXPECT_EQ(queue_.memory_bytes(), 0u);
}

TEST_F(TransactionQueueTest, TakeAndDiscardEndTheBlockAndKeepWatches) {
  watch("k");
  queue_.open({});
  queue_.mark_failed();
  add({"set", "a", "1"});
  EXPECT_GT(queue_.queued_bytes(), 0u);
  queue_.discard();
  EXPECT_FALSE(queue_.is_open());
  EXPECT_EQ(queue_.count(), 0u);
  EXPECT_EQ(queue_.queued_bytes(), 0u);
  EXPECT_EQ(queue_.watch_count(), 1u);
  queue_.open({});
  EXPECT_FALSE(queue_.has_failed());
}

TEST_F(TransactionQueueTest, WatchesThatWereTakenAreNoMoreItsOwn) {
  watch("a");
  watch("b");
  table_.on_key_written({}, "b");
  EXPECT_TRUE(queue_.is_touched());
  queue_.put_watches(queue_.take_watches());
  EXPECT_TRUE(queue_.is_touched());
  queue_.take_watches().reset();
  EXPECT_FALSE(queue_.is_touched());
  EXPECT_EQ(queue_.watch_count(), 0u);
  EXPECT_EQ(queue_.take_watches(), nullptr);
  EXPECT_FALSE(table_.is_observing());
}

TEST_F(TransactionQueueTest, ItsEndLeavesTheTable) {
  {
    TransactionQueue other(table_);
    other.watches().add({}, "a");
    EXPECT_TRUE(table_.is_observing());
  }
  EXPECT_FALSE(table_.is_observing());
}

TEST_F(TransactionQueueTest, MemoryCountsWhatIsWatched) {
  EXPECT_EQ(queue_.memory_bytes(), 0u);
  watch(std::string(1000, 'k'));
  EXPECT_GT(queue_.memory_bytes(), 2000u);
}

}  // namespace
}  // namespace alfheim::server
