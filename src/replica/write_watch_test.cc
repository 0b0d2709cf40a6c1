#include "replica/write_watch.h"

#include <gtest/gtest.h>

namespace alfheim::replica {
namespace {

TEST(WriteWatch, TellsHowLongNothingHasEnded) {
  WriteWatch watch;
  EXPECT_EQ(watch.waiting_ms(0, false, 1000), 0u);
  EXPECT_EQ(watch.waiting_ms(0, true, 1100), 100u);  // since it was last seen idle
  EXPECT_EQ(watch.waiting_ms(0, true, 1900), 900u);
  // One ended, the next is under way.
  EXPECT_EQ(watch.waiting_ms(1, true, 2000), 0u);
  EXPECT_EQ(watch.waiting_ms(1, true, 2700), 700u);
  EXPECT_EQ(watch.waiting_ms(2, false, 2800), 0u);
  EXPECT_EQ(watch.waiting_ms(2, true, 9000), 6200u);
}

TEST(WriteWatch, ActsOnceOnEachHang) {
  WriteWatch watch;
  watch.waiting_ms(0, true, 1000);
  EXPECT_TRUE(watch.is_first_asked());
  watch.waiting_ms(0, true, 2000);
  EXPECT_FALSE(watch.is_first_asked());
  watch.waiting_ms(1, true, 3000);
  EXPECT_TRUE(watch.is_first_asked());
}

TEST(WriteWatch, AFullDiskIsLeftInTheFirstTermThatIsLedWithIt) {
  WriteWatch watch;
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
  WriteWatch watch;
  EXPECT_FALSE(watch.wants_to_leave(true, 0));
  EXPECT_TRUE(watch.wants_to_leave(true, 4));
  EXPECT_FALSE(watch.wants_to_leave(true, 6));
}

}  // namespace
}  // namespace alfheim::replica
