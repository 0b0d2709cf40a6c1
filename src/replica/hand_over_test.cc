#include "replica/hand_over.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "sim/hands/sim_clock.h"

namespace alfheim::replica {
namespace {

using base::NodeId;

// Links of node 1, as its transport would tell of them.
class FakeLinks final : public net::PeerTransport {
 public:
  void set_receiver(net::PeerReceiver*) override {}
  void send(net::PeerMessage) override {}
  void set_peers(std::vector<net::PeerEndpoint>) override {}
  std::vector<net::PeerLinkStatus> status() const override {
    std::vector<net::PeerLinkStatus> links;
    for (const uint64_t id : {2, 3}) {
      net::PeerLinkStatus& link = links.emplace_back();
      link.endpoint.id = NodeId{id};
      link.is_connected = connected.contains(id);
    }
    return links;
  }
  std::set<uint64_t> connected = {2, 3};
};

// Three voters with perfect disks; node 1 leads, and has the HandOver.
class Group {
 public:
  Group() {
    raft::RestoredState state;
    state.configuration = raft::make_configuration(std::vector<NodeId>{{1}, {2}, {3}});
    for (uint64_t id = 1; id <= 3; ++id) {
      nodes_.emplace(id, std::make_unique<raft::Node>(
                             raft::Node::Options{
                                 .id = NodeId{id}, .group = {1}, .election_ticks = 5, .seed = id},
                             state));
    }
    hand_over = std::make_unique<HandOver>(HandOver::Hands{node(1), clock_, &links, 500});
    node(1).campaign();
    settle();
    EXPECT_TRUE(node(1).is_leader_established());
  }

  raft::Node& node(uint64_t id) { return *nodes_.at(id); }
  void cut(uint64_t id) { cut_.insert(id); }
  void heal() { cut_.clear(); }
  base::Result<base::LogIndex> propose() {
    const raft::Proposal proposal{.payload = std::make_shared<const base::Bytes>("x")};
    base::Result<base::LogIndex> index = node(1).propose({&proposal, 1});
    settle();
    return index;
  }
  // As the replica does it, on node 1 alone where the others are not to know.
  void tick(int count = 1, bool is_busy = false) {
    for (int i = 0; i < count; ++i) {
      clock_.advance_ms(100);
      for (auto& [id, one] : nodes_) {
        if (!cut_.contains(id)) one->tick();
      }
      settle();
      hand_over->advance(is_busy);
      settle();
      hand_over->advance(is_busy);
    }
  }
  // What its waiter was told: "" while it is not over.
  std::shared_ptr<std::string> order(HandOverOrder what, bool is_busy = false) {
    auto told = std::make_shared<std::string>();
    what.done = [told](const base::Status& status) {
      EXPECT_EQ(*told, "") << "told twice";
      *told = status ? "ok" : status.error().message;
    };
    hand_over->begin(std::move(what));
    hand_over->advance(is_busy);
    settle();
    hand_over->advance(is_busy);
    return told;
  }

  FakeLinks links;
  std::unique_ptr<HandOver> hand_over;

 private:
  void settle() {
    for (bool has_news = true; has_news;) {
      has_news = false;
      for (auto& [id, one] : nodes_) {
        while (one->has_ready()) {
          has_news = true;
          carry_out(id, one->take_ready());
        }
      }
      while (!network_.empty()) {
        has_news = true;
        const raft::Message message = std::move(network_.front());
        network_.pop_front();
        nodes_.at(message.to.value)->step(message);
      }
    }
  }
  void carry_out(uint64_t id, raft::Ready ready) {
    auto& log = logs_[id];
    for (const raft::Entry& entry : ready.entries) log[entry.index] = entry;
    for (raft::Message& message : ready.messages) post(std::move(message));
    node(id).persisted(ready.number);
    for (raft::Message& message : ready.messages_after_persist) post(std::move(message));
    node(id).applied(ready.applicable);
  }
  void post(raft::Message message) {
    if (cut_.contains(message.from.value) || cut_.contains(message.to.value)) return;
    if (auto* append = std::get_if<raft::Append>(&message.body)) {
      for (auto index = append->previous.next(); index <= append->last; index = index.next()) {
        append->entries.push_back(logs_[message.from.value].at(index));
      }
    }
    network_.push_back(std::move(message));
  }

  sim::SimClock clock_;
  std::map<uint64_t, std::unique_ptr<raft::Node>> nodes_;
  std::map<uint64_t, std::map<base::LogIndex, raft::Entry>> logs_;
  std::deque<raft::Message> network_;
  std::set<uint64_t> cut_;
};

TEST(HandOver, TheNamedVoterLeadsAtOnce) {
  Group group;
  EXPECT_EQ(*group.order({.to = NodeId{3}}), "ok");
  EXPECT_TRUE(group.node(3).is_leader());
  EXPECT_FALSE(group.hand_over->is_on());
  EXPECT_FALSE(group.hand_over->holds_back());
}

TEST(HandOver, UnnamedItIsTheFurthestThatIsConnected) {
  Group behind;
  behind.cut(2);
  ASSERT_TRUE(behind.propose().is_ok());
  behind.heal();
  EXPECT_EQ(*behind.order({}), "ok");
  EXPECT_TRUE(behind.node(3).is_leader());

  Group apart;
  apart.links.connected = {2};
  EXPECT_EQ(*apart.order({}), "ok");
  EXPECT_TRUE(apart.node(2).is_leader());

  Group alone;
  alone.links.connected = {};
  EXPECT_EQ(*alone.order({}), "no other voter is connected");
  EXPECT_TRUE(alone.node(1).is_leader());
}

TEST(HandOver, WritesGoOnWhileTheTargetCatchesUp) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}, .timeout_ms = 5000});
  group.tick(3);
  EXPECT_EQ(*told, "");
  EXPECT_EQ(group.hand_over->phase(), HandOverPhase::kCatchingUp);
  EXPECT_FALSE(group.hand_over->holds_back());
  EXPECT_TRUE(group.propose().is_ok());
  group.heal();
  group.tick(2);
  EXPECT_EQ(*told, "ok");
  EXPECT_TRUE(group.node(2).is_leader());
}

TEST(HandOver, ATargetThatStaysAwayIsWaitedForSoLongAndNoLonger) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}, .timeout_ms = 500});
  group.tick(4);
  EXPECT_EQ(*told, "");
  group.tick(1);
  EXPECT_EQ(*told, "node 0000000000000002 did not catch up within 500 ms");
  EXPECT_TRUE(group.node(1).is_leader());
  EXPECT_TRUE(group.propose().is_ok());
}

TEST(HandOver, UnreadyItIsTriedAndGivenUpWithinAnElectionTimeout) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}, .timeout_ms = 200, .goes_unready = true});
  group.tick(2);
  EXPECT_EQ(group.hand_over->phase(), HandOverPhase::kUnderWay);
  EXPECT_TRUE(group.hand_over->holds_back());
  EXPECT_FALSE(group.propose().is_ok());
  group.tick(5);
  EXPECT_EQ(*told, "node 0000000000000002 did not take over within an election timeout of 500 ms");
  EXPECT_FALSE(group.hand_over->holds_back());
  EXPECT_TRUE(group.propose().is_ok());
}

TEST(HandOver, WhatIsHalfDoneEndsFirst) {
  Group group;
  const auto told = group.order({.to = NodeId{2}}, true);
  EXPECT_EQ(*told, "");
  EXPECT_EQ(group.hand_over->phase(), HandOverPhase::kEnding);
  EXPECT_TRUE(group.hand_over->holds_back());
  EXPECT_TRUE(group.propose().is_ok());  // its last piece
  group.tick();
  EXPECT_EQ(*told, "ok");
}

TEST(HandOver, ASecondOrderJoinsOrIsRefused) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto first = group.order({.to = NodeId{2}});
  EXPECT_EQ(*group.order({.to = NodeId{3}}), "leadership is being handed over already");
  EXPECT_EQ(*group.order({}), "leadership is being handed over already");
  const auto same = group.order({.to = NodeId{2}});
  const auto joined = group.order({.joins = true});
  group.heal();
  group.tick(2);
  EXPECT_EQ(*first, "ok");
  EXPECT_EQ(*same, "ok");
  EXPECT_EQ(*joined, "ok");
}

TEST(HandOver, ItIsCalledOffUntilTheElectionBegins) {
  Group group;
  EXPECT_EQ(group.hand_over->abort().error().code, base::ErrorCode::kNotFound);
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}});
  EXPECT_TRUE(group.hand_over->abort().is_ok());
  EXPECT_EQ(*told, "it was called off");
  EXPECT_FALSE(group.hand_over->is_on());
  const auto unready = group.order({.to = NodeId{2}, .timeout_ms = 100, .goes_unready = true});
  group.tick(1);
  EXPECT_EQ(group.hand_over->abort().error().code, base::ErrorCode::kUnavailable);
  EXPECT_EQ(*unready, "");
}

TEST(HandOver, WhoDoesNotLeadHasNothingToGive) {
  Group group;
  EXPECT_EQ(*group.order({.to = NodeId{1}}), "ok");  // it leads already
  EXPECT_EQ(*group.order({.to = NodeId{9}}), "node 0000000000000009 is no voter");
  ASSERT_EQ(*group.order({.to = NodeId{2}}), "ok");
  EXPECT_EQ(*group.order({.to = NodeId{3}}), "this node does not lead");
}

TEST(HandOver, AnotherThanTheNamedOneIsNoSuccess) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}});
  ASSERT_TRUE(group.node(1).transfer_leadership(NodeId{3}).is_ok());
  group.tick(2);
  ASSERT_TRUE(group.node(3).is_leader());
  EXPECT_EQ(*told, "node 0000000000000003 leads instead");
}

TEST(HandOver, NobodyWaitsForANodeThatStops) {
  Group group;
  group.cut(2);
  ASSERT_TRUE(group.propose().is_ok());
  const auto told = group.order({.to = NodeId{2}});
  group.hand_over->give_up();
  group.hand_over->give_up();
  EXPECT_EQ(*told, "the node stops");
}

}  // namespace
}  // namespace alfheim::replica
