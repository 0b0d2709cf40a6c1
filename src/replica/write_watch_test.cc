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

}  // namespace
}  // namespace alfheim::replica
