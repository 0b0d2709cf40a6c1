#include "server/generation.h"

#include <gtest/gtest.h>

#include "index/twin_store.h"
#include "server/layout.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"
#include "upkeep/snapshot_testing.h"
#include "upkeep/snapshots.h"
#include "vlog/log.h"

namespace alfheim::server {
namespace {

constexpr char kDir[] = "/node";
constexpr uint64_t kId = 0xabc;
constexpr vlog::HardState kVote{{9}, {2}};

raft::Entry entry_of(uint64_t index, uint64_t term) {
  raft::Entry entry;
  entry.index = {index};
  entry.term = {term};
  entry.payload = std::make_shared<const base::Bytes>(900, static_cast<char>('a' + term));
  return entry;
}

vlog::Log::Options log_options(const std::string& dir, uint64_t node) {
  return {.dir = dir,
          .identity = {.cluster_uid = 1, .node = {node}, .group = {1}},
          .segment_bytes = 16384,
          .prewritten_segment_count = 0};
}

// What a snapshot holds: the log from entry to entry, and an index that reflects all up to
// `applied`.
struct Given {
  uint64_t first = 41;
  uint64_t last = 60;
  uint64_t applied = 50;
};

// A node with a short log of its own, into which the snapshot of another was fetched.
class World {
 public:
  explicit World(uint64_t seed, Given given = {}) : disk({.seed = seed}), given_(given) {
    make_old();
    make_staged();
    EXPECT_TRUE(disk.sync_dir("/").is_ok());
  }

  // As a process would begin that finds the snapshot fetched.
  base::Status start(bool installs) {
    if (installs) ALF_TRY_STATUS(install_snapshot(disk, kDir, kId));
    ALF_TRY(const Generation current, current_generation(disk, kDir));
    return remove_leftovers(disk, kDir, current);
  }
  // What is there is the old state or the new one, whole. Whether it is the new one.
  bool verify() {
    const auto current = current_generation(disk, kDir);
    EXPECT_TRUE(current.is_ok()) << current.error().message;
    EXPECT_LE(current->number, 1u);
    const bool is_new = current->number == 1;
    auto log = vlog::Log::open(disk, random, log_options(log_dir(current->dir), 2));
    EXPECT_TRUE(log.is_ok()) << log.error().message;
    if (!log.is_ok()) return is_new;
    EXPECT_EQ((*log)->hard_state(), kVote);
    EXPECT_EQ((*log)->last_index().value, is_new ? given_.last : 5u);
    EXPECT_EQ((*log)->first_index().value, is_new ? given_.first : 1u);
    for (uint64_t i = (*log)->first_index().value; i <= (*log)->last_index().value; ++i) {
      const auto entry = (*log)->read_entry({i});
      EXPECT_TRUE(entry.is_ok() && entry->term.value == (is_new ? 3u : 1u)) << i;
    }
    const auto records = index::read_twin_checkpoint(disk, index_dir(current->dir));
    EXPECT_TRUE(records.is_ok()) << records.error().message;
    if (records.is_ok()) {
      EXPECT_EQ(records->applied, is_new ? given_.applied : 4u);
    }
    return is_new;
  }
  bool has_staged() {
    return *disk.exists(upkeep::staged_path(incoming_dir(kDir), kId) + "/MANIFEST");
  }

  sim::SimDisk disk;
  sim::SimRandom random{1};

 private:
  void make_store(const std::string& dir, uint64_t applied) {
    auto twin = std::make_shared<index::TwinDisk>();
    twin->replace({std::make_shared<index::TwinDisk::Records>(), applied});
    EXPECT_TRUE(index::TwinStore(std::move(twin)).checkpoint(disk, dir).is_ok());
    auto file = disk.open(dir + "/RECORDS", {.is_writable = true});
    EXPECT_TRUE((*file)->sync().is_ok());
    EXPECT_TRUE(disk.sync_dir(dir).is_ok());
  }
  void make_old() {
    EXPECT_TRUE(disk.make_dir(kDir).is_ok());
    auto log = vlog::Log::open(disk, random, log_options(log_dir(kDir), 2));
    EXPECT_TRUE(log.is_ok());
    EXPECT_TRUE((*log)->save_hard_state(kVote).is_ok());
    for (uint64_t i = 1; i <= 5; ++i) {
      const raft::Entry entry = entry_of(i, 1);
      EXPECT_TRUE((*log)->append({&entry, 1}).is_ok());
    }
    EXPECT_TRUE((*log)->close().is_ok());
    make_store(index_dir(kDir), 4);
    EXPECT_TRUE(disk.sync_dir(kDir).is_ok());
  }
  void make_staged() {
    auto twin = std::make_shared<index::TwinDisk>();
    twin->replace({std::make_shared<index::TwinDisk::Records>(), given_.applied});
    index::TwinStore store(std::move(twin));
    upkeep::Snapshots snapshots({disk, store}, "/other/snapshots", incoming_dir(kDir));
    EXPECT_TRUE(disk.make_dir("/other").is_ok());
    auto log = vlog::Log::open(disk, random, log_options("/other/log", 1));
    EXPECT_TRUE(log.is_ok());
    EXPECT_TRUE((*log)->set_log_start({given_.first}, {3}).is_ok());
    for (uint64_t i = given_.first; i <= given_.last; ++i) {
      const raft::Entry entry = entry_of(i, 3);
      EXPECT_TRUE((*log)->append({&entry, 1}).is_ok());
    }
    EXPECT_TRUE(snapshots.maker.begin(kId).is_ok());
    const auto sealed = (*log)->seal((*log)->pin(), (*log)->last_index());
    EXPECT_TRUE(snapshots.maker.link(kId, *sealed).is_ok());
    upkeep::SnapshotManifest manifest{.id = kId,
                                      .origin = (*log)->identity(),
                                      .applied = {given_.applied},
                                      .log_first = sealed->first_index,
                                      .previous_term = sealed->previous_term,
                                      .last = sealed->last_index,
                                      .last_term = sealed->last_term};
    std::vector<upkeep::SnapshotFile> list{*upkeep::sum_all(snapshots.maker, manifest)};
    list.insert(list.end(), manifest.files.begin(), manifest.files.end());
    EXPECT_TRUE(snapshots.staging.open(kId, list, 0).is_ok());
    for (const upkeep::SnapshotFile& file : list) {
      const auto bytes = snapshots.maker.read(kId, file.name, 0, file.bytes);
      EXPECT_TRUE(snapshots.staging.write(kId, file.name, 0, *bytes).is_ok());
      EXPECT_TRUE(*snapshots.staging.verify(kId, file));
    }
    EXPECT_TRUE(snapshots.staging.finish(kId, list).is_ok());
  }

  Given given_;
};

TEST(Generation, AnInstalledSnapshotReplacesLogAndIndexAndLeavesNothingOfTheOld) {
  World world(1);
  EXPECT_FALSE(world.verify());
  ASSERT_TRUE(world.start(true).is_ok());
  EXPECT_TRUE(world.verify());
  EXPECT_EQ(*world.disk.list(kDir), (std::vector<std::string>{"GENERATION", "gen-1", "incoming"}));
  EXPECT_FALSE(world.has_staged());
  EXPECT_TRUE(*is_begun(world.disk, kDir));
  ASSERT_TRUE(world.start(false).is_ok());
  EXPECT_TRUE(world.verify());
}

// Wherever the snapshot's log lies beside what its index reflects, it is what is found afterwards.
TEST(Generation, ASnapshotsLogLiesWhereItLies_onlyOneSnapshot) {
  struct Case {
    const char* name;
    Given given;
  };
  const Case cases[] = {
      {"onlyOneSnapshot: no entry", {51, 50, 50}},
      {"closedSegmentWithEntriesBehindSnapshot, openSegmentWithEntriesBehindSnapshot",
       {31, 50, 50}},
      {"openSegmentNoClosedSegmentsSnapshotPresent: one entry, in one segment", {51, 51, 50}},
      {"openSegmentWithEntriesPastSnapshot", {51, 70, 50}},
      {"closedSegmentsOverlappingWithSnapshot", {31, 70, 50}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    World world(1, test.given);
    ASSERT_TRUE(world.start(true).is_ok());
    EXPECT_TRUE(world.verify());
    EXPECT_TRUE(world.start(false).is_ok());
    EXPECT_TRUE(world.verify());
  }
}

TEST(Generation, ADirectoryWithoutAnInstallIsItsOwnGeneration) {
  World world(1);
  ASSERT_TRUE(world.start(false).is_ok());
  EXPECT_FALSE(world.verify());
  EXPECT_TRUE(world.has_staged()) << "it is gone on with";
  EXPECT_TRUE(*is_begun(world.disk, kDir));
  EXPECT_FALSE(*is_begun(world.disk, "/other/nothing"));
}

// Term and vote never go back; log and index are of one state: at every step of the switch, and of
// taking the old state away, whatever of it was not synced is lost.
TEST(Generation, ACrashAtEveryStepLeavesTheOldStateOrTheNewOne) {
  constexpr sim::DiskOrder kOrders[] = {sim::DiskOrder::kCrashBefore, sim::DiskOrder::kCrashDuring,
                                        sim::DiskOrder::kCrashAfter};
  uint64_t old_count = 0;
  uint64_t new_count = 0;
  bool is_over = false;
  for (uint64_t step = 1; !is_over && !testing::Test::HasFailure(); ++step) {
    for (uint64_t variant = 0; variant < 6; ++variant) {
      World world(step * 10 + variant);
      const uint64_t at = world.disk.change_count() + step;
      world.disk.set_operation_hook([&](const sim::DiskOperation& operation) {
        return operation.change_number == at ? kOrders[variant % 3] : sim::DiskOrder::kProceed;
      });
      const base::Status started = world.start(true);
      world.disk.set_operation_hook(nullptr);
      is_over = started.is_ok();
      if (is_over) break;
      if (variant < 3) {
        world.disk.crash();
      } else {
        world.disk.kill_process();
      }
      ASSERT_TRUE(world.start(false).is_ok()) << "step " << step;
      const bool is_new = world.verify();
      (is_new ? new_count : old_count) += 1;
      if (is_new) continue;
      ASSERT_TRUE(world.has_staged()) << "step " << step << ": it would be fetched once more";
      ASSERT_TRUE(world.start(true).is_ok()) << "step " << step;
      EXPECT_TRUE(world.verify()) << "step " << step;
    }
  }
  EXPECT_GT(old_count, 20u);
  EXPECT_GT(new_count, 20u);
}

// What a killed process did can be seen, and may still be lost with the power: also while the next
// one takes the old state away.
TEST(Generation, APowerLossWhileTheLeftoversOfAKillGoLosesNothing) {
  for (uint64_t step = 1;; ++step) {
    bool has_installed = false;
    for (uint64_t later = 1;; ++later) {
      World world(step * 1000 + later);
      const auto stop_at = [&](uint64_t at) {
        world.disk.set_operation_hook([at](const sim::DiskOperation& operation) {
          return operation.change_number == at ? sim::DiskOrder::kCrashAfter
                                               : sim::DiskOrder::kProceed;
        });
      };
      stop_at(world.disk.change_count() + step);
      has_installed = world.start(true).is_ok();
      if (has_installed) break;
      world.disk.kill_process();
      stop_at(world.disk.change_count() + later);
      const bool is_over = world.start(false).is_ok();
      world.disk.set_operation_hook(nullptr);
      world.disk.crash({.keep_sector_ppm = 500'000, .keep_name_ppm = 500'000});
      ASSERT_TRUE(world.start(false).is_ok()) << "steps " << step << " and " << later;
      world.verify();
      ASSERT_FALSE(testing::Test::HasFailure()) << "steps " << step << " and " << later;
      if (is_over) break;
    }
    if (has_installed) break;
  }
}

TEST(Generation, WhatDoesNotFitIsRefusedAndTheOldStateGoesOn) {
  World world(1);
  const std::string manifest = upkeep::staged_path(incoming_dir(kDir), kId) + "/MANIFEST";
  world.disk.flip_bit(manifest, 30);
  const auto installed = install_snapshot(world.disk, kDir, kId);
  ASSERT_FALSE(installed.is_ok());
  EXPECT_EQ(installed.error().code, base::ErrorCode::kCorruption);
  EXPECT_EQ(install_snapshot(world.disk, kDir, kId + 1).error().code, base::ErrorCode::kNotFound);
  EXPECT_FALSE(world.verify());
}

TEST(Generation, AnOlderSnapshotThanTheLogIsRefused) {
  World world(1);
  {
    auto log = vlog::Log::open(world.disk, world.random, log_options(log_dir(kDir), 2));
    ASSERT_TRUE(log.is_ok());
    ASSERT_TRUE((*log)->set_log_start({62}, {4}).is_ok());
  }
  EXPECT_EQ(install_snapshot(world.disk, kDir, kId).error().code,
            base::ErrorCode::kInvalidArgument);
}

TEST(Generation, ARottenCurrentIsSaidAndNotGuessed) {
  World world(1);
  ASSERT_TRUE(world.start(true).is_ok());
  for (uint64_t offset : {3u, 25u, 32u}) {
    world.disk.flip_bit(generation_path(kDir), offset);
    const auto current = current_generation(world.disk, kDir);
    ASSERT_FALSE(current.is_ok()) << offset;
    EXPECT_EQ(current.error().code, base::ErrorCode::kCorruption);
    world.disk.flip_bit(generation_path(kDir), offset);
  }
  EXPECT_TRUE(current_generation(world.disk, kDir).is_ok());
}

}  // namespace
}  // namespace alfheim::server
