#include "replica/lag_clock.h"

#include <gtest/gtest.h>

namespace alfheim::replica {
namespace {

using base::LogIndex;

TEST(LagClock, CountsWhatCameSinceThePeersEnd) {
  LagClock lag;
  EXPECT_EQ(lag.of(LogIndex{1}).ms, 0u);
  lag.note(LogIndex{10}, 1000, 100);
  lag.note(LogIndex{20}, 3000, 200);
  lag.note(LogIndex{30}, 6000, 300);
  EXPECT_EQ(lag.of(LogIndex{30}).entries, 0u);
  EXPECT_EQ(lag.of(LogIndex{31}).ms, 0u);  // it is ahead of the note
  const Lag one = lag.of(LogIndex{25});
  EXPECT_EQ(one.entries, 5u);
  EXPECT_EQ(one.bytes, 3000u);
  EXPECT_EQ(one.ms, 100u);
  const Lag most = lag.of(LogIndex{2});  // before all notes
  EXPECT_EQ(most.entries, 28u);
  EXPECT_EQ(most.bytes, 5000u);
  EXPECT_EQ(most.ms, 200u);
}

// A peer that held all of an idle group lags from when the next entry came, and not from the last.
TEST(LagClock, IdleTimeIsNoLag) {
  LagClock lag;
  for (uint64_t ms = 100; ms <= 100'000; ms += 100) lag.note(LogIndex{10}, 1000, ms);
  lag.note(LogIndex{11}, 1100, 100'100);
  EXPECT_EQ(lag.of(LogIndex{10}).ms, 100u);
}

TEST(LagClock, ALogThatWasCutBeginsAnew) {
  LagClock lag;
  lag.note(LogIndex{20}, 3000, 100);
  lag.note(LogIndex{15}, 3100, 200);
  lag.note(LogIndex{16}, 3200, 300);
  EXPECT_EQ(lag.of(LogIndex{15}).bytes, 100u);
  EXPECT_EQ(lag.of(LogIndex{15}).ms, 100u);
}

}  // namespace
}  // namespace alfheim::replica
