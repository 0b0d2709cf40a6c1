#include "server/watch_table.h"

#include <gtest/gtest.h>

#include <memory>

namespace alfheim::server {
namespace {

WatchFlag make_flag() { return std::make_shared<std::atomic<bool>>(false); }

TEST(WatchTable, AWriteTellsEveryoneWhoWatchesTheKeyAndNobodyElse) {
  WatchTable table;
  const WatchFlag one = make_flag();
  const WatchFlag two = make_flag();
  const WatchFlag other = make_flag();
  table.watch({{}, "a"}, one);
  table.watch({{}, "a"}, two);
  table.watch({{}, "b"}, other);
  table.on_key_written({}, "a");
  EXPECT_TRUE(one->load());
  EXPECT_TRUE(two->load());
  EXPECT_FALSE(other->load());
  table.on_key_written({}, "never watched");
  table.on_key_written(base::DatabaseIndex{1}, "b");
  EXPECT_FALSE(other->load());
}

TEST(WatchTable, ObservesOnlyWhileSomebodyWatches) {
  WatchTable table;
  const WatchFlag one = make_flag();
  const WatchFlag two = make_flag();
  EXPECT_FALSE(table.is_observing());
  table.watch({{}, "a"}, one);
  table.watch({{}, "b"}, one);
  table.watch({{}, "a"}, two);
  EXPECT_TRUE(table.is_observing());
  table.forget({{}, "a"}, one);
  table.forget({{}, "a"}, one);  // a second time does nothing
  table.forget({{}, "c"}, one);
  table.forget({{}, "b"}, one);
  EXPECT_TRUE(table.is_observing());
  table.on_key_written({}, "a");
  EXPECT_FALSE(one->load());
  EXPECT_TRUE(two->load());
  table.forget({{}, "a"}, two);
  EXPECT_FALSE(table.is_observing());
}

}  // namespace
}  // namespace alfheim::server
