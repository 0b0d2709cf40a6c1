#include "server/origin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/layout.h"
#include "server/node_file.h"
#include "sim/hands/sim_disk.h"

namespace alfheim::server {
namespace {

using testing::HasSubstr;

constexpr char kTwo[] = "n1=127.0.0.1:7001,n2=127.0.0.1:7002";

class OriginTest : public testing::Test {
 protected:
  OriginTest() {
    EXPECT_TRUE(disk_.make_dir("/data").is_ok());
    EXPECT_TRUE(disk_.sync_dir("/").is_ok());
  }
  base::Result<Origin> origin(const std::string& cluster, const std::string& join,
                              const std::string& id = "n1") {
    Options options;
    options.storage.dir = "/data";
    options.group = {.id = id, .cluster = cluster, .join = join};
    return origin_of(disk_, options);
  }
  void begin() {
    if (!read_node_file(disk_, "/data")->has_value()) {
      EXPECT_TRUE(write_node_file(disk_, "/data", {.data_uid = 7}).is_ok());
    }
    EXPECT_TRUE(disk_.make_dir(log_dir("/data")).is_ok());
  }
  void lose_power() {
    disk_.go_down();
    disk_.crash(sim::CrashOptions::lose_all_unsynced());
  }

  sim::SimDisk disk_;
};

TEST_F(OriginTest, AnEmptyDirectoryTakesTheOptions) {
  EXPECT_FALSE(origin("", "")->has_joined());
  EXPECT_EQ(origin(kTwo, "")->founders.size(), 2u);
  EXPECT_TRUE(origin("", "127.0.0.1:7001")->asks_to_join);
}

TEST_F(OriginTest, OneThatHasJoinedKnowsItWithoutTheOption) {
  ASSERT_TRUE(write_node_file(disk_, "/data", {.data_uid = 7, .joined_cluster = 0xa1f}).is_ok());
  lose_power();
  for (const bool is_begun : {false, true}) {
    if (is_begun) begin();
    for (const char* join : {"", "127.0.0.1:7001"}) {
      const auto found = origin("", join);
      ASSERT_TRUE(found.is_ok());
      EXPECT_EQ(found->joined_cluster, 0xa1fu);
      EXPECT_FALSE(found->asks_to_join);
      EXPECT_TRUE(found->founders.empty());
    }
  }
  const auto refused = origin(kTwo, "");
  ASSERT_FALSE(refused.is_ok());
  EXPECT_THAT(refused.error().message, HasSubstr("has joined another cluster"));
}

// A name that was not written whole says nothing of a cluster: the directory is empty, and asks.
TEST_F(OriginTest, OneThatDrewItsNumberAndStoppedAsksAgain) {
  ASSERT_TRUE(write_node_file(disk_, "/data", {.data_uid = 7}).is_ok());
  EXPECT_TRUE(origin("", "127.0.0.1:7001")->asks_to_join);
  EXPECT_EQ(read_node_file(disk_, "/data")->value().data_uid, 7u);
}

TEST_F(OriginTest, WhoFoundedAGroupDoesNotJoinAnother) {
  begin();
  const auto alone = origin("", "127.0.0.1:7001");
  ASSERT_FALSE(alone.is_ok());
  EXPECT_THAT(alone.error().message, HasSubstr("by a node of its own"));
  ASSERT_TRUE(save_founders(disk_, "/data", *parse_founders(kTwo)).is_ok());
  const auto member = origin("", "127.0.0.1:7001");
  ASSERT_FALSE(member.is_ok());
  EXPECT_THAT(member.error().message, HasSubstr("with others"));
}

// It would take itself for a group of one.
TEST_F(OriginTest, ALogWithoutItsNodeFileIsRefused) {
  EXPECT_TRUE(disk_.make_dir(log_dir("/data")).is_ok());
  const auto refused = origin("", "");
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.error().code, base::ErrorCode::kCorruption);
  EXPECT_THAT(refused.error().message, HasSubstr("no file NODE"));
}

TEST_F(OriginTest, AMemberMustBeAmongItsFounders) {
  const auto refused = origin(kTwo, "", "n9");
  ASSERT_FALSE(refused.is_ok());
  EXPECT_THAT(refused.error().message, HasSubstr("no such member"));
}

TEST_F(OriginTest, AFlippedBitOfTheNodeFileIsFound) {
  ASSERT_TRUE(write_node_file(disk_, "/data", {.data_uid = 7, .joined_cluster = 0xa1f}).is_ok());
  auto file = disk_.open(node_path("/data"), {.is_writable = true});
  ASSERT_TRUE(file.is_ok());
  const uint64_t bytes = *(*file)->size_bytes();
  for (uint64_t offset = 0; offset < bytes; ++offset) {
    char byte = 0;
    ASSERT_TRUE((*file)->read_at(offset, {&byte, 1}).is_ok());
    const char flipped = static_cast<char>(byte ^ 1);
    ASSERT_TRUE((*file)->write_at(offset, {&flipped, 1}).is_ok());
    const auto found = origin("", "");
    ASSERT_FALSE(found.is_ok()) << offset;
    EXPECT_EQ(found.error().code, base::ErrorCode::kCorruption);
    ASSERT_TRUE((*file)->write_at(offset, {&byte, 1}).is_ok());
  }
}

}  // namespace
}  // namespace alfheim::server
