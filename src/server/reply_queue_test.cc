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

}  // namespace
}  // namespace alfheim::server
