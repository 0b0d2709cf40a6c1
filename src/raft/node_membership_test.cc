// One node and its membership: what a leader counts, and when it may change anything.
#include <gtest/gtest.h>

#include "raft/membership.h"
#include "raft/node_testing.h"
#include "raft/one_node_testing.h"

namespace alfheim::raft {
namespace {

using base::ErrorCode;
using base::LogIndex;
using base::NodeId;
using base::Term;

Change change(ChangeKind kind, uint64_t id) {
  return {.kind = kind, .member = {.id = NodeId{id}, .name = {}, .address = {}}};
}

// The leader of `nodes` nodes, whose no-op 1 is committed.
Node established(uint64_t nodes) {
  Node node(options(), restored({.nodes = nodes}));
  node.campaign();
  for (const bool is_pre_vote : {true, false}) {
    finish(node);
    for (uint64_t id = 2; id <= nodes; ++id) {
      if (node.is_leader()) break;
      node.step(from(id, 1, VoteResponse{.is_pre_vote = is_pre_vote, .is_granted = true}));
    }
  }
  finish(node);
  for (uint64_t id = 2; id <= nodes; ++id) {
    node.step(from(id, 1, AppendResponse{.match = LogIndex{1}}));
  }
  finish(node);
  EXPECT_TRUE(node.is_leader_established());
  return node;
}

void acknowledge(Node& node, uint64_t id, uint64_t match) {
  node.step(from(id, 1, AppendResponse{.match = LogIndex{match}}));
  finish(node);
}

TEST(NodeMembership, NothingChangesBeforeAnEntryOfTheTermIsCommitted_StepConfig) {
  Node node = leader_of_three();
  finish(node);
  const auto refused = node.propose_configuration_change(change(ChangeKind::kRemove, 3));
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  acknowledge(node, 2, 1);
  EXPECT_TRUE(node.propose_configuration_change(change(ChangeKind::kRemove, 3)).is_ok());
}

TEST(NodeMembership, OneChangeAtATime_StepIgnoreConfig_confchange_v2_add_double_implicit) {
  Node node = established(3);
  EXPECT_EQ(node.propose_configuration_change(change(ChangeKind::kAddLearner, 3)).error().code,
            ErrorCode::kInvalidArgument);
  ASSERT_EQ(*node.propose_configuration_change(change(ChangeKind::kAddLearner, 4)), LogIndex{2});
  finish(node);
  EXPECT_EQ(node.configuration().everybody().size(), 4u);  // in force at once
  EXPECT_EQ(node.status().configuration_index, LogIndex{2});
  EXPECT_EQ(node.propose_configuration_change(change(ChangeKind::kAddLearner, 5)).error().code,
            ErrorCode::kUnavailable);
  acknowledge(node, 2, 2);
  EXPECT_TRUE(node.propose_configuration_change(change(ChangeKind::kAddLearner, 5)).is_ok());
}

TEST(NodeMembership, OnlyALeaderChangesAnything_ProposeConfig) {
  Node node(options(), restored({.nodes = 3}));
  EXPECT_EQ(node.propose_configuration_change(change(ChangeKind::kRemove, 3)).error().code,
            ErrorCode::kUnavailable);
}

TEST(NodeMembership, LearnersNeverCount) {
  Node node = established(3);
  for (const uint64_t id : {4, 5}) {
    ASSERT_TRUE(node.propose_configuration_change(change(ChangeKind::kAddLearner, id)).is_ok());
    finish(node);
    acknowledge(node, 2, node.status().last.value);
  }
  const Proposal one = proposal("a");
  ASSERT_EQ(*node.propose({&one, 1}), LogIndex{4});
  finish(node);
  for (const uint64_t id : {4, 5}) acknowledge(node, id, 4);
  EXPECT_EQ(node.status().commit, LogIndex{3});
  acknowledge(node, 3, 4);
  EXPECT_EQ(node.status().commit, LogIndex{4});
}

TEST(NodeMembership, AJointDecisionNeedsBothMajorities_CommitAfterRemoveNode) {
  Node node = established(5);
  ASSERT_TRUE(node.propose_configuration_change(change(ChangeKind::kRemove, 5)).is_ok());
  finish(node);
  EXPECT_EQ(describe(node.configuration()), "voters=1,2,3,4 outgoing=1,2,3,4,5");
  acknowledge(node, 5, 2);
  acknowledge(node, 2, 2);
  EXPECT_EQ(node.status().commit, LogIndex{1});  // 3 of 5, but only 2 of 4
  acknowledge(node, 3, 2);
  EXPECT_EQ(node.status().commit, LogIndex{2});
  // It leaves by itself, and who is gone counts no more.
  EXPECT_EQ(describe(node.configuration()), "voters=1,2,3,4 retired=5");
  EXPECT_EQ(node.status().last, LogIndex{3});
  acknowledge(node, 2, 3);
  acknowledge(node, 5, 3);
  EXPECT_EQ(node.status().commit, LogIndex{2});
  acknowledge(node, 3, 3);
  EXPECT_EQ(node.status().commit, LogIndex{3});
}

TEST(NodeMembership, AMajorityOfTheOldSetAloneDecidesNothingEither_joint_commit) {
  // 1, 2 and 3 vote; 2 and 3 have ceased in favour of nobody: demote both, one after the other.
  Node node = established(3);
  ASSERT_TRUE(node.propose_configuration_change(change(ChangeKind::kDemote, 3)).is_ok());
  finish(node);
  acknowledge(node, 3, 2);
  EXPECT_EQ(node.status().commit, LogIndex{1});  // 2 of 3, but 1 of the incoming 2
  acknowledge(node, 2, 2);
  EXPECT_EQ(describe(node.configuration()), "voters=1,2 learners=3");
  acknowledge(node, 2, 3);
  ASSERT_TRUE(node.propose_configuration_change(change(ChangeKind::kDemote, 2)).is_ok());
  finish(node);
  // The incoming majority is node 1 alone, the outgoing one is not.
  EXPECT_EQ(node.status().commit, LogIndex{3});
  acknowledge(node, 2, 4);
  EXPECT_EQ(node.status().commit, LogIndex{5});
  EXPECT_TRUE(node.configuration().is_sole_voter(NodeId{1}));
}

TEST(NodeMembership, WhoIsCutOffFromTheNewcomersStepsDown_AddNodeCheckQuorum) {
  Node node = established(1 + 1);
  ASSERT_TRUE(node.propose_configuration_change(change(ChangeKind::kAddLearner, 3)).is_ok());
  finish(node);
  acknowledge(node, 2, 2);
  acknowledge(node, 3, 2);
  ASSERT_TRUE(node.propose_configuration_change(change(ChangeKind::kPromote, 3)).is_ok());
  for (int i = 0; i < 10; ++i) node.tick();
  EXPECT_TRUE(node.is_leader());
  for (int i = 0; i < 10; ++i) {
    node.step(from(3, 1, HeartbeatResponse{}));  // the newcomer alone is not the outgoing majority
    node.tick();
  }
  EXPECT_FALSE(node.is_leader());
}

RestoredState with_configuration_at_2(uint64_t applied) {
  RestoredState state = restored({.nodes = 3, .terms = {1, 1, 1}, .term = 1, .applied = applied});
  Configuration next = make_configuration(std::vector<NodeId>{{1}, {2}, {3}, {4}});
  if (applied >= 2) {
    state.configuration = next;
  } else {
    state.configurations_behind = {{LogIndex{2}, next}};
  }
  return state;
}

TEST(NodeMembership,
     NobodyStandsBeforeACommittedConfigurationIsApplied_ConfChangeCheckBeforeCampaign) {
  Node node(options(), with_configuration_at_2(1));
  node.step(from(2, 1, Heartbeat{.commit = LogIndex{2}}));
  finish(node);
  for (int i = 0; i < 100; ++i) node.tick();
  EXPECT_EQ(node.soft_state().role, RoleKind::kFollower);
  node.applied(LogIndex{2});
  node.tick();
  EXPECT_EQ(node.soft_state().role, RoleKind::kPreCandidate);
}

TEST(NodeMembership, AnHeirStandsAsSoonAsItHasAppliedTheConfiguration) {
  for (const bool is_of_an_old_leader : {false, true}) {
    Node node(options(), with_configuration_at_2(1));
    node.step(from(2, 1, Heartbeat{.commit = LogIndex{2}}));
    node.step(from(2, 1, TransferNow{}));
    EXPECT_EQ(node.soft_state().role, RoleKind::kFollower);
    if (is_of_an_old_leader) node.step(from(3, 2, Heartbeat{}));
    finish(node);
    node.applied(LogIndex{2});
    EXPECT_EQ(node.soft_state().role,
              is_of_an_old_leader ? RoleKind::kFollower : RoleKind::kCandidate);
  }
}

// By the joint configuration node 2 needs our vote, and our log is longer than its.
TEST(NodeMembership, WhoHasNoVoteAnyMoreStandsUntilThatIsCommitted) {
  RestoredState state = restored({.nodes = 2, .terms = {1, 1, 1}, .term = 1, .applied = 2});
  state.configuration.outgoing = {NodeId{1}, NodeId{2}};
  state.configuration.voters = {NodeId{2}};
  state.configurations_behind = {{LogIndex{3}, left_joint(state.configuration)}};
  Node node(options(), state);
  EXPECT_EQ(describe(node.configuration()), "voters=2 retired=1");
  node.campaign();
  EXPECT_EQ(bodies<VoteRequest>(finish(node)).size(), 1u);
  node.step(from(2, 2, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  finish(node);
  EXPECT_FALSE(node.is_leader());  // its own vote does not count
  node.step(from(2, 2, VoteResponse{.is_pre_vote = false, .is_granted = true}));
  finish(node);
  EXPECT_TRUE(node.is_leader());
  node.step(from(2, 2, AppendResponse{.match = LogIndex{4}}));
  finish(node);
  EXPECT_FALSE(node.is_leader());  // it has led the group to its end
  node.applied(LogIndex{4});
  EXPECT_TRUE(node.soft_state().is_removed);
  for (int i = 0; i < 100; ++i) node.tick();
  node.campaign();
  EXPECT_EQ(node.soft_state().role, RoleKind::kFollower);
}

TEST(NodeMembership, WhatStandsInTheLogIsInForce_RawNodeRestart) {
  const Node unapplied(options(), with_configuration_at_2(1));
  EXPECT_EQ(unapplied.configuration().voters.size(), 4u);
  const Node applied(options(), with_configuration_at_2(3));
  EXPECT_EQ(applied.configuration().voters.size(), 4u);
  EXPECT_EQ(applied.status().configuration_index, LogIndex{0});
}

TEST(NodeMembership, ALearnerAnswersWhoAsksForItsVote_LearnerCanVote) {
  // It may have been promoted without knowing it.
  RestoredState state = restored({.nodes = 3, .terms = {1}, .term = 1});
  state.configuration.voters = {NodeId{2}, NodeId{3}};
  state.configuration.learners = {NodeId{1}};
  Node node(options(), state);
  node.step(from(2, 2, VoteRequest{.last = LogIndex{1}, .last_term = Term{1}}));
  const auto votes = bodies<VoteResponse>(finish(node));
  ASSERT_EQ(votes.size(), 1u);
  EXPECT_TRUE(votes[0].is_granted);
  node.campaign();  // LearnerCampaign
  EXPECT_EQ(node.soft_state().role, RoleKind::kFollower);
}

TEST(NodeMembership, ABlankNodeTakesTheLogAndNothingElse) {
  RestoredState state;
  Node node(options(), state);
  for (int i = 0; i < 100; ++i) node.tick();
  node.campaign();
  EXPECT_EQ(node.soft_state().role, RoleKind::kFollower);
  EXPECT_FALSE(node.has_ready());
  Entry second = entry(2, 3);
  second.kind = EntryKind::kConfiguration;
  second.payload = std::make_shared<const base::Bytes>(
      encode_configuration(make_configuration(std::vector<NodeId>{{1}, {2}})));
  node.step(from(2, 3, Append{.previous = {}, .entries = {entry(1, 3), second}}));
  finish(node);
  EXPECT_EQ(node.status().last, LogIndex{2});
  EXPECT_EQ(node.configuration().voters.size(), 2u);
  node.campaign();
  EXPECT_EQ(node.soft_state().role, RoleKind::kPreCandidate);
}

TEST(NodeMembership, RestoredConfigurationsMustFitTheLog) {
  EXPECT_TRUE(check_restored(with_configuration_at_2(1)).is_ok());
  RestoredState state = with_configuration_at_2(1);
  state.configurations_behind[0].index = LogIndex{1};  // is applied
  EXPECT_FALSE(check_restored(state).is_ok());
  state.configurations_behind[0].index = LogIndex{4};  // is not there
  EXPECT_FALSE(check_restored(state).is_ok());
  state = with_configuration_at_2(1);
  state.configurations_behind[0].configuration = {};
  EXPECT_FALSE(check_restored(state).is_ok());
  state = with_configuration_at_2(1);
  state.configuration = {};  // blank
  EXPECT_TRUE(check_restored(state).is_ok());
}

}  // namespace
}  // namespace alfheim::raft
