// One node, input by input: what a Ready holds, and when.
#include "raft/node.h"

#include <gtest/gtest.h>

#include <set>

#include "raft/one_node_testing.h"

namespace alfheim::raft {
namespace {

using base::ErrorCode;
using base::GroupId;
using base::LogIndex;
using base::NodeId;
using base::Term;

TEST(NodeOfOne, StartsAsFollowerWithNothingToDo_StartAsFollower) {
  Node node(options(), restored({}));
  EXPECT_FALSE(node.has_ready());
  EXPECT_EQ(node.soft_state(), SoftState{});
}

TEST(NodeOfOne, LeadsOnlyWhenItsVoteIsDurable_SingleNodeCandidate_SingleNodePreCandidate) {
  Node node(options(), restored({.term = 3}));
  node.tick();
  const Ready vote = node.take_ready();
  ASSERT_TRUE(vote.hard_state.has_value());
  EXPECT_EQ(*vote.hard_state, (HardState{Term{4}, NodeId{1}}));
  EXPECT_EQ(vote.soft_state.role, RoleKind::kCandidate);
  for (int i = 0; i < 100; ++i) node.tick();  // however slow the disk is: no second election
  EXPECT_FALSE(node.has_ready());
  node.persisted(vote.number);
  EXPECT_TRUE(node.is_leader());
  EXPECT_FALSE(node.is_leader_established());
  const Ready noop = node.take_ready();
  ASSERT_EQ(noop.entries.size(), 1u);
  EXPECT_EQ(noop.entries[0].kind, EntryKind::kNoop);
  EXPECT_EQ(noop.entries[0].term, Term{4});
  EXPECT_EQ(noop.commit, LogIndex{0});
  node.persisted(noop.number);
  EXPECT_TRUE(node.is_leader_established());
  EXPECT_EQ(node.take_ready().applicable, LogIndex{1});
}

TEST(NodeOfOne, CommitsWhatIsDurableAndNothingElse_SingleNodeCommit) {
  Node node = leader_of_one();
  const Proposal two[] = {proposal("a"), proposal("b")};
  ASSERT_EQ(*node.propose(two), LogIndex{2});
  const Ready first = node.take_ready();
  ASSERT_EQ(first.entries.size(), 2u);
  EXPECT_EQ(first.entries[1].bytes(), "b");
  EXPECT_EQ(first.entries[1].stamp.ms, 5u);
  EXPECT_EQ(first.entries[1].seed, 6u);
  ASSERT_EQ(*node.propose({two, 1}), LogIndex{4});
  const Ready second = node.take_ready();
  EXPECT_EQ(second.commit, LogIndex{1});
  node.persisted(first.number);
  EXPECT_EQ(node.status().commit, LogIndex{3});
  node.persisted(second.number);
  node.persisted(second.number);
  EXPECT_EQ(node.take_ready().applicable, LogIndex{4});
  node.applied(LogIndex{4});
  node.log_starts_at(LogIndex{5});
  node.check_invariants();
  ASSERT_EQ(*node.propose({two, 1}), LogIndex{5});
}

TEST(NodeOfOne, RestartCommitsOldEntriesBelowItsNoop_RawNodeRestart_CommitWithoutNewTermEntry) {
  Node node(options(), restored({.terms = {1, 1, 2}, .term = 2, .vote = 1, .applied = 1}));
  EXPECT_EQ(node.status().commit, LogIndex{1});
  node.tick();
  const Ready vote = node.take_ready();
  node.persisted(vote.number);
  const Ready noop = node.take_ready();
  EXPECT_EQ(noop.commit, LogIndex{1});  // all is on disk, but counted only with the own term
  node.persisted(noop.number);
  EXPECT_EQ(node.take_ready().commit, LogIndex{4});
}

TEST(NodeOfOne, RefusesProposalsItCannotTake_UncommittedEntryLimit) {
  Node node(options(), restored({}));
  const Proposal large = proposal(std::string(80, 'x'));
  EXPECT_EQ(node.propose({&large, 1}).error().code, ErrorCode::kUnavailable);
  node.tick();
  finish(node);
  EXPECT_EQ(node.propose({}).error().code, ErrorCode::kInvalidArgument);
  for (const EntryKind kind : {EntryKind::kNoop, EntryKind::kConfiguration}) {
    const Proposal foreign{.kind = kind};
    EXPECT_EQ(node.propose({&foreign, 1}).error().code, ErrorCode::kInvalidArgument);
  }
  ASSERT_TRUE(node.propose({&large, 1}).is_ok());
  const Ready ready = node.take_ready();
  EXPECT_EQ(node.propose({&large, 1}).error().code, ErrorCode::kLimit);
  const Proposal empty{};
  EXPECT_TRUE(node.propose({&empty, 1}).is_ok());  // an empty one always fits
  node.persisted(ready.number);
  EXPECT_EQ(node.status().uncommitted_bytes, 0u);
  const Proposal huge = proposal(std::string(1000, 'x'));
  EXPECT_TRUE(node.propose({&huge, 1}).is_ok());  // alone, anything fits
}

TEST(NodeOfOne, ReadsWaitForItsNoop_ReadOnlyForNewLeader) {
  Node node(options(), restored({.terms = {1, 1}, .term = 1, .applied = 0}));
  EXPECT_EQ(node.read_index(ReadId{1}).error().code, ErrorCode::kUnavailable);
  node.tick();
  const Ready vote = node.take_ready();
  EXPECT_EQ(node.read_index(ReadId{1}).error().code, ErrorCode::kUnavailable);
  node.persisted(vote.number);
  ASSERT_TRUE(node.read_index(ReadId{2}).is_ok());
  const Ready noop = node.take_ready();
  EXPECT_TRUE(noop.reads.empty());
  node.persisted(noop.number);
  EXPECT_EQ(node.take_ready().reads, (std::vector<ReadState>{{ReadId{2}, LogIndex{3}}}));
  ASSERT_TRUE(node.read_index(ReadId{3}).is_ok());
  EXPECT_EQ(node.take_ready().reads, (std::vector<ReadState>{{ReadId{3}, LogIndex{3}}}));
}

TEST(NodeOfOne, TheSameInputsGiveTheSameReady) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    Node left(options(seed), restored({.nodes = 3}));
    Node right(options(seed), restored({.nodes = 3}));
    for (int i = 0; i < 200; ++i) {
      left.tick();
      right.tick();
      ASSERT_EQ(left.has_ready(), right.has_ready());
      ASSERT_EQ(finish(left).messages.size(), finish(right).messages.size());
      ASSERT_EQ(left.soft_state(), right.soft_state());
    }
  }
}

TEST(NodeOfOneDeathTest, NothingIsAppliedThatIsNotDurable) {
  Node node = leader_of_one();
  const Proposal one = proposal("a");
  ASSERT_TRUE(node.propose({&one, 1}).is_ok());
  const Ready ready = node.take_ready();
  EXPECT_DEATH(node.applied(LogIndex{2}), "committed");
  EXPECT_DEATH(node.persisted(ready.number + 1), "never handed out");
  EXPECT_DEATH(node.log_starts_at(LogIndex{3}), "applied");
}

TEST(Election, TimeoutsAreRandomised_FollowerElectionTimeoutRandomized) {
  std::set<int> timeouts;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Node node(options(seed), restored({.nodes = 3}));
    int ticks = 0;
    while (node.soft_state().role == RoleKind::kFollower) node.tick(), ++ticks;
    EXPECT_GE(ticks, 10);
    EXPECT_LT(ticks, 16);
    timeouts.insert(ticks);
  }
  EXPECT_EQ(timeouts.size(), 6u);
}

// Whoever was told "I still hear the leader" asks again before a whole timeout has passed.
TEST(Election, ACandidateWhomNobodyAnswersAsksAgainSooner_CandidateElectionTimeoutRandomized) {
  std::set<int> timeouts;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Node node(options(seed), restored({.nodes = 3}));
    while (node.soft_state().role == RoleKind::kFollower) node.tick();
    node.take_ready();
    int ticks = 0;
    while (!node.has_ready()) node.tick(), ++ticks;
    ASSERT_FALSE(node.take_ready().messages.empty());
    EXPECT_GE(ticks, 5);
    EXPECT_LT(ticks, 10);
    timeouts.insert(ticks);
  }
  EXPECT_EQ(timeouts.size(), 5u);
}

TEST(Election, VotesOncePerTermAndOnlyForLogsAsGood_RecvMsgVote_FollowerVote_Voter) {
  struct Case {
    uint64_t vote, last, last_term;
    bool then_granted;
  };
  // The own log is 1@1 2@2; the request comes from node 2 in term 2.
  const Case cases[] = {{0, 2, 2, true},  {0, 3, 2, true}, {0, 1, 3, true},  {0, 1, 2, false},
                        {0, 9, 1, false}, {2, 2, 2, true}, {3, 2, 2, false}, {1, 2, 2, false}};
  for (const Case& test : cases) {
    Node node(options(), restored({.nodes = 3, .terms = {1, 2}, .term = 2, .vote = test.vote}));
    node.step(
        from(2, 2, VoteRequest{.last = LogIndex{test.last}, .last_term = Term{test.last_term}}));
    const Ready ready = node.take_ready();
    // A new vote leaves only when it is durable.
    const bool is_new = test.then_granted && test.vote == 0;
    EXPECT_EQ(ready.hard_state.has_value(), is_new);
    const auto& answers = is_new ? ready.messages_after_persist : ready.messages;
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(std::get<VoteResponse>(answers[0].body).is_granted, test.then_granted);
  }
}

TEST(Election, APreVotePromisesNothing_RecvMsgPreVote) {
  Node node(options(), restored({.nodes = 3, .terms = {1}, .term = 2, .vote = 3}));
  node.step(
      from(2, 3, VoteRequest{.is_pre_vote = true, .last = LogIndex{1}, .last_term = Term{1}}));
  const Ready ready = node.take_ready();
  EXPECT_FALSE(ready.hard_state.has_value());
  ASSERT_EQ(ready.messages.size(), 1u);
  EXPECT_EQ(ready.messages[0].term, Term{3});
  EXPECT_TRUE(std::get<VoteResponse>(ready.messages[0].body).is_granted);
}

TEST(Election, StaleAnswersDoNotElect_PreVoteNoStaleVotes_CandidateSelfVoteAfterLostElection) {
  Node node(options(), restored({.nodes = 3, .term = 4}));
  node.campaign();
  finish(node);
  node.step(from(2, 4, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  node.step(from(2, 9, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  EXPECT_EQ(node.soft_state().role, RoleKind::kPreCandidate);
  node.step(from(2, 5, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  EXPECT_EQ(node.soft_state().role, RoleKind::kCandidate);
  const Ready vote = node.take_ready();
  node.step(from(3, 6, Heartbeat{}));  // lost, before the own vote was durable
  node.persisted(vote.number);
  EXPECT_EQ(node.soft_state(), (SoftState{RoleKind::kFollower, NodeId{3}, Term{6}}));
}

TEST(Election, ATermAboveMakesAFollower_LeaderUpdateTermFromMessage_AllServerStepdown) {
  Node node = leader_of_three();
  finish(node);
  ASSERT_TRUE(node.read_index(ReadId{1}).is_ok());
  node.step(from(3, 5, Append{}));
  EXPECT_EQ(node.soft_state(), (SoftState{RoleKind::kFollower, NodeId{3}, Term{5}}));
  const Ready ready = node.take_ready();
  EXPECT_EQ(*ready.hard_state, (HardState{Term{5}, NodeId{}}));
  EXPECT_EQ(ready.reads_refused, (std::vector<ReadId>{ReadId{1}}));
}

TEST(Election, OldAndForeignMessagesChangeNothing_StepIgnoreOldTermMsg_RejectStaleTermMessage) {
  Node node(options(), restored({.nodes = 3, .terms = {1}, .term = 3}));
  node.step(from(
      2, 2, Append{.previous = LogIndex{1}, .previous_term = Term{1}, .entries = {entry(2, 2)}}));
  Message foreign = from(2, 9, Heartbeat{});
  foreign.group = GroupId{8};
  node.step(foreign);
  node.step(from(2, 9, Append{.previous = LogIndex{1}, .entries = {entry(3, 2)}}));  // a gap
  node.step(from(2, 3, Append{.entries = {entry(1, 4)}}));  // from the future of its term
  node.step(from(2, 3, Heartbeat{.commit = LogIndex{7}}));  // we never acknowledged 7
  // A configuration that nobody can read: "" has no version.
  Message configuration = from(2, 3, Append{.previous = LogIndex{1}, .previous_term = Term{1}});
  std::get<Append>(configuration.body).entries = {entry(2, 3)};
  std::get<Append>(configuration.body).entries[0].kind = EntryKind::kConfiguration;
  node.step(configuration);
  EXPECT_EQ(node.status().messages_ignored, 5u);
  EXPECT_EQ(node.status().last, LogIndex{1});
  EXPECT_EQ(node.status().hard_state.term, Term{3});
  const Ready ready = finish(node);
  EXPECT_EQ(bodies<AppendResponse>(ready).size(), 1u);  // tells the old leader our term
  EXPECT_TRUE(ready.entries.empty());
}

struct AppendCase {
  uint64_t previous, previous_term;
  std::vector<uint64_t> terms;
  uint64_t commit;
  bool then_rejected;
  uint64_t then_last, then_commit, then_match_or_hint;
};

TEST(Follower, TakesWhatAgreesAndRefusesTheRest_HandleMsgApp_FollowerAppendEntries_FindConflict) {
  // The own log is 1@1 2@2 3@2, with 1 committed.
  const AppendCase cases[] = {
      {3, 3, {}, 3, true, 3, 1, 3},          // another term there
      {4, 2, {}, 3, true, 3, 1, 3},          // not there at all
      {3, 2, {}, 2, false, 3, 2, 3},         // news of a commit
      {3, 2, {3}, 4, false, 4, 4, 4},        // one more
      {2, 2, {3}, 2, false, 3, 2, 3},        // 3@2 gives way
      {1, 1, {2, 2, 3}, 9, false, 4, 4, 4},  // known, known, new
      {1, 1, {2}, 9, false, 3, 2, 2},        // commit only as far as it agrees for certain
      {0, 0, {1, 2}, 9, false, 3, 1, 1},     // below the commit: overtaken
  };
  for (const AppendCase& test : cases) {
    Node node(options(), restored({.nodes = 3, .terms = {1, 2, 2}, .term = 3, .applied = 1}));
    Append append{.previous = LogIndex{test.previous},
                  .previous_term = Term{test.previous_term},
                  .commit = LogIndex{test.commit}};
    for (size_t i = 0; i < test.terms.size(); ++i) {
      append.entries.push_back(entry(test.previous + 1 + i, test.terms[i]));
    }
    node.step(from(2, 3, append));
    const Ready ready = node.take_ready();
    EXPECT_EQ(ready.messages_after_persist.empty(), test.then_rejected);
    node.persisted(ready.number);
    const auto& answers = test.then_rejected ? ready.messages : ready.messages_after_persist;
    ASSERT_EQ(answers.size(), 1u);
    const auto& answer = std::get<AppendResponse>(answers[0].body);
    EXPECT_EQ(answer.is_rejected, test.then_rejected);
    EXPECT_EQ((test.then_rejected ? answer.hint : answer.match).value, test.then_match_or_hint);
    EXPECT_EQ(node.status().last.value, test.then_last);
    EXPECT_EQ(node.status().commit.value, test.then_commit);
    node.check_invariants();
  }
}

TEST(Follower, AnOverwrittenWriteDoesNotCount_async_storage_writes_append_aba_race) {
  Node node(options(), restored({.nodes = 3, .terms = {1}, .term = 1, .applied = 1}));
  const auto append = [&](uint64_t leader, uint64_t term, uint64_t entry_term) {
    node.step(from(leader, term,
                   Append{.previous = LogIndex{1},
                          .previous_term = Term{1},
                          .last = LogIndex{2},
                          .entries = {entry(2, entry_term)}}));
    return node.take_ready();
  };
  const Ready first = append(2, 2, 2);
  const Ready second = append(3, 3, 3);
  const Ready third = append(2, 4, 2);  // another leader brings the first entry back
  ASSERT_EQ(third.entries.size(), 1u);
  node.persisted(first.number);
  EXPECT_EQ(node.status().durable, LogIndex{1});
  node.persisted(second.number);
  EXPECT_EQ(node.status().durable, LogIndex{1});
  node.persisted(third.number);
  EXPECT_EQ(node.status().durable, LogIndex{2});
}

TEST(Leader, CountsOnlyEntriesOfItsTerm_LeaderOnlyCommitsLogFromCurrentTerm) {
  Node node(options(), restored({.nodes = 3, .terms = {1, 2}, .term = 2}));
  node.campaign();
  finish(node);
  node.step(from(2, 3, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  finish(node);
  node.step(from(2, 3, VoteResponse{.is_pre_vote = false, .is_granted = true}));
  finish(node);
  for (const uint64_t match : {1, 2}) {
    node.step(from(2, 3, AppendResponse{.match = LogIndex{match}}));
    EXPECT_EQ(node.status().commit, LogIndex{0});
  }
  node.step(from(2, 3, AppendResponse{.match = LogIndex{3}}));
  EXPECT_EQ(node.status().commit, LogIndex{3});
  node.check_invariants();
}

TEST(Leader, SendsBeforeItsOwnDiskAndNamesRanges_LeaderStartReplication) {
  Node node = leader_of_three();
  const Ready ready = node.take_ready();
  ASSERT_EQ(ready.messages.size(), 2u);
  for (const Message& message : ready.messages) {
    const auto& append = std::get<Append>(message.body);
    EXPECT_EQ(append.previous, LogIndex{0});
    EXPECT_EQ(append.last, LogIndex{1});
    EXPECT_TRUE(append.entries.empty());
  }
  node.step(from(2, 1, AppendResponse{.match = LogIndex{1}}));
  EXPECT_EQ(node.status().commit, LogIndex{0});  // itself not counted yet
  node.persisted(ready.number);
  EXPECT_EQ(node.status().commit, LogIndex{1});
}

TEST(Leader, ARoundConfirmsOnlyReadsBeforeIt_ReadOnlyDuplicateRequest) {
  Node node = leader_of_three();
  finish(node);
  node.step(from(2, 1, AppendResponse{.match = LogIndex{1}}));
  finish(node);
  ASSERT_TRUE(node.read_index(ReadId{1}).is_ok());
  ASSERT_TRUE(node.read_index(ReadId{2}).is_ok());  // during round 1: waits for round 2
  EXPECT_EQ(bodies<Heartbeat>(finish(node)).size(), 2u);
  node.step(from(2, 1, HeartbeatResponse{.round = 1}));
  EXPECT_EQ(finish(node).reads, (std::vector<ReadState>{{ReadId{1}, LogIndex{1}}}));
  node.step(from(3, 1, HeartbeatResponse{.round = 1}));  // late, and of the old round
  node.step(from(2, 1, HeartbeatResponse{.round = 0}));
  EXPECT_TRUE(finish(node).reads.empty());
  node.step(from(3, 1, HeartbeatResponse{.round = 2}));
  EXPECT_EQ(finish(node).reads, (std::vector<ReadState>{{ReadId{2}, LogIndex{1}}}));
}

TEST(Leader, AFollowersReadWaitsForARoundToo) {
  Node node = leader_of_three();
  finish(node);
  node.step(from(2, 1, AppendResponse{.match = LogIndex{1}}));
  finish(node);
  node.step(from(2, 1, ReadRequest{.incarnation = 7, .id = ReadId{1}}));
  EXPECT_TRUE(bodies<ReadResponse>(finish(node)).empty());
  node.step(from(3, 1, HeartbeatResponse{.round = 1}));
  const auto answers = bodies<ReadResponse>(finish(node));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].is_granted);
  EXPECT_EQ(answers[0].index, LogIndex{1});
}

std::vector<NodeId> receivers(const Ready& ready) {
  std::vector<NodeId> result;
  for (const Message& message : ready.messages) result.push_back(message.to);
  return result;
}

TEST(Leader, ARoundAsksTheSoonestAloneUntilTheyAreUnreachable) {
  Node node = leader_of_three();
  finish(node);
  for (const uint64_t peer : {2, 3}) node.step(from(peer, 1, AppendResponse{.match = LogIndex{1}}));
  finish(node);
  ASSERT_TRUE(node.read_index(ReadId{1}).is_ok());
  EXPECT_EQ(receivers(finish(node)), (std::vector<NodeId>{NodeId{2}, NodeId{3}}));
  node.step(from(3, 1, HeartbeatResponse{.round = 1}));
  EXPECT_EQ(finish(node).reads.size(), 1u);
  ASSERT_TRUE(node.read_index(ReadId{2}).is_ok());
  EXPECT_EQ(receivers(finish(node)), std::vector<NodeId>{NodeId{3}});
  node.unreachable(NodeId{2});  // was not asked
  EXPECT_TRUE(finish(node).messages.empty());
  node.unreachable(NodeId{3});
  EXPECT_EQ(receivers(finish(node)), (std::vector<NodeId>{NodeId{2}, NodeId{3}}));
  node.unreachable(NodeId{3});  // all have been asked
  EXPECT_TRUE(finish(node).messages.empty());
  node.step(from(2, 1, HeartbeatResponse{.round = 2}));
  EXPECT_EQ(finish(node).reads, (std::vector<ReadState>{{ReadId{2}, LogIndex{1}}}));
}

}  // namespace
}  // namespace alfheim::raft
