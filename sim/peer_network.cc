#include "sim/peer_network.h"

namespace alfheim::sim {

class PeerNetwork::Transport final : public net::PeerTransport {
 public:
  Transport(PeerNetwork& network, base::NodeId from) : network_(network), from_(from) {}
  void set_receiver(net::PeerReceiver*) override {}  // SimNode::receive is one
  void set_peers(std::vector<net::PeerEndpoint>) override {}
  // A node that is down or hangs is connected for all that this one can tell.
  std::vector<net::PeerLinkStatus> status() const override {
    std::vector<net::PeerLinkStatus> all;
    for (const auto& [id, transport] : network_.transports_) {
      if (id == from_) continue;
      const bool is_cut =
          network_.cuts_.contains({from_, id}) || network_.cuts_.contains({id, from_});
      all.push_back({.endpoint = {id, {}}, .is_connected = !is_cut, .trouble = {}});
    }
    return all;
  }
  void send(net::PeerMessage message) override { network_.send(message); }

 private:
  PeerNetwork& network_;
  const base::NodeId from_;
};

PeerNetwork::PeerNetwork(SimScheduler& scheduler, uint64_t seed, Deliver deliver)
    : scheduler_(scheduler), random_(seed), deliver_(std::move(deliver)) {}

PeerNetwork::~PeerNetwork() = default;

net::PeerTransport& PeerNetwork::transport(base::NodeId from) {
  std::unique_ptr<Transport>& transport = transports_[from];
  if (transport == nullptr) transport = std::make_unique<Transport>(*this, from);
  return *transport;
}

void PeerNetwork::send(const net::PeerMessage& message) {
  const base::NodeId from = net::sender_of(message);
  const base::NodeId to = net::receiver_of(message);
  if (admit_ && !cuts_.contains({from, to}) && !admit_(from, to)) return;
  if (!options_.cuts_what_is_under_way && cuts_.contains({from, to})) return;
  if (random_.below(1000) < options_.loss_per_1000) return;
  post(message);
  if (random_.below(1000) < options_.doubled_per_1000) post(message);
}

void PeerNetwork::post(const net::PeerMessage& message) {
  uint64_t delay_ns = random_.between(options_.delay_ns_min, options_.delay_ns_max);
  if (random_.below(1000) < options_.late_per_1000) delay_ns += random_.below(options_.late_ns_max);
  scheduler_.post_world(delay_ns, [this, message] {
    // Judged when it arrives: a cut also stops what is on its way, unless it shall not.
    const base::NodeId from = net::sender_of(message);
    const base::NodeId to = net::receiver_of(message);
    if (options_.cuts_what_is_under_way && cuts_.contains({from, to})) return;
    deliver_(to, message);
  });
}

}  // namespace alfheim::sim
