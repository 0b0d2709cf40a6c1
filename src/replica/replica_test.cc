#include "replica/replica.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "replica/testing_life.h"

namespace alfheim::replica {
namespace {

TEST(Replica, ASoleVoterServesAndAnswersInOrder) {
  World world;
  Life life(world);
  EXPECT_FALSE(life.replica().is_serving());
  life.serve();
  ASSERT_TRUE(life.replica().is_serving());
  EXPECT_EQ(life.serving_count, 1u);
  std::vector<uint64_t> slots;
  for (int i = 0; i < 1000; ++i) slots.push_back(life.begin({"INCR", "n"}));
  life.run_for_ms(100);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(life.reply(slots[i]), ":" + std::to_string(i + 1) + "\r\n");
  }
  // What came while a write was under way shared the next one.
  EXPECT_LT(life.replica().status_snapshot().writes, 100u);
  EXPECT_TRUE(life.fatal_errors.empty());
}

TEST(Replica, NothingIsAcknowledgedBeforeItIsDurable) {
  World world;
  Life life(world);
  life.serve();
  // The clock of the disk: the last durable change when a write was handed in, and later.
  uint64_t syncs = 0;
  world.disk.set_operation_hook([&syncs](const sim::DiskOperation& operation) {
    if (operation.kind == sim::DiskOperationKind::kSync ||
        operation.kind == sim::DiskOperationKind::kWriteDurable) {
      ++syncs;
    }
    return sim::DiskOrder::kProceed;
  });
  for (size_t i = 0; i < 50; ++i) {
    const uint64_t syncs_before = syncs;
    ASSERT_EQ(life.run({"SET", "k", value_of(i, 10 + i * 100)}), "+OK\r\n");
    EXPECT_GT(syncs, syncs_before) << i;
    EXPECT_EQ(world.disk.unsynced_sector_count(), 0u) << i;
  }
  world.disk.set_operation_hook(nullptr);
}

TEST(Replica, WhatWasAcknowledgedSurvivesACrashAtEveryChangeOfTheDisk) {
  for (const sim::DiskOrder order :
       {sim::DiskOrder::kCrashBefore, sim::DiskOrder::kCrashDuring, sim::DiskOrder::kCrashAfter}) {
    for (uint64_t crash_at = 1; crash_at <= 30; ++crash_at) {
      World world;
      world.segment_bytes = 32 * 1024;
      world.log_bytes_per_freeze = 16 * 1024;
      size_t acknowledged = 0;
      {
        Life life(world, crash_at);
        life.serve();
        const uint64_t from = world.disk.change_count();
        world.disk.set_operation_hook([&](const sim::DiskOperation& operation) {
          return operation.change_number == from + crash_at ? order : sim::DiskOrder::kProceed;
        });
        for (size_t i = 0; i < 30 && !world.disk.is_down(); ++i) {
          const std::string reply = life.run({"SET", "k" + std::to_string(i), value_of(i, 4000)});
          if (reply != "+OK\r\n") break;
          ++acknowledged;
        }
        EXPECT_TRUE(world.disk.is_down());
        EXPECT_LE(life.fatal_errors.size(), 1u);
        world.disk.set_operation_hook(nullptr);
      }
      world.disk.crash();
      Life life(world, crash_at);
      life.serve();
      ASSERT_TRUE(life.replica().is_serving());
      for (size_t i = 0; i < acknowledged; ++i) {
        ASSERT_EQ(life.run({"GET", "k" + std::to_string(i)}), bulk_of(value_of(i, 4000)))
            << "crash at change " << crash_at << ", " << acknowledged << " acknowledged";
      }
    }
  }
}

TEST(Replica, ARestartReplaysWhatTheIndexDoesNotHold) {
  World world;
  {
    Life life(world);
    life.serve();
    for (size_t i = 0; i < 30; ++i) {
      ASSERT_EQ(life.run({"SET", "k" + std::to_string(i), value_of(i, 2000)}), "+OK\r\n");
    }
  }
  Life life(world);
  EXPECT_EQ(life.applied_at_open.value, 0u);
  life.serve();
  ASSERT_TRUE(life.replica().is_serving());
  EXPECT_EQ(life.reply_count, 0u);  // nobody waits for what is replayed
  for (size_t i = 0; i < 30; ++i) {
    EXPECT_EQ(life.run({"GET", "k" + std::to_string(i)}), bulk_of(value_of(i, 2000)));
  }
}

TEST(Replica, AFailedSyncStopsTheNodeOnceAndForAll) {
  World world;
  Life life(world);
  life.serve();
  ASSERT_EQ(life.run({"SET", "a", "1"}), "+OK\r\n");
  const size_t replies_before = life.reply_count;
  world.disk.set_operation_hook([](const sim::DiskOperation& operation) {
    const bool is_sync = operation.kind == sim::DiskOperationKind::kSync ||
                         operation.kind == sim::DiskOperationKind::kWriteDurable;
    return is_sync ? sim::DiskOrder::kFailIo : sim::DiskOrder::kProceed;
  });
  life.begin({"SET", "a", "2"});
  life.begin({"SET", "b", "2"});
  life.run_for_ms(50);
  EXPECT_EQ(life.fatal_errors.size(), 1u);
  EXPECT_FALSE(life.replica().is_serving());
  // The disk is well again, the node is not.
  world.disk.set_operation_hook(nullptr);
  life.begin({"SET", "c", "2"});
  life.run_for_ms(3000);
  EXPECT_EQ(life.fatal_errors.size(), 1u);
  EXPECT_EQ(life.reply_count, replies_before);
}

TEST(Replica, AFreezeForALongLogWaitsWhileLevel0IsFull) {
  World world;
  world.log_bytes_per_freeze = 32 * 1024;
  Life life(world);
  life.serve();
  life.store().set_full(true);
  const base::LogIndex before{life.machine().index().persisted_applied()};
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ(life.run({"SET", "k", value_of(i, 4000)}), "+OK\r\n");
  EXPECT_EQ(life.machine().index().persisted_applied(), before.value);
  life.store().set_full(false);
  life.run({"SET", "k", "1"});
  life.run_for_ms(100);
  EXPECT_GT(life.machine().index().persisted_applied(), before.value);
}

TEST(Replica, AFailedIngestStopsTheNodeOnce) {
  World world;
  world.log_bytes_per_freeze = 32 * 1024;
  Life life(world);
  life.serve();
  life.store().set_fails_ingest(true);
  for (size_t i = 0; i < 100; ++i) life.begin({"SET", "k", value_of(i, 4000)});
  life.run_for_ms(1000);
  ASSERT_EQ(life.fatal_errors.size(), 1u);
  EXPECT_EQ(life.fatal_errors[0].code, base::ErrorCode::kIo);
}

TEST(Replica, AFailedIngestEndsTheApplyingThatIsUnderWay) {
  World world;
  {
    Life life(world);
    life.serve();
    for (size_t i = 0; i < 4000; ++i) life.run({"SET", "k", value_of(i, 1000)});
  }
  world.log_bytes_per_freeze = 32 * 1024;
  world.fails_ingest = true;
  // A replay takes several slices of the apply strand: in some lives the failure comes between
  // two of them.
  size_t ended_early_count = 0;
  for (uint64_t seed = 1; seed <= 60 && ended_early_count == 0; ++seed) {
    Life life(world, seed);
    life.serve();
    ASSERT_EQ(life.fatal_errors.size(), 1u);
    EXPECT_EQ(life.fatal_errors[0].code, base::ErrorCode::kIo);
    if (life.machine().applied() < life.log().last_index()) ++ended_early_count;
    EXPECT_LT(life.run_for_ms(1000), 100u) << "more than ticks: something runs on for nothing";
  }
  EXPECT_GT(ended_early_count, 0u);
}

TEST(Replica, ACleanStopLeavesNothingToReplay) {
  World world;
  {
    Life life(world);
    life.serve();
    std::vector<uint64_t> slots;
    for (size_t i = 0; i < 2000; ++i) slots.push_back(life.begin({"SET", "k", value_of(i)}));
    life.stop();  // with all of that still on its way
    ASSERT_TRUE(life.is_stopped);
    for (const uint64_t slot : slots) ASSERT_EQ(life.reply(slot), "+OK\r\n");
    EXPECT_FALSE(life.replica().is_serving());
  }
  Life life(world);
  EXPECT_EQ(life.applied_at_open, life.log().last_index());
  EXPECT_EQ(life.log().first_index(), life.log().last_index().next());
  life.serve();
  EXPECT_EQ(life.run({"GET", "k"}), bulk_of(value_of(1999)));
}

// The stop itself finds it in the open batch, proposes it, and must wait for its write.
TEST(Replica, AStopAnswersWhatItFindsInTheOpenBatch) {
  World world;
  {
    Life life(world);
    life.serve();
    const uint64_t slot = life.queue({"SET", "k", "last"});
    life.stop();
    ASSERT_TRUE(life.is_stopped);
    EXPECT_EQ(life.reply(slot), "+OK\r\n");
  }
  Life life(world);
  EXPECT_EQ(life.applied_at_open, life.log().last_index());
  life.serve();
  EXPECT_EQ(life.run({"GET", "k"}), bulk_of("last"));
}

TEST(Replica, AStopBeforeItServesEndsToo) {
  World world;
  {
    Life life(world);
    life.replica().start();
    life.stop();
    EXPECT_TRUE(life.is_stopped);
  }
  {
    Life life(world);
    life.serve();
    for (size_t i = 0; i < 100; ++i) life.run({"SET", "k", value_of(i)});
  }
  {
    Life life(world);
    life.replica().start();
    life.stop();  // in the midst of its replay
    EXPECT_TRUE(life.is_stopped);
  }
  Life life(world);
  life.serve();
  EXPECT_EQ(life.run({"GET", "k"}), bulk_of(value_of(99)));
}

TEST(Replica, AFreezeMovesTheLogsStartAndDeadSegmentsGo) {
  World world;
  world.log_bytes_per_freeze = 128 * 1024;
  Life life(world);
  life.serve();
  for (size_t i = 0; i < 200; ++i) {
    ASSERT_EQ(life.run({"SET", "k", value_of(i, 8000)}), "+OK\r\n");
  }
  life.run_for_ms(1000);
  EXPECT_GT(life.log().first_index().value, 100u);
  EXPECT_LE(life.log().first_index(), life.replica().status_snapshot().persisted.next());
  // 1.6 MB were written into segments of 64 KiB; about one freeze's worth is left.
  EXPECT_LT(life.log().sealed_segments().size(), 8u);
  EXPECT_EQ(life.run({"GET", "k"}), bulk_of(value_of(199, 8000)));
  EXPECT_TRUE(life.fatal_errors.empty());
}

TEST(Replica, SegmentsWithLiveValuesStayReadableAlsoAfterARestart) {
  World world;
  world.log_bytes_per_freeze = 128 * 1024;
  {
    Life life(world);
    life.serve();
    for (size_t i = 0; i < 200; ++i) {
      if (i % 50 == 0) life.run({"SET", "live" + std::to_string(i), value_of(i, 5000)});
      ASSERT_EQ(life.run({"SET", "k", value_of(i, 8000)}), "+OK\r\n");
    }
    life.run_for_ms(1000);
    EXPECT_GT(life.log().first_index().value, 100u);
    for (size_t i = 0; i < 200; i += 50) {
      EXPECT_EQ(life.run({"GET", "live" + std::to_string(i)}), bulk_of(value_of(i, 5000)));
    }
    life.stop();
  }
  Life life(world);
  life.serve();
  for (size_t i = 0; i < 200; i += 50) {
    EXPECT_EQ(life.run({"GET", "live" + std::to_string(i)}), bulk_of(value_of(i, 5000)));
  }
}

// The first value in it may be of a database that was flushed: its reference is still there.
TEST(Replica, ASegmentStaysForALiveValueBehindDeadOnes) {
  World world;
  world.log_bytes_per_freeze = 128 * 1024;
  {
    Life life(world);
    life.serve();
    for (const Words& words : std::vector<Words>{{"SET", "dead", value_of(1, 5000)},
                                                 {"SWAPDB", "0", "1"},
                                                 {"SET", "live", value_of(2, 5000)},
                                                 {"SWAPDB", "0", "1"},
                                                 {"FLUSHDB"},
                                                 {"SWAPDB", "0", "1"}}) {
      ASSERT_EQ(life.run(words), "+OK\r\n");
    }
    for (size_t i = 0; i < 100; ++i) life.run({"SET", "k", value_of(i, 8000)});
    life.run_for_ms(1000);
    life.stop();
  }
  Life life(world);
  life.serve();
  EXPECT_GT(life.log().first_index().value, 50u);
  EXPECT_EQ(life.run({"GET", "dead"}), "$-1\r\n");
  EXPECT_EQ(life.run({"GET", "live"}), bulk_of(value_of(2, 5000)));
}

TEST(Replica, ALargeBodyGoesInFragmentsBetweenOthers) {
  World world;
  world.segment_bytes = 4 << 20;
  const std::string value = value_of(7, (9 << 20) + 13);
  {
    Life life(world);
    life.serve();
    const uint64_t large = life.begin({"SET", "big", value});
    const uint64_t small = life.begin({"SET", "small", "1"});
    life.run_for_ms(100);
    EXPECT_EQ(life.reply(large), "+OK\r\n");
    EXPECT_EQ(life.reply(small), "+OK\r\n");
    EXPECT_GE(life.replica().status_snapshot().entries_proposed, 10u);
  }
  Life life(world);
  life.serve();
  EXPECT_TRUE(life.run({"GET", "big"}) == bulk_of(value));
}

TEST(Replica, AFollowerIsToldWhenLogTimeHasMoved) {
  World world;
  Life life(world);
  life.serve();
  const base::LogIndex before = life.replica().applied();
  life.replica().batcher().add_follower(ReplyTo{.session = 1, .slot = 900});
  life.replica().submit();
  life.run_for_ms(20);
  EXPECT_EQ(life.kind(900), ReplyKind::kApplied);
  EXPECT_EQ(life.replica().applied(), before.next());
}

TEST(Replica, DueKeysAreTickedAwayWithoutAnyClientAndAnIdleGroupWritesNothing) {
  World world;
  Life life(world);
  life.serve();
  ASSERT_EQ(life.run({"SET", "k", "1", "PX", "500"}), "+OK\r\n");
  const base::LogIndex before = life.replica().applied();
  life.run_for_ms(400);
  EXPECT_EQ(life.replica().applied(), before);
  life.run_for_ms(1000);
  EXPECT_EQ(life.replica().applied(), before.next());
  EXPECT_EQ(life.run({"DBSIZE"}), ":0\r\n");
  const base::LogIndex after = life.replica().applied();
  life.run_for_ms(60'000);
  EXPECT_EQ(life.replica().applied(), after);
}

TEST(Replica, StampsGoOnFromTheLogsLastAfterARestartWithAnEarlierClock) {
  World world;
  base::Stamp last;
  {
    Life life(world);
    life.clock().advance_ms(3'600'000);
    life.serve();
    ASSERT_EQ(life.run({"SET", "k", "1", "PX", "1000"}), "+OK\r\n");
    last = life.log().last_stamp();
  }
  Life life(world);  // its clock begins an hour earlier
  life.serve();
  EXPECT_GE(life.replica().clock_now(), last);
  EXPECT_LE(life.replica().clock_now().ms, last.ms + 10'000);
  life.run({"SET", "other", "1"});
  EXPECT_GE(life.log().last_stamp(), last);
}

TEST(Replica, AnIndexAheadOfItsLogIsRefused) {
  World world;
  {
    Life life(world);
    life.serve();
    for (size_t i = 0; i < 5; ++i) life.run({"SET", "k", value_of(i)});
    life.stop();
  }
  sim::SimDisk other;
  sim::SimRandom random(1);
  ASSERT_TRUE(other.make_dir("/log").is_ok());
  const auto log = must(vlog::Log::open(
      other, random, {.dir = "/log", .identity = {.cluster_uid = 1, .node = {1}, .group = {1}}}));
  Life life(world);
  sim::SimScheduler scheduler(life.clock(), 1);
  sim::SimExecutor executor(scheduler);
  upkeep::SegmentKeeper keeper({*log, life.store(), {}});
  const base::Result<std::unique_ptr<Replica>> opened =
      Replica::open({.clock = life.clock(),
                     .random = random,
                     .disk = other,
                     .executor = executor,
                     .core = executor.make_strand("core"),
                     .log_strand = executor.make_strand("log"),
                     .apply_strand = executor.make_strand("apply"),
                     .log = *log,
                     .machine = life.machine(),
                     .keeper = keeper,
                     .router = life},
                    {.id = {1}, .payload = {}, .applier = {}}, {});
  ASSERT_FALSE(opened.is_ok());
  EXPECT_EQ(opened.error().code, base::ErrorCode::kCorruption);
}

}  // namespace
}  // namespace alfheim::replica
