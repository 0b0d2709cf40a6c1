// What recovery makes of every kind of directory: whole, torn, corrupt, foreign.
#include "vlog/recovery.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"
#include "vlog/inspect.h"
#include "vlog/log_world.h"
#include "vlog/segment_names.h"
#include "vlog/segment_writer.h"

namespace alfheim::vlog {
namespace {

using base::ErrorCode;

struct Verdict {
  Inspection inspection;
  std::vector<Problem> errors;
};

Verdict inspect(LogWorld& world) {
  Verdict verdict;
  auto result = verify_directory(world.disk, kDir, [&](const Problem& problem) {
    if (problem.is_error) verdict.errors.push_back(problem);
  });
  EXPECT_TRUE(result.is_ok());
  if (result.is_ok()) verdict.inspection = *result;
  return verdict;
}

void expect_corrupt(LogWorld& world, const std::string& words) {
  const uint64_t changes = world.disk.change_count();
  const auto names = *world.disk.list(kDir);
  const auto status = world.try_open();
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.error().code, ErrorCode::kCorruption) << status.error().message;
  EXPECT_NE(status.error().message.find(words), std::string::npos) << status.error().message;
  // Nothing is truncated or taken away; only META's copies were written once more.
  EXPECT_EQ(*world.disk.list(kDir), names);
  EXPECT_LE(world.disk.change_count() - changes, 6u);
}

// Batch `number` (from 0) of a segment with one-block batches.
uint64_t batch_offset(uint64_t number) { return kSegmentHeaderBytes + number * env::kBlockBytes; }

TEST(Recovery, IgnoresUnknownFiles) {
  LogWorld world;
  world.open();
  world.append_many(1, 3, 1);
  for (const char* name : {"/log/notes.txt", "/log/7.seg", "/log/spare-x"}) {
    ASSERT_TRUE(world.disk.open(name, {.is_writable = true, .create_new = true}).is_ok());
  }
  world.crash_and_reopen(sim::CrashOptions::keep_all_unsynced());
  EXPECT_EQ(world.log->last_index().value, 3u);
  EXPECT_TRUE(*world.disk.exists("/log/notes.txt"));
}

TEST(Recovery, RemovesUnfinishedFiles) {
  LogWorld world;
  world.open();
  const std::string names[] = {segment_name(99, kCopySuffix), segment_name(98, kNewSuffix),
                               spare_name(5) + ".new"};
  for (const std::string& name : names) {
    auto file = world.disk.open(path_in(kDir, name), {.is_writable = true, .create_new = true});
    ASSERT_TRUE(file.is_ok());
  }
  world.close_and_reopen();
  for (const std::string& name : names) EXPECT_FALSE(*world.disk.exists(path_in(kDir, name)));
}

// openSegmentWithIncompleteBatch, openSegmentWithIncompleteBatchHeader,
// openSegmentWithIncompleteBatchData: the last batch, any byte of it.
TEST(Recovery, ATornLastBatchIsDropped) {
  for (const uint64_t offset : {0u, 20u, 70u, 120u, 200u, 4000u}) {
    LogWorld world;
    world.open();
    world.append_many(1, 5, 1);
    world.log.reset();
    world.disk.kill_process();
    world.disk.flip_bit(world.segment_paths().back(), batch_offset(4) + offset);
    world.open();
    EXPECT_EQ(world.log->last_index().value, 4u) << offset;
    world.append_many(5, 6, 1);
    world.crash_and_reopen();
    EXPECT_EQ(world.log->last_index().value, 6u);
  }
}

TEST(Recovery, ATornFirstBatchLeavesAnEmptyLog) {
  LogWorld world;
  world.open();
  world.append(1, 1, "x");
  world.log.reset();
  world.disk.kill_process();
  world.disk.flip_bit(world.segment_paths().back(), batch_offset(0));
  world.open();
  EXPECT_EQ(world.log->last_index().value, 0u);
  EXPECT_TRUE(world.segment_paths().empty());
}

// I8: what a later batch calls durable is never dropped.
TEST(Recovery, ABadBatchBeforeAGoodOneIsCorruption) {
  for (const uint64_t bad : {0u, 1u, 3u}) {
    LogWorld world;
    world.open();
    world.append_many(1, 5, 1);
    world.log.reset();
    world.disk.kill_process();
    const std::string path = world.segment_paths().back();
    world.disk.flip_bit(path, batch_offset(bad) + 130);
    expect_corrupt(world, base::Bytes("read " + path +
                                      " at offset_bytes=" + std::to_string(batch_offset(bad))));
    EXPECT_FALSE(inspect(world).errors.empty());
  }
}

TEST(Recovery, AfterACleanStopEvenABadLastBatchIsCorruption) {
  LogWorld world;
  world.open();
  world.append_many(1, 5, 1);
  ASSERT_TRUE(world.log->close().is_ok());
  world.log.reset();
  world.disk.flip_bit(world.segment_paths().back(), batch_offset(4) + 130);
  expect_corrupt(world, "offset_bytes=20480");
}

// closedSegmentWithBadIndex, closedSegmentWithBadFormat, closedSegmentWithInconsistentFilename
TEST(Recovery, ABadSealedSegmentIsCorruption) {
  struct Case {
    uint64_t offset_bytes;
    const char* words;
  };
  const uint64_t end = 8 * 4096;
  for (const Case& bad : {Case{3, "magic"}, Case{9, "version"}, Case{40, "segment header crc"},
                          Case{end - 4, "no footer"}, Case{end - 4096, "no footer"}}) {
    LogWorld world;
    world.segment_bytes = 8 * 4096;
    world.open();
    world.append_many(1, 20, 1);
    world.log.reset();
    world.disk.kill_process();
    world.disk.flip_bit(world.segment_paths().front(), bad.offset_bytes);
    expect_corrupt(world, bad.words);
    EXPECT_FALSE(inspect(world).errors.empty());
  }
}

TEST(Recovery, ASegmentUnderAnotherNameIsCorruption) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 20, 1);
  ASSERT_TRUE(world.log->close().is_ok());
  world.log.reset();
  ASSERT_TRUE(
      world.disk.rename(world.segment_paths().front(), path_in(kDir, segment_name(77))).is_ok());
  expect_corrupt(world, "header names segment 1");
}

// nonContiguousClosedSegments
TEST(Recovery, AMissingSegmentIsCorruption) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 30, 1);
  ASSERT_TRUE(world.log->close().is_ok());
  world.log.reset();
  ASSERT_TRUE(world.disk.unlink(world.segment_paths()[1]).is_ok());
  expect_corrupt(world, "no segment holds");
}

TEST(Recovery, AMissingOpenSegmentIsCorruptionAfterACleanStop) {
  LogWorld world;
  world.open();
  world.append_many(1, 3, 1);
  ASSERT_TRUE(world.log->close().is_ok());
  world.log.reset();
  ASSERT_TRUE(world.disk.unlink(world.segment_paths().back()).is_ok());
  expect_corrupt(world, "after a clean stop segment 1 should be the open one");
}

TEST(Recovery, MissingMetaIsCorruptionWhereSegmentsAre) {
  LogWorld world;
  world.open();
  world.append(1, 1, "x");
  world.log.reset();
  world.disk.kill_process();
  ASSERT_TRUE(world.disk.unlink("/log/META").is_ok());
  expect_corrupt(world, "META is missing");
}

TEST(Recovery, AShortFileIsCorruption) {
  LogWorld world;
  world.open();
  world.append_many(1, 3, 1);
  world.log.reset();
  world.disk.kill_process();
  {
    auto file = world.disk.open(world.segment_paths().back(), {.is_writable = true});
    ASSERT_TRUE((*file)->truncate(3 * 4096).is_ok());
  }
  expect_corrupt(world, "the file ends here");
}

// I7: whichever operation of the recovery fails, the entries are there afterwards.
TEST(Recovery, ACrashAtEveryStepOfTheCopyLosesNothing) {
  for (const auto order :
       {sim::DiskOrder::kCrashBefore, sim::DiskOrder::kCrashDuring, sim::DiskOrder::kCrashAfter}) {
    for (uint64_t step = 1; step < 30; ++step) {
      SCOPED_TRACE(step);
      LogWorld world(step);
      world.segment_bytes = 32 * 4096;
      world.open();
      world.append_many(1, 8, 1);
      world.append_many(6, 12, 2);
      world.log.reset();
      world.disk.crash();
      const uint64_t at = world.disk.change_count() + step;
      world.disk.set_operation_hook([&](const sim::DiskOperation& operation) {
        return operation.change_number == at ? order : sim::DiskOrder::kProceed;
      });
      const bool has_finished = world.try_open().is_ok();
      world.disk.set_operation_hook(nullptr);
      world.crash_and_reopen();
      ASSERT_EQ(world.log->last_index().value, 12u);
      ASSERT_EQ(world.log->term_at({5}), base::Term{1});
      ASSERT_EQ(world.log->term_at({6}), base::Term{2});
      if (has_finished && step > 20) break;
    }
  }
}

TEST(Recovery, AFlippedBitAnywhereInTheDataIsNeverServed) {
  sim::SimRandom random(3);
  for (int round = 0; round < 300; ++round) {
    LogWorld world(static_cast<uint64_t>(round) + 1);
    world.segment_bytes = 8 * 4096;
    world.open();
    world.append_many(1, 12, 1, 700);
    std::vector<std::string> truth;
    for (uint64_t index = 1; index <= 12; ++index) truth.push_back(world.payload_at(index));
    ASSERT_TRUE(world.log->close().is_ok());
    world.log.reset();
    const auto paths = world.segment_paths();
    const uint64_t offset = random.below(8 * 4096);
    world.disk.flip_bit(paths[random.below(paths.size())], offset,
                        static_cast<unsigned>(random.below(8)));
    if (!world.try_open().is_ok()) continue;  // found at once
    for (uint64_t index = 1; index <= 12; ++index) {
      auto entry = world.log->read_entry({index});
      if (entry.is_ok()) {
        ASSERT_EQ(entry->bytes(), truth[index - 1]);
      } else {
        ASSERT_EQ(entry.error().code, ErrorCode::kCorruption);
      }
    }
  }
}

// A copy is written once, in order: a copied record that goes back was never written by us, and
// taking it as a new entry over an old one would drop entries that were acknowledged.
TEST(Recovery, ACopiedRecordThatGoesBackIsCorruption) {
  LogWorld world;
  world.open();
  const SegmentHeader header{.uid = 77,
                             .id = 5,
                             .identity = world.log->identity(),
                             .first_index = {1},
                             .file_bytes = world.segment_bytes,
                             .replaces_id = 4,
                             .copied_last_index = {3}};
  world.log.reset();
  world.disk.kill_process();
  AlignedBuffer buffer;
  auto file = SegmentWriter::make_file(world.disk, path_in(kDir, segment_name(header.id)), header,
                                       false, buffer);
  ASSERT_TRUE(file.is_ok());
  SegmentWriter writer(std::move(file).value(), header, {}, buffer);
  const raft::Entry entries[] = {entry_of(1, 1, "a"), entry_of(2, 1, "b"), entry_of(3, 1, "c")};
  ASSERT_TRUE(writer.write_batch(entries, true).is_ok());
  ASSERT_TRUE(writer.write_batch(std::span(entries).subspan(1), true).is_ok());
  expect_corrupt(world, "copied record would truncate");
}

// A node that lost power while its log was made has promised nothing, and must start.
TEST(Recovery, ACrashAtEveryStepOfTheFirstOpenLeavesALogThatOpens) {
  constexpr uint64_t kChangesOfAFirstOpen = 12;
  for (uint64_t at = 1; at <= kChangesOfAFirstOpen; ++at) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      LogWorld world(seed);
      world.disk.set_operation_hook([&](const sim::DiskOperation& operation) {
        return operation.change_number == at ? sim::DiskOrder::kCrashAfter
                                             : sim::DiskOrder::kProceed;
      });
      [[maybe_unused]] const base::Status opened = world.try_open();  // or not
      world.disk.set_operation_hook(nullptr);
      world.log.reset();
      world.disk.crash();
      const base::Status again = world.try_open();
      ASSERT_TRUE(again.is_ok()) << "change " << at << ": " << again.error().message;
    }
  }
}

TEST(Inspect, AHealthyDirectoryHasNoProblems) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 20, 1);
  world.append_many(18, 25, 2);
  ASSERT_TRUE(world.log->close().is_ok());
  const Verdict verdict = inspect(world);
  for (const Problem& problem : verdict.errors) ADD_FAILURE() << problem.path << problem.words;
  EXPECT_EQ(verdict.inspection.record_count, 28u);
  uint64_t seen = 0;
  ASSERT_TRUE(for_each_record(
                  world.disk, kDir,
                  [&](const InspectedRecord& record) {
                    ++seen;
                    return record.entry.index.value != 0;
                  },
                  [](const Problem& problem) { EXPECT_FALSE(problem.is_error); })
                  .is_ok());
  EXPECT_EQ(seen, 28u);
}

TEST(Inspect, EveryRottenBlockOfASealedSegmentIsFound) {
  for (uint64_t block = 0; block < 8; ++block) {
    LogWorld world;
    world.segment_bytes = 8 * 4096;
    world.open();
    world.append_many(1, 20, 1);
    ASSERT_TRUE(world.log->close().is_ok());
    const bool is_used = block < 7;  // header, six batches, footer at the end
    world.disk.flip_bit(world.segment_paths().front(), block * 4096 + (is_used ? 100 : 4090));
    EXPECT_EQ(inspect(world).errors.size(), 1u) << block;
  }
}

// Kills a log, and then its restart at change `at` of the disk, and looks at what is left.
Verdict inspect_killed_restart(uint64_t seed, uint64_t at) {
  LogWorld world(seed);
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 9, 1);
  world.log.reset();
  world.disk.crash();
  const uint64_t crash_at = world.disk.change_count() + at;
  world.disk.set_operation_hook([&](const sim::DiskOperation& operation) {
    return operation.change_number == crash_at ? sim::DiskOrder::kCrashDuring
                                               : sim::DiskOrder::kProceed;
  });
  EXPECT_FALSE(world.try_open().is_ok());
  world.disk.set_operation_hook(nullptr);
  world.log.reset();
  world.disk.crash({.keep_sector_ppm = 300'000, .torn_sector_ppm = 500'000});
  return inspect(world);
}

// Each crash state of docs/formats is a healthy directory.
TEST(Inspect, WhatACrashLeavesIsNoError) {
  constexpr uint64_t kChangesOfARestart = 14;
  uint64_t notes = 0;
  for (uint64_t at = 1; at <= kChangesOfARestart; ++at) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      const Verdict verdict = inspect_killed_restart(seed, at);
      for (const Problem& problem : verdict.errors) {
        ADD_FAILURE() << "change " << at << ": " << problem.path << ": " << problem.words;
      }
      notes += verdict.inspection.note_count;
    }
  }
  EXPECT_GT(notes, 100u);
}

TEST(Inspect, ARottenFooterIsReportedWhereItStands) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 20, 1);
  ASSERT_TRUE(world.log->close().is_ok());
  world.log.reset();
  world.disk.flip_bit(world.segment_paths().front(), 8 * 4096 - 10);
  const Verdict verdict = inspect(world);
  ASSERT_EQ(verdict.errors.size(), 1u);
  EXPECT_EQ(verdict.errors[0].path, world.segment_paths().front());
  EXPECT_EQ(verdict.errors[0].offset_bytes, 8u * 4096 - kFooterTrailerBytes);
}

TEST(Inspect, RottenMetaCopiesAreFound) {
  LogWorld world;
  world.open();
  ASSERT_TRUE(world.log->close().is_ok());
  world.disk.flip_bit("/log/META", 100);
  const Verdict verdict = inspect(world);
  ASSERT_EQ(verdict.errors.size(), 1u);
  EXPECT_EQ(verdict.errors[0].path, "/log/META");
}

}  // namespace
}  // namespace alfheim::vlog
