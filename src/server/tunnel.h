// server/tunnel: a client's own connection to the node that leads, for a client that a follower
// serves (--proxy).
//
// Dials, says for whom it is there (its greeting, whose replies nobody else sees), and then
// carries requests there and the bytes of their replies back. Counts what is under way, so that
// its owner knows whether anything's outcome is open. Knows no command, keeps no reply.
//
// Thread: the loop of its client's connection. Lifetime: shared by its session, which closes or
// abandons it, and by the connection.
// Why it is so: docs/decisions/016-the-tunnel.md.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>

#include "base/ids.h"
#include "env/network.h"
#include "resp/reply_scanner.h"

namespace alfheim::server {

class Tunnel final : public env::ConnectionHandler, public std::enable_shared_from_this<Tunnel> {
 public:
  // The client's end. Nothing is called from within a call of the tunnel's.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Bytes of replies, for the client.
    virtual void on_upstream_bytes(base::Bytes bytes) = 0;
    // It opened, answered, sent, or is gone.
    virtual void on_upstream_changed() = 0;
  };
  // Whose reply comes next.
  enum class ReplyFor : uint8_t { kClient, kNobody, kTunnel };

  // `buffer` is read into, and free again after each call: one serves all tunnels of a loop.
  Tunnel(Owner& owner, base::NodeId leader, std::span<char> buffer)
      : owner_(&owner), buffer_(buffer), leader_(leader) {}

  // The greeting is `request_count` requests of the tunnel's own.
  void start(env::Network& network, env::Strand& loop, const env::PeerAddress& address,
             base::Bytes greeting, size_t request_count);
  // More to say for the client: requests of the tunnel's own. Only while it is open, as the others.
  void greet(base::Bytes greeting, size_t request_count);
  // The bytes of one request, whole.
  void send(base::Bytes request, ReplyFor reply_for);
  void send_shared(std::shared_ptr<const base::Bytes> request, ReplyFor reply_for);
  void set_reading(bool is_reading);
  // Its owner needs it no longer, and is told nothing more.
  void close();
  // The same where the node itself goes.
  void abandon() { owner_ = nullptr; }

  base::NodeId leader() const { return leader_; }
  bool is_open() const { return state_ == State::kOpen; }
  bool is_closed() const { return state_ == State::kClosed; }
  bool was_open() const { return was_open_; }
  // Nothing that was sent waits for its reply.
  bool is_idle() const { return expected_.empty() && !scanner_.is_within(); }
  size_t pending_count() const { return expected_.size(); }
  size_t unsent_bytes() const { return connection_ == nullptr ? 0 : connection_->unsent_bytes(); }
  size_t memory_bytes() const { return unsent_bytes() + expected_.size() * sizeof(ReplyFor); }
  // Why it did not open; empty: it was closed.
  const std::string& trouble() const { return trouble_; }

  // ---- env::ConnectionHandler ----
  std::span<char> read_buffer() override { return buffer_; }
  void on_bytes(size_t count) override;
  void on_sent() override;
  void on_closed() override;

 private:
  enum class State : uint8_t { kConnecting, kGreeting, kOpen, kClosed };

  void on_dialled(env::Connection& connection);
  void fail(std::string trouble);
  void take_own(base::ByteView bytes, resp::ReplyScanner::Found found);
  void tell_changed();

  Owner* owner_;  // null: it is gone
  std::span<char> buffer_;
  const base::NodeId leader_;
  env::Connection* connection_ = nullptr;
  State state_ = State::kConnecting;
  bool was_open_ = false;
  resp::ReplyScanner scanner_;
  std::deque<ReplyFor> expected_;
  base::Bytes greeting_;   // until it is sent
  base::Bytes own_reply_;  // what came of it
  std::string trouble_;
};

}  // namespace alfheim::server
