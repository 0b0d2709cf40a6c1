#include "server/transaction_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "types/key_codec.h"

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
  void watch(const std::string& key, uint32_t database = 0) {
    queue_.watch({base::DatabaseIndex{database}, key, {}}, record_key(key, database));
  }
  static base::Bytes record_key(const std::string& key, uint32_t database = 0) {
    return types::key_record_key(types::Epoch{database + 1}, key);
  }
  static machine::Watch version(const std::string& key, uint64_t index, uint32_t database = 0) {
    return {base::DatabaseIndex{database}, key, base::LogIndex{index}};
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
  queue_.unwatch();
  EXPECT_EQ(queue_.memory_bytes(), 0u);
}

TEST_F(TransactionQueueTest, TwiceTheWatchesAreTwiceTheWork) {
  // With a search through all of them a hundred thousand took 40 s.
  constexpr size_t kKeys = 100'000;
  std::vector<machine::Watch> versions;
  for (size_t i = 0; i < kKeys; ++i) {
    const std::string key = std::to_string(i);
    EXPECT_FALSE(queue_.is_watching({}, key));
    watch(key);
    versions.push_back(version(key, 7));
  }
  watch("0", 1);
  queue_.set_versions(versions);
  EXPECT_EQ(queue_.watch_count(), kKeys + 1);
  EXPECT_TRUE(queue_.is_watching({}, "99999"));
  EXPECT_FALSE(queue_.is_watching(base::DatabaseIndex{1}, "0"));
  queue_.forget_unversioned();
  EXPECT_EQ(queue_.watch_count(), kKeys);
  EXPECT_TRUE(queue_.is_watching({}, "99999"));
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

TEST_F(TransactionQueueTest, AWriteOfAWatchedKeyTouchesIt) {
  watch("a");
  watch("b");
  EXPECT_FALSE(queue_.is_touched());
  table_.on_key_written(record_key("c"));
  EXPECT_FALSE(queue_.is_touched());
  table_.on_key_written(record_key("b"));
  EXPECT_TRUE(queue_.is_touched());
  queue_.unwatch();
  EXPECT_FALSE(queue_.is_touched());
  EXPECT_FALSE(table_.is_observing());
}

TEST_F(TransactionQueueTest, OnlyMissingKeysStayInTheTable) {
  watch("there");
  watch("missing");
  queue_.set_versions({version("there", 5), version("missing", 0)});
  table_.on_key_written(record_key("there"));
  EXPECT_FALSE(queue_.is_touched());  // its version tells it to apply
  table_.on_key_written(record_key("missing"));
  EXPECT_TRUE(queue_.is_touched());
  const std::vector<machine::Watch> watches = queue_.watches();
  ASSERT_EQ(watches.size(), 2u);
  EXPECT_EQ(watches[0].version.value, 5u);
  EXPECT_EQ(watches[1].version.value, 0u);
}

TEST_F(TransactionQueueTest, AKeyIsWatchedByDatabase) {
  watch("a", 0);
  queue_.set_versions({version("a", 5, 0)});
  EXPECT_TRUE(queue_.is_watching({}, "a"));
  EXPECT_FALSE(queue_.is_watching(base::DatabaseIndex{1}, "a"));
  watch("a", 1);
  queue_.set_versions({version("a", 9, 1)});
  EXPECT_EQ(queue_.watches()[0].version.value, 5u);
  EXPECT_EQ(queue_.watches()[1].version.value, 9u);
}

TEST_F(TransactionQueueTest, TheFirstVersionOfAKeyHolds) {
  watch("a");
  queue_.set_versions({version("a", 5)});
  watch("a");  // watched again, after somebody wrote it
  queue_.set_versions({version("a", 9)});
  ASSERT_EQ(queue_.watch_count(), 1u);
  EXPECT_EQ(queue_.watches()[0].version.value, 5u);
}

TEST_F(TransactionQueueTest, AWatchWithoutAVersionCanBeTakenBack) {
  watch("a");
  queue_.set_versions({version("a", 5)});
  watch("b");
  EXPECT_FALSE(queue_.is_watching({}, "b"));  // not before its version is known
  queue_.forget_unversioned();
  EXPECT_FALSE(table_.is_observing());
  EXPECT_EQ(queue_.watch_count(), 1u);
  EXPECT_TRUE(queue_.is_watching({}, "a"));
}

TEST_F(TransactionQueueTest, ItsEndLeavesTheTable) {
  {
    TransactionQueue other(table_);
    other.watch({{}, "a", {}}, record_key("a"));
    EXPECT_TRUE(table_.is_observing());
  }
  EXPECT_FALSE(table_.is_observing());
}

TEST_F(TransactionQueueTest, MemoryCountsWhatIsWatchedUntilItIsNot) {
  EXPECT_EQ(queue_.memory_bytes(), 0u);
  watch(std::string(1000, 'k'));
  watch("b");
  EXPECT_GT(queue_.memory_bytes(), 2000u);
  queue_.set_versions({version("b", 5)});
  queue_.forget_unversioned();
  EXPECT_GT(queue_.memory_bytes(), 0u);
  EXPECT_LT(queue_.memory_bytes(), 1000u);
  queue_.unwatch();
  EXPECT_EQ(queue_.memory_bytes(), 0u);
}

}  // namespace
}  // namespace alfheim::server
