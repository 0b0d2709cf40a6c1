// replica/testing_group: three raft nodes and a leader's HandOver and Roster, for the room's tests.
//
// Raft's nodes are real, disks are perfect and messages arrive at once unless a node is cut off.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "replica/hand_over.h"
#include "replica/roster.h"
#include "sim/hands/sim_clock.h"

namespace alfheim::replica {

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
      link.endpoint.id = base::NodeId{id};
      link.is_connected = connected.contains(id);
    }
    return links;
  }
  std::set<uint64_t> connected = {2, 3};
};

// Three voters with perfect disks; node 1 leads, and has the HandOver and the Roster.
class Group {
 public:
  Group() {
    raft::RestoredState state;
    state.configuration = raft::make_configuration(std::vector<base::NodeId>{{1}, {2}, {3}});
    for (uint64_t id = 1; id <= 3; ++id) start(id, state);
    hand_over = std::make_unique<HandOver>(HandOver::Hands{node(1), clock_, &links, 500});
    roster = std::make_unique<Roster>(
        Roster::Hands{.raft = node(1),
                      .transport = &links,
                      .self = base::NodeId{1},
                      .data_uid = 0xd1,
                      .leaving_ticks = 15},
        Roster::Events{.on_links_changed = [this] { ++links_changed_count; }, .on_trouble = {}});
    node(1).campaign();
    settle();
    EXPECT_TRUE(node(1).is_leader_established());
  }

  // A node that has not joined yet.
  void start_blank(uint64_t id) { start(id, {}); }
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
      roster->on_tick();
      settle();
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
  std::unique_ptr<Roster> roster;
  int links_changed_count = 0;

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
      // As the replica does after each Ready.
      if (roster != nullptr) roster->look();
    }
  }

 private:
  void start(uint64_t id, const raft::RestoredState& state) {
    nodes_.emplace(id,
                   std::make_unique<raft::Node>(
                       raft::Node::Options{
                           .id = base::NodeId{id}, .group = {1}, .election_ticks = 5, .seed = id},
                       state));
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

}  // namespace alfheim::replica
