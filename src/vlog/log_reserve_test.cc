// The room that a log keeps for a full disk.
#include <gtest/gtest.h>

#include "sim/hands/sim_disk.h"
#include "vlog/log.h"
#include "vlog/log_world.h"

namespace alfheim::vlog {
namespace {

using base::ErrorCode;

constexpr uint64_t kSegmentBytes = 8 * 4096;
constexpr uint64_t kPlentyBytes = uint64_t{1} << 40;

void set_up(LogWorld& world) {
  world.segment_bytes = kSegmentBytes;
  world.reserve_count = 2;
  world.open();
  ASSERT_TRUE(world.log->replenish_reserve().is_ok());
  ASSERT_EQ(world.log->stats().reserved_count, 2u);
  ASSERT_EQ(world.log->reserve_missing_bytes(), 0u);
}

// One entry a batch, until one is refused; that one's index.
uint64_t fill(LogWorld& world, uint64_t from, base::Status& status) {
  for (uint64_t index = from; index < from + 200; ++index) {
    status = world.log->append(std::vector<raft::Entry>{entry_of(index, 1, "value")});
    if (!status.is_ok()) return index;
  }
  return 0;
}

size_t file_count(LogWorld& world, const std::string& part) {
  size_t count = 0;
  auto names = world.disk.list(kDir);
  EXPECT_TRUE(names.is_ok());
  for (const std::string& name : *names) count += name.find(part) != std::string::npos ? 1 : 0;
  return count;
}

// noSpaceUponPrepareSpare
TEST(LogReserve, OnAFullDiskAppendGoesOnInTheReserveAndRefusesOnlyWhenItIsUsedUp) {
  LogWorld world;
  set_up(world);
  world.append_many(1, 3, 1);
  world.disk.set_capacity_bytes(0);
  base::Status status;
  const uint64_t refused = fill(world, 4, status);
  ASSERT_NE(refused, 0u);
  EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
  EXPECT_NE(status.error().message.find(kDir), std::string::npos) << status.error().message;
  // Two more segments of at least six batches each.
  EXPECT_GE(refused, 4u + 2 * 6);
  EXPECT_EQ(world.log->reserve_missing_bytes(), 2 * kSegmentBytes);
  EXPECT_EQ(world.log->last_index().value, refused - 1);
  EXPECT_EQ(file_count(world, ".new"), 0u) << "a half made file stayed";
  world.log->check_invariants();

  // The same entries are taken once there is room, and the reserve is made anew.
  EXPECT_EQ(world.log->replenish_reserve().error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(file_count(world, ".new"), 0u) << "a half made file stayed";
  world.disk.set_capacity_bytes(kPlentyBytes);
  world.append(refused, 1, "room again");
  ASSERT_TRUE(world.log->replenish_reserve().is_ok());
  EXPECT_EQ(world.log->reserve_missing_bytes(), 0u);
  world.crash_and_reopen(sim::CrashOptions::lose_all_unsynced());
  EXPECT_EQ(world.payload_at(refused), "room again");
  for (uint64_t index = 4; index < refused; ++index) {
    ASSERT_EQ(world.payload_at(index), "value") << index;
  }
}

// The copy of the tail is no longer than the tail: the files that are kept have its length.
TEST(LogReserve, TakesTheCopyOfATailThatFillsItsSegment) {
  LogWorld world;
  set_up(world);
  const std::string payload(74, 'p');
  uint64_t index = 1;
  for (int batch = 0; batch < 2; ++batch) {
    std::vector<raft::Entry> entries;
    for (int i = 0; i < 100; ++i) entries.push_back(entry_of(index++, 1, payload));
    ASSERT_TRUE(world.log->append(entries).is_ok());
  }
  ASSERT_EQ(world.log->stats().segment_count, 1u);
  world.disk.set_capacity_bytes(0);
  world.crash_and_reopen(sim::CrashOptions::lose_all_unsynced());
  for (uint64_t i = 1; i < index; ++i) ASSERT_EQ(world.payload_at(i), payload) << i;
}

TEST(LogReserve, IsFoundAgainAfterARestart) {
  LogWorld world;
  set_up(world);
  world.append(1, 1, "one");
  world.close_and_reopen();
  EXPECT_EQ(world.log->stats().reserved_count, 2u);
  EXPECT_EQ(world.log->stats().spare_count, 0u);
}

TEST(LogReserve, AnUncleanStopOnAFullDiskStartsByCopyingIntoTheReserve) {
  LogWorld world;
  set_up(world);
  world.append_many(1, 5, 1);
  world.disk.set_capacity_bytes(0);
  for (int start = 0; start < 5; ++start) {
    world.log.reset();
    world.disk.kill_process();
    const base::Status opened = world.try_open();
    ASSERT_TRUE(opened.is_ok()) << start << ": " << opened.error().message;
    // What was copied from became reserve in its turn.
    EXPECT_EQ(world.log->stats().reserved_count, 2u) << start;
    for (uint64_t index = 1; index <= 5; ++index) {
      EXPECT_EQ(world.payload_at(index).size(), 100u) << start;
    }
  }
}

// A batch that is longer than a segment lies in a file of its own length, which no kept file has.
TEST(LogReserve, GivesItsRoomToTheCopyOfATailThatIsLongerThanItsFiles) {
  LogWorld world;
  set_up(world);
  const std::string payload(kSegmentBytes + kSegmentBytes / 4, 'p');
  world.append(1, 1, payload);
  const uint64_t free_bytes = world.disk.free_bytes(kDir).value();
  world.disk.set_capacity_bytes(sim::SimDisk::Options{}.capacity_bytes - free_bytes);
  ASSERT_EQ(world.disk.free_bytes(kDir).value(), 0u);
  for (int start = 0; start < 3; ++start) {
    world.log.reset();
    world.disk.kill_process();
    const base::Status opened = world.try_open();
    ASSERT_TRUE(opened.is_ok()) << start << ": " << opened.error().message;
    EXPECT_EQ(world.payload_at(1), payload) << start;
  }
}

TEST(LogReserve, ACrashAtEveryStepOfACopyIntoTheReserveLosesNothing) {
  for (const sim::DiskOrder order :
       {sim::DiskOrder::kCrashBefore, sim::DiskOrder::kCrashDuring, sim::DiskOrder::kCrashAfter}) {
    for (uint64_t crash_at = 1; crash_at < 40; ++crash_at) {
      LogWorld world(crash_at);
      set_up(world);
      world.append_many(1, 5, 1);
      world.disk.set_capacity_bytes(0);
      world.log.reset();
      world.disk.kill_process();
      const uint64_t from = world.disk.change_count();
      world.disk.set_operation_hook([&](const sim::DiskOperation& operation) {
        return operation.change_number == from + crash_at ? order : sim::DiskOrder::kProceed;
      });
      const base::Status opened = world.try_open();
      world.disk.set_operation_hook(nullptr);
      const bool is_over = opened.is_ok();
      world.log.reset();
      world.disk.crash();
      const base::Status again = world.try_open();
      ASSERT_TRUE(again.is_ok()) << crash_at << ": " << again.error().message;
      for (uint64_t index = 1; index <= 5; ++index) {
        ASSERT_EQ(world.payload_at(index).size(), 100u) << crash_at;
      }
      if (is_over) break;
    }
  }
}

TEST(LogReserve, DroppedSegmentsFillItFirst) {
  LogWorld world;
  world.spare_count = 1;
  set_up(world);
  world.disk.set_capacity_bytes(0);
  base::Status status;
  const uint64_t refused = fill(world, 1, status);
  EXPECT_EQ(world.log->reserve_missing_bytes(), 2 * kSegmentBytes);
  ASSERT_TRUE(world.log->set_log_start({refused - 1}, {1}).is_ok());
  const std::vector<SegmentInfo> sealed = world.log->sealed_segments();
  ASSERT_GE(sealed.size(), 1u);
  ASSERT_TRUE(world.log->drop_segment(sealed.front().id).is_ok());
  EXPECT_EQ(world.log->reserve_missing_bytes(), kSegmentBytes);
  EXPECT_EQ(world.log->stats().spare_count, 0u);
}

TEST(LogReserve, GivesTheRoomOfASpareThenThatOfTheReserveButForWhatIsToBeKept) {
  LogWorld world;
  world.spare_count = 1;
  set_up(world);
  ASSERT_TRUE(world.log->replenish_spares().is_ok());
  world.append(1, 1, "one");
  const auto free_bytes = [&] { return world.disk.free_bytes(kDir).value(); };
  const auto give = [&](uint32_t kept) { return world.log->give_room(kept).value(); };
  ASSERT_TRUE(world.log->replenish_spares().is_ok());
  const uint64_t before = free_bytes();
  EXPECT_TRUE(give(1));
  EXPECT_EQ(world.log->stats().spare_count, 0u);
  EXPECT_EQ(world.log->stats().reserved_count, 2u);
  EXPECT_TRUE(give(1));
  EXPECT_FALSE(give(1)) << "one is to be kept";
  EXPECT_EQ(world.log->stats().reserved_count, 1u);
  EXPECT_EQ(free_bytes(), before + 2 * kSegmentBytes);
  EXPECT_TRUE(give(0));
  EXPECT_FALSE(give(0));
  EXPECT_EQ(free_bytes(), before + 3 * kSegmentBytes);
  EXPECT_EQ(world.log->reserve_missing_bytes(), 2 * kSegmentBytes);
  world.append(2, 1, "two");
  world.crash_and_reopen(sim::CrashOptions::lose_all_unsynced());
  EXPECT_EQ(world.payload_at(2), "two");
}

// Tried once a second, it would fill the disk for others time and again.
TEST(LogReserve, IsNotMadeByTrialWhereThereIsNoRoomForAFile) {
  LogWorld world;
  world.spare_count = 1;
  set_up(world);
  ASSERT_TRUE(world.log->give_room(0).value());
  ASSERT_TRUE(world.log->give_room(0).value());
  size_t tried_count = 0;
  world.disk.set_operation_hook([&](const sim::DiskOperation& operation) {
    using Kind = sim::DiskOperationKind;
    tried_count += operation.kind == Kind::kAllocate || operation.kind == Kind::kCreate ? 1 : 0;
    return sim::DiskOrder::kProceed;
  });
  const uint64_t used = kPlentyBytes - world.disk.free_bytes(kDir).value();
  const auto replenish = [&](uint64_t free_bytes, uint64_t kept_free_bytes = 0) {
    world.disk.set_capacity_bytes(used + free_bytes);
    const base::Status reserved = world.log->replenish_reserve();
    const base::Status spares = world.log->replenish_spares(kept_free_bytes);
    EXPECT_EQ(reserved.is_ok(), world.log->reserve_missing_bytes() == 0);
    EXPECT_TRUE(spares || spares.error().code == ErrorCode::kNoSpace);
  };
  replenish(kSegmentBytes / 2);
  replenish(kSegmentBytes);
  EXPECT_EQ(tried_count, 0u);
  replenish(2 * kSegmentBytes, kSegmentBytes);
  EXPECT_EQ(world.log->stats().reserved_count, 1u) << "the second would leave no margin";
  replenish(4 * kSegmentBytes, kSegmentBytes);
  EXPECT_EQ(world.log->stats().reserved_count, 2u);
  EXPECT_EQ(world.log->stats().spare_count, 0u) << "one more is to stay free";
  replenish(5 * kSegmentBytes, kSegmentBytes);
  EXPECT_EQ(world.log->stats().spare_count, 1u);
  world.disk.set_operation_hook(nullptr);
}

// A spare that could not be made whole must not stay to fill the disk.
TEST(LogReserve, AnErrorOfAnyStepOfMakingAFileLeavesNothingHalfMade) {
  using Kind = sim::DiskOperationKind;
  for (const Kind kind :
       {Kind::kCreate, Kind::kWrite, Kind::kAllocate, Kind::kSync, Kind::kRename}) {
    for (const ErrorCode code : {ErrorCode::kNoSpace, ErrorCode::kIo}) {
      LogWorld world;
      world.segment_bytes = kSegmentBytes;
      world.spare_count = 1;
      world.reserve_count = 1;
      world.open();
      world.disk.fail_operation(kind, 1, code);
      const base::Status reserved = world.log->replenish_reserve();
      const base::Status spares = world.log->replenish_spares();
      ASSERT_TRUE(!reserved || !spares) << sim::disk_operation_name(kind);
      const base::Error& error = reserved ? spares.error() : reserved.error();
      EXPECT_EQ(error.code, code) << error.message;
      EXPECT_EQ(file_count(world, ".new"), 0u) << sim::disk_operation_name(kind);
      EXPECT_TRUE(world.log->replenish_reserve().is_ok());
      EXPECT_TRUE(world.log->replenish_spares().is_ok());
    }
  }
}

}  // namespace
}  // namespace alfheim::vlog
