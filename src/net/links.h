// net/links: the connections between the nodes of a cluster, as a PeerTransport.
//
// Two strands: the core, where replica sends and receives, and io, where the connections live
// (net/link_hub); they may be the same. Between them go tasks, bounded both ways: what is sent
// beyond the bound is dropped, what comes beyond it lets the bulk lanes wait. Sees sockets
// through env::Network only, so the simulator can run it over connections of its own.
//
// Thread: the core strand; acceptor's function runs on io. Lifetime: what LinkHands names
// outlives it; both strands are stopped (and their tasks dropped) before it is destroyed.
// Format: docs/formats/link.md.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/link_hub.h"
#include "net/link_options.h"
#include "net/peer_transport.h"

namespace alfheim::net {

class Links final : public PeerTransport, private LinkHub::Host {
 public:
  Links(const LinkHands& hands, LinkOptions options);
  ~Links() override;

  // For a listener of hands.network, whose connections must live on io. Who comes before there
  // is a receiver waits for it no longer than a handshake may take.
  env::AcceptHandler acceptor();
  // Closes every connection; sends and tells nothing afterwards.
  void stop();

  void set_receiver(PeerReceiver* receiver) override { receiver_ = receiver; }
  void send(PeerMessage message) override;
  void set_peers(std::vector<PeerEndpoint> peers) override;
  std::vector<PeerLinkStatus> status() const override;

 private:
  struct Known {
    PeerEndpoint endpoint;
    std::shared_ptr<LinkGauges> gauges;  // shared with the hub, which counts
    bool is_connected = false;
    uint64_t connect_count = 0;
    std::string trouble;
    std::string refusal;  // the words of the last one
  };

  // On the io strand, as the hub's host.
  void deliver(std::vector<PeerMessage> messages, size_t bytes) override;
  void tell_connected(base::NodeId peer, bool is_connected) override;
  void tell_dropped(base::NodeId to) override;
  void tell_trouble(base::NodeId peer, const std::string& words, const Refuse* refuse) override;
  void tell_stranger(const std::string& words) override;
  void ask(std::shared_ptr<LinkIncoming> link, Hello hello, bool is_again) override;

  void on_delivered(std::vector<PeerMessage> messages, size_t bytes);
  void on_connected(base::NodeId peer, bool is_connected);
  void on_trouble(base::NodeId peer, const std::string& words, const Refuse* refuse);

  const LinkHands hands_;
  const LinkOptions options_;
  PeerReceiver* receiver_ = nullptr;
  std::map<base::NodeId, Known> known_;
  std::atomic<size_t> handed_bytes_{0};       // sent, and not yet with the hub
  std::atomic<size_t> undelivered_bytes_{0};  // come, and not yet with the receiver
  std::atomic<bool> is_bulk_paused_{false};
  bool is_stopped_ = false;
  LinkHub hub_;  // io's
};

}  // namespace alfheim::net
