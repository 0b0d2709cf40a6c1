#include "replica/replica.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "index/twin_store.h"
#include "machine/state.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_executor.h"
#include "sim/hands/sim_random.h"
#include "sim/hands/sim_scheduler.h"
#include "types/key_codec.h"

namespace alfheim::replica {
namespace {

using Words = std::vector<std::string>;

template <typename T>
T must(base::Result<T> result) {
  EXPECT_TRUE(result.is_ok()) << (result.is_ok() ? "" : result.error().message);
  return std::move(result).value();
}

// What outlives a node.
struct World {
  sim::SimDisk disk;
  std::shared_ptr<index::TwinDisk> store = std::make_shared<index::TwinDisk>();
  uint64_t segment_bytes = 64 * 1024;
  uint64_t log_bytes_per_freeze = uint64_t{1} << 30;
  bool fails_ingest = false;
};

// One life of a node: log, index, machine and replica are real, its replies are kept.
class Life : public ReplyRouter {
 public:
  explicit Life(World& world, uint64_t seed = 1)
      : world_(world), scheduler_(clock_, seed), executor_(scheduler_), random_(seed) {
    EXPECT_TRUE(world.disk.make_dir("/log").is_ok());
    EXPECT_TRUE(world.disk.sync_dir("/").is_ok());
    log_ = must(vlog::Log::open(world.disk, random_,
                                {.dir = "/log",
                                 .identity = {.cluster_uid = 1, .node = {1}, .group = {1}},
                                 .segment_bytes = world.segment_bytes,
                                 .prewritten_segment_count = 0}));
    store_ = std::make_unique<index::TwinStore>(
        world.store, index::TwinStore::Options{.fails_ingest = world.fails_ingest});
    index_ = must(
        index::Index::open(*store_, clock_, {.ordered_kinds = std::string(1, types::kKindExpiry)}));
    machine_ = must(machine::Machine::open({*index_, *log_, *table_}));
    keeper_ = std::make_unique<upkeep::SegmentKeeper>(upkeep::SegmentKeeper::Hands{
        *log_, *store_, [](types::RecordSource& records) -> base::Result<types::DatabaseTable> {
          ALF_TRY(machine::MachineState state, machine::MachineState::read(records));
          return std::move(state.databases);
        }});
    open_replica();
    applied_at_open = machine_->applied();
  }
  // As a process that is killed: its tasks never run.
  ~Life() override {
    executor_.drop_all();
    if (!is_stopped) world_.disk.kill_process();
  }

  void deliver(uint32_t, ReplyBatch batch) override {
    for (const Reply& reply : batch.replies) {
      const size_t run = reply.is_block || reply.kind != ReplyKind::kReplied
                             ? 1
                             : reply.ends_end - reply.ends_begin;
      size_t begin = reply.begin;
      for (size_t i = 0; i < run; ++i) {
        const bool has_end = reply.ends_begin + i < reply.ends_end && !reply.is_block;
        const size_t end = has_end ? batch.ends[reply.ends_begin + i] : reply.end;
        Kept& kept = replies_[reply.to.slot + i];
        EXPECT_FALSE(kept.is_there) << "two replies to one request";
        kept.is_there = true;
        kept.kind = reply.kind;
        kept.bytes = batch.bytes.substr(begin, end - begin);
        begin = end;
        ++reply_count;
      }
    }
  }
  uint32_t loop_count() const override { return 1; }

  void serve() {
    replica_->start();
    scheduler_.run_for_ms(3000);
  }
  // Hands a call in; its number.
  uint64_t begin(const Words& words) {
    const std::vector<base::ByteView> views(words.begin(), words.end());
    const uint64_t slot = ++last_slot_;
    replica_->batcher().add_call(machine::CallView{{}, views}, false,
                                 ReplyTo{.session = 1, .slot = slot});
    replica_->submit();
    return slot;
  }
  std::string reply(uint64_t slot) const {
    const auto found = replies_.find(slot);
    if (found == replies_.end()) return "(none)";
    return found->second.kind == ReplyKind::kReplied ? found->second.bytes : "(not replied)";
  }
  ReplyKind kind(uint64_t slot) const { return replies_.at(slot).kind; }
  std::string run(const Words& words) {
    const uint64_t slot = begin(words);
    run_for_ms(20);
    return reply(slot);
  }
  // How many events that took.
  uint64_t run_for_ms(uint64_t duration_ms) { return scheduler_.run_for_ms(duration_ms); }
  void stop() {
    replica_->stop([this](base::Status status) {
      EXPECT_TRUE(status.is_ok()) << status.error().message;
      EXPECT_FALSE(is_stopped);
      is_stopped = true;
    });
    scheduler_.run_for_ms(5000);
  }

  Replica& replica() { return *replica_; }
  vlog::Log& log() { return *log_; }
  machine::Machine& machine() { return *machine_; }
  index::TwinStore& store() { return *store_; }
  sim::SimClock& clock() { return clock_; }

  base::LogIndex applied_at_open;
  std::vector<base::Error> fatal_errors;
  size_t serving_count = 0;
  size_t reply_count = 0;
  bool is_stopped = false;

 private:
  struct Kept {
    bool is_there = false;
    ReplyKind kind = ReplyKind::kReplied;
    std::string bytes;
  };
  void open_replica() {
    Replica::Options options;
    options.id = base::NodeId{1};
    options.payload = {.value_threshold_bytes = 1024, .string_bytes_max = 512 << 20};
    options.applier.log_bytes_per_freeze = world_.log_bytes_per_freeze;
    Replica::Events events;
    events.on_serving = [this] { ++serving_count; };
    events.on_fatal = [this](base::Error error) { fatal_errors.push_back(std::move(error)); };
    events.on_state_hash = [](std::shared_ptr<index::View>, ReplyTo) {};
    replica_ = must(Replica::open({.clock = clock_,
                                   .random = random_,
                                   .executor = executor_,
                                   .core = executor_.make_strand("core"),
                                   .log_strand = executor_.make_strand("log"),
                                   .apply_strand = executor_.make_strand("apply"),
                                   .log = *log_,
                                   .machine = *machine_,
                                   .keeper = *keeper_,
                                   .router = *this},
                                  options, std::move(events)));
  }

  World& world_;
  sim::SimClock clock_;
  sim::SimScheduler scheduler_;
  sim::SimExecutor executor_;
  sim::SimRandom random_;
  const std::unique_ptr<const command::Table> table_ = command::Table::make();
  std::unique_ptr<vlog::Log> log_;
  std::unique_ptr<index::TwinStore> store_;
  std::unique_ptr<index::Index> index_;
  std::unique_ptr<machine::Machine> machine_;
  std::unique_ptr<upkeep::SegmentKeeper> keeper_;
  std::unique_ptr<Replica> replica_;
  std::map<uint64_t, Kept> replies_;
  uint64_t last_slot_ = 0;
};

std::string value_of(size_t number, size_t bytes = 100) {
  std::string value = std::to_string(number);
  value.resize(bytes, 'v');
  return value;
}
std::string bulk_of(const std::string& value) {
  std::string out("$");
  return out.append(std::to_string(value.size())).append("\r\n").append(value).append("\r\n");
}

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
  for (uint64_t seed = 1; seed <= 10; ++seed) {
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
