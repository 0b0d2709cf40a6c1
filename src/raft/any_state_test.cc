// Any state and any message: what a node becomes by what it hears, and what it answers.
#include <gtest/gtest.h>

#include "raft/one_node_testing.h"

namespace alfheim::raft {
namespace {

using base::LogIndex;
using base::NodeId;
using base::Term;

// All of these have the log 1@1 2@1, and two others in their group. Without check quorum, so that
// whoever has a leader listens to candidates, too.
Node of_three(uint64_t term, bool has_check_quorum = false) {
  Node::Options some = options();
  some.has_check_quorum = has_check_quorum;
  return Node(some, restored({.nodes = 3, .terms = {1, 1}, .term = term}));
}

Node follower_without_leader() { return of_three(5); }

Node follower_of_two() {
  Node node = of_three(5);
  node.step(from(2, 5, Heartbeat{}));
  finish(node);
  return node;
}

Node pre_candidate() {
  Node node = of_three(5);
  node.campaign();
  finish(node);
  return node;
}

Node candidate() {
  Node node = of_three(4);
  node.campaign();
  finish(node);
  node.step(from(3, 5, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  finish(node);
  return node;
}

Node leader() {
  Node node = candidate();
  node.step(from(3, 5, VoteResponse{.is_pre_vote = false, .is_granted = true}));
  finish(node);
  return node;
}

struct State {
  const char* name;
  Node (*make)();
  SoftState is;
};

// In term 5.
const State kStates[] = {
    {"follower without leader", follower_without_leader, {RoleKind::kFollower, NodeId{}, Term{5}}},
    {"follower of 2", follower_of_two, {RoleKind::kFollower, NodeId{2}, Term{5}}},
    {"pre-candidate", pre_candidate, {RoleKind::kPreCandidate, NodeId{}, Term{5}}},
    {"candidate", candidate, {RoleKind::kCandidate, NodeId{}, Term{5}}},
    {"leader", leader, {RoleKind::kLeader, NodeId{1}, Term{5}}},
};

struct Kind {
  const char* name;
  Body body;
  bool is_leaders = false;   // only who leads says it
  bool is_promise = false;   // of a pre-vote: its term is nobody's yet
  bool is_answered = false;  // when it is of an earlier term: the sender must learn ours
};

const Kind kKinds[] = {
    {"pre-vote?", VoteRequest{.is_pre_vote = true, .last = LogIndex{2}, .last_term = Term{1}},
     false, true, true},
    {"vote?", VoteRequest{.last = LogIndex{2}, .last_term = Term{1}}},
    {"pre-vote granted", VoteResponse{.is_pre_vote = true, .is_granted = true}, false, true},
    {"pre-vote refused", VoteResponse{.is_pre_vote = true, .is_granted = false}},
    {"vote granted", VoteResponse{.is_pre_vote = false, .is_granted = true}},
    {"vote refused", VoteResponse{.is_pre_vote = false, .is_granted = false}},
    {"append", Append{.previous = LogIndex{2}, .previous_term = Term{1}, .last = LogIndex{2}}, true,
     false, true},
    {"appended", AppendResponse{.match = LogIndex{2}}},
    {"rejected", AppendResponse{.is_rejected = true, .rejected_previous = LogIndex{2}}},
    {"heartbeat", Heartbeat{}, true, false, true},
    {"alive", HeartbeatResponse{}},
    {"read?", ReadRequest{.incarnation = 3, .id = ReadId{4}}},
    {"read", ReadResponse{.incarnation = 3, .id = ReadId{4}, .is_granted = true}},
    {"transfer now", TransferNow{}},
    {"snapshot", SnapshotOffer{{.id = 1, .index = LogIndex{9}, .term = Term{1}}}, true, false,
     true},
};

std::string name_of(const State& state, const Kind& kind) {
  return std::string(state.name) + " hears: " + kind.name;
}

TEST(AnyState, IsWhatItIsCalled) {
  for (const State& state : kStates) EXPECT_EQ(state.make().soft_state(), state.is) << state.name;
}

TEST(AnyState, AMessageOfAnEarlierTermChangesNothing_OldMessages) {
  for (const State& state : kStates) {
    for (const Kind& kind : kKinds) {
      Node node = state.make();
      const NodeStatus before = node.status();
      node.step(from(2, 4, kind.body));
      const Ready ready = finish(node);
      EXPECT_EQ(node.soft_state(), state.is) << name_of(state, kind);
      EXPECT_EQ(node.status().hard_state, before.hard_state) << name_of(state, kind);
      EXPECT_EQ(node.status().last, before.last) << name_of(state, kind);
      ASSERT_EQ(ready.messages.size(), kind.is_answered ? 1u : 0u) << name_of(state, kind);
      for (const Message& answer : ready.messages) EXPECT_EQ(answer.term, Term{5});
    }
  }
}

// StateTransition, FollowerUpdateTermFromMessage, CandidateUpdateTermFromMessage.
TEST(AnyState, AMessageOfALaterTermMakesAFollowerUnlessItPromisesNothing) {
  for (const State& state : kStates) {
    for (const Kind& kind : kKinds) {
      Node node = state.make();
      node.step(from(2, 7, kind.body));
      finish(node);
      const SoftState follower{RoleKind::kFollower, kind.is_leaders ? NodeId{2} : NodeId{},
                               Term{7}};
      EXPECT_EQ(node.soft_state(), kind.is_promise ? state.is : follower) << name_of(state, kind);
    }
  }
}

// CandidateResetTermMsgHeartbeat, CandidateResetTermMsgApp, CandidateRecvRequestWithSameTerm: who
// stands, and hears of a leader of its term, follows.
TEST(AnyState, AMessageOfItsTermChangesWhoStandsOrFollowsAlone_CandidateFallback) {
  for (const State& state : kStates) {
    for (const Kind& kind : kKinds) {
      const bool leads = state.is.role == RoleKind::kLeader;
      if (leads && kind.is_leaders) continue;  // ALeaderHearsOfNoOther
      Node node = state.make();
      node.step(from(2, 5, kind.body));
      finish(node);
      SoftState then = state.is;
      if (kind.is_leaders) then = {RoleKind::kFollower, NodeId{2}, Term{5}};
      const auto* vote = std::get_if<VoteResponse>(&kind.body);
      const bool is_elected = vote != nullptr && !vote->is_pre_vote && vote->is_granted;
      if (is_elected && then.role == RoleKind::kCandidate) {
        then = {RoleKind::kLeader, NodeId{1}, Term{5}};
      }
      if (std::holds_alternative<TransferNow>(kind.body) && then.leader == NodeId{2}) {
        then = {RoleKind::kCandidate, NodeId{}, Term{6}};
      }
      EXPECT_EQ(node.soft_state(), then) << name_of(state, kind);
    }
  }
}

TEST(AnyStateDeathTest, ALeaderHearsOfNoOtherOfItsTerm) {
  for (const Kind& kind : kKinds) {
    if (!kind.is_leaders) continue;
    EXPECT_DEATH(
        {
          Node node = leader();
          node.step(from(2, 5, kind.body));
        },
        "two leaders in one term")
        << kind.name;
  }
}

TEST(AnyState, WhoeverAsksForANewTermGetsTheVote_VoteFromAnyState) {
  for (const State& state : kStates) {
    Node node = state.make();
    node.step(from(2, 6, VoteRequest{.last = LogIndex{9}, .last_term = Term{5}}));
    EXPECT_EQ(node.soft_state(), (SoftState{RoleKind::kFollower, NodeId{}, Term{6}})) << state.name;
    const Ready ready = finish(node);
    EXPECT_EQ(*ready.hard_state, (HardState{Term{6}, NodeId{2}})) << state.name;
    const auto answers = bodies<VoteResponse>(ready);
    ASSERT_EQ(answers.size(), 1u) << state.name;
    EXPECT_TRUE(answers[0].is_granted) << state.name;
  }
}

TEST(AnyState, WhoeverAsksBeforeItStandsIsAnsweredAndNothingChanges_PreVoteFromAnyState) {
  for (const State& state : kStates) {
    for (const bool is_behind : {false, true}) {
      Node node = state.make();
      const LogIndex last{is_behind ? 1u : 9u};
      const Term last_term{is_behind ? 1u : 5u};
      node.step(from(2, 6, VoteRequest{.is_pre_vote = true, .last = last, .last_term = last_term}));
      const Ready ready = finish(node);
      EXPECT_EQ(node.soft_state(), state.is) << state.name;
      EXPECT_FALSE(ready.hard_state.has_value()) << state.name;
      const auto answers = bodies<VoteResponse>(ready);
      ASSERT_EQ(answers.size(), 1u) << state.name;
      EXPECT_EQ(answers[0].is_granted, !is_behind) << state.name;
      EXPECT_EQ(ready.messages[0].term, Term{is_behind ? 5u : 6u}) << state.name;
    }
  }
}

// With check quorum whoever has a leader does not listen: a follower until it has not heard from it
// for an election timeout, the leader itself never.
TEST(AnyState, WhoHasALeaderHelpsNobodyToUnseatIt_LeaderElectionWithCheckQuorum) {
  for (const bool is_pre_vote : {false, true}) {
    Node node = of_three(5, true);
    node.step(from(3, 5, Heartbeat{}));
    finish(node);
    const VoteRequest request{
        .is_pre_vote = is_pre_vote, .last = LogIndex{9}, .last_term = Term{5}};
    for (uint32_t tick = 0; tick < options().election_ticks; ++tick) {
      node.step(from(2, 6, request));
      EXPECT_TRUE(finish(node).messages.empty()) << tick;
      EXPECT_EQ(node.soft_state(), (SoftState{RoleKind::kFollower, NodeId{3}, Term{5}}));
      if (tick + 1 < options().election_ticks) node.tick();
    }
    node.tick();
    node.step(from(2, 6, request));  // LeaderSupersedingWithCheckQuorum
    const auto answers = bodies<VoteResponse>(finish(node));
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_TRUE(answers[0].is_granted);
  }
  Node leading = leader_of_three();
  finish(leading);
  leading.step(from(2, 2, VoteRequest{.last = LogIndex{9}, .last_term = Term{1}}));
  EXPECT_TRUE(leading.is_leader());
  EXPECT_TRUE(finish(leading).messages.empty());
}

TEST(AnyState, ALeaderDoesNotStandAgain_CampaignWhileLeader_PreCampaignWhileLeader) {
  Node node = leader();
  node.campaign();
  EXPECT_FALSE(node.has_ready());
  EXPECT_EQ(node.soft_state(), (SoftState{RoleKind::kLeader, NodeId{1}, Term{5}}));
}

}  // namespace
}  // namespace alfheim::raft
