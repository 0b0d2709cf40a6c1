#include "machine/unclaimed_fragments.h"

#include <gtest/gtest.h>

namespace alfheim::machine {
namespace {

using base::LogIndex;

types::FragmentList list_of(std::initializer_list<uint64_t> indexes) {
  types::FragmentList list;
  for (const uint64_t index : indexes) list.pieces.push_back({.index = LogIndex{index}});
  return list;
}

TEST(UnclaimedFragments, AreNoneBeforeAFragmentIsApplied) {
  EXPECT_FALSE(UnclaimedFragments().first());
}

TEST(UnclaimedFragments, HoldTheLogFromTheFirstOneUntilTheirCommandNamesThem) {
  UnclaimedFragments fragments;
  fragments.add(LogIndex{5});
  fragments.add(LogIndex{7});
  EXPECT_EQ(fragments.first(), LogIndex{5});
  fragments.claim(list_of({5, 7}));
  EXPECT_FALSE(fragments.first());
}

TEST(UnclaimedFragments, OfTheNextCommandStayWhenOneIsClaimed) {
  UnclaimedFragments fragments;
  for (const uint64_t index : {5, 6, 9}) fragments.add(LogIndex{index});
  fragments.claim(list_of({5, 6}));
  EXPECT_EQ(fragments.first(), LogIndex{9});
}

TEST(UnclaimedFragments, RestoredFromTheLogsStartStandForThePiecesBehindIt) {
  UnclaimedFragments fragments;
  fragments.restore(LogIndex{5});
  fragments.add(LogIndex{20});
  EXPECT_EQ(fragments.first(), LogIndex{5});
  // The log's start was an earlier piece, or lay a little before the first one.
  fragments.claim(list_of({6, 12, 20}));
  EXPECT_FALSE(fragments.first());
}

TEST(UnclaimedFragments, OfAnOlderTermAreNeverClaimed) {
  UnclaimedFragments fragments;
  fragments.add(LogIndex{5});
  fragments.start_term();
  EXPECT_FALSE(fragments.first());
}

}  // namespace
}  // namespace alfheim::machine
