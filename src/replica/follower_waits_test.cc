#include "replica/follower_waits.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

namespace alfheim::replica {
namespace {

using base::LogIndex;
using base::NodeId;
using base::Term;

// Node 1 of three leads; its no-op, entry 1, is durable here.
class FollowerWaitsTest : public testing::Test {
 protected:
  FollowerWaitsTest() : node({.id = NodeId{1}, .group = {1}, .seed = 1}, restored()) {
    while (node.soft_state().role != raft::RoleKind::kPreCandidate) tick();
    for (const bool is_pre_vote : {true, false}) {
      step(2, raft::VoteResponse{.is_pre_vote = is_pre_vote, .is_granted = true});
    }
    EXPECT_TRUE(node.is_leader());
  }
  static raft::RestoredState restored() {
    raft::RestoredState state;
    state.configuration = raft::make_configuration(std::vector<NodeId>{{1}, {2}, {3}});
    return state;
  }
  void carry_out() {
    while (node.has_ready()) node.persisted(node.take_ready().number);
  }
  void tick() {
    node.tick();
    carry_out();
  }
  void step(uint64_t from, raft::Body body) {
    const bool is_pre_vote = std::holds_alternative<raft::VoteResponse>(body) &&
                             std::get<raft::VoteResponse>(body).is_pre_vote;
    const Term term{is_pre_vote ? 1 : std::max<uint64_t>(node.soft_state().term.value, 1)};
    node.step(raft::Message{{1}, NodeId{from}, {1}, term, std::move(body)});
    carry_out();
  }
  void acknowledge(uint64_t from, uint64_t match, uint64_t now_ms = 0) {
    step(from, raft::AppendResponse{.match = LogIndex{match}});
    waits.look(node, now_ms);
  }
  void wait(size_t count, uint64_t timeout_ms, uint64_t now_ms = 0) {
    waits.add({.index = LogIndex{1},
               .count = count,
               .timeout_ms = timeout_ms,
               .done = [this](size_t holders) { told = holders; }},
              node, now_ms);
  }

  raft::Node node;
  FollowerWaits waits;
  std::optional<size_t> told;
};

TEST_F(FollowerWaitsTest, EndsWhenEnoughHoldIt) {
  wait(2, 0);
  EXPECT_FALSE(told);
  acknowledge(2, 1);
  EXPECT_FALSE(told);
  acknowledge(3, 0);
  EXPECT_FALSE(told);
  acknowledge(3, 1);
  EXPECT_EQ(told, 2u);
  EXPECT_EQ(waits.size(), 0u);
  wait(1, 0);  // they hold it already
  EXPECT_EQ(told, 2u);
}

TEST_F(FollowerWaitsTest, TellsHowManyWhenTheTimeIsUp) {
  wait(3, 100, 1000);  // there are two
  acknowledge(2, 1, 1099);
  EXPECT_FALSE(told);
  waits.look(node, 1100);
  EXPECT_EQ(told, 1u);
  wait(0, 0);
  EXPECT_EQ(told, 1u);
}

TEST_F(FollowerWaitsTest, WhoIsGoneIsNotWaitedFor) {
  auto owner = std::make_shared<const int>(1);
  waits.add({.index = LogIndex{1},
             .count = 2,
             .owner = std::weak_ptr<const void>(owner),
             .done = [this](size_t holders) { told = holders; }},
            node, 0);
  waits.look(node, 1);
  EXPECT_EQ(waits.size(), 1u);
  owner.reset();
  waits.look(node, 2);
  EXPECT_EQ(waits.size(), 0u);
  EXPECT_FALSE(told);
}

TEST_F(FollowerWaitsTest, AFormerLeaderTellsWhatItKnew) {
  wait(2, 0);
  acknowledge(2, 1);
  node.step(raft::Message{{1}, NodeId{3}, {1}, Term{9}, raft::Heartbeat{}});
  carry_out();
  waits.look(node, 0);
  EXPECT_EQ(told, 1u);
}

}  // namespace
}  // namespace alfheim::replica
