// A replica on a disk that fills up: what is refused, what goes on, and that it goes on by itself.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "replica/replica.h"
#include "replica/testing_life.h"

namespace alfheim::replica {
namespace {

const std::string kOom = "-OOM command not allowed when the disk is full.\r\n";
const std::string kExecAbort =
    "-EXECABORT Transaction discarded because of: OOM command not allowed when the disk is full."
    "\r\n";
constexpr uint64_t kPlentyBytes = uint64_t{1} << 40;

struct SmallWorld : World {
  SmallWorld() {
    segment_bytes = 32 * 1024;
    reserve_count = 2;
    disk_reserve_bytes = 128 * 1024;
  }
};

void fill_disk(World& world) { world.disk.set_capacity_bytes(0); }
void make_room(World& world) { world.disk.set_capacity_bytes(kPlentyBytes); }

TEST(ReplicaDisk, BelowTheReserveGrowthIsRefusedAndDeletesGoOnUntilThereIsRoom) {
  SmallWorld world;
  Life life(world);
  life.serve();
  ASSERT_EQ(life.log().stats().reserved_count, 2u);
  ASSERT_EQ(life.run({"MSET", "a", "1", "b", "2", "c", "3"}), "+OK\r\n");
  EXPECT_FALSE(life.replica().refuses_growth());
  fill_disk(world);
  life.run_for_ms(1500);
  EXPECT_TRUE(life.replica().refuses_growth());
  EXPECT_FALSE(life.replica().refuses_writes());
  ASSERT_EQ(life.announcements.size(), 1u);
  EXPECT_NE(life.announcements[0].find("the disk is full"), std::string::npos);
  EXPECT_EQ(life.run({"SET", "d", "4"}), kOom);
  EXPECT_EQ(life.run({"INCR", "a"}), kOom);
  EXPECT_EQ(life.run({"DEL", "a"}), ":1\r\n");
  EXPECT_EQ(life.run({"EXPIRE", "b", "100"}), ":1\r\n");
  EXPECT_EQ(life.run({"GETDEL", "c"}), "$1\r\n3\r\n");
  EXPECT_EQ(life.run({"FLUSHALL"}), "+OK\r\n");
  make_room(world);
  life.run_for_ms(1500);
  EXPECT_FALSE(life.replica().refuses_growth());
  EXPECT_EQ(life.run({"SET", "d", "4"}), "+OK\r\n");
  ASSERT_EQ(life.announcements.size(), 2u);
  EXPECT_NE(life.announcements[1].find("room again"), std::string::npos);
  EXPECT_TRUE(life.fatal_errors.empty());
}

TEST(ReplicaDisk, OfWhatIsQueuedOnlyGrowthIsRefusedAndTheRestKeepsItsOrder) {
  SmallWorld world;
  Life life(world);
  life.serve();
  ASSERT_EQ(life.run({"MSET", "a", "1", "b", "2"}), "+OK\r\n");
  fill_disk(world);
  life.run_for_ms(1500);
  const uint64_t applied = life.replica().applied().value;
  const uint64_t refused_set = life.queue({"SET", "a", "2"});
  const uint64_t read = life.queue({"GET", "a"}, true);
  const uint64_t removed = life.queue({"DEL", "a"});
  const uint64_t refused_block = life.queue_block({{"DEL", "b"}, {"SET", "a", "3"}});
  const uint64_t block = life.queue_block({{"DEL", "b"}, {"GET", "b"}});
  const uint64_t refused_big = life.queue({"SET", "big", std::string(700'000, 'x')});
  life.replica().submit();
  life.run_for_ms(200);
  EXPECT_EQ(life.reply(refused_set), kOom);
  EXPECT_EQ(life.reply(read), "$1\r\n1\r\n");
  EXPECT_EQ(life.reply(removed), ":1\r\n");
  EXPECT_EQ(life.reply(refused_block), kExecAbort);
  EXPECT_EQ(life.reply(block), ":1\r\n$-1\r\n");
  EXPECT_EQ(life.reply(refused_big), kOom);
  EXPECT_EQ(life.replica().applied().value, applied + 1) << "one entry for all that was kept";
  // Where nothing is kept nothing is proposed.
  const uint64_t alone = life.begin({"SET", "a", "4"});
  life.run_for_ms(20);
  EXPECT_EQ(life.reply(alone), kOom);
  EXPECT_EQ(life.replica().applied().value, applied + 1);
}

// Whatever was proposed before anybody knew is written, and acknowledged, in the reserve.
TEST(ReplicaDisk, WritesUnderWayWhenTheDiskFillsAreNeitherLostNorAnsweredFalsely) {
  SmallWorld world;
  world.disk_reserve_bytes = 0;  // nobody knows before a segment finds no room
  std::map<std::string, std::string> acknowledged;
  {
    Life life(world);
    life.serve();
    ASSERT_EQ(life.run({"SET", "old", value_of(7)}), "+OK\r\n");
    fill_disk(world);
    std::vector<std::pair<std::string, uint64_t>> asked;
    for (int i = 0; i < 300; ++i) {
      const std::string key = "k" + std::to_string(i);
      asked.emplace_back(key, life.begin({"SET", key, value_of(i, 900)}));
      life.run_for_ms(1);
    }
    life.run_for_ms(2000);
    size_t refused = 0;
    for (const auto& [key, slot] : asked) {
      if (life.reply(slot) == "+OK\r\n") {
        acknowledged[key] = value_of(std::stoul(key.substr(1)), 900);
      } else {
        EXPECT_EQ(life.reply(slot), kOom) << key;
        ++refused;
      }
    }
    EXPECT_GT(refused, 100u);
    EXPECT_GT(acknowledged.size(), 2u);
    EXPECT_LE(life.log().reserve_missing_bytes(), world.segment_bytes) << "one is for deletes";
    EXPECT_EQ(life.run({"DEL", "old"}), ":1\r\n");
    EXPECT_TRUE(life.fatal_errors.empty());
  }
  make_room(world);
  Life life(world, 2);
  life.serve();
  EXPECT_EQ(life.run({"EXISTS", "old"}), ":0\r\n");
  for (int i = 0; i < 300; ++i) {
    const std::string key = "k" + std::to_string(i);
    const auto found = acknowledged.find(key);
    const std::string expected = found == acknowledged.end() ? "$-1\r\n" : bulk_of(found->second);
    EXPECT_EQ(life.run({"GET", key}), expected) << key;
  }
}

TEST(ReplicaDisk, WithTheReserveUsedUpWritesWaitReadsGoOnAndAllIsWrittenWhenThereIsRoom) {
  SmallWorld world;
  world.reserve_count = 0;
  Life life(world);
  life.serve();
  ASSERT_EQ(life.run({"MSET", "a", "1", "n", "0"}), "+OK\r\n");
  fill_disk(world);
  life.run_for_ms(1500);
  // Deletes until one finds no room.
  std::vector<uint64_t> asked;
  for (int i = 0; i < 40 && !life.replica().refuses_writes(); ++i) {
    asked.push_back(life.begin({"DEL", "a"}));
    life.run_for_ms(200);
  }
  ASSERT_TRUE(life.replica().refuses_writes());
  const uint64_t waiting = asked.back();
  const uint64_t behind = life.begin({"DEL", "n"});
  const uint64_t growth = life.begin({"SET", "x", "1"});
  life.run_for_ms(5000);
  EXPECT_EQ(life.reply(waiting), "(none)");
  EXPECT_EQ(life.reply(behind), "(none)");
  EXPECT_TRUE(life.replica().is_serving());
  EXPECT_TRUE(life.fatal_errors.empty());
  make_room(world);
  life.run_for_ms(3000);
  EXPECT_EQ(life.reply(waiting), ":0\r\n");
  EXPECT_EQ(life.reply(behind), ":1\r\n");
  EXPECT_EQ(life.reply(growth), "+OK\r\n");
  EXPECT_FALSE(life.replica().refuses_writes());
  EXPECT_FALSE(life.replica().refuses_growth());
}

// Before the log found no room, with the write that found none, or after.
TEST(ReplicaDisk, WhoWaitsForATickIsToldThatNoneComesWhileTheLogHasNoRoom) {
  SmallWorld world;
  world.reserve_count = 0;
  Life life(world);
  life.serve();
  fill_disk(world);
  life.run_for_ms(1500);
  uint64_t last_follower = 1000;
  const auto follow = [&] {
    life.replica().batcher().add_follower(ReplyTo{.session = 1, .slot = ++last_follower});
    return last_follower;
  };
  uint64_t written = 0;
  uint64_t with_it = 0;
  for (int i = 0; i < 40 && !life.replica().refuses_writes(); ++i) {
    written = life.queue({"DEL", "a"});
    with_it = follow();
    life.replica().submit();
    life.run_for_ms(200);
  }
  ASSERT_TRUE(life.replica().refuses_writes());
  EXPECT_EQ(life.reply(written), "(none)");
  EXPECT_EQ(life.kind(with_it - 1), ReplyKind::kApplied);
  EXPECT_EQ(life.kind(with_it), ReplyKind::kNoTick);
  const uint64_t after = follow();
  life.replica().submit();
  life.run_for_ms(200);
  EXPECT_EQ(life.kind(after), ReplyKind::kNoTick);
  make_room(world);
  life.run_for_ms(2000);
  EXPECT_EQ(life.reply(written), ":0\r\n");
  const uint64_t last = follow();
  life.replica().submit();
  life.run_for_ms(200);
  EXPECT_EQ(life.kind(last), ReplyKind::kApplied);
}

TEST(ReplicaDisk, AStopWhileWritesWaitForRoomEndsAndAnswersNobody) {
  SmallWorld world;
  world.reserve_count = 0;
  {
    Life life(world);
    life.serve();
    ASSERT_EQ(life.run({"SET", "a", "1"}), "+OK\r\n");
    fill_disk(world);
    life.run_for_ms(1500);
    uint64_t waiting = 0;
    for (int i = 0; i < 40 && !life.replica().refuses_writes(); ++i) {
      waiting = life.begin({"DEL", "b"});
      life.run_for_ms(200);
    }
    const uint64_t queued = life.begin({"DEL", "a"});
    life.store().set_lacks_room(true);  // nor can the index be stored
    life.stop();
    EXPECT_TRUE(life.is_stopped);
    EXPECT_EQ(life.kind(waiting), ReplyKind::kLost);
    EXPECT_EQ(life.kind(queued), ReplyKind::kLost);
    EXPECT_TRUE(life.fatal_errors.empty());
  }
  make_room(world);
  Life life(world, 2);
  life.serve();
  EXPECT_EQ(life.run({"GET", "a"}), "$1\r\n1\r\n");
}

TEST(ReplicaDisk, AFreezeWithoutRoomWaitsAndIsDoneWhenThereIsRoom) {
  SmallWorld world;
  world.log_bytes_per_freeze = 16 * 1024;
  world.disk_reserve_bytes = 0;
  {
    Life life(world);
    life.serve();
    life.store().set_lacks_room(true);
    std::string last;
    for (int i = 0; i < 40; ++i) {
      last = life.run({"SET", "k" + std::to_string(i), value_of(i, 900)});
    }
    EXPECT_EQ(last, kOom);
    EXPECT_TRUE(life.replica().disk_status().lacks_index);
    EXPECT_EQ(life.run({"DEL", "k1"}), ":1\r\n");
    EXPECT_EQ(life.log().first_index().value, 1u) << "the log is needed for what is not stored";
    life.run_for_ms(60'000);
    EXPECT_TRUE(life.fatal_errors.empty());
    life.store().set_lacks_room(false);
    life.run_for_ms(10'000);
    EXPECT_FALSE(life.replica().refuses_growth());
    EXPECT_GT(life.log().first_index().value, 1u);
    EXPECT_EQ(life.run({"SET", "later", "1"}), "+OK\r\n");
  }
  Life life(world, 2);
  life.serve();
  EXPECT_EQ(life.run({"GET", "k0"}), bulk_of(value_of(0, 900)));
  EXPECT_EQ(life.run({"GET", "k1"}), "$-1\r\n");
  EXPECT_EQ(life.run({"GET", "later"}), "$1\r\n1\r\n");
}

TEST(ReplicaDisk, AnIndexWithoutRoomGetsThatOfTheLogsFilesButForOne) {
  SmallWorld world;
  world.spare_count = 2;
  Life life(world);
  life.serve();
  life.run_for_ms(1000);
  ASSERT_EQ(life.log().stats().spare_count, 2u);
  ASSERT_EQ(life.log().stats().reserved_count, 2u);
  ASSERT_EQ(life.run({"SET", "a", "1"}), "+OK\r\n");
  fill_disk(world);
  life.store().set_lacks_room(true);
  life.run_for_ms(2000);
  EXPECT_LT(life.log().stats().spare_count, 2u);
  EXPECT_EQ(life.log().stats().reserved_count, 2u);
  life.run_for_ms(60'000);
  EXPECT_EQ(life.log().stats().spare_count, 0u);
  EXPECT_EQ(life.log().stats().reserved_count, 1u) << "deletes must go on";
  EXPECT_EQ(life.run({"DEL", "a"}), ":1\r\n");
  life.store().set_lacks_room(false);
  make_room(world);
  life.run_for_ms(20'000);
  EXPECT_EQ(life.log().stats().reserved_count, 2u);
  EXPECT_TRUE(life.fatal_errors.empty());
}

// They would be what fills the disk.
TEST(ReplicaDisk, SparesAreMadeOnlyWhereTheReserveStaysFree) {
  SmallWorld world;
  world.spare_count = 2;
  world.disk.set_capacity_bytes(world.disk_reserve_bytes + 6 * world.segment_bytes);
  Life life(world);
  life.serve();
  life.run_for_ms(3000);
  EXPECT_FALSE(life.replica().refuses_growth());
  EXPECT_EQ(life.log().stats().reserved_count, 2u);
  EXPECT_LT(life.log().stats().spare_count, 2u);
  EXPECT_EQ(life.run({"SET", "a", "1"}), "+OK\r\n");
}

// Else what was accepted would wait in the log, and whoever reads behind it.
TEST(ReplicaDisk, DeletesBeyondWhatMemoryHoldsForAFullDiskAreRefusedNotLeftWaiting) {
  SmallWorld world;
  world.segment_bytes = 1 << 20;
  world.disk_reserve_bytes = 0;
  world.dirty_budget_bytes = 32 * 1024;
  Life life(world);
  life.serve();
  constexpr int kKeyCount = 2000;
  for (int i = 0; i < kKeyCount; ++i) life.begin({"SET", "k" + std::to_string(i), value_of(i, 64)});
  life.run_for_ms(2000);
  ASSERT_FALSE(life.replica().refuses_growth());
  life.store().set_lacks_room(true);
  int deleted_count = 0;
  int refused_count = 0;
  for (int i = 0; i < kKeyCount - 10; i += 10) {
    std::vector<uint64_t> slots;
    for (int j = i; j < i + 10; ++j) slots.push_back(life.begin({"DEL", "k" + std::to_string(j)}));
    const uint64_t read = life.queue({"GET", "k1999"}, true);
    life.replica().submit();
    life.run_for_ms(20);
    for (const uint64_t slot : slots) {
      const std::string reply = life.reply(slot);
      ASSERT_TRUE(reply == ":1\r\n" || reply == kOom) << i << ": " << reply;
      ++(reply == kOom ? refused_count : deleted_count);
    }
    EXPECT_EQ(life.reply(read), bulk_of(value_of(1999, 64))) << i;
  }
  EXPECT_GT(deleted_count, 100);
  EXPECT_GT(refused_count, 100);
  EXPECT_TRUE(life.replica().refuses_writes());
  EXPECT_EQ(life.run({"FLUSHALL"}), kOom);
  life.store().set_lacks_room(false);
  life.run_for_ms(10'000);
  EXPECT_FALSE(life.replica().refuses_writes());
  EXPECT_EQ(life.run({"DEL", "k1999"}), ":1\r\n");
  EXPECT_TRUE(life.fatal_errors.empty());
}

// The index is stored for it, though no budget asks: else the segments would stay.
TEST(ReplicaDisk, WhatIsDeletedOnAFullDiskMakesRoomByItself) {
  SmallWorld world;
  Life life(world);
  life.serve();
  world.disk.set_capacity_bytes(900 * 1024);
  std::string last = "+OK\r\n";
  size_t count = 0;
  for (; count < 2000 && last == "+OK\r\n"; ++count) {
    last = life.run({"SET", "k" + std::to_string(count), value_of(count, 3000)});
  }
  ASSERT_EQ(last, kOom);
  EXPECT_EQ(life.run({"FLUSHALL"}), "+OK\r\n");
  life.run_for_ms(5000);
  EXPECT_EQ(life.run({"SET", "again", "1"}), "+OK\r\n");
  EXPECT_EQ(life.log().stats().reserved_count, 2u);
  EXPECT_TRUE(life.fatal_errors.empty());
}

// Pieces that went ahead must not hold back the log's start for good.
TEST(ReplicaDisk, ALargeBodyWhoseDiskFillsOnItsWayIsRefusedAndLeavesNothingBehind) {
  SmallWorld world;
  world.segment_bytes = 16 << 20;
  world.disk_reserve_bytes = 16 << 20;
  Life life(world);
  life.serve();
  world.disk.set_capacity_bytes(5 * (16 << 20));
  const uint64_t before = life.log().last_index().value;
  const uint64_t big = life.begin({"SET", "big", std::string(40'000'000, 'x')});
  life.run_for_ms(3000);
  EXPECT_EQ(life.reply(big), kOom);
  EXPECT_GT(life.log().last_index().value, before + 3) << "pieces went ahead";
  EXPECT_EQ(life.run({"DEL", "nothing"}), ":0\r\n");
  EXPECT_EQ(life.machine().log_needed_from().value, life.replica().applied().value + 1);
  make_room(world);
  life.run_for_ms(2000);
  EXPECT_EQ(life.run({"EXISTS", "big"}), ":0\r\n");
  EXPECT_EQ(life.run({"SET", "a", "1"}), "+OK\r\n");
  EXPECT_TRUE(life.fatal_errors.empty());
}

}  // namespace
}  // namespace alfheim::replica
