// A snapshot from its making to the last file of its copy on another node.
#include <gtest/gtest.h>

#include "env/file_tree.h"
#include "index/twin_store.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"
#include "upkeep/snapshot_testing.h"
#include "upkeep/snapshots.h"

namespace alfheim::upkeep {
namespace {

constexpr uint64_t kId = 0xabc;

class SnapshotFiles : public testing::Test {
 protected:
  SnapshotFiles() : store_(twin_disk_), snapshots_({disk_, store_}, "/snapshots", "/incoming") {
    auto log = vlog::Log::open(disk_, random_,
                               {.dir = "/log",
                                .identity = {.cluster_uid = 1, .node = {1}, .group = {1}},
                                .segment_bytes = 16384,
                                .prewritten_segment_count = 0});
    EXPECT_TRUE(log.is_ok());
    log_ = std::move(log).value();
    auto records = std::make_shared<index::TwinDisk::Records>();
    records->emplace("\x01key", "value");
    twin_disk_->replace({std::move(records), 17});
  }

  void append(uint64_t first, uint64_t last) {
    for (uint64_t index = first; index <= last; ++index) {
      raft::Entry entry;
      entry.index = {index};
      entry.term = {1};
      entry.payload =
          std::make_shared<const base::Bytes>(1000, static_cast<char>('a' + index % 26));
      ASSERT_TRUE(log_->append({&entry, 1}).is_ok());
    }
  }
  // All steps of a maker.
  SnapshotManifest make(uint64_t id = kId) {
    const vlog::Pin pin = log_->pin();
    const auto applied = snapshots_.maker.begin(id);
    EXPECT_TRUE(applied.is_ok());
    const auto sealed = log_->seal(pin, log_->last_index());
    EXPECT_TRUE(sealed.is_ok());
    EXPECT_TRUE(snapshots_.maker.link(id, *sealed).is_ok());
    SnapshotManifest manifest{.id = id,
                              .origin = log_->identity(),
                              .applied = *applied,
                              .log_first = sealed->first_index,
                              .previous_term = sealed->previous_term,
                              .last = sealed->last_index,
                              .last_term = sealed->last_term,
                              .trims = sealed->trims};
    const auto itself = sum_all(snapshots_.maker, manifest);
    EXPECT_TRUE(itself.is_ok());
    list_ = {*itself};
    list_.insert(list_.end(), manifest.files.begin(), manifest.files.end());
    return manifest;
  }
  std::vector<uint64_t> open(uint64_t id = kId) {
    auto held = snapshots_.staging.open(id, list_, 0);
    EXPECT_TRUE(held.is_ok());
    return std::move(held).value();
  }
  // Copies what is missing of a file behind what is held of it, up to `until_bytes`.
  void fetch(const SnapshotFile& file, uint64_t held_bytes, uint64_t until_bytes = UINT64_MAX) {
    constexpr size_t kPiece = 3000;
    while (held_bytes < std::min(file.bytes, until_bytes)) {
      const auto piece = snapshots_.maker.read(kId, file.name, held_bytes, kPiece);
      ASSERT_TRUE(piece.is_ok());
      ASSERT_FALSE(piece->empty());
      ASSERT_TRUE(snapshots_.staging.write(kId, file.name, held_bytes, *piece).is_ok());
      held_bytes += piece->size();
    }
  }
  void fetch_all() {
    const std::vector<uint64_t> held = open();
    for (size_t i = 0; i < list_.size(); ++i) {
      fetch(list_[i], held[i]);
      const auto is_whole = snapshots_.staging.verify(kId, list_[i]);
      ASSERT_TRUE(is_whole.is_ok() && *is_whole) << list_[i].name;
    }
  }

  sim::SimDisk disk_;
  sim::SimRandom random_{1};
  std::shared_ptr<index::TwinDisk> twin_disk_ = std::make_shared<index::TwinDisk>();
  index::TwinStore store_;
  Snapshots snapshots_;
  std::unique_ptr<vlog::Log> log_;
  std::vector<SnapshotFile> list_;  // MANIFEST first
};

TEST_F(SnapshotFiles, WhatArrivesIsWhatWasMade) {
  append(1, 40);
  const SnapshotManifest manifest = make();
  EXPECT_EQ(manifest.applied, base::LogIndex{17});
  EXPECT_EQ(manifest.last, base::LogIndex{40});
  EXPECT_GT(manifest.files.size(), 3u);
  fetch_all();
  const auto finished = snapshots_.staging.finish(kId, list_);
  ASSERT_TRUE(finished.is_ok()) << finished.error().message;
  EXPECT_EQ(*finished, manifest);
  const auto records = index::read_twin_checkpoint(disk_, staged_path("/incoming", kId) + "/index");
  ASSERT_TRUE(records.is_ok());
  EXPECT_EQ(records->applied, 17u);
}

// Segments that the log drops, and what it writes afterwards, do not change the snapshot.
TEST_F(SnapshotFiles, TheFilesStayAsTheyWereWhileTheLogGoesOn) {
  append(1, 40);
  const SnapshotManifest manifest = make();
  const std::vector<vlog::SegmentInfo> segments = log_->sealed_segments();
  ASSERT_TRUE(log_->set_log_start(segments.back().first_index, {1}).is_ok());
  for (const vlog::SegmentInfo& each : segments) {
    if (each.last_index < log_->first_index()) {
      ASSERT_TRUE(log_->drop_segment(each.id).is_ok());
    }
  }
  append(41, 120);
  fetch_all();
  EXPECT_TRUE(snapshots_.staging.finish(kId, list_).is_ok());
}

TEST_F(SnapshotFiles, WhatIsHereIsNotFetchedAgain) {
  append(1, 40);
  make();
  EXPECT_EQ(open(), std::vector<uint64_t>(list_.size(), 0));
  fetch(list_[0], 0);
  fetch(list_[1], 0);
  fetch(list_[2], 0, 6000);
  disk_.kill_process();
  const std::vector<uint64_t> held = open();
  EXPECT_EQ(held[0], list_[0].bytes);
  EXPECT_EQ(held[1], list_[1].bytes);
  EXPECT_EQ(held[2], 6000u);
  EXPECT_EQ(held[3], 0u);
}

// The size of a file says nothing of what a power failure left in it.
TEST_F(SnapshotFiles, AFileWhoseContentWasLostIsFetchedAnew) {
  append(1, 40);
  make();
  const size_t number = list_.size() - 1;
  const SnapshotFile& file = list_[number];
  open();
  fetch(file, 0);
  disk_.flip_bit(staged_path("/incoming", kId) + "/" + file.name, 5000);
  auto is_whole = snapshots_.staging.verify(kId, file);
  ASSERT_TRUE(is_whole.is_ok());
  EXPECT_FALSE(*is_whole);
  EXPECT_EQ(open()[number], 0u);
  fetch(file, 0);
  is_whole = snapshots_.staging.verify(kId, file);
  EXPECT_TRUE(is_whole.is_ok() && *is_whole);
}

TEST_F(SnapshotFiles, NothingOfWhatWasVerifiedIsLostWithThePower) {
  append(1, 40);
  make();
  fetch_all();
  ASSERT_TRUE(snapshots_.staging.finish(kId, list_).is_ok());
  disk_.crash({.keep_sector_ppm = 0, .keep_name_ppm = 0});
  for (const SnapshotFile& file : list_) {
    const auto is_whole = snapshots_.staging.verify(kId, file);
    ASSERT_TRUE(is_whole.is_ok()) << is_whole.error().message;
    EXPECT_TRUE(*is_whole) << file.name;
  }
}

TEST_F(SnapshotFiles, AnotherSnapshotTakesTheRoomOfTheOneBefore) {
  append(1, 40);
  make();
  fetch_all();
  open(kId + 1);
  EXPECT_FALSE(*disk_.exists(staged_path("/incoming", kId)));
}

TEST_F(SnapshotFiles, AManifestOfOtherFilesIsRefused) {
  append(1, 40);
  make();
  fetch_all();
  std::vector<SnapshotFile> others = list_;
  others.back().crc ^= 1;
  const auto finished = snapshots_.staging.finish(kId, others);
  ASSERT_FALSE(finished.is_ok());
  EXPECT_EQ(finished.error().code, base::ErrorCode::kCorruption);
}

TEST_F(SnapshotFiles, WithoutRoomNoneIsMadeAndNoneFetched) {
  append(1, 40);
  make();
  disk_.set_capacity_bytes(SnapshotMaker::kMakeBytes - 1);
  EXPECT_EQ(snapshots_.maker.begin(kId + 1).error().code, base::ErrorCode::kNoSpace);
  EXPECT_EQ(snapshots_.staging.open(kId, list_, SnapshotMaker::kMakeBytes).error().code,
            base::ErrorCode::kNoSpace);
}

TEST_F(SnapshotFiles, AStopEndsTheSums) {
  append(1, 40);
  make();
  snapshots_.cancel();
  SnapshotManifest manifest{.id = kId, .last = {1}};
  EXPECT_EQ(sum_all(snapshots_.maker, manifest).error().code, base::ErrorCode::kUnavailable);
  EXPECT_EQ(snapshots_.staging.verify(kId, list_[0]).error().code, base::ErrorCode::kNotFound);
}

TEST_F(SnapshotFiles, ARemovedOneLeavesNothing) {
  append(1, 40);
  make();
  ASSERT_TRUE(snapshots_.maker.remove(kId).is_ok());
  EXPECT_TRUE(disk_.list("/snapshots")->empty());
  for (const vlog::SegmentInfo& each : log_->sealed_segments()) {
    EXPECT_TRUE(log_->read_entry(each.first_index).is_ok());
  }
}

}  // namespace
}  // namespace alfheim::upkeep
