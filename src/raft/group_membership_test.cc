// Groups whose membership changes, over the network of raft/node_testing.
#include <gtest/gtest.h>

#include "raft/node_testing.h"

namespace alfheim::raft {
namespace {

using base::ErrorCode;
using base::LogIndex;
using base::NodeId;
using List = std::vector<std::string>;

std::string configuration(TestGroup& group, uint64_t id) {
  return describe(group.status(id).configuration);
}

// It may not stand for election; but who asks it is not to be sent to a leader that may be dead.
TEST(GroupMembership, ALearnerForgetsALeaderThatItDoesNotHear) {
  TestGroup group({.node_count = 4, .learners = {4}});
  group.campaign(1);
  group.tick(1, 2);
  ASSERT_EQ(group.status(4).soft_state.leader, NodeId{1});
  group.isolate(4);
  group.tick(4, 40);
  EXPECT_EQ(group.status(4).soft_state.leader, NodeId{});
  EXPECT_EQ(group.status(4).soft_state.role, RoleKind::kFollower);
  group.heal();
  group.tick(1, 2);
  EXPECT_EQ(group.status(4).soft_state.leader, NodeId{1});
}

TEST(GroupMembership, ANodeJoinsLearnsAndVotes_AddNode_AddLearner_LearnerPromotion) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  ASSERT_TRUE(group.propose(1, "a").is_ok());
  ASSERT_TRUE(group.change(1, ChangeKind::kAddLearner, 4).is_ok());
  EXPECT_EQ(group.applied(4), List{"a"});
  EXPECT_EQ(configuration(group, 4), "voters=1,2,3 learners=4");
  ASSERT_TRUE(group.change(1, ChangeKind::kPromote, 4).is_ok());
  for (const uint64_t id : {1, 2, 3, 4}) {
    EXPECT_EQ(configuration(group, id), "voters=1,2,3,4") << id;
  }
  group.tick_all(2);
  group.campaign(4);
  group.tick_all(30);
  ASSERT_TRUE(group.transfer(1, 4).is_ok());
  EXPECT_TRUE(group.node(4).is_leader());
}

TEST(GroupMembership, ALearnerThatLacksTheLogIsNotPromoted) {
  TestGroup group({.node_count = 1});
  group.tick(1);
  ASSERT_TRUE(group.change(1, ChangeKind::kAddLearner, 2).is_ok());
  group.isolate(2);
  for (int i = 0; i < 70; ++i) ASSERT_TRUE(group.propose(1, "v").is_ok());
  const base::Status refused = group.change(1, ChangeKind::kPromote, 2);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(refused.error().message.find("70 entries behind"), std::string::npos);
  group.heal();
  group.tick(1, 30);
  EXPECT_TRUE(group.change(1, ChangeKind::kPromote, 2).is_ok());
  EXPECT_EQ(configuration(group, 2), "voters=1,2");
}

TEST(GroupMembership, ARemovedNodeLearnsOfItAndIsSilent_RemoveNode_Promotable) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  ASSERT_TRUE(group.change(1, ChangeKind::kRemove, 3).is_ok());
  group.tick(1, 2);
  EXPECT_TRUE(group.status(3).soft_state.is_removed);
  EXPECT_EQ(configuration(group, 3), "voters=1,2 retired=3");
  EXPECT_EQ(group.status(1).peers.size(), 1u);
  group.tick(3, 100);
  group.campaign(3);
  EXPECT_EQ(group.status(3).soft_state.role, RoleKind::kFollower);
  group.crash(3);
  EXPECT_TRUE(group.status(3).soft_state.is_removed);
  EXPECT_EQ(group.change(1, ChangeKind::kAddLearner, 3).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(group.propose(1, "a").is_ok());
  EXPECT_EQ(group.applied(2), List{"a"});
  group.tick_all(40);  // what it is still told ends
  group.clear_trace();
  group.tick(1);
  EXPECT_EQ(group.trace().size(), 2u);
}

TEST(GroupMembership,
     ARemovedLeaderLeadsToTheEndAndHandsOver_confchange_v1_remove_leader_stepdown) {
  for (const ChangeKind kind : {ChangeKind::kRemove, ChangeKind::kDemote}) {
    TestGroup group({.node_count = 3});
    group.campaign(1);
    ASSERT_TRUE(group.change(1, kind, 1).is_ok());
    EXPECT_FALSE(group.node(1).is_leader());
    EXPECT_EQ(group.status(1).soft_state.is_removed, kind == ChangeKind::kRemove);
    EXPECT_TRUE(group.node(2).is_leader());
    ASSERT_TRUE(group.propose(2, "a").is_ok());
    EXPECT_EQ(group.applied(1), kind == ChangeKind::kRemove ? List{} : List{"a"});
    group.tick(1, 100);
    EXPECT_EQ(group.status(1).soft_state.role, RoleKind::kFollower);
  }
}

TEST(GroupMembership, ALeaderWithoutAVoteStepsDownThoughNobodyTakesOver) {
  TestGroup group({.node_count = 3, .has_check_quorum = false});
  group.campaign(1);
  group.hold_disk(2);
  group.hold_disk(3);
  ASSERT_TRUE(group.change(1, ChangeKind::kRemove, 1).is_ok());
  for (const uint64_t id : {2, 3}) group.finish_writes(id, 1);  // the joint entry
  ASSERT_TRUE(group.propose(1, "a").is_ok());
  for (const uint64_t id : {2, 3}) group.finish_writes(id, 1);  // the one that leaves
  EXPECT_TRUE(group.node(1).is_leader());                       // nobody has all of its log
  group.isolate(1);
  group.tick(1, 9);
  EXPECT_TRUE(group.node(1).is_leader());
  group.tick(1);
  EXPECT_FALSE(group.node(1).is_leader());
}

TEST(GroupMembership, ANewLeaderEndsWhatAnEarlierOneBegan_NewLeaderPendingConfig) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  group.hold_disk(2);
  group.hold_disk(3);
  ASSERT_TRUE(group.change(1, ChangeKind::kRemove, 3).is_ok());
  EXPECT_EQ(configuration(group, 2), "voters=1,2 outgoing=1,2,3");
  EXPECT_EQ(group.change(1, ChangeKind::kRemove, 2).error().code, ErrorCode::kUnavailable);
  group.isolate(1);
  group.release_disk(2);
  group.release_disk(3);
  group.tick_all(60);
  // Neither alone, for the incoming majority needs node 1.
  EXPECT_FALSE(group.node(2).is_leader() || group.node(3).is_leader());
  group.heal();
  group.tick_all(60);
  for (const uint64_t id : {1, 2}) EXPECT_EQ(configuration(group, id), "voters=1,2 retired=3");
  EXPECT_TRUE(group.status(3).soft_state.is_removed);
}

TEST(GroupMembership, AConfigurationIsRolledBack_RollbackConfigurationToInitial) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  group.isolate(1);
  ASSERT_TRUE(group.change(1, ChangeKind::kRemove, 2).is_ok());
  EXPECT_EQ(configuration(group, 1), "voters=1,3 outgoing=1,2,3");
  group.tick_all(60);
  group.heal();
  group.tick_all(5);
  EXPECT_EQ(configuration(group, 1), "voters=1,2,3");
  ASSERT_TRUE(group.node(2).is_leader() || group.node(3).is_leader());
}

TEST(GroupMembership, ABlankNodeWaitsToBeAdded) {
  TestGroup group({.node_count = 1});
  group.tick(1);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(group.propose(1, "v").is_ok());
  group.start_blank(2);
  group.tick(2, 100);
  group.campaign(2);
  EXPECT_EQ(group.status(2).soft_state.role, RoleKind::kFollower);
  group.crash(2);
  ASSERT_TRUE(group.change(1, ChangeKind::kAddLearner, 2).is_ok());
  EXPECT_EQ(group.applied(2).size(), 3u);
  group.crash(2);
  EXPECT_EQ(configuration(group, 2), "voters=1 learners=2");
}

TEST(GroupMembership, AnUnappliedConfigurationIsFoundInTheLogAfterARestart) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  group.hold_disk(2);
  group.isolate(3);
  ASSERT_TRUE(group.change(1, ChangeKind::kDemote, 3).is_ok());
  group.crash(1);
  EXPECT_EQ(configuration(group, 1), "voters=1,2 outgoing=1,2,3 learners_next=3");
  EXPECT_EQ(group.status(1).commit, LogIndex{1});
}

TEST(GroupMembership,
     TransfersAndChangesDoNotMix_LeaderTransferRemoveNode_LeaderTransferDemoteNode) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  group.isolate(3);
  ASSERT_TRUE(group.propose(1, "a").is_ok());  // 3 lacks it, so the transfer waits
  ASSERT_TRUE(group.transfer(1, 3).is_ok());
  for (const ChangeKind kind : {ChangeKind::kRemove, ChangeKind::kDemote}) {
    EXPECT_EQ(group.change(1, kind, 3).error().code, ErrorCode::kUnavailable);
  }
  group.tick(1, 5);
  group.tick(2, 3);
  group.tick(1, 6);
  ASSERT_TRUE(group.change(1, ChangeKind::kRemove, 3).is_ok());
  EXPECT_EQ(group.transfer(1, 3).error().code, ErrorCode::kInvalidArgument);  // TransferNonMember
  EXPECT_TRUE(group.node(1).is_leader());
}

TEST(GroupMembership, AnAddressChanges_update) {
  TestGroup group({.node_count = 2});
  group.campaign(1);
  ASSERT_TRUE(group.change(1, ChangeKind::kReplace, 2).is_ok());
  EXPECT_EQ(group.status(2).configuration.find(NodeId{2})->address, "10.0.0.2:7379");
}

}  // namespace
}  // namespace alfheim::raft
