#include "replica/write_watch.h"

#include <gtest/gtest.h>

namespace alfheim::replica {
namespace {

TEST(WriteWatch, TellsHowLongNothingHasEnded) {
  WriteWatch watch(100);
  EXPECT_EQ(watch.waiting_ms(0, false, 1000), 0u);
  EXPECT_EQ(watch.waiting_ms(0, true, 1100), 100u);  // since it was last seen idle
  EXPECT_EQ(watch.waiting_ms(0, true, 1500), 500u);
  EXPECT_EQ(watch.waiting_ms(0, true, 1900), 900u);
  // One ended, the next is under way.
  EXPECT_EQ(watch.waiting_ms(1, true, 2000), 0u);
  EXPECT_EQ(watch.waiting_ms(1, true, 2400), 400u);
  EXPECT_EQ(watch.waiting_ms(2, false, 2800), 0u);
  for (uint64_t now_ms = 2900; now_ms < 9000; now_ms += 100) watch.waiting_ms(2, true, now_ms);
  EXPECT_EQ(watch.waiting_ms(2, true, 9000), 6200u);
}

// SIGSTOP, or a machine that is moved: the write has most likely ended, unheard yet.
TEST(WriteWatch, TimeInWhichTheProcessStoodStillIsNotTheDisks) {
  WriteWatch watch(100);
  watch.waiting_ms(0, false, 1000);
  watch.waiting_ms(0, true, 1100);
  EXPECT_EQ(watch.waiting_ms(0, true, 61'100), 600u);
  EXPECT_EQ(watch.waiting_ms(1, true, 61'200), 0u);
  // Where ticks are far apart, so are the calls.
  WriteWatch slow(2000);
  slow.waiting_ms(0, false, 10'000);
  EXPECT_EQ(slow.waiting_ms(0, true, 12'000), 2000u);
}

TEST(WriteWatch, ActsOnceOnEachHang) {
  WriteWatch watch(100);
  watch.waiting_ms(0, true, 1000);
  EXPECT_TRUE(watch.is_first_asked());
  watch.waiting_ms(0, true, 2000);
  EXPECT_FALSE(watch.is_first_asked());
  watch.waiting_ms(1, true, 3000);
  EXPECT_TRUE(watch.is_first_asked());
}

TEST(WriteWatch, AFullDiskIsLeftInTheFirstTermThatIsLedWithIt) {
  WriteWatch watch(100);
  EXPECT_FALSE(watch.wants_to_leave(false, 3));
  EXPECT_TRUE(watch.wants_to_leave(true, 3));
  EXPECT_TRUE(watch.wants_to_leave(true, 3));  // nobody has taken over yet
  EXPECT_FALSE(watch.wants_to_leave(true, 0));
  // It comes back to this node: the others are full, too, or gone.
  EXPECT_FALSE(watch.wants_to_leave(true, 5));
  // There was room meanwhile.
  EXPECT_FALSE(watch.wants_to_leave(false, 0));
  EXPECT_TRUE(watch.wants_to_leave(true, 7));
}

TEST(WriteWatch, AFullDiskOfAFollowerIsLeftOnceItLeads) {
  WriteWatch watch(100);
  EXPECT_FALSE(watch.wants_to_leave(true, 0));
  EXPECT_TRUE(watch.wants_to_leave(true, 4));
  EXPECT_FALSE(watch.wants_to_leave(true, 6));
}

}  // namespace
}  // namespace alfheim::replica
