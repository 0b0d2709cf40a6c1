// What a leader and a follower say to each other, one message at a time: heartbeats and their
// answers, news that comes late or in another order, writes that end when they mean nothing any
// more.
#include <gtest/gtest.h>

#include <set>

#include "raft/one_node_testing.h"

namespace alfheim::raft {
namespace {

using base::LogIndex;
using base::NodeId;
using base::Term;

std::vector<Append> appends_to(uint64_t peer, const Ready& ready) {
  std::vector<Append> found;
  for (const Message& message : ready.messages) {
    const auto* append = std::get_if<Append>(&message.body);
    if (append != nullptr && message.to == NodeId{peer}) found.push_back(*append);
  }
  return found;
}

// BcastBeat, RecvMsgBeat: to everybody, on each tick, and by nobody else. Nobody is told of a
// commit beyond what it has acknowledged.
TEST(Heartbeats, GoToEveryPeerWithItsOwnCommit_LeaderBcastBeat) {
  Node node = leader_of_one_that_lags();
  node.tick();
  std::map<uint64_t, uint64_t> commits;
  for (const Message& message : finish(node).messages) {
    const auto* heartbeat = std::get_if<Heartbeat>(&message.body);
    if (heartbeat == nullptr) continue;
    EXPECT_TRUE(commits.emplace(message.to.value, heartbeat->commit.value).second);
  }
  EXPECT_EQ(commits, (std::map<uint64_t, uint64_t>{{2, 4}, {3, 0}}));
  Node follower(options(), restored({.nodes = 3, .terms = {1, 1}, .term = 1}));
  follower.step(from(2, 1, Heartbeat{}));
  finish(follower);
  follower.tick();
  EXPECT_TRUE(finish(follower).messages.empty());
}

// The commit goes forward only, and never beyond what is known to agree.
TEST(Heartbeats, CarryCommitsForwardAlone_HandleHeartbeat_CommitTo) {
  struct Case {
    uint64_t commit, then_commit;
    bool then_ignored;
  };
  // The own log is 1@1 2@1 3@1 with 2 committed.
  for (const Case& test : {Case{3, 3, false}, Case{2, 2, false}, Case{1, 2, false},
                           Case{0, 2, false}, Case{4, 2, true}}) {
    Node node(options(), restored({.nodes = 3, .terms = {1, 1, 1}, .term = 1, .applied = 2}));
    node.step(from(2, 1, Heartbeat{.commit = LogIndex{test.commit}}));
    const Ready ready = finish(node);
    EXPECT_EQ(node.status().commit.value, test.then_commit) << test.commit;
    EXPECT_EQ(bodies<HeartbeatResponse>(ready).size(), test.then_ignored ? 0u : 1u) << test.commit;
    EXPECT_EQ(node.status().messages_ignored, test.then_ignored ? 1u : 0u) << test.commit;
  }
}

// A probe that was lost is sent again when the peer answers a heartbeat, once for each answer; when
// it has acknowledged all there is nothing more to say.
TEST(Heartbeats, AnAnswerBringsALostProbeAgain_HandleHeartbeatResp_MsgAppRespWaitReset) {
  Node node = leader_of_one_that_lags();
  for (int i = 0; i < 2; ++i) {
    const Proposal one = proposal("b");
    ASSERT_TRUE(node.propose({&one, 1}).is_ok());
    EXPECT_TRUE(appends_to(3, finish(node)).empty());  // it waits for the first one's answer
    node.step(from(3, 1, HeartbeatResponse{}));
    EXPECT_EQ(appends_to(3, finish(node)).size(), 1u);
    node.step(from(2, 1, AppendResponse{.match = node.status().last}));
    EXPECT_TRUE(appends_to(3, finish(node)).empty());  // 2's answer is not 3's
  }
  node.step(from(3, 1, AppendResponse{.match = node.status().last}));
  finish(node);
  node.step(from(3, 1, HeartbeatResponse{}));
  EXPECT_TRUE(appends_to(3, finish(node)).empty());
}

// As soon as a peer has agreed, what follows goes out without waiting for its answers; before that
// one message at a time.
TEST(Leading, SendsAheadOnlyToWhoAgrees_LeaderIncreaseNext_SendAppendForProgressReplicate) {
  Node node = leader_of_one_that_lags();
  const Proposal one = proposal("b");
  for (uint64_t i = 5; i <= 7; ++i) {
    ASSERT_TRUE(node.propose({&one, 1}).is_ok());
    const Ready ready = finish(node);
    const auto ahead = appends_to(2, ready);
    ASSERT_EQ(ahead.size(), 1u);
    EXPECT_EQ(ahead[0].previous, LogIndex{i - 1});
    EXPECT_EQ(ahead[0].last, LogIndex{i});
    EXPECT_TRUE(appends_to(3, ready).empty());
  }
  EXPECT_EQ(node.status().peers[0].next, LogIndex{8});
  EXPECT_EQ(node.status().peers[0].match, LogIndex{4});
}

// What a leader makes of each answer of a peer of which it knows nothing yet.
TEST(Leading, GoesToWhereThePeerAgrees_LeaderAppResp) {
  struct Case {
    const char* name;
    AppendResponse given;
    uint64_t then_match, then_next, then_commit;
  };
  // Its log is 1@1 .. 4@1 5@1, with 4 committed by 2.
  const Case cases[] = {
      {"a refusal of what was not asked",
       {.is_rejected = true, .rejected_previous = LogIndex{3}},
       0,
       1,
       4},
      {"more than there is", {.match = LogIndex{6}}, 0, 1, 4},
      {"some", {.match = LogIndex{2}}, 2, 6, 4},
      {"all", {.match = LogIndex{5}}, 5, 6, 5},
  };
  for (const Case& test : cases) {
    Node node = leader_of_one_that_lags();
    const Proposal one = proposal("b");
    ASSERT_TRUE(node.propose({&one, 1}).is_ok());
    finish(node);
    node.step(from(3, 1, test.given));
    finish(node);
    const PeerStatus peer = node.status().peers[1];
    EXPECT_EQ(peer.match.value, test.then_match) << test.name;
    EXPECT_EQ(peer.next.value, test.then_next) << test.name;
    EXPECT_EQ(node.status().commit.value, test.then_commit) << test.name;
  }
}

// An answer that was overtaken takes nothing back, and what comes too early is refused until what
// is before it is there.
TEST(Leading, TheOrderOfMessagesDoesNotMatter_LogReplicationWithReorderedMessage) {
  Node node = leader_of_one_that_lags();
  for (const uint64_t match : {4, 2, 3, 4}) {
    node.step(from(3, 1, AppendResponse{.match = LogIndex{match}}));
    finish(node);
    EXPECT_EQ(node.status().peers[1].match, LogIndex{4});
    EXPECT_EQ(node.status().peers[1].next, LogIndex{5});
  }
  Node follower(options(), restored({.nodes = 3, .terms = {1}, .term = 1}));
  const auto append = [&](uint64_t previous, std::vector<Entry> entries) {
    const LogIndex last{previous + entries.size()};
    follower.step(from(2, 1,
                       Append{.previous = LogIndex{previous},
                              .previous_term = Term{1},
                              .last = last,
                              .entries = std::move(entries)}));
    const auto answers = bodies<AppendResponse>(finish(follower));
    EXPECT_EQ(answers.size(), 1u);
    return answers.front();
  };
  EXPECT_TRUE(append(2, {entry(3, 1), entry(4, 1)}).is_rejected);
  EXPECT_EQ(append(1, {entry(2, 1), entry(3, 1)}).match, LogIndex{3});
  EXPECT_EQ(append(3, {entry(4, 1)}).match, LogIndex{4});
  EXPECT_EQ(append(1, {entry(2, 1)}).match, LogIndex{2});  // late: nothing is cut off for it
  EXPECT_EQ(follower.status().last, LogIndex{4});
}

// Its own write ends after it was deposed and the entry overwritten: it counts for nothing.
TEST(LateWrites, OfADeposedLeaderCountForNothing_LeaderMsgAppSelfAckAfterTermChange) {
  Node node = leader_of_one_that_lags();
  const Proposal one = proposal("mine");
  ASSERT_TRUE(node.propose({&one, 1}).is_ok());
  const Ready mine = node.take_ready();
  node.step(from(3, 2,
                 Append{.previous = LogIndex{4},
                        .previous_term = Term{1},
                        .last = LogIndex{5},
                        .entries = {entry(5, 2)}}));
  const Ready theirs = node.take_ready();
  node.persisted(mine.number);
  EXPECT_EQ(node.status().durable, LogIndex{4});
  EXPECT_EQ(node.status().commit, LogIndex{4});
  node.persisted(theirs.number);
  EXPECT_EQ(node.status().durable, LogIndex{5});
  EXPECT_EQ(node.soft_state(), (SoftState{RoleKind::kFollower, NodeId{3}, Term{2}}));
}

// A write of before the election is not the vote, whatever it ends.
TEST(LateWrites, AreNotTheVote_CandidateDeliversPreCandidateSelfVoteAfterBecomingCandidate) {
  Node node(options(), restored({.nodes = 3, .terms = {1}, .term = 1}));
  node.step(from(3, 1,
                 Append{.previous = LogIndex{1},
                        .previous_term = Term{1},
                        .last = LogIndex{2},
                        .entries = {entry(2, 1)}}));
  const Ready earlier = node.take_ready();
  node.campaign();
  node.step(from(2, 2, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  const Ready vote = node.take_ready();
  node.step(from(2, 2, VoteResponse{.is_pre_vote = false, .is_granted = true}));
  node.persisted(earlier.number);
  EXPECT_EQ(node.soft_state().role, RoleKind::kCandidate);
  node.persisted(vote.number);
  EXPECT_TRUE(node.is_leader());
}

TEST(LateWrites, OfALostPreVoteElectNobody_CandidateSelfVoteAfterLostElectionPreVote) {
  Node node(options(), restored({.nodes = 3, .terms = {1}, .term = 1}));
  node.campaign();
  const Ready asked = node.take_ready();
  node.step(from(3, 1, Heartbeat{}));
  node.persisted(asked.number);
  node.step(from(2, 2, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  EXPECT_EQ(node.soft_state(), (SoftState{RoleKind::kFollower, NodeId{3}, Term{1}}));
}

// With room for one read at a time: what was answered, or refused, holds none of it.
TEST(Reads, ThatAreOverTakeNoRoom_RaftFreesReadOnlyMem) {
  Node::Options some = options();
  some.reads_waiting_max = 1;
  Node node(some, restored({.nodes = 3}));
  node.campaign();
  finish(node);
  node.step(from(2, 1, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  finish(node);
  node.step(from(2, 1, VoteResponse{.is_pre_vote = false, .is_granted = true}));
  finish(node);
  node.step(from(2, 1, AppendResponse{.match = LogIndex{1}}));
  finish(node);
  uint64_t id = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(node.read_index(ReadId{++id}).is_ok()) << i;
    const auto heartbeats = bodies<Heartbeat>(finish(node));
    ASSERT_FALSE(heartbeats.empty());
    node.step(from(2, 1, HeartbeatResponse{.round = heartbeats.back().round}));
    EXPECT_EQ(finish(node).reads.size(), 1u);
  }
  node.step(from(2, 2, Heartbeat{}));  // as a follower it asks its leader
  finish(node);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(node.read_index(ReadId{++id}).is_ok()) << i;
    const auto requests = bodies<ReadRequest>(finish(node));
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(node.read_index(ReadId{1000 + id}).error().code, base::ErrorCode::kLimit);
    node.step(from(2, 2,
                   ReadResponse{.incarnation = requests[0].incarnation,
                                .id = requests[0].id,
                                .is_granted = i % 2 == 0,
                                .index = LogIndex{1}}));
    finish(node);
  }
}

// One vote each: nobody has won, nobody has lost. The next election decides.
TEST(Elections, ASplitVoteIsFollowedByAnother_PreVoteWithSplitVote) {
  Node::Options some = options();
  some.has_check_quorum = false;
  Node node(some, restored({.nodes = 5, .terms = {1}, .term = 1}));
  const auto answer = [&](bool is_pre_vote, uint64_t term, std::set<uint64_t> granted) {
    for (uint64_t id = 2; id <= 5; ++id) {
      if (id == 5 && granted.size() < 2) continue;  // it says nothing
      node.step(from(id, term,
                     VoteResponse{.is_pre_vote = is_pre_vote, .is_granted = granted.contains(id)}));
      finish(node);
    }
  };
  node.campaign();
  finish(node);
  answer(true, 2, {2, 3, 4, 5});
  EXPECT_EQ(node.soft_state().role, RoleKind::kCandidate);
  answer(false, 2, {2});
  EXPECT_EQ(node.soft_state(), (SoftState{RoleKind::kCandidate, NodeId{}, Term{2}}));
  while (node.soft_state().role == RoleKind::kCandidate) node.tick();
  EXPECT_EQ(node.soft_state(), (SoftState{RoleKind::kPreCandidate, NodeId{}, Term{2}}));
  finish(node);
  answer(true, 3, {2, 3, 4, 5});
  answer(false, 3, {2, 3});
  EXPECT_TRUE(node.is_leader());
  EXPECT_EQ(node.soft_state().term, Term{3});
}

// CandidatesElectionTimeoutNonconflict: they draw their next timeouts as followers do theirs.
TEST(Elections, TimeoutsSeldomMeet_FollowersElectionTimeoutNonconflict) {
  for (const bool is_candidate : {false, true}) {
    std::set<int> drawn;
    int conflicts = 0;
    constexpr int kRounds = 300;
    for (uint64_t round = 0; round < kRounds; ++round) {
      std::vector<int> timeouts;
      for (uint64_t id = 1; id <= 5; ++id) {
        Node::Options some = options(round);  // one seed for all: the ids must tell them apart
        some.id = NodeId{id};
        some.has_pre_vote = false;
        Node node(some, restored({.nodes = 5, .terms = {1}, .term = 1}));
        if (is_candidate) {
          node.campaign();
          finish(node);
        }
        const uint64_t elections = node.status().counts.elections_begun;
        int ticks = 0;
        for (; node.status().counts.elections_begun == elections; ++ticks) node.tick();
        timeouts.push_back(ticks);
        drawn.insert(ticks);
      }
      std::sort(timeouts.begin(), timeouts.end());
      if (timeouts[0] == timeouts[1]) ++conflicts;
    }
    EXPECT_GE(drawn.size(), 5u) << is_candidate;  // CandidateElectionTimeoutRandomized
    EXPECT_LT(conflicts, kRounds * 55 / 100) << is_candidate;
  }
}

}  // namespace
}  // namespace alfheim::raft
