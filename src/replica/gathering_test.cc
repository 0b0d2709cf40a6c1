#include "replica/gathering.h"

#include <gtest/gtest.h>

namespace alfheim::replica {
namespace {

// How many turns it takes until the write begins, if `queued` says what is open in each.
template <typename Queued>
uint32_t turns_of(Gathering& gathering, Queued queued, uint64_t turn_ns = 1000) {
  gathering.begin(1000);
  uint32_t turns = 0;
  while (gathering.goes_on(queued(turns), 1000 + turns * turn_ns)) {
    EXPECT_TRUE(gathering.is_on());
    ++turns;
  }
  EXPECT_FALSE(gathering.is_on());
  return turns;
}

TEST(Gathering, IsOffUntilAWriteHasEnded) { EXPECT_FALSE(Gathering().is_on()); }

TEST(Gathering, ABatchThatIsNotSmallGoesAtOnce) {
  Gathering gathering;
  EXPECT_EQ(turns_of(gathering, [](uint32_t) { return Gathering::kSmallBytes; }), 0u);
}

TEST(Gathering, WhereNothingComesItTakesTheFewTurnsThatRepliesNeed) {
  Gathering gathering;
  EXPECT_EQ(turns_of(gathering, [](uint32_t) { return 0u; }), Gathering::kTurnsMin);
  EXPECT_EQ(turns_of(gathering, [](uint32_t) { return 30u; }), Gathering::kTurnsMin);
}

TEST(Gathering, AsLongAsTurnsBringSomethingItGoesOnButNotForEver) {
  Gathering gathering;
  EXPECT_EQ(turns_of(gathering, [](uint32_t turn) { return 30 * turn; }), Gathering::kTurnsMax);
  EXPECT_EQ(turns_of(gathering, [](uint32_t turn) { return 30 * std::min(turn, 8u); }),
            8 + Gathering::kQuietTurns);
  // Until it is no longer small.
  EXPECT_EQ(turns_of(gathering, [](uint32_t turn) { return 1000 * turn; }), 5u);
}

TEST(Gathering, IsOverSoonWhereTurnsAreLong) {
  Gathering gathering;
  const uint64_t turn_ns = Gathering::kLongestNs / 2;
  EXPECT_EQ(turns_of(
                gathering, [](uint32_t turn) { return 30 * turn; }, turn_ns),
            2u);
}

}  // namespace
}  // namespace alfheim::replica
