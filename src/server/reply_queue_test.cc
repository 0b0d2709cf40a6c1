#include "server/reply_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace alfheim::server {
namespace {

TEST(ReplyQueue, AReplyThatNothingWaitsBeforeGoesStraightOut) {
  ReplyQueue queue;
  EXPECT_TRUE(queue.is_direct());
  queue.add_ready("+A\r\n", false);
  queue.add_ready("+B\r\n", false);
  EXPECT_EQ(queue.output(), "+A\r\n+B\r\n");
  EXPECT_TRUE(queue.is_direct());
  EXPECT_EQ(queue.held_bytes(), 0u);
}

TEST(ReplyQueue, EarlyRepliesWaitForTheSlotsBeforeThem) {
  ReplyQueue queue;
  const uint64_t first = queue.add_pending(false);
  const uint64_t second = queue.add_pending(false);
  queue.add_ready("+3\r\n", false);
  const uint64_t fourth = queue.add_pending(false);
  EXPECT_FALSE(queue.is_direct());
  queue.fill(fourth, "+4\r\n");
  queue.fill(second, "+2\r\n");
  EXPECT_EQ(queue.output(), "");
  EXPECT_EQ(queue.held_bytes(), 12u);
  EXPECT_EQ(queue.pending_count(), 1u);
  queue.fill(first, "+1\r\n");
  EXPECT_EQ(queue.output(), "+1\r\n+2\r\n+3\r\n+4\r\n");
  EXPECT_EQ(queue.held_bytes(), 0u);
  EXPECT_FALSE(queue.has_pending());
  EXPECT_TRUE(queue.is_direct());
}

TEST(ReplyQueue, WhatIsReadyAtTheFrontLeavesBeforeTheRest) {
  ReplyQueue queue;
  const uint64_t first = queue.add_pending(false);
  const uint64_t second = queue.add_pending(false);
  const uint64_t third = queue.add_pending(false);
  queue.fill(first, "+1\r\n");
  EXPECT_EQ(queue.output(), "+1\r\n");
  queue.fill(third, "+3\r\n");
  EXPECT_EQ(queue.output(), "+1\r\n");
  queue.output().clear();  // the session took it
  queue.fill(second, "+2\r\n");
  EXPECT_EQ(queue.output(), "+2\r\n+3\r\n");
}

TEST(ReplyQueue, MutedSlotsKeepTheirPlaceAndSendNothing) {
  ReplyQueue queue;
  queue.add_ready("+gone\r\n", true);
  EXPECT_EQ(queue.output(), "");
  const uint64_t muted = queue.add_pending(true);
  const uint64_t loud = queue.add_pending(false);
  const uint64_t muted_behind = queue.add_pending(true);
  queue.add_ready("+gone\r\n", true);
  queue.add_ready("+last\r\n", false);
  queue.fill(muted_behind, "+gone\r\n");
  EXPECT_EQ(queue.held_bytes(), 7u);  // of +last alone
  queue.fill(loud, "+loud\r\n");
  EXPECT_EQ(queue.output(), "");
  queue.fill(muted, "+gone\r\n");
  EXPECT_EQ(queue.output(), "+loud\r\n+last\r\n");
  EXPECT_TRUE(queue.is_direct());
}

TEST(ReplyQueue, SlotsAreBounded) {
  ReplyQueue queue;
  std::vector<uint64_t> slots;
  for (size_t i = 0; i < ReplyQueue::kSlotsMax; ++i) {
    EXPECT_FALSE(queue.is_full());
    slots.push_back(queue.add_pending(false));
  }
  EXPECT_TRUE(queue.is_full());
  queue.fill(slots.front(), "+\r\n");
  EXPECT_FALSE(queue.is_full());
}

TEST(ReplyQueueDeathTest, ASlotIsFilledOnce) {
  ReplyQueue queue;
  queue.add_pending(false);
  const uint64_t second = queue.add_pending(false);
  queue.fill(second, "+\r\n");
  EXPECT_DEATH(queue.fill(second, "+\r\n"), "");
  EXPECT_DEATH(queue.fill(99, "+\r\n"), "");
}

// Runs of replies: whatever stands before, between and behind them, each keeps its place.
TEST(ReplyQueue, ARunOfRepliesFillsItsSlotsInOrder) {
  const std::string bytes = "xx+1\r\n+22\r\n+333\r\n";
  const std::vector<size_t> ends = {6, 11, 17};
  for (const bool is_front : {true, false}) {
    for (const int muted : {-1, 0, 1, 2, 3}) {
      ReplyQueue queue;
      const uint64_t before = is_front ? 0 : queue.add_pending(false);
      const uint64_t first = queue.add_pending(muted == 0);
      queue.add_pending(muted == 1);
      queue.add_pending(muted == 2);
      const uint64_t behind = queue.add_pending(muted == 3);
      queue.fill_run(first, bytes, 2, ends);
      EXPECT_EQ(queue.pending_count(), is_front ? 1u : 2u);
      std::string expected;
      if (!is_front) {
        EXPECT_EQ(queue.output(), "");
        queue.fill(before, "+0\r\n");
        expected = "+0\r\n";
      }
      if (muted != 0) expected += "+1\r\n";
      if (muted != 1) expected += "+22\r\n";
      if (muted != 2) expected += "+333\r\n";
      EXPECT_EQ(queue.output(), expected) << is_front << muted;
      queue.fill(behind, "+last\r\n");
      if (muted != 3) expected += "+last\r\n";
      EXPECT_EQ(queue.output(), expected) << is_front << muted;
      EXPECT_TRUE(queue.is_direct());
      EXPECT_EQ(queue.held_bytes(), 0u);
    }
  }
}

TEST(ReplyQueue, ARunTakesWhatIsReadyBehindItAlong) {
  ReplyQueue queue;
  const uint64_t first = queue.add_pending(false);
  queue.add_pending(false);
  queue.add_ready("+ready\r\n", false);
  const std::vector<size_t> ends = {4, 8};
  queue.fill_run(first, "+1\r\n+2\r\n", 0, ends);
  EXPECT_EQ(queue.output(), "+1\r\n+2\r\n+ready\r\n");
  EXPECT_TRUE(queue.is_direct());
}

TEST(ReplyQueue, AWholeReplyKeepsItsPlace) {
  for (const bool is_first : {true, false}) {
    for (const bool is_muted : {true, false}) {
      for (const bool has_output : {true, false}) {
        ReplyQueue queue;
        std::string expected = has_output ? "+there\r\n" : "";
        if (has_output) queue.add_ready("+there\r\n", false);
        const uint64_t first = queue.add_pending(false);
        const uint64_t second = queue.add_pending(is_muted);
        queue.add_ready("+ready\r\n", false);
        const auto one = std::make_shared<const base::Bytes>("+1\r\n");
        const auto two = std::make_shared<const base::Bytes>("+2\r\n");
        if (is_first) queue.fill_whole(first, one);
        queue.fill_whole(second, two);
        if (!is_first) {
          EXPECT_EQ(queue.ready_bytes(), expected.size());
          queue.fill_whole(first, one);
        }
        expected += is_muted ? "+1\r\n+ready\r\n" : "+1\r\n+2\r\n+ready\r\n";
        EXPECT_EQ(queue.ready_bytes(), expected.size());
        std::string sent;
        std::vector<ReplyQueue::Whole> pieces = queue.take_pieces();
        for (const ReplyQueue::Whole& piece : pieces) sent += *piece;
        EXPECT_EQ(sent + queue.output(), expected) << is_first << is_muted << has_output;
        // Not copied.
        const size_t one_at = has_output ? 1 : 0;
        ASSERT_EQ(pieces.size(), one_at + (is_muted ? 1 : 2));
        EXPECT_EQ(pieces[one_at], one);
        EXPECT_TRUE(is_muted || pieces.back() == two);
        EXPECT_EQ(queue.ready_bytes(), queue.output().size());
        EXPECT_TRUE(queue.is_direct());
        EXPECT_EQ(queue.held_bytes(), 0u);
        EXPECT_EQ(queue.pending_count(), 0u);
      }
    }
  }
}

TEST(ReplyQueue, FromAMutedSlotOnNothingIsSent) {
  ReplyQueue queue;
  const uint64_t first = queue.add_pending(false);
  const uint64_t second = queue.add_pending(false);
  queue.add_ready("three", false);
  const uint64_t fourth = queue.add_pending(false);
  EXPECT_EQ(queue.next_slot(), fourth + 1);
  queue.mute_from(second);
  EXPECT_EQ(queue.held_bytes(), 0u);
  queue.fill(fourth, "four");
  queue.fill(second, "two");
  EXPECT_TRUE(queue.has_pending());
  queue.fill(first, "one");
  EXPECT_EQ(queue.output(), "one");
  EXPECT_FALSE(queue.has_pending());
  // Later ones have their own say.
  queue.add_ready("five", false);
  EXPECT_EQ(queue.output(), "onefive");
}

}  // namespace
}  // namespace alfheim::server
