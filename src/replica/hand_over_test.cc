#include "replica/hand_over.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "replica/testing_group.h"

namespace alfheim::replica {
namespace {

using base::NodeId;

TEST(HandOver, TheNamedVoterLeadsAtOnce) {
  Group group;
  EXPECT_EQ(*group.order({.to = NodeId{3}}), "ok");
  EXPECT_TRUE(group.node(3).is_leader());
  EXPECT_FALSE(group.hand_over->is_on());
  EXPECT_FALSE(group.hand_over->holds_back());
}

TEST(HandOver, UnnamedItIsTheFurthestThatIsConnected) {
  Group behind;
  behind.cut(2);
  ASSERT_TRUE(behind.propose().is_ok());
  behind.heal();
  EXPECT_EQ(*behind.order({}), "ok");
  EXPECT_TRUE(behind.node(3).is_leader());

  Group apart;
  apart.links.connected = {2};
  EXPECT_EQ(*apart.order({}), "ok");
  EXPECT_TRUE(apart.node(2).is_leader());

  Group alone;
  alone.links.connected = {};
  EXPECT_EQ(*alone.order({}), "no other voter is connected");
  EXPECT_TRUE(alone.node(1).is_leader());
}

TEST(HandOver, WhoDoesNotAnswerIsTakenOnlyWhereNobodyElseIsConnected) {
  Group group;
  group.tick();
  group.cut(2);
  group.tick(7);
  ASSERT_EQ(group.hand_over->best_voter().value(), NodeId{3}) << "nodes 2 and 3 hold the same";
  group.links.connected = {2};
  EXPECT_EQ(group.hand_over->best_voter().value(), NodeId{2});
  group.links.connected = {2, 3};
  EXPECT_EQ(*group.order({}), "ok");
  EXPECT_TRUE(group.node(3).is_leader());
}

TEST(HandOver, WritesGoOnWhileTheTargetCatchesUp) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}, .timeout_ms = 5000});
  group.tick(3);
  EXPECT_EQ(*told, "");
  EXPECT_EQ(group.hand_over->phase(), HandOverPhase::kCatchingUp);
  EXPECT_FALSE(group.hand_over->holds_back());
  EXPECT_TRUE(group.propose().is_ok());
  group.heal();
  group.tick(2);
  EXPECT_EQ(*told, "ok");
  EXPECT_TRUE(group.node(2).is_leader());
}

TEST(HandOver, ATargetThatStaysAwayIsWaitedForSoLongAndNoLonger) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}, .timeout_ms = 500});
  group.tick(4);
  EXPECT_EQ(*told, "");
  group.tick(1);
  EXPECT_EQ(*told, "node 0000000000000002 did not catch up within 500 ms");
  EXPECT_TRUE(group.node(1).is_leader());
  EXPECT_TRUE(group.propose().is_ok());
}

TEST(HandOver, UnreadyItIsTriedAndGivenUpWithinAnElectionTimeout) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}, .timeout_ms = 200, .goes_unready = true});
  group.tick(2);
  EXPECT_EQ(group.hand_over->phase(), HandOverPhase::kUnderWay);
  EXPECT_TRUE(group.hand_over->holds_back());
  EXPECT_FALSE(group.propose().is_ok());
  group.tick(5);
  EXPECT_EQ(*told, "node 0000000000000002 did not take over within an election timeout of 500 ms");
  EXPECT_FALSE(group.hand_over->holds_back());
  EXPECT_TRUE(group.propose().is_ok());
}

TEST(HandOver, WhatIsHalfDoneEndsFirst) {
  Group group;
  const auto told = group.order({.to = NodeId{2}}, true);
  EXPECT_EQ(*told, "");
  EXPECT_EQ(group.hand_over->phase(), HandOverPhase::kEnding);
  EXPECT_TRUE(group.hand_over->holds_back());
  EXPECT_TRUE(group.propose().is_ok());  // its last piece
  group.tick();
  EXPECT_EQ(*told, "ok");
}

TEST(HandOver, ASecondOrderJoinsOrIsRefused) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto first = group.order({.to = NodeId{2}});
  EXPECT_EQ(*group.order({.to = NodeId{3}}), "leadership is being handed over already");
  EXPECT_EQ(*group.order({}), "leadership is being handed over already");
  const auto same = group.order({.to = NodeId{2}});
  group.heal();
  group.tick(2, true);
  ASSERT_EQ(group.hand_over->phase(), HandOverPhase::kEnding);
  const auto joined = group.order({.joins = true}, true);
  EXPECT_EQ(*joined, "");
  group.tick();
  EXPECT_EQ(*first, "ok");
  EXPECT_EQ(*same, "ok");
  EXPECT_EQ(*joined, "ok");
  EXPECT_TRUE(group.node(2).is_leader());
}

// A node that stops joins: an order without a timeout whose target is down must not keep it from
// handing over to one that is there.
TEST(HandOver, WhoJoinsDoesNotWaitForATargetThatHasYetToCatchUp) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto first = group.order({.to = NodeId{2}});
  group.tick(3);
  EXPECT_EQ(*first, "");
  const auto joined = group.order({.timeout_ms = 250, .joins = true});
  EXPECT_EQ(*first, "another order took its place");
  EXPECT_EQ(*joined, "ok");
  EXPECT_TRUE(group.node(3).is_leader());
}

TEST(HandOver, ATargetThatVotesNoMoreIsNotWaitedFor) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}});
  group.tick();
  EXPECT_EQ(*told, "");
  group.roster->begin({.kind = raft::ChangeKind::kRemove, .member = {.id = NodeId{2}}},
                      [](const base::Status&) {});
  group.settle();
  group.tick(2);
  EXPECT_EQ(*told, "node 0000000000000002 is a voter no more");
  EXPECT_FALSE(group.hand_over->is_on());
}

TEST(HandOver, ItIsCalledOffUntilTheElectionBegins) {
  Group group;
  EXPECT_EQ(group.hand_over->abort().error().code, base::ErrorCode::kNotFound);
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}});
  EXPECT_TRUE(group.hand_over->abort().is_ok());
  EXPECT_EQ(*told, "it was called off");
  EXPECT_FALSE(group.hand_over->is_on());
  const auto unready = group.order({.to = NodeId{2}, .timeout_ms = 100, .goes_unready = true});
  group.tick(1);
  EXPECT_EQ(group.hand_over->abort().error().code, base::ErrorCode::kUnavailable);
  EXPECT_EQ(*unready, "");
}

TEST(HandOver, WhoDoesNotLeadHasNothingToGive) {
  Group group;
  EXPECT_EQ(*group.order({.to = NodeId{1}}), "ok");  // it leads already
  EXPECT_EQ(*group.order({.to = NodeId{9}}), "node 0000000000000009 is no voter");
  ASSERT_EQ(*group.order({.to = NodeId{2}}), "ok");
  EXPECT_EQ(*group.order({.to = NodeId{3}}), "this node does not lead");
}

TEST(HandOver, AnotherThanTheNamedOneIsNoSuccess) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}});
  ASSERT_TRUE(group.node(1).transfer_leadership(NodeId{3}).is_ok());
  group.tick(2);
  ASSERT_TRUE(group.node(3).is_leader());
  EXPECT_EQ(*told, "node 0000000000000003 leads instead");
}

TEST(HandOver, NobodyWaitsForANodeThatStops) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}});
  group.hand_over->give_up();
  group.hand_over->give_up();
  EXPECT_EQ(*told, "the node stops");
}

}  // namespace
}  // namespace alfheim::replica
