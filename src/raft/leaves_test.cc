// The leaves of the core: configurations, quorums, the log's shape, durability, progress.
#include <gtest/gtest.h>

#include <map>

#include "raft/configuration.h"
#include "raft/durability.h"
#include "raft/log_shape.h"
#include "raft/progress.h"
#include "raft/quorum.h"

namespace alfheim::raft {
namespace {

using base::LogIndex;
using base::NodeId;
using base::Term;

Configuration voters(std::vector<uint64_t> incoming, std::vector<uint64_t> outgoing = {}) {
  Configuration configuration;
  for (const uint64_t id : incoming) configuration.voters.push_back(NodeId{id});
  for (const uint64_t id : outgoing) configuration.outgoing.push_back(NodeId{id});
  return with_unnamed_members(configuration);
}

struct QuorumCase {
  const char* name;
  Configuration given;
  std::map<uint64_t, uint64_t> matches;
  uint64_t then_index;
};

TEST(Quorum, IndexIsWhatMajoritiesHave_majority_commit_joint_commit) {
  const QuorumCase cases[] = {
      {"one", voters({1}), {{1, 12}}, 12},
      {"two need both", voters({1, 2}), {{1, 12}, {2, 5}}, 5},
      {"three need two", voters({1, 2, 3}), {{1, 12}, {2, 5}, {3, 6}}, 6},
      {"three, one silent", voters({1, 2, 3}), {{1, 12}, {2, 5}}, 5},
      {"four need three", voters({1, 2, 3, 4}), {{1, 9}, {2, 8}, {3, 7}, {4, 6}}, 7},
      {"five need three", voters({1, 2, 3, 4, 5}), {{1, 9}, {2, 8}, {3, 7}}, 7},
      {"joint takes the lower", voters({1, 2, 3}, {3, 4}), {{1, 9}, {2, 8}, {3, 7}, {4, 3}}, 3},
      {"joint, disjoint", voters({1}, {2}), {{1, 9}, {2, 4}}, 4},
  };
  for (const QuorumCase& test : cases) {
    const auto match_of = [&](NodeId id) {
      const auto found = test.matches.find(id.value);
      return LogIndex{found == test.matches.end() ? 0 : found->second};
    };
    EXPECT_EQ(quorum_index(test.given, match_of).value, test.then_index) << test.name;
  }
}

TEST(Quorum, WhereAllAreNeededOneRefusalIsEnough) {
  const auto result = [](std::map<uint64_t, Vote> votes) {
    return count_all_votes(voters({1, 2, 3}), [&](NodeId id) {
      const auto found = votes.find(id.value);
      return found == votes.end() ? Vote::kMissing : found->second;
    });
  };
  EXPECT_EQ(result({{1, Vote::kGranted}, {2, Vote::kGranted}}), VoteResult::kPending);
  EXPECT_EQ(result({{1, Vote::kGranted}, {2, Vote::kRefused}}), VoteResult::kLost);
  EXPECT_EQ(result({{1, Vote::kGranted}, {2, Vote::kGranted}, {3, Vote::kGranted}}),
            VoteResult::kWon);
}

TEST(Quorum, VotesAreWonOrLostAsSoonAsCertain_majority_vote_joint_vote) {
  struct Case {
    Configuration given;
    std::string votes;  // of nodes 1, 2, ...: y, n or _
    VoteResult then;
  };
  const Case cases[] = {
      {voters({1}), "y", VoteResult::kWon},
      {voters({1}), "n", VoteResult::kLost},
      {voters({1, 2}), "y_", VoteResult::kPending},
      {voters({1, 2}), "yn", VoteResult::kLost},
      {voters({1, 2, 3}), "yy_", VoteResult::kWon},
      {voters({1, 2, 3}), "y__", VoteResult::kPending},
      {voters({1, 2, 3}), "nn_", VoteResult::kLost},
      {voters({1, 2, 3, 4}), "yynn", VoteResult::kLost},
      {voters({1, 2, 3}, {3, 4, 5}), "yy___", VoteResult::kPending},
      {voters({1, 2, 3}, {3, 4, 5}), "yy_yy", VoteResult::kWon},
      {voters({1, 2, 3}, {3, 4, 5}), "yy_nn", VoteResult::kLost},
  };
  for (const Case& test : cases) {
    const auto vote_of = [&](NodeId id) {
      const char vote = test.votes[id.value - 1];
      return vote == 'y' ? Vote::kGranted : vote == 'n' ? Vote::kRefused : Vote::kMissing;
    };
    EXPECT_EQ(count_votes(test.given, vote_of), test.then) << test.votes;
  }
}

// Entries 5..10: terms 2 2 2 4 4 7; the term before is 1.
RestoredState sample_log() {
  return {.hard_state = {.term = Term{7}, .vote = {}},
          .log_first = LogIndex{5},
          .previous_term = Term{1},
          .last = LogIndex{10},
          .runs = {{LogIndex{5}, Term{2}}, {LogIndex{8}, Term{4}}, {LogIndex{10}, Term{7}}},
          .applied = LogIndex{4},
          .configuration = voters({1})};
}

TEST(LogShape, KnowsEveryTerm_Term_IsOutOfBounds) {
  const LogShape log(sample_log());
  const uint64_t terms[] = {1, 2, 2, 2, 4, 4, 7};
  for (uint64_t index = 4; index <= 10; ++index) {
    EXPECT_EQ(log.term_at(LogIndex{index}), Term{terms[index - 4]}) << index;
  }
  EXPECT_EQ(log.term_at(LogIndex{3}), std::nullopt);
  EXPECT_EQ(log.term_at(LogIndex{11}), std::nullopt);
  EXPECT_EQ(log.last_term(), Term{7});
}

TEST(LogShape, FindConflictByTerm) {
  const LogShape log(sample_log());
  struct Case {
    uint64_t index, term, then;
  };
  for (const Case& test : {Case{10, 7, 10}, Case{10, 6, 9}, Case{10, 4, 9}, Case{9, 3, 7},
                           Case{6, 4, 6}, Case{10, 1, 4}, Case{99, 9, 10}, Case{99, 0, 4}}) {
    EXPECT_EQ(log.last_with_term_at_most(LogIndex{test.index}, Term{test.term}).value, test.then)
        << test.index << "@" << test.term;
  }
}

TEST(LogShape, TruncatesAndAppends_UnstableTruncateAndAppend) {
  LogShape log(sample_log());
  EXPECT_EQ(log.append(Term{7}, 100), LogIndex{11});
  EXPECT_EQ(log.append(Term{8}, 50), LogIndex{12});
  EXPECT_EQ(log.uncommitted_bytes(), 150u);
  EXPECT_EQ(log.bytes_at(LogIndex{11}), 100u);
  EXPECT_EQ(log.bytes_at(LogIndex{10}), std::nullopt);
  log.truncate_after(LogIndex{8});
  EXPECT_EQ(log.last(), LogIndex{8});
  EXPECT_EQ(log.last_term(), Term{4});
  EXPECT_EQ(log.uncommitted_bytes(), 0u);
  log.append(Term{9}, 7);
  log.commit_to(LogIndex{8});
  EXPECT_EQ(log.uncommitted_bytes(), 7u);
  log.commit_to(LogIndex{9});
  EXPECT_EQ(log.uncommitted_bytes(), 0u);
  log.check_invariants();
}

TEST(LogShape, StartsLater_Compaction_CompactionSideEffects) {
  LogShape log(sample_log());
  log.commit_to(LogIndex{10});
  log.start_at(LogIndex{7});
  log.check_invariants();
  EXPECT_EQ(log.term_at(LogIndex{6}), Term{2});
  EXPECT_EQ(log.term_at(LogIndex{5}), std::nullopt);
  EXPECT_EQ(log.term_at(LogIndex{8}), Term{4});
  log.start_at(LogIndex{11});
  log.check_invariants();
  EXPECT_EQ(log.term_at(LogIndex{10}), Term{7});
  EXPECT_EQ(log.last_term(), Term{7});
  EXPECT_EQ(log.append(Term{8}, 1), LogIndex{11});
  log.check_invariants();
}

TEST(LogShape, ForgetsSizesOfOldEntriesButNeverOfUncommittedOnes) {
  LogShape log(sample_log());
  for (size_t i = 0; i < LogShape::kSizesKept + 10; ++i) log.append(Term{8}, 1);
  EXPECT_EQ(log.uncommitted_bytes(), LogShape::kSizesKept + 10);
  EXPECT_EQ(log.bytes_at(LogIndex{11}), 1u);
  log.commit_to(log.last());
  EXPECT_EQ(log.bytes_at(LogIndex{11}), std::nullopt);
  EXPECT_EQ(log.bytes_at(LogIndex{21}), 1u);
}

TEST(LogShapeDeathTest, NeverTruncatesWhatIsCommitted) {
  LogShape log(sample_log());
  log.commit_to(LogIndex{9});
  EXPECT_DEATH(log.truncate_after(LogIndex{8}), "committed");
}

TEST(Durability, CountsNothingThatWasOverwritten_async_storage_writes_append_aba_race) {
  const HardState hard_state{.term = Term{4}, .vote = {}};
  Durability durability(LogIndex{4}, hard_state);
  durability.started(1, LogIndex{5}, hard_state);  // 5@2
  durability.truncated_after(LogIndex{4});
  durability.started(2, LogIndex{5}, hard_state);  // 5@3
  durability.truncated_after(LogIndex{4});
  durability.started(3, LogIndex{5}, hard_state);  // 5@2 again
  durability.finished(1);
  EXPECT_EQ(durability.last(), LogIndex{4});
  durability.finished(2);
  EXPECT_EQ(durability.last(), LogIndex{4});
  durability.finished(3);
  EXPECT_EQ(durability.last(), LogIndex{5});
  EXPECT_TRUE(durability.is_idle());
}

TEST(Durability, ALaterAcknowledgementCoversTheEarlier) {
  Durability durability(LogIndex{0}, {});
  durability.started(1, LogIndex{0}, {.term = Term{1}, .vote = NodeId{1}});
  durability.started(3, LogIndex{9}, {.term = Term{1}, .vote = NodeId{1}});
  durability.finished(2);
  EXPECT_EQ(durability.hard_state().term, Term{1});
  EXPECT_EQ(durability.last(), LogIndex{0});
  durability.finished(7);
  durability.finished(3);
  EXPECT_EQ(durability.last(), LogIndex{9});
}

TEST(Progress, ProbesOneMessageAtATime_ProgressPaused_SendAppendForProgressProbe) {
  Progress progress(LogIndex{5}, 2, 100);
  EXPECT_FALSE(progress.is_paused());
  progress.sent(LogIndex{8}, 10, LogIndex{1});
  EXPECT_TRUE(progress.is_paused());
  EXPECT_EQ(progress.next(), LogIndex{5});
  progress.heard();  // ProgressResumeByHeartbeatResp
  EXPECT_FALSE(progress.is_paused());
}

TEST(Progress, StopsAtItsWindow_InflightsFull_InflightFreeTo_MsgAppFlowControlFull) {
  Progress progress(LogIndex{5}, 2, 100);
  progress.become_replicate();
  progress.sent(LogIndex{1}, 10, LogIndex{0});
  progress.sent(LogIndex{2}, 10, LogIndex{0});
  EXPECT_TRUE(progress.is_paused());
  EXPECT_TRUE(progress.acknowledged(LogIndex{1}));
  EXPECT_FALSE(progress.is_paused());
  progress.sent(LogIndex{3}, 90, LogIndex{0});  // by bytes now
  EXPECT_TRUE(progress.is_paused());
  progress.heard();  // MsgAppFlowControlRecvHeartbeat
  EXPECT_FALSE(progress.is_paused());
  EXPECT_TRUE(progress.is_window_full());
  EXPECT_FALSE(progress.acknowledged(LogIndex{1}));
  progress.check_invariants(LogIndex{3});
}

// Whatever was on its way is forgotten when the peer is probed anew, or needs a snapshot.
TEST(Progress, AnotherStateBeginsWithAnEmptyWindow_InflightsReset) {
  for (const bool is_snapshot : {false, true}) {
    Progress progress(LogIndex{5}, 2, 100);
    progress.become_replicate();
    progress.sent(LogIndex{5}, 60, LogIndex{0});
    progress.sent(LogIndex{6}, 60, LogIndex{0});
    EXPECT_TRUE(progress.is_window_full());
    if (is_snapshot) {
      progress.become_snapshot();
    } else {
      progress.become_probe();
    }
    EXPECT_EQ(progress.inflight_messages(), 0u);
    EXPECT_EQ(progress.inflight_bytes(), 0u);
    progress.become_replicate();
    EXPECT_FALSE(progress.is_window_full());
    EXPECT_FALSE(progress.is_paused());
    progress.check_invariants(LogIndex{6});
  }
}

TEST(Progress, RefusalsMoveItBack_ProgressMaybeDecr) {
  struct Case {
    bool is_replicating;
    uint64_t match, next, rejected, hint;
    bool then_moved;
    uint64_t then_next;
  };
  const Case cases[] = {
      {true, 5, 10, 5, 5, false, 10},   // refused what it has agreed to since: stale
      {true, 5, 10, 9, 9, true, 6},     // back behind the match
      {false, 0, 10, 8, 8, false, 10},  // not the probe that is out
      {false, 0, 10, 9, 3, true, 4},    // after the hint
      {false, 0, 2, 1, 1, true, 1},     // one back at least
      {false, 5, 10, 9, 2, true, 6},    // never below the match
  };
  for (const Case& test : cases) {
    Progress progress(LogIndex{test.next}, 4, 100);
    if (test.match > 0) progress.acknowledged(LogIndex{test.match});
    if (test.is_replicating) {
      progress.become_replicate();
      progress.sent(LogIndex{test.next - 1}, 1, LogIndex{0});
    }
    EXPECT_EQ(progress.rejected(LogIndex{test.rejected}, LogIndex{test.hint}), test.then_moved);
    EXPECT_EQ(progress.next().value, test.then_next) << test.rejected << " " << test.hint;
  }
}

TEST(RestoredState, ContradictionsAreCorruption) {
  EXPECT_TRUE(check_restored(sample_log()).is_ok());
  const auto broken = [](auto change) {
    RestoredState state = sample_log();
    change(state);
    const base::Status status = check_restored(state);
    return !status.is_ok() && status.error().code == base::ErrorCode::kCorruption;
  };
  EXPECT_TRUE(broken([](RestoredState& state) { state.log_first = LogIndex{0}; }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.applied = LogIndex{11}; }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.applied = LogIndex{3}; }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.last = LogIndex{3}; }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.last = LogIndex{9}; }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.runs.clear(); }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.runs[1].term = Term{2}; }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.runs[0].first = LogIndex{6}; }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.previous_term = Term{3}; }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.hard_state.term = Term{6}; }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.configuration.voters.clear(); }));
  EXPECT_TRUE(broken([](RestoredState& state) { state.configuration.members.clear(); }));
}

}  // namespace
}  // namespace alfheim::raft
