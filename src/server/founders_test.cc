#include "server/founders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/layout.h"
#include "server/option_text.h"
#include "server/options.h"
#include "sim/hands/sim_disk.h"

namespace alfheim::server {
namespace {

using testing::HasSubstr;

constexpr char kThree[] = "n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003";

class FoundersTest : public testing::Test {
 protected:
  FoundersTest() {
    EXPECT_TRUE(disk.make_dir("/data").is_ok());
    EXPECT_TRUE(disk.sync_dir("/").is_ok());
  }
  base::Result<std::vector<Founder>> found(const std::string& cluster) {
    return founders_of(disk, "/data", cluster);
  }
  void begin() { EXPECT_TRUE(disk.make_dir(log_dir("/data")).is_ok()); }

  sim::SimDisk disk;
};

TEST(Founders, AreSortedWhateverTheirOrder) {
  const auto founders = parse_founders("n2=127.0.0.1:2,n1=127.0.0.1:1");
  ASSERT_TRUE(founders.is_ok());
  ASSERT_EQ(founders->size(), 2u);
  EXPECT_EQ(founders->front().name, "n1");
  EXPECT_EQ(address_text(founders->back().address), "127.0.0.1:2");
  EXPECT_EQ(cluster_uid_of(*founders),
            cluster_uid_of(*parse_founders("n1=127.0.0.1:1,n2=127.0.0.1:2")));
  EXPECT_NE(cluster_uid_of(*founders),
            cluster_uid_of(*parse_founders("n1=127.0.0.1:1,n3=127.0.0.1:2")));
}

TEST(Founders, WhatIsNoListIsRefused) {
  const std::string long_name = std::string(65, 'n') + "=127.0.0.1:1";
  const std::string long_host = "n1=" + std::string(254, 'h') + ":1";
  for (const char* text :
       {long_name.c_str(), long_host.c_str(), "", "n1", "n1=", "=127.0.0.1:1", "n1=127.0.0.1:1,",
        "n1=127.0.0.1:1,,n2=127.0.0.1:2", "n1=127.0.0.1:1,n1=127.0.0.1:2",
        "n1=127.0.0.1:1,n2=127.0.0.1:1", "n1=nowhere",
        "a=h:1,b=h:2,c=h:3,d=h:4,e=h:5,f=h:6,g=h:7,h=h:8,i=h:9,j=h:10"}) {
    const auto founders = parse_founders(text);
    ASSERT_FALSE(founders.is_ok()) << text;
    EXPECT_THAT(founders.error().message, HasSubstr("--cluster"));
  }
}

TEST_F(FoundersTest, AnEmptyDirectoryTakesTheOption) {
  EXPECT_EQ(found(kThree)->size(), 3u);
  EXPECT_TRUE(found("")->empty());
  EXPECT_TRUE(found("n1=127.0.0.1:7001")->empty());  // a group of one
}

// A member that is started without --cluster must not take itself for a group of one.
TEST_F(FoundersTest, AreKeptForLaterStarts) {
  ASSERT_TRUE(save_founders(disk, "/data", *parse_founders(kThree)).is_ok());
  begin();
  disk.go_down();
  disk.crash(sim::CrashOptions::lose_all_unsynced());
  ASSERT_EQ(found("")->size(), 3u);
  EXPECT_EQ(found("")->at(1).name, "n2");
  EXPECT_EQ(found(kThree)->size(), 3u);
  const auto others = found("n1=127.0.0.1:7001,n2=127.0.0.1:7002");
  ASSERT_FALSE(others.is_ok());
  EXPECT_THAT(others.error().message, HasSubstr("was founded as n1=127.0.0.1:7001"));
}

TEST_F(FoundersTest, ANodeOfItsOwnDoesNotBecomeAMemberByAnOption) {
  begin();
  EXPECT_TRUE(found("")->empty());
  const auto others = found(kThree);
  ASSERT_FALSE(others.is_ok());
  EXPECT_THAT(others.error().message, HasSubstr("by a node of its own"));
}

TEST_F(FoundersTest, AFlippedBitIsFound) {
  ASSERT_TRUE(save_founders(disk, "/data", *parse_founders("n1=h:1,n2=h:2")).is_ok());
  begin();
  auto file = disk.open(founders_path("/data"), {.is_writable = true});
  ASSERT_TRUE(file.is_ok());
  const uint64_t bytes = *(*file)->size_bytes();
  for (uint64_t offset = 0; offset < bytes; ++offset) {
    char byte = 0;
    ASSERT_TRUE((*file)->read_at(offset, {&byte, 1}).is_ok());
    const char flipped = static_cast<char>(byte ^ 4);
    ASSERT_TRUE((*file)->write_at(offset, {&flipped, 1}).is_ok());
    const auto founders = found("");
    ASSERT_FALSE(founders.is_ok()) << offset;
    EXPECT_EQ(founders.error().code, base::ErrorCode::kCorruption);
    ASSERT_TRUE((*file)->write_at(offset, {&byte, 1}).is_ok());
  }
  EXPECT_EQ(found("")->size(), 2u);
}

}  // namespace
}  // namespace alfheim::server
