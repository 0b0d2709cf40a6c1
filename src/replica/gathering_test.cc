#include "replica/gathering.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace alfheim::replica {
namespace {

// How many turns it takes until the write begins, if `queued` says what is open in each.
template <typename Queued>
uint32_t turns_of(Gathering& gathering, const Gathering::Limits& limits, Queued queued,
                  uint64_t turn_ns = 1000) {
  gathering.begin(limits, 1000);
  uint32_t turns = 0;
  while (gathering.goes_on(queued(turns), 1000 + turns * turn_ns)) {
    EXPECT_TRUE(gathering.is_on());
    ++turns;
  }
  EXPECT_FALSE(gathering.is_on());
  return turns;
}

TEST(Gathering, IsOffUntilAWriteHasEnded) { EXPECT_FALSE(Gathering().is_on()); }

class GatheringLimits : public testing::TestWithParam<Gathering::Limits> {
 protected:
  Gathering gathering_;
};

TEST_P(GatheringLimits, ABatchThatIsNotSmallGoesAtOnce) {
  EXPECT_EQ(turns_of(gathering_, GetParam(), [](uint32_t) { return GetParam().small_bytes; }), 0u);
}

TEST_P(GatheringLimits, WhereNothingComesItTakesTheFewTurnsThatRepliesNeed) {
  Gathering unused;
  EXPECT_EQ(turns_of(unused, GetParam(), [](uint32_t) { return 0u; }), Gathering::kTurnsMin);
  EXPECT_EQ(turns_of(gathering_, GetParam(), [](uint32_t) { return 30u; }), Gathering::kTurnsMin);
}

TEST_P(GatheringLimits, AsLongAsTurnsBringSomethingItGoesOnButNotForEver) {
  const auto growing = [](uint32_t turn) { return 30 * turn; };
  EXPECT_EQ(turns_of(gathering_, GetParam(), growing), GetParam().turns_max);
  EXPECT_EQ(turns_of(gathering_, GetParam(), [](uint32_t turn) { return 30 * std::min(turn, 8u); }),
            8 + GetParam().quiet_turns);
  // Until it is no longer small.
  const uint64_t fifth = GetParam().small_bytes / 5;
  EXPECT_EQ(turns_of(gathering_, GetParam(), [&](uint32_t turn) { return (fifth + 1) * turn; }),
            5u);
}

TEST_P(GatheringLimits, IsOverSoonWhereTurnsAreLong) {
  const uint64_t turn_ns = GetParam().longest_ns / 2;
  const auto growing = [](uint32_t turn) { return 30 * turn; };
  EXPECT_EQ(turns_of(gathering_, GetParam(), growing, turn_ns), 2u);
}

INSTANTIATE_TEST_SUITE_P(All, GatheringLimits,
                         testing::Values(Gathering::kAlone, Gathering::kInGroup));

}  // namespace
}  // namespace alfheim::replica
