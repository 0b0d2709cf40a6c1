// sim/sim_connection: both ends of one client connection, under the virtual clock.
//
// The server's end is an env::Connection that behaves as net's: a read's buffer is asked for
// when bytes are there, on_closed never comes from within a call of
// the handler, and what is sent leaves after the turn. Bytes arrive late, in order, cut at
// random places. When the node dies the server's end is gone at once; the client hears of it
// later, with or without what was on the way.
//
// Thread: one. Lifetime: shared by the node, the client and the events under way.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "env/network.h"
#include "sim/hands/sim_scheduler.h"

namespace alfheim::sim {

// The client's side of the stream.
class SimPeer {
 public:
  virtual ~SimPeer() = default;
  virtual void on_bytes(base::ByteView bytes) = 0;
  virtual void on_disconnected() = 0;  // the last call
};

class SimConnection final : public env::Connection,
                            public std::enable_shared_from_this<SimConnection> {
 public:
  struct Options {
    uint64_t latency_ns_max = 200'000;
    bool cuts_bytes = true;  // arrive in random pieces
  };
  SimConnection(SimScheduler& scheduler, env::Strand& loop, SimPeer& client, uint64_t seed,
                Options options);

  // ---- the world ----
  void start(std::shared_ptr<env::ConnectionHandler> handler);
  // The node died: its end is gone at once.
  void cut();

  // ---- the client's end ----
  void client_send(base::Bytes bytes);
  // The client goes: it hears no more, the server sees the end of the stream.
  void client_close();
  // The client sends no more, and hears what it is still owed.
  void client_end_input();
  // The server closed it once the input had ended and all that it had to say was sent: neither
  // died nor gave up.
  bool was_served_to_the_end() const { return loop_ != nullptr && is_.has_ended && is_.is_closing; }

  // ---- env::Connection ----
  void send(base::Bytes bytes) override;
  size_t unsent_bytes() const override { return unsent_bytes_; }
  void set_reading(bool is_reading) override;
  void close_after_sending() override;
  void close() override;
  env::PeerAddress peer_address() const override { return {"10.0.0.1", 40000}; }
  env::PeerAddress local_address() const override { return {"10.0.0.2", 6379}; }
  int file_descriptor() const override { return -1; }

 private:
  bool is_readable() const;
  void on_readable();
  void end_input();
  void flush();
  void on_flushed();
  void finish();
  uint64_t arrival_ns(uint64_t& last_ns);
  size_t piece_of(size_t bytes);

  SimScheduler& scheduler_;
  env::Strand* loop_;  // null once the node is dead
  SimPeer* client_;    // null once the client is gone
  SimRandom random_;
  const Options options_;
  std::shared_ptr<env::ConnectionHandler> handler_;  // shared with its host, as in net
  base::Bytes inbox_;                                // arrived at the server, not read
  base::Bytes outbox_;                               // given to send, not yet on the way
  size_t unsent_bytes_ = 0;
  uint64_t last_to_server_ns_ = 0;
  uint64_t last_to_client_ns_ = 0;
  struct {
    bool is_reading = false;
    bool is_flush_pending = false;
    bool is_end_of_stream = false;  // behind what is in the inbox
    bool has_ended = false;         // the handler knows
    bool is_closing = false;
    bool is_closed = false;
  } is_;
};

}  // namespace alfheim::sim
