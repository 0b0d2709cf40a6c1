// A replica that leads, and then does no more. It is one of three voters; the test speaks for the
// other two.
#include <gtest/gtest.h>

#include "replica/testing_life.h"

namespace alfheim::replica {
namespace {

constexpr base::NodeId kFriend{2};
constexpr base::NodeId kRival{3};

class ReplicaRoleTest : public testing::Test {
 protected:
  ReplicaRoleTest() {
    life.replica().start();
    while (status().soft_state.role != raft::RoleKind::kPreCandidate) continue;
    term = base::Term{status().soft_state.term.value + 1};
    step(kFriend, raft::VoteResponse{.is_pre_vote = true, .is_granted = true});
    step(kFriend, raft::VoteResponse{.is_pre_vote = false, .is_granted = true});
    step(kFriend, raft::AppendResponse{.match = status().last});
    EXPECT_TRUE(life.replica().is_serving());
  }
  raft::NodeStatus status() {
    life.run_for_ms(100);  // it is told at each tick
    return life.replica().status_snapshot().raft;
  }
  void step(base::NodeId from, raft::Body body) {
    life.replica().step(raft::Message{{1}, from, {1}, term, std::move(body)});
    life.run_for_ms(20);
  }
  // The rival leads from here on, behind this entry of the old term.
  void follow_rival(base::LogIndex previous, base::Term previous_term) {
    raft::Entry noop;
    noop.index = previous.next();
    noop.term = term = base::Term{status().soft_state.term.value + 1};
    noop.kind = raft::EntryKind::kNoop;
    step(kRival, raft::Append{.previous = previous,
                              .previous_term = previous_term,
                              .last = noop.index,
                              .commit = noop.index,
                              .entries = {noop}});
    ASSERT_EQ(life.replica().leader(), kRival);
  }
  // Nobody answers any more: this node sees that it leads nobody.
  void cut_off() {
    while (status().soft_state.role == raft::RoleKind::kLeader) continue;
  }

  World world{.voter_count = 3};
  Life life{world};
  base::Term term;
};

TEST_F(ReplicaRoleTest, WhoseOutcomeACutOffNodeCannotLearnIsNotKeptWaiting) {
  const uint64_t slot = life.begin({"SET", "a", "1"});
  life.run_for_ms(20);
  cut_off();
  life.run_for_ms(2500);
  EXPECT_EQ(life.reply(slot), "(none)") << "the next leader may be heard soon";
  life.run_for_ms(1000);
  ASSERT_EQ(life.reply(slot), "(not replied)");
  EXPECT_EQ(life.kind(slot), ReplyKind::kLost);
  life.run_for_ms(10'000);
  EXPECT_EQ(life.reply_count, 1u) << "told once";
}

TEST_F(ReplicaRoleTest, WhoHearsOfTheNextLeaderInTimeIsToldWhatBecameOfIt) {
  const uint64_t slot = life.begin({"SET", "a", "1"});
  life.run_for_ms(20);
  cut_off();
  const base::LogIndex last = status().last;
  follow_rival(last, base::Term{term.value});
  life.run_for_ms(100);
  EXPECT_EQ(life.reply(slot), "+OK\r\n");
  life.run_for_ms(5000);
  EXPECT_EQ(life.reply_count, 1u);
}

}  // namespace
}  // namespace alfheim::replica
