#include "server/watch_set.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace alfheim::server {
namespace {

constexpr base::DatabaseIndex kOther{1};

class WatchSetTest : public testing::Test {
 protected:
  // What was added had these versions; a key that is not named was missing.
  void settle(const std::map<std::string, uint64_t>& versions) {
    for (machine::Watch& watch : set_->unversioned()) {
      const auto version = versions.find(watch.key);
      if (version != versions.end()) watch.version = base::LogIndex{version->second};
    }
    set_->settle();
  }

  WatchTable table_;
  std::unique_ptr<WatchSet> set_ = std::make_unique<WatchSet>(table_);
};

TEST_F(WatchSetTest, AWriteTouchesFromTheMomentAKeyIsAdded) {
  set_->add({}, "a");
  set_->add({}, "b");
  table_.on_key_written({}, "c");
  table_.on_key_written(kOther, "a");
  EXPECT_FALSE(set_->is_touched());
  table_.on_key_written({}, "b");
  EXPECT_TRUE(set_->is_touched());
}

TEST_F(WatchSetTest, OnlyMissingKeysStayInTheTable) {
  set_->add({}, "there");
  set_->add({}, "missing");
  settle({{"there", 5}});
  table_.on_key_written({}, "there");
  EXPECT_FALSE(set_->is_touched());  // its version tells it to apply
  table_.on_key_written({}, "missing");
  EXPECT_TRUE(set_->is_touched());
  ASSERT_EQ(set_->count(), 2u);
  EXPECT_EQ(set_->watches()[0].version.value, 5u);
  EXPECT_EQ(set_->watches()[1].version.value, 0u);
}

TEST_F(WatchSetTest, AKeyIsWatchedByDatabase) {
  set_->add({}, "a");
  settle({{"a", 5}});
  set_->add(kOther, "a");
  settle({{"a", 9}});
  ASSERT_EQ(set_->count(), 2u);
  EXPECT_EQ(set_->watches()[0].version.value, 5u);
  EXPECT_EQ(set_->watches()[1].version.value, 9u);
}

TEST_F(WatchSetTest, TheFirstVersionOfAKeyHolds) {
  set_->add({}, "a");
  set_->add({}, "a");
  settle({{"a", 5}});
  set_->add({}, "a");  // watched again, after somebody wrote it
  EXPECT_TRUE(set_->unversioned().empty());
  settle({{"a", 9}});
  ASSERT_EQ(set_->count(), 1u);
  EXPECT_EQ(set_->watches()[0].version.value, 5u);
}

TEST_F(WatchSetTest, WhatHasNoVersionCanBeTakenBackAndAddedAnew) {
  set_->add({}, "a");
  settle({{"a", 5}});
  const size_t bytes = set_->memory_bytes();
  set_->add({}, std::string(1000, 'b'));
  EXPECT_GT(set_->memory_bytes(), bytes + 2000);
  set_->forget_unversioned();
  EXPECT_FALSE(table_.is_observing());
  EXPECT_EQ(set_->count(), 1u);
  EXPECT_EQ(set_->memory_bytes(), bytes);
  set_->add({}, std::string(1000, 'b'));
  EXPECT_EQ(set_->count(), 2u);
  EXPECT_TRUE(table_.is_observing());
}

TEST_F(WatchSetTest, ItsEndLeavesTheTable) {
  set_->add({}, "missing");
  set_->add({}, "there");
  settle({{"there", 5}});
  set_->add({}, "without a version");
  set_.reset();
  EXPECT_FALSE(table_.is_observing());
}

TEST_F(WatchSetTest, TwiceTheKeysAreTwiceTheWork) {
  // With a search through all of them a hundred thousand took 40 s.
  for (size_t i = 0; i < 100'000; ++i) set_->add({}, std::to_string(i));
  EXPECT_TRUE(set_->is_long());
  settle({});
  table_.on_key_written({}, "99999");
  EXPECT_TRUE(set_->is_touched());
  set_.reset();
  EXPECT_FALSE(table_.is_observing());
}

}  // namespace
}  // namespace alfheim::server
