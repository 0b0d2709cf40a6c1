// net/link_hub: the connections of a node's links: all lanes out, all connections in.
//
// Keeps two lanes to each peer that it was told of, lets in who is judged fit, and hands what
// comes on. Of two connections for the same lane of the same peer the newer one counts: the
// older is left over from before the peer's, or the network's, breakdown.
//
// Thread: the io strand. Lifetime: its host, the hands and the options outlive it; the strand
// is stopped before it is destroyed.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/link_incoming.h"
#include "net/link_lane.h"
#include "net/link_options.h"
#include "net/peer_transport.h"

namespace alfheim::net {

class LinkHub final : public LinkLane::Host, public LinkIncoming::Host {
 public:
  struct PeerPlan {
    PeerEndpoint endpoint;
    std::shared_ptr<LinkGauges> gauges;  // shared with whoever shows them
  };
  // How it speaks to the core strand: each of them posts there.
  class Host {
   public:
    virtual ~Host() = default;
    virtual void deliver(std::vector<PeerMessage> messages, size_t bytes) = 0;
    virtual void tell_connected(base::NodeId peer, bool is_connected) = 0;
    virtual void tell_dropped(base::NodeId to) = 0;
    // What is wrong with the links to `peer`; empty: nothing any more.
    virtual void tell_trouble(base::NodeId peer, const std::string& words,
                              const Refuse* refuse) = 0;
    // What is wrong with somebody who came.
    virtual void tell_stranger(const std::string& words) = 0;
    // The answer comes back through judged(). `is_again`: it was welcome before.
    virtual void ask(std::shared_ptr<LinkIncoming> link, Hello hello, bool is_again) = 0;
  };

  LinkHub(Host& host, const LinkHands& hands, const LinkOptions& options);
  ~LinkHub() override;

  void set_peers(std::vector<PeerPlan> plans);
  void send(const PeerMessage& message);
  std::shared_ptr<env::ConnectionHandler> accept(env::Connection& connection);
  void judged(LinkIncoming& link, const base::Status& verdict, bool is_again);
  // The bulk lanes of peers, while the core has too much before it.
  void set_bulk_reading(bool is_reading);
  void stop();

  void on_lane_open(LinkLane& lane) override;
  void on_lane_down(LinkLane& lane) override;
  void on_lane_trouble(LinkLane& lane, const std::string& words, const Refuse* refuse) override;
  void on_hello(LinkIncoming& link) override;
  void on_messages(LinkIncoming& link, std::vector<PeerMessage> messages, size_t bytes) override;
  void on_incoming_trouble(LinkIncoming& link, const std::string& words) override;
  void on_incoming_gone(LinkIncoming& link) override;

 private:
  struct Peer {
    PeerPlan plan;
    std::shared_ptr<LinkLane> urgent;
    std::shared_ptr<LinkLane> bulk;
    bool is_connected = false;
    std::string trouble;  // what was told last
  };

  Peer make_peer(PeerPlan plan);
  void leave(Peer& peer);
  void let_in(LinkIncoming& link);
  void send_away(LinkIncoming& link, const Refuse& refuse);
  void tell_once(const LinkIncoming& link, const std::string& words);
  size_t stranger_count() const;

  Host& host_;
  const LinkHands& hands_;
  const LinkOptions& options_;
  std::map<base::NodeId, Peer> peers_;
  std::set<std::shared_ptr<LinkIncoming>> incoming_;
  // What was said last of whoever comes from there.
  std::map<std::string, std::string> said_;
  bool is_bulk_reading_ = true;
  bool is_stopped_ = false;
};

}  // namespace alfheim::net
