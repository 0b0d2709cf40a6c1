// net/peer_transport: how a node's messages reach its peers, as replica sees it.
//
// Messages may be lost, never altered or given to the wrong node; those of one lane between
// two nodes arrive in the order of sending while a connection lasts. Raft bears all of that.
// Hands: net/links (real connections), sim (queues under a virtual clock).
//
// Thread: one strand, the core: all methods of both classes are called there, and none of a
// receiver's from within one of the transport's.
// Lifetime: the receiver outlives the transport's use of it (set_receiver(nullptr), or its end).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "env/network.h"
#include "net/peer_message.h"

namespace alfheim::net {

struct PeerEndpoint {
  base::NodeId id;
  env::PeerAddress address;
  friend bool operator==(const PeerEndpoint& a, const PeerEndpoint& b) {
    return a.id == b.id && a.address.host == b.address.host && a.address.port == b.address.port;
  }
};

// Counts since the peer was named to set_peers first.
struct PeerLinkStatus {
  PeerEndpoint endpoint;
  bool is_connected = false;   // both lanes: what is sent now is on its way
  uint64_t unsent_bytes = 0;   // given to the lanes, not yet taken by the kernel
  uint64_t connect_count = 0;  // how often it became connected: all but the first are reconnects
  uint64_t sent_count = 0;     // messages given to a connection
  uint64_t sent_bytes = 0;
  uint64_t dropped_count = 0;  // messages that found no connection, or a lane that was full
  uint64_t received_count = 0;
  uint64_t received_bytes = 0;
  std::string trouble;  // why there is no connection, in the words of the log; else empty
};

class PeerReceiver {
 public:
  virtual ~PeerReceiver() = default;
  virtual void on_message(PeerMessage message) = 0;
  // A message to that peer was dropped: its Append must be sent again.
  virtual void on_dropped(base::NodeId to) = 0;
  // What is sent to the peer now leaves; after the second one nothing does.
  virtual void on_peer_connected(base::NodeId peer) = 0;
  virtual void on_peer_disconnected(base::NodeId peer) = 0;
};

class PeerTransport {
 public:
  virtual ~PeerTransport() = default;
  virtual void set_receiver(PeerReceiver* receiver) = 0;
  // Never blocks. Dropped where there is no connection to `to`, or too much waits for it.
  virtual void send(PeerMessage message) = 0;
  // Whom to keep connections to: those that are new are dialled, those that are not named any
  // more are left, and who is connected to us is judged anew.
  virtual void set_peers(std::vector<PeerEndpoint> peers) = 0;
  virtual std::vector<PeerLinkStatus> status() const = 0;
};

}  // namespace alfheim::net
