#include "replica/write_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_executor.h"

namespace alfheim::replica {
namespace {

raft::Entry entry_of(uint64_t index, uint64_t term) {
  raft::Entry entry;
  entry.index = base::LogIndex{index};
  entry.term = base::Term{term};
  entry.kind = raft::EntryKind::kCommands;
  entry.payload = std::make_shared<const base::Bytes>("payload");
  return entry;
}

raft::Ready ready_of(uint64_t number, std::vector<raft::Entry> entries, size_t messages = 0) {
  raft::Ready ready;
  ready.number = number;
  ready.entries = std::move(entries);
  ready.messages_after_persist.resize(messages);
  return ready;
}

class WriteQueueTest : public testing::Test {
 protected:
  WriteQueueTest() : scheduler_(clock_, 1), executor_(scheduler_, {0, 0}), random_(1) {
    EXPECT_TRUE(disk.make_dir("/log").is_ok());
    EXPECT_TRUE(disk.sync_dir("/").is_ok());
    auto opened = vlog::Log::open(disk, random_,
                                  {.dir = "/log",
                                   .identity = {.cluster_uid = 1, .node = {1}, .group = {1}},
                                   .segment_bytes = 64 * 1024,
                                   .prewritten_segment_count = 0});
    EXPECT_TRUE(opened.is_ok());
    log = std::move(opened).value();
    queue = std::make_unique<WriteQueue>(
        WriteQueue::Hands{executor_.make_strand("core"), executor_.make_strand("log"), *log},
        WriteQueue::Events{
            .on_durable =
                [this](uint64_t number, std::vector<raft::Message> messages, bool was_written) {
                  written += was_written ? 1 : 0;
                  durable.push_back(number);
                  message_count += messages.size();
                  last_at_durable = log->last_index().value;
                },
            .on_no_room = [this](const base::Error&) { ++no_room_count; },
            .on_failed = [this](base::Error error) { errors.push_back(std::move(error)); },
            .on_written = [this] { ++written_count; },
        });
  }
  ~WriteQueueTest() override { executor_.drop_all(); }
  void run() { scheduler_.run_until_idle(); }

  sim::SimDisk disk;
  std::unique_ptr<vlog::Log> log;
  std::unique_ptr<WriteQueue> queue;
  std::vector<uint64_t> durable;
  std::vector<base::Error> errors;
  size_t written = 0;
  size_t message_count = 0;
  size_t no_room_count = 0;
  size_t written_count = 0;
  uint64_t last_at_durable = 0;

 private:
  sim::SimClock clock_;
  sim::SimScheduler scheduler_;
  sim::SimExecutor executor_;
  sim::SimRandom random_;
};

TEST_F(WriteQueueTest, WhatWantsNothingDurablePassesAtOnceWhereNothingWaits) {
  queue->add(ready_of(1, {}, 2));
  EXPECT_THAT(durable, testing::ElementsAre(1));
  EXPECT_EQ(message_count, 2u);
  EXPECT_EQ(written_count, 0u);
}

// An acknowledgement speaks for all Readies before it: it may not overtake a write.
TEST_F(WriteQueueTest, WhatWantsNothingDurableWaitsBehindAWrite) {
  queue->add(ready_of(1, {entry_of(1, 1)}));
  queue->add(ready_of(2, {}, 1));
  EXPECT_TRUE(durable.empty());
  EXPECT_TRUE(queue->is_writing());
  run();
  EXPECT_THAT(durable, testing::ElementsAre(1, 2));
  EXPECT_EQ(written, 1u);
  EXPECT_EQ(queue->write_count(), 1u);  // the disk was not asked for it
  EXPECT_EQ(message_count, 1u);
  EXPECT_FALSE(queue->is_writing());
}

TEST_F(WriteQueueTest, WhatComesDuringAWriteSharesTheNext) {
  for (uint64_t i = 1; i <= 10; ++i) queue->add(ready_of(i, {entry_of(i, 1)}, 1));
  run();
  EXPECT_THAT(durable, testing::ElementsAre(1, 10));
  EXPECT_EQ(queue->write_count(), 2u);
  EXPECT_EQ(message_count, 10u);
  EXPECT_EQ(log->last_index().value, 10u);
}

TEST_F(WriteQueueTest, AnEntryInThePlaceOfAnEarlierOneBeginsAWriteOfItsOwn) {
  queue->add(ready_of(1, {entry_of(1, 1)}));
  queue->add(ready_of(2, {entry_of(2, 1), entry_of(3, 1)}));
  queue->add(ready_of(3, {entry_of(2, 2)}));
  run();
  EXPECT_THAT(durable, testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(log->last_index().value, 2u);
  EXPECT_EQ(log->term_at(base::LogIndex{2})->value, 2u);
}

TEST_F(WriteQueueTest, TermAndVoteAreDurableBeforeTheyAreTold) {
  raft::Ready ready = ready_of(1, {}, 1);
  ready.hard_state = raft::HardState{base::Term{7}, base::NodeId{2}};
  queue->add(std::move(ready));
  EXPECT_TRUE(durable.empty());
  run();
  EXPECT_THAT(durable, testing::ElementsAre(1));
  EXPECT_EQ(log->hard_state().term.value, 7u);
  EXPECT_EQ(log->hard_state().vote.value, 2u);
}

TEST_F(WriteQueueTest, WithoutRoomAWriteWaitsAndAllBehindIt) {
  disk.set_capacity_bytes(0);
  uint64_t index = 1;
  // The open segment has room for some.
  while (no_room_count == 0 && index < 100) {
    queue->add(ready_of(index, {entry_of(index, 1)}));
    run();
    ++index;
  }
  ASSERT_EQ(no_room_count, 1u);
  EXPECT_TRUE(queue->is_parked());
  queue->add(ready_of(index, {entry_of(index, 1)}, 1));
  run();
  EXPECT_NE(durable.empty() ? 0 : durable.back(), index);
  disk.set_capacity_bytes(uint64_t{1} << 40);
  queue->retry();
  run();
  EXPECT_FALSE(queue->is_parked());
  EXPECT_EQ(durable.back(), index);
  EXPECT_EQ(log->last_index().value, index);
  EXPECT_TRUE(errors.empty());
}

TEST_F(WriteQueueTest, BehindWhatWasGivenUpNothingIsDurable) {
  disk.set_capacity_bytes(0);
  queue->add(ready_of(1, {entry_of(1, 1)}));
  run();
  ASSERT_TRUE(queue->is_parked());
  queue->abandon();
  queue->add(ready_of(2, {}, 1));
  queue->add(ready_of(3, {entry_of(2, 1)}));
  run();
  EXPECT_TRUE(durable.empty());
  EXPECT_EQ(message_count, 0u);
  EXPECT_FALSE(queue->is_writing());
}

TEST_F(WriteQueueTest, AnErrorIsToldAndNothingBehindIsWritten) {
  disk.fail_operation(sim::DiskOperationKind::kWriteDurable, 1, base::ErrorCode::kIo);
  queue->add(ready_of(1, {entry_of(1, 1)}, 1));
  queue->add(ready_of(2, {entry_of(2, 1)}, 1));
  run();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_TRUE(durable.empty());
  EXPECT_EQ(message_count, 0u);
}

}  // namespace
}  // namespace alfheim::replica
