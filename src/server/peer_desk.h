// server/peer_desk: what comes from other nodes, given to whom it is for.
//
// Raft's messages, and what is about snapshots, go to the replica; a node that is connected is told
// where our clients reach us, and what it tells of itself goes into the directory.
//
// Thread: the core strand. Lifetime: what it is given outlives it.
#pragma once

#include "net/peer_transport.h"
#include "replica/replica.h"
#include "server/directory.h"
#include "server/sentinel_hosts.h"
#include "server/services.h"

namespace alfheim::server {

class PeerDesk final : public net::PeerReceiver {
 public:
  struct Hands {
    replica::Replica& replica;
    net::PeerTransport& transport;
    Directory& directory;
    SentinelHosts& sentinel_hosts;
    const Identity& identity;
    base::GroupId group;
    uint64_t cluster_uid = 0;
    // Known anew where clients reach a node.
    std::function<void()> on_directory_changed;
    std::function<void(const std::string&)> on_trouble;  // one line for the log
  };
  explicit PeerDesk(Hands hands) : hands_(std::move(hands)) {}

  void on_message(net::PeerMessage message) override;
  void on_dropped(base::NodeId) override {}  // raft's heartbeats find it out
  void on_peer_connected(base::NodeId peer) override;
  void on_peer_disconnected(base::NodeId peer) override;
  // A client here asked SENTINEL, and the other nodes do not know its host yet.
  void tell_sentinel_host(const std::string& host);

 private:
  void send(base::NodeId to, net::NoteBody body);
  void on_news(base::NodeId from, const net::NodeNews& news);
  void compare_modes(const net::NodeNews& news);

  Hands hands_;
};

}  // namespace alfheim::server
