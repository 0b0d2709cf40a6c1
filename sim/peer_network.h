// sim/peer_network: the messages between simulated nodes: late, lost, doubled, overtaken, cut off.
//
// Each message goes alone: what overtakes what is drawn from the seed. Nodes come and go; what is
// on its way to one that died reaches its next life, as a late packet would.
//
// Thread: one. Lifetime: of one run; the scheduler outlives it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "net/peer_transport.h"
#include "sim/hands/sim_scheduler.h"

namespace alfheim::sim {

struct PeerNetworkOptions {
  uint32_t loss_per_1000 = 0;
  uint32_t doubled_per_1000 = 0;
  uint64_t delay_ns_min = 50'000;
  uint64_t delay_ns_max = 500'000;
  // Now and then a message takes so much longer.
  uint32_t late_per_1000 = 0;
  uint64_t late_ns_max = 0;
  bool cuts_what_is_under_way = true;  // or that still arrives
};

class PeerNetwork {
 public:
  using Deliver = std::function<void(base::NodeId to, const net::PeerMessage&)>;
  PeerNetwork(SimScheduler& scheduler, uint64_t seed, Deliver deliver);
  ~PeerNetwork();

  // Whether `from` has a link with `to`, who lets it in; asked of what is sent. Not set: always.
  using Admit = std::function<bool(base::NodeId from, base::NodeId to)>;
  void set_admit(Admit admit) { admit_ = std::move(admit); }
  void set_options(const PeerNetworkOptions& options) { options_ = options; }
  const PeerNetworkOptions& options() const { return options_; }
  // The hand that a node sends with.
  net::PeerTransport& transport(base::NodeId from);
  void cut(base::NodeId from, base::NodeId to) { cuts_.insert({from, to}); }
  void heal() { cuts_.clear(); }
  bool has_cuts() const { return !cuts_.empty(); }

 private:
  class Transport;
  void send(const net::PeerMessage& message);
  void post(const net::PeerMessage& message);

  SimScheduler& scheduler_;
  SimRandom random_;
  Deliver deliver_;
  Admit admit_;
  PeerNetworkOptions options_;
  std::map<base::NodeId, std::unique_ptr<Transport>> transports_;
  std::set<std::pair<base::NodeId, base::NodeId>> cuts_;
};

}  // namespace alfheim::sim
