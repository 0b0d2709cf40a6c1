// Snapshots: who wants one, what is offered, when it counts. The core moves no byte of them.
#include <gtest/gtest.h>

#include "raft/node_testing.h"
#include "raft/one_node_testing.h"

namespace alfheim::raft {
namespace {

using base::ErrorCode;
using base::LogIndex;
using base::NodeId;
using base::Term;

constexpr SnapshotMark kMark{.id = 9, .index = LogIndex{4}, .term = Term{1}};

// The entries that 2 has committed are gone from the log, and 3 has said that it has none of them.
Node leader_without_old_entries() {
  Node node = leader_of_one_that_lags();
  node.applied(LogIndex{4});
  node.log_starts_at(LogIndex{5});
  node.step(from(3, 1, AppendResponse{.is_rejected = true}));
  return node;
}

PeerStatus peer(const Node& node, uint64_t id) {
  for (const PeerStatus& each : node.status().peers) {
    if (each.id == NodeId{id}) return each;
  }
  ADD_FAILURE() << "no peer " << id;
  return {};
}

TEST(Snapshot, APeerBelowTheLogsStartWantsOne_ProvideSnap_SendingSnapshotSetPendingSnapshot) {
  Node node = leader_without_old_entries();
  const Ready ready = finish(node);
  EXPECT_EQ(ready.snapshots_wanted, (std::vector<NodeId>{{3}}));
  EXPECT_TRUE(bodies<Append>(ready).empty());
  EXPECT_EQ(peer(node, 3).state, ProgressState::kSnapshot);
  node.tick();
  node.step(from(3, 1, HeartbeatResponse{}));
  EXPECT_TRUE(finish(node).snapshots_wanted.empty());  // once for each time that it comes to it
}

TEST(Snapshot, APeerThatDoesNotAnswerIsNotSentOne_IgnoreProvidingSnap_SkipOffline) {
  Node node = leader_of_three();
  const Proposal one = proposal("a");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(node.propose({&one, 1}).is_ok());
  finish(node);
  node.step(from(2, 1, AppendResponse{.match = LogIndex{4}}));
  finish(node);
  node.applied(LogIndex{4});
  node.log_starts_at(LogIndex{5});
  for (int i = 0; i < 5; ++i) node.tick();
  EXPECT_TRUE(finish(node).snapshots_wanted.empty());
  EXPECT_EQ(peer(node, 3).state, ProgressState::kProbe);
}

TEST(Snapshot, IsOfferedWithEachHeartbeatAndNothingElseIsSent_PendingSnapshotPauseReplication) {
  Node node = leader_without_old_entries();
  finish(node);
  ASSERT_TRUE(node.offer_snapshot(NodeId{3}, kMark).is_ok());
  EXPECT_EQ(peer(node, 3).snapshot_index, LogIndex{4});
  for (int i = 0; i < 3; ++i) {
    const Proposal one = proposal("b");
    ASSERT_TRUE(node.propose({&one, 1}).is_ok());
    node.tick();
    const Ready ready = finish(node);
    const auto offers = bodies<SnapshotOffer>(ready);
    ASSERT_EQ(offers.size(), 1u);
    EXPECT_EQ(offers[0].mark, kMark);
    for (const Message& message : ready.messages) {
      EXPECT_FALSE(message.to == NodeId{3} && std::holds_alternative<Append>(message.body));
    }
    node.step(from(2, 1, AppendResponse{.match = node.status().last}));
    finish(node);
  }
}

TEST(Snapshot, OffersAreOfWhatIsAppliedToWhoWantsIt) {
  Node node = leader_without_old_entries();
  const auto code = [&](uint64_t id, SnapshotMark mark) {
    const base::Status status = node.offer_snapshot(NodeId{id}, mark);
    return status.is_ok() ? ErrorCode{} : status.error().code;
  };
  EXPECT_EQ(code(3, kMark), ErrorCode::kUnavailable);  // not said so yet
  finish(node);
  EXPECT_EQ(code(2, kMark), ErrorCode::kUnavailable);
  EXPECT_EQ(code(7, kMark), ErrorCode::kUnavailable);
  EXPECT_EQ(code(3, {9, LogIndex{3}, Term{1}}), ErrorCode::kUnavailable);  // 4 is gone, too
  EXPECT_EQ(code(3, {9, LogIndex{5}, Term{1}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(3, {9, LogIndex{4}, Term{2}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(3, kMark), ErrorCode{});
  node.step(from(2, 5, Heartbeat{}));
  EXPECT_EQ(code(3, kMark), ErrorCode::kUnavailable);  // leads no more
}

// What a peer with a standing offer says, and what becomes of it.
TEST(Snapshot,
     EndsWhenThePeerHoldsItOrTheLogIsEnough_SnapshotSucceed_snapshot_succeed_via_app_resp) {
  struct Case {
    const char* name;
    AppendResponse given;
    ProgressState then_state;
    uint64_t then_next;
  };
  const Case cases[] = {
      {"it started from it", {.match = LogIndex{4}}, ProgressState::kReplicate, 6},
      {"it has more", {.match = LogIndex{5}}, ProgressState::kReplicate, 6},
      {"behind (snapshot_succeed_via_app_resp_behind)",
       {.match = LogIndex{2}},
       ProgressState::kSnapshot,
       3},
      {"not yet (StaleRejectedIndexSnapshot)",
       {.is_rejected = true, .match = {}, .rejected_previous = LogIndex{4}},
       ProgressState::kSnapshot,
       1},
  };
  for (const Case& test : cases) {
    Node node = leader_without_old_entries();
    finish(node);
    ASSERT_TRUE(node.offer_snapshot(NodeId{3}, kMark).is_ok());
    const Proposal one = proposal("b");
    ASSERT_TRUE(node.propose({&one, 1}).is_ok());
    finish(node);
    node.step(from(3, 1, HeartbeatResponse{}));
    const Ready probe = finish(node);
    ASSERT_EQ(bodies<Append>(probe).size(), 1u) << test.name;
    EXPECT_EQ(bodies<Append>(probe)[0].previous, LogIndex{4});
    EXPECT_EQ(bodies<Append>(probe)[0].last, LogIndex{4});
    node.step(from(3, 1, test.given));
    finish(node);
    EXPECT_EQ(peer(node, 3).state, test.then_state) << test.name;
    EXPECT_EQ(peer(node, 3).next.value, test.then_next) << test.name;
    const bool is_over = test.then_state != ProgressState::kSnapshot;
    EXPECT_EQ(peer(node, 3).snapshot_index.value, is_over ? 0u : 4u) << test.name;
  }
}

// A member that had begun to fetch from the leader before comes back with that one's snapshot: an
// earlier one than ours, but behind the log's start. It needs no second one.
TEST(Snapshot, IsNotNeededWhereTheLogGoesOnFromAnEarlierLeadersSnapshot) {
  for (const bool is_offered : {true, false}) {  // ours may not be made yet
    Node node = leader_without_old_entries();
    finish(node);
    for (int entry = 0; entry < 3; ++entry) {
      const Proposal one = proposal("b");
      ASSERT_TRUE(node.propose({&one, 1}).is_ok());
      node.step(from(2, 1, AppendResponse{.match = node.status().last}));
      finish(node);
    }
    ASSERT_EQ(node.status().commit, LogIndex{7});
    node.applied(LogIndex{7});
    const SnapshotMark mark{.id = 9, .index = LogIndex{7}, .term = Term{1}};
    if (is_offered) ASSERT_TRUE(node.offer_snapshot(NodeId{3}, mark).is_ok());
    node.step(from(3, 1, HeartbeatResponse{}));
    const auto probes = bodies<Append>(finish(node));
    ASSERT_EQ(probes.size(), 1u);
    EXPECT_EQ(probes[0].previous, LogIndex{4});
    EXPECT_EQ(probes[0].previous_term, Term{1});
    EXPECT_EQ(probes[0].last, LogIndex{4});
    node.step(from(3, 1, AppendResponse{.match = LogIndex{5}}));  // its snapshot's last entry
    const auto entries = bodies<Append>(finish(node));
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].previous, LogIndex{5});
    EXPECT_EQ(entries[0].last, LogIndex{7});
    EXPECT_EQ(peer(node, 3).state, ProgressState::kReplicate);
    EXPECT_EQ(peer(node, 3).snapshot_index, LogIndex{0});
  }
}

TEST(Snapshot, ThatFailedIsWantedAgain_SnapshotFailure_SnapshotAbort_InstallTimeout) {
  Node node = leader_without_old_entries();
  finish(node);
  ASSERT_TRUE(node.offer_snapshot(NodeId{3}, kMark).is_ok());
  node.snapshot_failed(NodeId{3});
  EXPECT_EQ(finish(node).snapshots_wanted, (std::vector<NodeId>{{3}}));
  EXPECT_EQ(peer(node, 3).snapshot_index, LogIndex{0});
  node.tick();
  EXPECT_TRUE(bodies<SnapshotOffer>(finish(node)).empty());
  node.snapshot_failed(NodeId{2});  // has none
  node.snapshot_failed(NodeId{7});
  EXPECT_EQ(peer(node, 2).state, ProgressState::kReplicate);
}

// Whoever is dead would cost the leader one after the other.
TEST(Snapshot, ThatFailedIsWantedWhenThePeerIsHeardAgain_IgnoreProvidingSnap) {
  Node node = leader_without_old_entries();
  finish(node);
  ASSERT_TRUE(node.offer_snapshot(NodeId{3}, kMark).is_ok());
  for (uint64_t i = 0; i <= options().election_ticks; ++i) {
    node.tick();
    node.step(from(2, 1, HeartbeatResponse{}));
    finish(node);
  }
  node.snapshot_failed(NodeId{3});
  node.tick();
  EXPECT_TRUE(finish(node).snapshots_wanted.empty());
  EXPECT_EQ(peer(node, 3).state, ProgressState::kProbe);
  node.step(from(3, 1, HeartbeatResponse{}));
  EXPECT_EQ(finish(node).snapshots_wanted, (std::vector<NodeId>{{3}}));
}

TEST(Snapshot, ARemovedPeerLosesItsOffer) {
  Node node = leader_without_old_entries();
  finish(node);
  ASSERT_TRUE(node.offer_snapshot(NodeId{3}, kMark).is_ok());
  ASSERT_TRUE(node.propose_configuration_change(
                      {.kind = ChangeKind::kRemove, .member = {NodeId{3}, "", "", 0}})
                  .is_ok());
  finish(node);
  for (int entry = 0; entry < 2; ++entry) {
    node.step(from(2, 1, AppendResponse{.match = node.status().last}));
    finish(node);
  }
  EXPECT_FALSE(node.configuration().is_member(NodeId{3}));
  node.tick();
  EXPECT_TRUE(bodies<SnapshotOffer>(finish(node)).empty());
  node.snapshot_failed(NodeId{3});
  EXPECT_TRUE(finish(node).snapshots_wanted.empty());
}

TEST(Snapshot, AFollowerTakesWhatItLacksAndNothingElse_RestoreIgnoreSnapshot_RestoreFromSnapMsg) {
  // The own log is 1@1 2@2 3@2, with 1 committed; the leader's term is 3.
  struct Case {
    const char* name;
    uint64_t index, term;
    bool then_offered;
    uint64_t then_match, then_commit;
  };
  const Case cases[] = {
      {"beyond the log (Restore)", 9, 3, true, 0, 1},
      {"another term there (NewTermWhileInstalling)", 3, 3, true, 0, 1},
      {"in the log (MatchingLastSnapshot)", 3, 2, false, 3, 3},
      {"in the middle of it", 2, 2, false, 2, 2},
      {"committed", 1, 1, false, 1, 1},
  };
  for (const Case& test : cases) {
    Node node(options(), restored({.nodes = 3, .terms = {1, 2, 2}, .term = 3, .applied = 1}));
    const SnapshotMark mark{.id = 5, .index = LogIndex{test.index}, .term = Term{test.term}};
    EXPECT_EQ(node.needs_snapshot(mark), test.then_offered) << test.name;
    for (const bool is_first : {true, false}) {  // offers come again and again
      node.step(from(2, 3, SnapshotOffer{mark}));
      const Ready ready = finish(node);
      EXPECT_EQ(ready.snapshot_offered.has_value(), test.then_offered && is_first) << test.name;
      if (ready.snapshot_offered) {
        EXPECT_EQ(*ready.snapshot_offered, (OfferedSnapshot{NodeId{2}, mark}));
      }
      const auto answers = bodies<AppendResponse>(ready);
      ASSERT_EQ(answers.size(), test.then_offered ? 0u : 1u) << test.name;
      if (!answers.empty()) {
        EXPECT_EQ(answers[0].match.value, test.then_match) << test.name;
      }
    }
    EXPECT_EQ(node.status().commit.value, test.then_commit) << test.name;
    EXPECT_EQ(node.soft_state().leader, NodeId{2});
  }
}

TEST(Snapshot, IsNamedAgainByAnotherLeaderOrUnderAnotherId) {
  Node node(options(), restored({.nodes = 3, .term = 1}));
  const auto is_named = [&](uint64_t leader, uint64_t term, uint64_t id) {
    node.step(from(leader, term, SnapshotOffer{{id, LogIndex{9}, Term{1}}}));
    return finish(node).snapshot_offered.has_value();
  };
  EXPECT_TRUE(is_named(2, 1, 5));
  EXPECT_FALSE(is_named(2, 1, 5));
  EXPECT_TRUE(is_named(2, 1, 6));
  EXPECT_TRUE(is_named(3, 2, 6));  // a term above is believed, as of any leader
  EXPECT_EQ(node.status().hard_state.term, Term{2});
  EXPECT_FALSE(is_named(2, 1, 7));  // a leader of the past is told so
}

TEST(Snapshot, AMalformedOfferIsIgnored) {
  Node node(options(), restored({.nodes = 3, .term = 3}));
  for (const SnapshotMark& mark :
       {SnapshotMark{1, LogIndex{0}, Term{1}}, SnapshotMark{1, LogIndex{4}, Term{0}},
        SnapshotMark{1, LogIndex{4}, Term{4}}}) {
    node.step(from(2, 3, SnapshotOffer{mark}));
  }
  EXPECT_EQ(node.status().messages_ignored, 3u);
  EXPECT_FALSE(finish(node).snapshot_offered.has_value());
}

// What a node is that has just started from a snapshot of entry 40.
RestoredState from_snapshot(Configuration configuration) {
  RestoredState state;
  state.hard_state = {.term = Term{3}, .vote = {}};
  state.log_first = LogIndex{41};
  state.previous_term = Term{2};
  state.last = state.applied = LogIndex{40};
  state.configuration = std::move(configuration);
  return state;
}

Configuration parts(std::vector<uint64_t> voters, std::vector<uint64_t> outgoing,
                    std::vector<uint64_t> learners) {
  Configuration configuration;
  for (const uint64_t id : voters) configuration.voters.push_back(NodeId{id});
  for (const uint64_t id : outgoing) configuration.outgoing.push_back(NodeId{id});
  for (const uint64_t id : learners) configuration.learners.push_back(NodeId{id});
  return with_unnamed_members(configuration);
}

TEST(Snapshot,
     ANodeStartsFromOne_RawNodeRestartFromSnapshot_RestoreWithLearner_RestoreVoterToLearner) {
  struct Case {
    const char* name;
    Configuration given;
    RoleKind then_after_a_timeout;
  };
  const Case cases[] = {
      {"voter", parts({1, 2, 3}, {}, {}), RoleKind::kPreCandidate},
      {"RestoreLearnerPromotion", parts({1, 2}, {}, {3}), RoleKind::kPreCandidate},
      {"RestoreWithLearner", parts({2, 3}, {}, {1}), RoleKind::kFollower},
      {"RestoreWithVotersOutgoing", parts({2, 3}, {1, 2, 3}, {}), RoleKind::kPreCandidate},
      {"not in it (StayFollowerIfInstallingSnapshot)", parts({2, 3}, {}, {}), RoleKind::kFollower},
  };
  for (const Case& test : cases) {
    Node node(options(), from_snapshot(test.given));
    EXPECT_EQ(node.status().commit, LogIndex{40});
    EXPECT_EQ(node.configuration(), test.given);
    // The leader's offer, which it still makes, and its probe both show that it is there.
    node.step(from(2, 3, SnapshotOffer{{5, LogIndex{40}, Term{2}}}));
    node.step(from(2, 3, Append{.previous = LogIndex{40}, .previous_term = Term{2}}));
    const auto answers = bodies<AppendResponse>(finish(node));
    ASSERT_EQ(answers.size(), 2u);
    for (const AppendResponse& answer : answers) EXPECT_EQ(answer.match, LogIndex{40});
    node.step(from(2, 3,
                   Append{.previous = LogIndex{40},
                          .previous_term = Term{2},
                          .last = LogIndex{41},
                          .entries = {entry(41, 3)}}));
    EXPECT_EQ(bodies<AppendResponse>(finish(node))[0].match, LogIndex{41});
    for (int i = 0; i < 20; ++i) node.tick();
    EXPECT_EQ(node.soft_state().role, test.then_after_a_timeout) << test.name;
  }
}

TEST(Snapshot, RefusesEntriesBeforeItsStart_ReceiveAppendEntriesWhileInstalling) {
  Node node(options(), from_snapshot(parts({1, 2, 3}, {}, {})));
  node.step(from(2, 3, Append{.previous = LogIndex{7}, .previous_term = Term{1}}));
  const auto answers = bodies<AppendResponse>(finish(node));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_FALSE(answers[0].is_rejected);
  EXPECT_EQ(answers[0].match, LogIndex{40});  // what is committed agrees for certain
}

}  // namespace
}  // namespace alfheim::raft
