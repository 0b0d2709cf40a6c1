// Leases: what a leader may believe of the voters' promise, and who keeps it how long.
#include <gtest/gtest.h>

#include "raft/node_testing.h"
#include "raft/one_node_testing.h"

namespace alfheim::raft {
namespace {

using base::LogIndex;
using base::NodeId;
using base::Term;

Node::Options lease_options() {
  Node::Options with = options();
  with.read_mode = ReadMode::kLease;
  return with;
}

void pass_ticks(Node& node, int count) {
  for (int i = 0; i < count; ++i) {
    node.tick();
    finish(node);
  }
}

// Node 1 of three leads in term 1.
Node elected() {
  Node node(lease_options(), restored({.nodes = 3}));
  pass_ticks(node, 10);
  node.campaign();
  for (const bool is_pre_vote : {true, false}) {
    finish(node);
    node.step(from(2, 1, VoteResponse{.is_pre_vote = is_pre_vote, .is_granted = true}));
  }
  finish(node);
  return node;
}

// And its no-op is committed.
Node established() {
  Node node = elected();
  node.step(from(2, 1, AppendResponse{.match = LogIndex{1}}));
  finish(node);
  EXPECT_TRUE(node.is_leader_established());
  return node;
}

// Ten ticks of 100 ms, as the leader's.
constexpr uint64_t kPromiseMs = 1000;

void answer(Node& node, uint64_t id, uint64_t round, uint64_t promise_ms = kPromiseMs) {
  node.step(from(id, 1, HeartbeatResponse{.round = round, .promise_ms = promise_ms}));
}

TEST(Lease, IsTheNewestRoundThatAQuorumAnswered_ReadOnlyOptionLease) {
  Node node = established();
  EXPECT_EQ(node.lease(), 0u);
  for (uint64_t round = 1; round <= 3; ++round) {
    node.tick();
    EXPECT_EQ(finish(node).heartbeat_round, round);  // each heartbeat is a round of its own
  }
  answer(node, 2, 1);
  EXPECT_EQ(node.lease(), 1u);  // a late answer proves no more than what it answers
  answer(node, 3, 3);
  EXPECT_EQ(node.lease(), 3u);
  answer(node, 2, 2);
  EXPECT_EQ(node.lease(), 3u);
  answer(node, 2, 9);  // was never sent
  EXPECT_EQ(node.lease(), 3u);
  EXPECT_EQ(node.status().messages_ignored, 1u);
  node.step(from(2, 2, Heartbeat{}));
  EXPECT_EQ(node.lease(), 0u);
}

TEST(Lease, NeedsAnEntryOfTheTerm_ReadOnlyForNewLeader) {
  Node node = elected();
  node.tick();
  finish(node);
  answer(node, 2, 1);
  EXPECT_EQ(node.lease(), 0u);
  node.step(from(2, 1, AppendResponse{.match = LogIndex{1}}));
  EXPECT_EQ(node.lease(), 1u);
}

TEST(Lease, IsGoneBeforeAHandOverAndForTheRestOfTheTerm) {
  Node node = established();
  node.tick();
  finish(node);
  answer(node, 2, 1);
  ASSERT_EQ(node.lease(), 1u);
  ASSERT_TRUE(node.transfer_leadership(NodeId{3}).is_ok());  // which lacks the log: nothing is sent
  EXPECT_EQ(node.lease(), 0u);
  for (int i = 0; i < 10; ++i) {
    node.tick();
    finish(node);
    answer(node, 2, 2 + static_cast<uint64_t>(i));
  }
  EXPECT_EQ(node.lease(), 11u);  // given up, and nobody was told to break a promise
  ASSERT_TRUE(node.transfer_leadership(NodeId{2}).is_ok());
  EXPECT_EQ(bodies<TransferNow>(finish(node)).size(), 1u);
  for (int i = 0; i < 30; ++i) {
    node.tick();
    const uint64_t round = finish(node).heartbeat_round;
    answer(node, 2, round);
    EXPECT_EQ(node.lease(), 0u);  // what was sent may still arrive
  }
  EXPECT_TRUE(node.is_leader());
}

// A node in another mode, or with shorter timers, may elect somebody else before the lease ends.
TEST(Lease, CountsOnThoseAloneWhoPromiseAsMuch) {
  Node node = established();
  node.tick();
  finish(node);
  answer(node, 2, 1, 0);
  answer(node, 3, 1, kPromiseMs - 1);
  EXPECT_EQ(node.lease(), 0u);
  answer(node, 3, 1);
  EXPECT_EQ(node.lease(), 1u);
  EXPECT_FALSE(node.status().peers[0].has_promised);
  EXPECT_TRUE(node.status().peers[1].has_promised);
}

TEST(Lease, OnlyAFollowerInLeaseModePromises) {
  for (const ReadMode mode : {ReadMode::kLease, ReadMode::kReadIndex}) {
    Node::Options with = options();
    with.read_mode = mode;
    with.tick_ms = 50;
    Node node(with, restored({.nodes = 3, .term = 1}));
    node.step(from(2, 1, Heartbeat{.round = 1}));
    const auto answers = bodies<HeartbeatResponse>(finish(node));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].promise_ms, mode == ReadMode::kLease ? 500u : 0u);
  }
}

// It was in lease mode before it stopped, perhaps with longer timers.
TEST(Lease, WhatAnEarlierLifePromisedIsKeptInAnyMode) {
  for (const int ticks : {0, 14, 15}) {
    Node::Options with = options();
    with.promised_ms = 1450;
    Node node(with, restored({.nodes = 3, .term = 1}));
    pass_ticks(node, ticks);
    node.step(from(3, 5, VoteRequest{}));
    EXPECT_EQ(bodies<VoteResponse>(finish(node)).size(), ticks == 15 ? 1u : 0u);
  }
}

TEST(Lease, AJointLeaseNeedsBothMajorities) {
  Node node = established();
  ASSERT_TRUE(node.propose_configuration_change(
                      {.kind = ChangeKind::kDemote, .member = {NodeId{3}, "", "", 0}})
                  .is_ok());
  finish(node);
  node.tick();
  finish(node);
  answer(node, 3, 1);
  EXPECT_EQ(node.lease(), 0u);
  answer(node, 2, 1);
  EXPECT_EQ(node.lease(), 1u);
}

TEST(Lease, IsShorterThanThePromiseByATickAndTheDrift) {
  Node::Options with = lease_options();
  with.clock_drift_permille = 100;
  EXPECT_EQ(Node(with, restored({.nodes = 3})).lease_ms(), 810u);
}

// A vote that is asked for `ticks` ticks after the leader's heartbeat was answered.
bool is_granted(uint64_t ticks, bool is_transfer, bool loses_its_leader) {
  Node node(lease_options(), restored({.nodes = 3, .term = 1}));
  pass_ticks(node, 9);
  node.step(from(2, 1, Heartbeat{.round = 1}));
  finish(node);
  // A message of a later term makes the node forget its leader, but not its promise.
  if (loses_its_leader) node.step(from(3, 2, ReadResponse{}));
  finish(node);
  pass_ticks(node, static_cast<int>(ticks));
  node.step(from(3, loses_its_leader ? 2 : 5, VoteRequest{.is_transfer = is_transfer}));
  for (const VoteResponse& response : bodies<VoteResponse>(finish(node))) {
    if (response.is_granted) return true;
  }
  return false;
}

TEST(Lease, AVoterKeepsItsPromise) {
  for (const bool loses_its_leader : {false, true}) {
    EXPECT_FALSE(is_granted(0, false, loses_its_leader));
    EXPECT_FALSE(is_granted(9, false, loses_its_leader));
    EXPECT_TRUE(is_granted(10, false, loses_its_leader));
    EXPECT_TRUE(is_granted(0, true, loses_its_leader));  // the leader itself asked for it
  }
}

TEST(Lease, AVoterThatRestartedKeepsWhatItMayHavePromised) {
  for (const ReadMode mode : {ReadMode::kLease, ReadMode::kReadIndex}) {
    for (const bool is_transfer : {false, true}) {
      for (const int ticks : {0, 9, 10}) {
        Node::Options with = options();
        with.read_mode = mode;
        Node node(with, restored({.nodes = 3, .term = 1}));
        pass_ticks(node, ticks);
        node.campaign();  // nor does it elect itself
        const bool may = mode == ReadMode::kReadIndex || ticks == 10;
        EXPECT_EQ(node.soft_state().role == RoleKind::kPreCandidate, may);
        finish(node);
        node.step(from(3, 5, VoteRequest{.is_transfer = is_transfer}));
        EXPECT_EQ(bodies<VoteResponse>(finish(node)).size(), may || is_transfer ? 1u : 0u);
      }
    }
  }
}

TEST(Lease, WhoWasAlwaysAloneHasPromisedNothing) {
  Node alone(lease_options(), restored({}));
  alone.tick();
  finish(alone);
  EXPECT_TRUE(alone.is_leader());
  RestoredState state = restored({});
  state.configuration.retired = {NodeId{2}};  // which may have led us a moment ago
  Node left(lease_options(), state);
  pass_ticks(left, 9);
  EXPECT_FALSE(left.is_leader());
  pass_ticks(left, 2);
  EXPECT_TRUE(left.is_leader());
}

TEST(Follower, AForwardedReadWhoseAnswerWasLostIsRefused) {
  Node node(options(), restored({.nodes = 3, .term = 1}));
  node.step(from(2, 1, Heartbeat{}));
  finish(node);
  ASSERT_TRUE(node.read_index(ReadId{1}).is_ok());
  finish(node);
  for (int i = 0; i < 9; ++i) {
    node.step(from(2, 1, Heartbeat{}));
    node.tick();
  }
  ASSERT_TRUE(node.read_index(ReadId{2}).is_ok());
  node.step(from(2, 1, Heartbeat{}));
  EXPECT_TRUE(finish(node).reads_refused.empty());
  node.tick();
  EXPECT_EQ(finish(node).reads_refused, (std::vector<ReadId>{ReadId{1}}));
  node.step(from(2, 1, ReadResponse{}));  // of another life: nobody waits
  EXPECT_TRUE(finish(node).reads.empty());
}

}  // namespace
}  // namespace alfheim::raft
