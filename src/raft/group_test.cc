// Several nodes over the network of raft/node_testing.
#include <gtest/gtest.h>

#include <random>

#include "raft/node_testing.h"

namespace alfheim::raft {
namespace {

using base::LogIndex;
using base::NodeId;
using List = std::vector<std::string>;

TEST(Group, ElectsAndReplicates_LeaderElection_LogReplication_Proposal) {
  for (const uint64_t count : {1, 2, 3, 5, 7}) {
    TestGroup group({.node_count = count});
    group.campaign(2 <= count ? 2 : 1);
    const uint64_t leader = 2 <= count ? 2 : 1;
    ASSERT_TRUE(group.node(leader).is_leader()) << count;
    ASSERT_TRUE(group.propose(leader, "a").is_ok());
    ASSERT_TRUE(group.propose(leader, "b").is_ok());
    for (uint64_t id = 1; id <= count; ++id) EXPECT_EQ(group.applied(id), (List{"a", "b"})) << id;
  }
}

TEST(Group, EveryNodeMayLeadInTurn_LeaderCycle_LeaderCyclePreVote) {
  for (const bool has_pre_vote : {false, true}) {
    TestGroup group({.node_count = 3, .has_pre_vote = has_pre_vote, .has_check_quorum = false});
    for (const uint64_t id : {1, 2, 3, 1}) {
      group.campaign(id);
      EXPECT_TRUE(group.node(id).is_leader()) << id;
    }
  }
}

TEST(Group, NothingCommitsWithoutAMajority_LeaderAcknowledgeCommit_NetworkDrop) {
  TestGroup group({.node_count = 5});
  group.campaign(1);
  for (const uint64_t id : {3, 4, 5}) group.isolate(id);
  ASSERT_TRUE(group.propose(1, "a").is_ok());
  EXPECT_EQ(group.applied(1), List{});
  group.heal();
  group.tick(1, 2);
  EXPECT_EQ(group.applied(1), List{"a"});
  group.tick(1, 1);
  EXPECT_EQ(group.applied(5), List{"a"});
}

TEST(Group, TwoCandidatesEndInOneLeader_DuelingCandidates_DuelingPreCandidates) {
  for (const bool has_pre_vote : {false, true}) {
    TestGroup group({.node_count = 3, .has_pre_vote = has_pre_vote});
    group.cut(1, 3);
    group.cut(3, 1);
    group.campaign(1);
    group.campaign(3);
    EXPECT_TRUE(group.node(1).is_leader());
    EXPECT_FALSE(group.node(3).is_leader());
    group.heal();
    group.tick_all(60);
    int leaders = 0;
    for (const uint64_t id : {1, 2, 3}) leaders += group.node(id).is_leader() ? 1 : 0;
    EXPECT_EQ(leaders, 1);
  }
}

TEST(Group, LearnersReceiveButDoNotDecide_LearnerLogReplication_LearnerElectionTimeout) {
  TestGroup group({.node_count = 2, .learners = {2}});
  group.tick(2, 100);
  EXPECT_EQ(group.status(2).soft_state.role, RoleKind::kFollower);
  group.tick(1);
  ASSERT_TRUE(group.node(1).is_leader());
  ASSERT_TRUE(group.propose(1, "a").is_ok());
  EXPECT_EQ(group.applied(2), List{"a"});
  ASSERT_TRUE(group.read(2, 1).is_ok());  // ReadOnlyWithLearner
  EXPECT_EQ(group.read_result(1), "index 2");
  EXPECT_EQ(group.transfer(1, 2).error().code, base::ErrorCode::kInvalidArgument);
}

TEST(Group, OldEntriesAreSentInPiecesThatMayBeCut_lagging_commit) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  group.isolate(3);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(group.propose(1, "value" + std::to_string(i)).is_ok());
  group.crash(1);  // the sizes of the old entries are forgotten now
  group.crash(2);
  group.tick(1, 20);
  group.tick(2, 5);
  if (!group.node(1).is_leader()) group.campaign(1);
  ASSERT_TRUE(group.node(1).is_leader());
  ASSERT_TRUE(group.propose(1, "new").is_ok());
  group.heal();
  group.tick(1, 3);
  EXPECT_EQ(group.applied(3).size(), 31u);
}

TEST(Group, AWindowThatLostMessagesRecovers_ReplicatePause_RecvMsgUnreachable) {
  TestGroup group({.node_count = 3, .inflight_messages_max = 2});
  group.campaign(1);
  group.cut(1, 3);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(group.propose(1, "v").is_ok());
  EXPECT_EQ(group.status(3).last, LogIndex{1});
  EXPECT_EQ(group.status(1).peers[1].next, LogIndex{4});  // two messages, then it waits
  group.heal();
  group.tick(1, 2);
  EXPECT_EQ(group.applied(3).size(), 20u);
}

TEST(Group, APeerBelowTheLogsStartIsReported_SendingSnapshotSetPendingSnapshot) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  group.isolate(3);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(group.propose(1, "v").is_ok());
  group.start_log_at(1, 5);
  group.heal();
  group.tick(1, 3);
  EXPECT_EQ(group.status(1).peers[1].state, ProgressState::kSnapshot);
  EXPECT_EQ(group.status(3).last, LogIndex{1});
  ASSERT_TRUE(group.propose(1, "w").is_ok());  // the others go on
  EXPECT_EQ(group.applied(2).size(), 6u);
}

TEST(Group, AForwardedReadOfAnEarlierLifeIsNotAnswered) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  group.node(3).step({base::GroupId{7}, NodeId{1}, NodeId{3}, base::Term{1},
                      ReadResponse{.incarnation = 12345, .id = ReadId{1}, .is_granted = true}});
  group.cut(3, 1);
  ASSERT_TRUE(group.read(3, 1).is_ok());
  group.deliver({base::GroupId{7}, NodeId{1}, NodeId{3}, base::Term{1},
                 ReadResponse{.incarnation = 12345, .id = ReadId{1}, .is_granted = true}});
  EXPECT_EQ(group.read_result(1), "pending");
}

TEST(Group, ACutOffLeaderStepsDownAndAnotherTakesOver_LeaderStepdownWhenQuorumLost) {
  TestGroup group({.node_count = 3});
  group.campaign(1);
  group.isolate(1);
  group.tick_all(60);
  EXPECT_FALSE(group.node(1).is_leader());
  EXPECT_TRUE(group.node(2).is_leader() || group.node(3).is_leader());
}

TEST(Group, TheSameSeedsGiveTheSameMessages) {
  const auto trace_of = [](uint64_t seed) {
    TestGroup group({.node_count = 3, .seed = seed, .chaos_seed = seed});
    group.tick_all(50);
    for (const uint64_t id : {1, 2, 3}) (void)group.propose(id, "a").is_ok();
    group.tick_all(10);
    return group.trace();
  };
  for (uint64_t seed = 1; seed < 5; ++seed) EXPECT_EQ(trace_of(seed), trace_of(seed));
  EXPECT_NE(trace_of(1), trace_of(2));
}

}  // namespace
}  // namespace alfheim::raft
