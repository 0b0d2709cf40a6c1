#include "vlog/log.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"
#include "vlog/log_state.h"
#include "vlog/log_world.h"
#include "vlog/segment.h"

namespace alfheim::vlog {
namespace {

using base::ErrorCode;
using env::ReadMode;

ValueAddress address_of(uint64_t index, uint32_t offset, const std::string& value) {
  return {{index}, offset, static_cast<uint32_t>(value.size()), base::crc32c(value)};
}

TEST(Log, EmptyDir) {
  LogWorld world;
  world.open();
  EXPECT_EQ(world.log->first_index().value, 1u);
  EXPECT_EQ(world.log->last_index().value, 0u);
  EXPECT_EQ(world.log->term_at({0}), base::Term{0});
  EXPECT_EQ(world.log->term_at({1}), std::nullopt);
  EXPECT_EQ(world.log->last_stamp().ms, 0u);
  EXPECT_EQ(world.log->identity().cluster_uid, 0xa1fu);
}

TEST(Log, FirstAppendIsReadBackAndSurvivesAPowerLoss) {
  LogWorld world;
  world.open();
  world.append(1, 1, "one");
  EXPECT_EQ(world.payload_at(1), "one");
  world.crash_and_reopen(sim::CrashOptions::lose_all_unsynced());
  EXPECT_EQ(world.payload_at(1), "one");
  EXPECT_EQ(world.log->last_stamp().ms, 1001u);
  EXPECT_EQ(world.log->term_at({1}), base::Term{1});
}

TEST(Log, AnEntryWithoutPayloadIsKept) {
  LogWorld world;
  world.open();
  world.append(1, 1, "");
  world.crash_and_reopen();
  EXPECT_EQ(world.payload_at(1), "");
}

// fitBlock, matchBlock, exceedBlock, firstBig, secondBig, severalBig
TEST(Log, PayloadsOfEveryLengthAroundABlock) {
  LogWorld world;
  world.segment_bytes = 1024 * 1024;
  world.open();
  constexpr size_t kHeaders = kBatchHeaderBytes + kRecordHeaderBytes;
  const size_t lengths[] = {
      1,       4096 - kHeaders - 1, 4096 - kHeaders, 4096 - kHeaders + 1, 4096, 100'000,
      300'000, 8192 - kHeaders};
  uint64_t index = 0;
  for (const size_t length : lengths) world.append(++index, 1, std::string(length, 'x'));
  world.close_and_reopen();
  for (index = 1; index <= std::size(lengths); ++index) {
    EXPECT_EQ(world.payload_at(index), std::string(lengths[index - 1], 'x')) << index;
  }
}

TEST(Log, AnEntryLargerThanASegmentGetsASegmentOfItsOwn) {
  LogWorld world;
  world.open();
  world.append(1, 1, std::string(2 * 1024 * 1024, 'y'));
  world.append(2, 1, "small");
  world.crash_and_reopen();
  EXPECT_EQ(world.payload_at(1).size(), 2u * 1024 * 1024);
  EXPECT_EQ(world.payload_at(2), "small");
}

TEST(Log, ABatchIsOneWriteAndOneSync) {
  LogWorld world;
  world.open();
  world.append(1, 1, "opens the segment");
  const uint64_t before = world.disk.change_count();
  std::vector<raft::Entry> entries;
  for (uint64_t i = 2; i < 50; ++i) entries.push_back(entry_of(i, 1, "value"));
  ASSERT_TRUE(world.log->append(entries).is_ok());
  EXPECT_EQ(world.disk.change_count(), before + 1);
  EXPECT_EQ(world.disk.unsynced_sector_count(), 0u);
}

// finalizeSegment, severalClosedSegments
TEST(Log, SegmentsRollAndAreFoundAgain) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 40, 3);
  EXPECT_GE(world.log->sealed_segments().size(), 6u);
  world.close_and_reopen();
  EXPECT_EQ(world.log->last_index().value, 40u);
  world.append_many(41, 60, 4);
  world.crash_and_reopen();
  EXPECT_EQ(world.log->last_index().value, 60u);
  EXPECT_EQ(world.log->term_at({40}), base::Term{3});
  EXPECT_EQ(world.log->term_at({41}), base::Term{4});
  world.log->check_invariants();
}

TEST(Log, AfterACleanStopTheOpenSegmentGoesOn) {
  LogWorld world;
  world.open();
  world.append_many(1, 3, 1);
  world.close_and_reopen();
  world.append_many(4, 5, 1);
  EXPECT_EQ(world.segment_paths().size(), 1u);
}

TEST(Log, AfterAnUncleanStopTheTailIsCopiedIntoANewSegment) {
  LogWorld world;
  world.open();
  world.append_many(1, 3, 1);
  const auto before = world.segment_paths();
  world.crash_and_reopen();
  const auto after = world.segment_paths();
  ASSERT_EQ(after.size(), 1u);
  EXPECT_NE(after, before);
  world.append_many(4, 4, 1);
  EXPECT_EQ(world.log->last_index().value, 4u);
}

// truncate: sameAsLastIndex, partialSegment, wholeSegment, closing
TEST(Log, AnEntryOverAnOldOneRemovesAllFromThereOn) {
  for (const uint64_t from : {40u, 38u, 25u, 2u, 1u}) {
    SCOPED_TRACE(from);
    LogWorld world;
    world.segment_bytes = 8 * 4096;
    world.open();
    world.append_many(1, 40, 1);
    world.append(from, 2, "new");
    EXPECT_EQ(world.log->last_index().value, from);
    for (int reopen = 0; reopen < 3; ++reopen) {
      EXPECT_EQ(world.payload_at(from), "new");
      EXPECT_EQ(world.log->read_entry({from + 1}).is_ok(), false);
      if (from > 1) {
        EXPECT_EQ(world.log->term_at({from - 1}), base::Term{1});
      }
      if (reopen == 0) world.crash_and_reopen();
      if (reopen == 1) world.close_and_reopen();
    }
    world.append_many(from + 1, 45, 2);
    world.crash_and_reopen();
    EXPECT_EQ(world.log->last_index().value, 45u);
  }
}

TEST(Log, ATruncatedEntryStaysGoneWhenItsTruncatorIsDropped) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 12, 1);
  world.append_many(9, 30, 2);  // 9..12 of a sealed footer are truncated
  ASSERT_TRUE(world.log->set_log_start({25}, {2}).is_ok());
  for (const SegmentInfo& info : world.log->sealed_segments()) {
    if (info.first_index.value >= 9 && info.last_index.value < 25) {
      ASSERT_TRUE(world.log->drop_segment(info.id).is_ok());
    }
  }
  world.crash_and_reopen();
  EXPECT_FALSE(world.log->read_entry({10}).is_ok());
  EXPECT_TRUE(world.log->read_entry({8}).is_ok());
}

// With and without a pin of before, and with and without another entry at its index.
TEST(Log, AnAddressOfATruncatedEntryLeadsNowhere) {
  const std::string old_value(100, 'o');
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  for (uint64_t index = 1; index <= 12; ++index) world.append(index, 1, old_value);
  const Pin pinned = world.log->pin();
  const auto is_found = [&](uint64_t index) {
    const ValueAddress address = address_of(index, 0, old_value);
    base::Bytes found;
    return world.log->read_value(address, 0, 100, found, ReadMode::kMayBlock).is_ok() ||
           world.log->read_value(*pinned, address, 0, 100, found, ReadMode::kMayBlock).is_ok();
  };
  for (const uint64_t first : {10u, 8u, 2u}) {
    SCOPED_TRACE(first);
    ASSERT_TRUE(is_found(first));
    world.append(first, 2, "new");
    for (uint64_t index = 1; index <= 12; ++index) EXPECT_EQ(is_found(index), index < first);
  }
  for (uint64_t index = 3; index <= 12; ++index) {
    world.append(index, 3, std::string(100, 'n'));
    EXPECT_FALSE(is_found(index)) << index;
  }
}

// Appends until a segment was sealed, then truncates its last entry.
void seal_and_trim_one(LogWorld& world, uint64_t term) {
  const auto newest_end = [&] { return world.log->sealed_segments().back().last_index.value; };
  const uint64_t rolls = world.log->stats().roll_count;
  uint64_t next = world.log->last_index().value + 1;
  while (world.log->stats().roll_count < rolls + 1) world.append(next++, term, "old");
  world.append(newest_end(), term + 1, "new");
}

// META has room for few trims; segments that are there tell of their truncations themselves. Here
// every other segment goes, each the only witness of a truncation in one that stays.
TEST(Log, MoreTruncatedSegmentsThanMetaHoldsCanStillBeDropped) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append(1, 1, "first");
  for (uint64_t i = 0; i < 2 * kMetaTrimsMax + 10; ++i) seal_and_trim_one(world, i + 1);
  const uint64_t last = world.log->last_index().value;
  ASSERT_TRUE(world.log->set_log_start({last}, *world.log->term_at({last - 1})).is_ok());
  const std::vector<SegmentInfo> sealed = world.log->sealed_segments();
  ASSERT_GT(sealed.size(), 2 * kMetaTrimsMax + 2);
  for (size_t i = 0; i < kMetaTrimsMax; ++i) {
    const auto dropped = world.log->drop_segment(sealed[2 * i + 1].id);
    ASSERT_TRUE(dropped.is_ok()) << dropped.error().message;
  }
  // One more finds META full: it stays until one that was truncated has gone.
  const SegmentInfo& one_more = sealed[2 * kMetaTrimsMax + 1];
  const auto refused = world.log->drop_segment(one_more.id);
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
  EXPECT_EQ(world.payload_at(one_more.first_index.value), "new");
  ASSERT_TRUE(world.log->drop_segment(sealed[0].id).is_ok());
  EXPECT_TRUE(world.log->drop_segment(one_more.id).is_ok());
  world.crash_and_reopen();
  for (size_t i = 2; i <= 2 * kMetaTrimsMax; i += 2) {
    EXPECT_EQ(world.payload_at(sealed[i].last_index.value), "old");
    EXPECT_FALSE(world.log->read_entry(sealed[i].last_index.next()).is_ok()) << i;
  }
}

TEST(Log, ASnapshotBeyondTheEndLeavesAnEmptyLog) {
  LogWorld world;
  world.open();
  world.append_many(1, 5, 1);
  ASSERT_TRUE(world.log->set_log_start({100}, {7}).is_ok());
  EXPECT_EQ(world.log->last_index().value, 99u);
  world.append(100, 7, "after");
  world.crash_and_reopen();
  EXPECT_EQ(world.log->first_index().value, 100u);
  EXPECT_EQ(world.log->last_index().value, 100u);
  EXPECT_EQ(world.log->term_at({99}), base::Term{7});
  EXPECT_EQ(world.payload_at(100), "after");
}

// noSpaceUponPrepareCurrent, noSpaceResolved
TEST(Log, AFullDiskIsNoticedBeforeAnythingIsWritten) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 3, 1);
  uint64_t next = 4;
  world.disk.set_capacity_bytes(8 * 4096 + 64 * 1024);
  base::Status status;
  for (; next < 100; ++next) {
    status = world.log->append(std::vector<raft::Entry>{entry_of(next, 1, "value")});
    if (!status.is_ok()) break;
  }
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(world.log->last_index().value, next - 1);
  EXPECT_TRUE(world.log->save_hard_state({{5}, {1}}).is_ok());
  world.disk.set_capacity_bytes(1 << 30);
  world.append(next, 1, "room again");
  world.crash_and_reopen();
  EXPECT_EQ(world.payload_at(next), "room again");
}

// noSpace (of test_uv_init): with room for the first so many blocks only.
TEST(Log, ANewDirectoryWithoutRoomIsRefusedAndMadeWhenThereIsSome) {
  int refused_count = 0;
  for (uint64_t blocks = 0;; ++blocks) {
    LogWorld world;
    world.disk.set_capacity_bytes(blocks * 4096);
    const base::Status opened = world.try_open();
    if (opened.is_ok()) break;
    ++refused_count;
    EXPECT_EQ(opened.error().code, ErrorCode::kNoSpace) << blocks;
    world.disk.set_capacity_bytes(1 << 30);
    world.open();
    world.append(1, 1, "value");
    world.crash_and_reopen();
    EXPECT_EQ(world.payload_at(1), "value") << blocks;
  }
  EXPECT_GT(refused_count, 0);
}

// writeError, noSpaceUponWrite
TEST(Log, AFailedWriteFinishesTheLog) {
  for (const ErrorCode code : {ErrorCode::kIo, ErrorCode::kNoSpace}) {
    LogWorld world;
    world.open();
    world.append(1, 1, "one");
    world.disk.fail_operation(sim::DiskOperationKind::kWriteDurable, 1, code);
    const std::vector<raft::Entry> entries{entry_of(2, 1, "two")};
    auto failed = world.log->append(entries);
    ASSERT_FALSE(failed.is_ok());
    EXPECT_EQ(failed.error().code, ErrorCode::kIo);
    EXPECT_FALSE(world.log->append(entries).is_ok());
    EXPECT_FALSE(world.log->save_hard_state({{9}, {1}}).is_ok());
    EXPECT_FALSE(world.log->close().is_ok());
    EXPECT_EQ(world.log->last_index().value, 1u);
    world.crash_and_reopen();
    EXPECT_EQ(world.payload_at(1), "one");
  }
}

// set_term: first .. fourth, metadataOneIsGreater, metadataTwoIsGreater
TEST(Log, TermAndVoteAreKept) {
  LogWorld world;
  world.open();
  for (uint64_t term = 1; term <= 5; ++term) {
    ASSERT_TRUE(world.log->save_hard_state({{term}, {term % 3}}).is_ok());
    world.crash_and_reopen(sim::CrashOptions::lose_all_unsynced());
    EXPECT_EQ(world.log->hard_state(), (HardState{{term}, {term % 3}}));
  }
}

TEST(Log, OneRottenCopyOfMetaDoesNoHarm) {
  for (const uint64_t copy : {0u, 1u, 2u, 3u}) {
    LogWorld world;
    world.open();
    ASSERT_TRUE(world.log->save_hard_state({{8}, {3}}).is_ok());
    ASSERT_TRUE(world.log->close().is_ok());
    world.log.reset();
    world.disk.flip_bit("/log/META", copy * 4096 + 60, 3);
    world.open();
    EXPECT_EQ(world.log->hard_state(), (HardState{{8}, {3}}));
  }
}

// At open the newest generation is written once more, copy by copy. Where one of the two has
// rotted, the other is the only witness of the vote: it must not be the first to be touched.
TEST(Log, ACrashWhileMetaIsHealedDoesNotLoseTheVote) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (const uint64_t copy : {0u, 1u, 2u, 3u}) {
      LogWorld world(seed);
      world.open();
      ASSERT_TRUE(world.log->save_hard_state({{8}, {3}}).is_ok());
      world.log.reset();
      world.disk.kill_process();
      world.disk.flip_bit("/log/META", copy * 4096 + 60, 3);
      bool is_first = true;
      world.disk.set_operation_hook([&](const sim::DiskOperation& operation) {
        const bool is_healing = operation.kind == sim::DiskOperationKind::kWriteDurable;
        return is_healing && std::exchange(is_first, false) ? sim::DiskOrder::kCrashDuring
                                                            : sim::DiskOrder::kProceed;
      });
      ASSERT_FALSE(world.try_open().is_ok());
      world.disk.set_operation_hook(nullptr);
      world.crash_and_reopen({.keep_sector_ppm = 500'000, .torn_sector_ppm = sim::kAlwaysPpm});
      ASSERT_EQ(world.log->hard_state(), (HardState{{8}, {3}})) << "copy " << copy;
    }
  }
}

TEST(Log, ARottenMetaIsCorruption) {
  LogWorld world;
  world.open();
  world.log.reset();
  for (uint64_t copy = 0; copy < 4; ++copy) world.disk.flip_bit("/log/META", copy * 4096 + 20);
  const auto status = world.try_open();
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.error().code, ErrorCode::kCorruption);
  EXPECT_NE(status.error().message.find("/log/META"), std::string::npos);
}

TEST(Log, AnotherLogsDirectoryIsRefused) {
  LogWorld world;
  world.open();
  world.log.reset();
  auto options = world.options();
  options.identity.node = {2};
  auto opened = Log::open(world.disk, world.random, options);
  ASSERT_FALSE(opened.is_ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
}

TEST(Log, ASecondUserIsRefused) {
  LogWorld world;
  world.open();
  auto second = Log::open(world.disk, world.random, world.options());
  ASSERT_FALSE(second.is_ok());
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
}

TEST(Log, AValueIsReadWholeAndInPart) {
  for (const uint64_t tail_bytes : {0u, 1u << 20}) {
    LogWorld world;
    world.memory_tail_bytes = tail_bytes;
    world.open();
    const std::string value(5000, 'v');
    world.append(1, 1, "head" + value + "end");
    const ValueAddress address = address_of(1, 4, value);
    base::Bytes out = "kept:";
    ASSERT_TRUE(world.log->read_value(address, 0, UINT64_MAX, out, ReadMode::kMayBlock).is_ok());
    EXPECT_EQ(out, "kept:" + value);
    out.clear();
    ASSERT_TRUE(world.log->read_value(address, 4990, 100, out, ReadMode::kMayBlock).is_ok());
    EXPECT_EQ(out, std::string(10, 'v'));
    out.clear();
    ASSERT_TRUE(world.log->read_value(address, 9000, 5, out, ReadMode::kMayBlock).is_ok());
    EXPECT_EQ(out, "");
  }
}

// A part of a large value was once served without the checksum.
TEST(Log, APartOfARottenValueIsNeverServed) {
  LogWorld world;
  world.segment_bytes = 512 * 1024;
  world.open();
  const std::string value(300'000, 'v');
  world.append(1, 1, value);
  const ValueAddress address = address_of(1, 0, value);
  const uint64_t value_offset = kSegmentHeaderBytes + kBatchHeaderBytes + kRecordHeaderBytes;
  world.disk.flip_bit(world.segment_paths().front(), value_offset + 250'000);
  for (const uint64_t from : {0u, 100'000u, 249'990u}) {
    base::Bytes out = "kept";
    const auto status = world.log->read_value(address, from, 20, out, ReadMode::kMayBlock);
    ASSERT_FALSE(status.is_ok());
    EXPECT_EQ(status.error().code, ErrorCode::kCorruption);
    EXPECT_NE(status.error().message.find(world.segment_paths().front() +
                                          " at offset_bytes=" + std::to_string(value_offset)),
              std::string::npos)
        << status.error().message;
    EXPECT_EQ(out, "kept");
  }
  base::Bytes out;
  const auto on_a_loop = world.log->read_value(address, 0, 20, out, ReadMode::kMemoryOnly);
  ASSERT_FALSE(on_a_loop.is_ok());
  EXPECT_EQ(on_a_loop.error().code, ErrorCode::kWouldBlock);
}

TEST(Log, ABadAddressIsCorruption) {
  LogWorld world;
  world.open();
  const std::string value(100, 'v');
  world.append(1, 1, value);
  auto wrong_crc = address_of(1, 0, value);
  wrong_crc.crc ^= 1;
  const ValueAddress cases[] = {wrong_crc,
                                address_of(2, 0, value),
                                address_of(1, 50, value),
                                {{1}, UINT32_MAX, UINT32_MAX, 0}};
  for (const ValueAddress& address : cases) {
    base::Bytes out = "x";
    const auto status = world.log->read_value(address, 0, 10, out, ReadMode::kMayBlock);
    ASSERT_FALSE(status.is_ok());
    EXPECT_EQ(status.error().code, ErrorCode::kCorruption);
    EXPECT_EQ(out, "x");
  }
}

TEST(Log, AColdValueIsNotWaitedForInMemoryMode) {
  LogWorld world;
  world.open();
  world.append(1, 1, "value");
  world.disk.set_cold_read_ppm(sim::kAlwaysPpm);
  base::Bytes out;
  const auto status =
      world.log->read_value(address_of(1, 0, "value"), 0, 5, out, ReadMode::kMemoryOnly);
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.error().code, ErrorCode::kWouldBlock);
  EXPECT_EQ(out, "");
}

TEST(Log, APinKeepsADroppedSegmentReadable) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.spare_count = 2;
  world.open();
  world.append_many(1, 20, 1);
  const std::string value = world.payload_at(1);
  ASSERT_TRUE(world.log->set_log_start({20}, {1}).is_ok());
  Pin pin = world.log->pin();
  const size_t files = world.segment_paths().size();
  ASSERT_TRUE(world.log->drop_segment(world.log->sealed_segments().front().id).is_ok());
  EXPECT_EQ(world.segment_paths().size(), files);
  world.append_many(21, 60, 1);
  base::Bytes out;
  EXPECT_TRUE(world.log->read_value(*pin, address_of(1, 0, value), 0, 100, out, ReadMode::kMayBlock)
                  .is_ok());
  EXPECT_EQ(out, value);
  pin.reset();
  ASSERT_TRUE(world.log->reap().is_ok());
  EXPECT_FALSE(world.log->read_entry({1}).is_ok());
  EXPECT_EQ(world.log->stats().spare_count, 1u);
}

// An address in a view may name a segment that was made after the first look at the set.
TEST(Log, APinAroundAViewHoldsASegmentMadeMeanwhile) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 10, 1);
  uint64_t looks = 0;
  uint64_t seen = 0;
  const Pin pin = world.log->pin_around([&] {
    if (++looks == 1) world.append_many(11, 40, 1);
    seen = world.log->last_index().value;
  });
  EXPECT_EQ(looks, 2u);
  ASSERT_EQ(seen, 40u);
  const std::string value = world.payload_at(30);
  world.append_many(41, 60, 1);
  ASSERT_TRUE(world.log->set_log_start({60}, {1}).is_ok());
  for (const SegmentInfo& info : world.log->sealed_segments()) {
    if (info.last_index.value >= 60) continue;
    ASSERT_TRUE(world.log->drop_segment(info.id).is_ok());
  }
  ASSERT_FALSE(world.log->read_entry({30}).is_ok());
  base::Bytes out;
  const auto read =
      world.log->read_value(*pin, address_of(30, 0, value), 0, 100, out, ReadMode::kMayBlock);
  EXPECT_TRUE(read.is_ok()) << read.error().message;
  EXPECT_EQ(out, value);
}

TEST(Log, ALinkedSegmentIsUnlinkedAndNotRecycled) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.spare_count = 2;
  world.open();
  world.append_many(1, 20, 1);
  ASSERT_TRUE(world.log->set_log_start({20}, {1}).is_ok());
  ASSERT_TRUE(world.disk.make_dir("/snapshot").is_ok());
  ASSERT_TRUE(world.disk.link(world.segment_paths().front(), "/snapshot/1").is_ok());
  ASSERT_TRUE(world.log->drop_segment(world.log->sealed_segments().front().id).is_ok());
  EXPECT_EQ(world.log->stats().spare_count, 0u);
}

// I6: the old records of a recycled file have good checksums of their own; none may be seen.
TEST(Log, StaleBytesOfARecycledFileAreNeverReadAsNew) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.spare_count = 4;
  world.open();
  world.append_many(1, 30, 1);
  ASSERT_TRUE(world.log->set_log_start({30}, {1}).is_ok());
  for (const SegmentInfo& info : world.log->sealed_segments()) {
    if (info.last_index.value >= 30) continue;
    ASSERT_TRUE(world.log->drop_segment(info.id).is_ok());
  }
  EXPECT_EQ(world.log->stats().spare_count, 4u);
  for (uint64_t index = 31; index <= 50; ++index) {
    world.append(index, 1, "new");
    world.crash_and_reopen();
    ASSERT_EQ(world.log->last_index().value, index);
    ASSERT_EQ(world.payload_at(index), "new");
  }
}

TEST(Log, ReplenishFillsThePoolAndSegmentsComeFromIt) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.spare_count = 2;
  world.open();
  EXPECT_TRUE(world.log->wants_spares());
  ASSERT_TRUE(world.log->replenish_spares().is_ok());
  EXPECT_FALSE(world.log->wants_spares());
  world.append(1, 1, "one");
  EXPECT_TRUE(world.log->wants_spares());
  world.crash_and_reopen();
  EXPECT_EQ(world.payload_at(1), "one");
}

// Upkeep asks again and again while the disk is full: each try must leave the room as it was.
TEST(Log, ASpareThatCannotBeMadeLeavesNothing) {
  for (const auto kind : {sim::DiskOperationKind::kWrite, sim::DiskOperationKind::kSync,
                          sim::DiskOperationKind::kRename}) {
    LogWorld world;
    world.segment_bytes = 8 * 4096;
    world.spare_count = 2;
    world.open();
    const auto names = *world.disk.list(kDir);
    world.disk.fail_operation(kind, 1, ErrorCode::kNoSpace);
    const auto made = world.log->replenish_spares();
    ASSERT_FALSE(made.is_ok());
    EXPECT_EQ(made.error().code, ErrorCode::kNoSpace);
    EXPECT_EQ(*world.disk.list(kDir), names) << sim::disk_operation_name(kind);
    ASSERT_TRUE(world.log->replenish_spares().is_ok());
    EXPECT_EQ(world.log->stats().spare_count, 2u);
  }
}

TEST(Log, AReplayBeginsAnywhereAndEndsAtTheEnd) {
  LogWorld world;
  world.segment_bytes = 8 * 4096;
  world.open();
  world.append_many(1, 40, 1);
  for (const uint64_t from : {1u, 17u, 40u, 41u}) {
    uint64_t next = from;
    ASSERT_TRUE(world.log
                    ->replay({from},
                             [&](raft::Entry entry) -> base::Status {
                               EXPECT_EQ(entry.index.value, next++);
                               return base::ok();
                             })
                    .is_ok());
    EXPECT_EQ(next, 41u);
  }
}

TEST(Log, CloseForbidsChanges) {
  LogWorld world;
  world.open();
  ASSERT_TRUE(world.log->close().is_ok());
  const auto status = world.log->append(std::vector<raft::Entry>{entry_of(1, 1, "x")});
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
}

TEST(LogDeathTest, BrokenPromisesOfTheCallerEndTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  LogWorld world;
  world.open();
  world.append_many(1, 3, 2);
  const auto append = [&](uint64_t index, uint64_t term) {
    return world.log->append(std::vector<raft::Entry>{entry_of(index, term, "x")}).is_ok();
  };
  EXPECT_DEATH(append(5, 2), "a gap in the log");
  EXPECT_DEATH(append(4, 1), "a term falls");
  ASSERT_TRUE(world.log->save_hard_state({{3}, {1}}).is_ok());
  EXPECT_DEATH(EXPECT_TRUE(world.log->save_hard_state({{3}, {2}}).is_ok()), "second vote");
  EXPECT_DEATH(EXPECT_TRUE(world.log->save_hard_state({{2}, {1}}).is_ok()), "term goes back");
}

TEST(Log, OneFetchInEightStaysInMemory) {
  sim::SimDisk disk;
  sim::SimRandom random(1);
  LogState state(disk, random, {});
  size_t kept = 0;
  for (int i = 0; i < 8000; ++i) {
    kept += state.mode_of_fetch(env::ReadMode::kMayBlock) == env::ReadMode::kMayBlock ? 1 : 0;
    EXPECT_EQ(state.mode_of_fetch(env::ReadMode::kMemoryOnly), env::ReadMode::kMemoryOnly);
  }
  EXPECT_NEAR(static_cast<double>(kept), 1000, 10);
}

}  // namespace
}  // namespace alfheim::vlog
