// Three nodes, each of which believes that another leads: where a request could go round for ever.
// A seed draws who believes what and when, whose clients ask, and which connections come about.
// What comes through a tunnel is never carried on: who has no clients of its own opens none.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/session_tunnel_testing.h"

namespace alfheim::server {
namespace {

constexpr size_t kPlaces = 3;
constexpr uint64_t kSeeds = 60;
constexpr int kSteps = 40;
// Rounds in which bytes went on; far more than a request through one tunnel needs.
constexpr int kRoundsMax = 100;

// Each node is number 1 for itself; its friend 2 stands in the next place, 3 in the one behind it.
class Ring {
 public:
  explicit Ring(uint64_t seed) : random_(seed) {
    for (Place& place : places_) {
      place.has_clients = draw(2) == 0;
      put_friends(place.node.directory());
      place.node.replica().start();
      believe(place);
    }
  }

  // Clients and wires stand in other places' nodes, too.
  ~Ring() {
    for (Place& place : places_) {
      place.clients.clear();
      place.wires.clear();
    }
  }

  void act() {
    Place& place = places_[draw(kPlaces)];
    switch (draw(5)) {
      case 0: believe(place); break;
      case 1: pass_time(); break;
      default: ask(place);
    }
  }
  // Carries bytes until nobody sends any more; false: there is no end to it.
  bool carry() {
    for (int round = 0; round < kRoundsMax; ++round) {
      bool has_moved = false;
      for (size_t at = 0; at < kPlaces; ++at) has_moved |= connect(at) | carry(places_[at]);
      if (!has_moved) return true;
    }
    return false;
  }
  // Of those that have clients of their own, or of those that have none.
  size_t dials(bool has_clients) const {
    size_t count = 0;
    for (const Place& place : places_) {
      if (place.has_clients == has_clients) count += place.network.dials.size();
    }
    return count;
  }

 private:
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  struct Wire {
    std::shared_ptr<FakeConnection> near;
    std::unique_ptr<TestClient> far;
  };
  struct Place {
    FakeNetwork network;
    TestNode node{setup_with_tunnels(network, true)};
    base::NodeId leader;
    base::Term term{1};
    bool has_clients = false;
    std::vector<std::unique_ptr<TestClient>> clients;
    std::vector<Wire> wires;
    size_t connected = 0;  // of what it dialled
  };

  uint64_t draw(uint64_t below) { return random_() % below; }

  void believe(Place& place) {
    place.leader = draw(2) == 0 ? kFriend : kRival;
    ++place.term.value;
    hear(place);
  }
  static void hear(Place& place) {
    place.node.replica().step(raft::Message{{1}, place.leader, {1}, place.term, raft::Heartbeat{}});
    place.node.run_for_ms(100);
  }
  void pass_time() {
    for (Place& place : places_) {
      for (int i = 0; i < 5; ++i) hear(place);
    }
  }
  void ask(Place& place) {
    static const std::vector<std::vector<std::string>> kRequests = {
        {"SET", "k", "v"}, {"GET", "k"}, {"INCR", "n"}, {"MULTI"}, {"EXEC"}, {"RAFT", "HASH"}};
    if (!place.has_clients) return;
    if (place.clients.empty() || draw(4) == 0) {
      place.clients.push_back(std::make_unique<TestClient>(place.node));
    }
    TestClient& client = *place.clients[draw(place.clients.size())];
    static_cast<void>(client.call(kRequests[draw(kRequests.size())]));
  }
  bool connect(size_t at) {
    Place& place = places_[at];
    const bool has_news = place.connected < place.network.dials.size();
    while (place.connected < place.network.dials.size()) {
      FakeNetwork::Dial& dial = place.network.dials[place.connected++];
      if (draw(8) == 0) {
        FakeNetwork::refuse(dial);
        continue;
      }
      const size_t steps = dial.address == "10.0.0.2:6379" ? 1 : 2;
      FakeNetwork::take(dial);
      Place& far = places_[(at + steps) % kPlaces];
      place.wires.push_back({dial.connection, std::make_unique<TestClient>(far.node)});
    }
    place.node.settle();
    return has_news;
  }
  static bool carry(Place& place) {
    bool has_moved = false;
    for (Wire& wire : place.wires) {
      const base::Bytes asked = wire.near->take();
      const base::Bytes answered = wire.far->exchange(asked);
      if (!answered.empty()) wire.near->client_send(answered);
      if (wire.far->is_closed()) wire.near->client_close();
      has_moved |= !asked.empty() || !answered.empty();
    }
    place.node.settle();
    return has_moved;
  }

  std::mt19937_64 random_;
  std::array<Place, kPlaces> places_;
};

TEST(SessionTunnelSeeds, WhatComesThroughATunnelIsNeverCarriedOn) {
  size_t dials = 0;
  for (uint64_t seed = 1; seed <= kSeeds && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Ring ring(seed);
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
      ring.act();
      EXPECT_TRUE(ring.carry()) << "a request goes round";
      EXPECT_EQ(ring.dials(false), 0u);
    }
    dials += ring.dials(true);
  }
  EXPECT_GT(dials, kSeeds);  // tunnels were really opened
}

}  // namespace
}  // namespace alfheim::server
