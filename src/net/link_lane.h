// net/link_lane: one lane of our messages to one peer: dials, greets, sends, tries again.
//
// Each side dials its own lanes, so a connection carries messages one way: behind the handshake
// the peer says nothing on it. Between two attempts it waits, longer each time; a refused one
// waits longest. What waits for the kernel is bounded: above it messages are dropped.
//
// Thread: the io strand. Lifetime: shared by its host, its connection's handler, its timers and
// its dial under way; after stop() it does nothing and calls nobody.
#pragma once

#include <memory>
#include <string>

#include "net/link_codec.h"
#include "net/link_options.h"
#include "net/peer_transport.h"

namespace alfheim::net {

class LinkLane final : public std::enable_shared_from_this<LinkLane> {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    virtual void on_lane_open(LinkLane& lane) = 0;
    // It was open.
    virtual void on_lane_down(LinkLane& lane) = 0;
    // Why it cannot be opened, or was closed; `refuse` where the peer itself said so.
    virtual void on_lane_trouble(LinkLane& lane, const std::string& words,
                                 const Refuse* refuse) = 0;
  };

  // All of these outlive it, but for `gauges`, which it shares with whoever shows them.
  LinkLane(Host& host, const LinkHands& hands, const LinkOptions& options, PeerEndpoint peer,
           Lane lane, std::shared_ptr<LinkGauges> gauges);

  void start();
  void stop();
  // Its strand has ended, and with it the connection: nothing of that may be touched.
  void abandon();
  // The peer was just heard: no more waiting.
  void hurry();
  // An open connection is given up, in silence, and made anew.
  void renew();
  // False: dropped, for it is not open, or too much waits.
  bool send(const PeerMessage& message);

  bool is_open() const { return state_ == State::kOpen; }
  // Of who answered last; 0: nobody yet.
  uint64_t cluster_uid() const { return cluster_uid_; }
  Lane lane() const { return lane_; }
  const PeerEndpoint& peer() const { return peer_; }

 private:
  class Handler;
  enum class State : uint8_t { kWaiting, kDialling, kGreeting, kOpen, kStopped };

  void dial();
  std::shared_ptr<env::ConnectionHandler> on_dialled(base::Result<env::Connection*> connection);
  void on_frame(const Frame& frame);
  void on_welcome(const Welcome& welcome);
  void on_sent();
  void on_closed();
  // Leaves the connection and waits for the next attempt.
  void give_up(const std::string& words, const Refuse* refuse = nullptr);
  void leave_connection();
  void wait(bool is_refused);
  void write(WireFrame frame);
  void show_unsent();

  Host& host_;
  const LinkHands& hands_;
  const LinkOptions& options_;
  const PeerEndpoint peer_;
  const Lane lane_;
  std::shared_ptr<LinkGauges> gauges_;
  State state_ = State::kWaiting;
  std::shared_ptr<Handler> handler_;  // shared with its connection; null: there is none
  env::TimerId timer_;                // of the wait, or of the handshake
  uint32_t back_off_ms_;
  uint64_t opened_at_ms_ = 0;
  uint64_t cluster_uid_ = 0;
  uint32_t seed_ = kHandshakeSeed;
};

}  // namespace alfheim::net
