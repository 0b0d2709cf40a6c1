// net/tcp_connection: one TCP stream on its loop, accepted or dialled.
//
// Reads into the handler's buffer once bytes are there, and writes what is queued with gathering
// writes at the end of the loop's turn, so that the replies of one turn leave in one call. Knows
// no RESP.
//
// Thread: its loop. Lifetime: shared by its loop (from start to the handler's on_closed) and
// tasks of its own.
#pragma once

#include <asio/ip/tcp.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <variant>

#include "env/network.h"
#include "net/loop.h"

namespace alfheim::net {

// When the kernel gives a silent peer up.
struct Patience {
  uint32_t keepalive_s = 300;  // idle before it asks whether the peer lives; 0: never
  // How long bytes may lie unacknowledged by the peer's kernel; 0: as long as the kernel likes,
  // which is a quarter of an hour.
  uint32_t unacknowledged_ms_max = 0;
};
// Best effort: a peer that is already gone refuses it, and its read will tell.
void prepare_socket(asio::ip::tcp::socket& socket, const Patience& patience);

class TcpConnection final : public env::Connection,
                            public Readiness::Watcher,
                            public std::enable_shared_from_this<TcpConnection> {
 public:
  TcpConnection(Loop& loop, asio::ip::tcp::socket socket, const Patience& patience,
                std::function<void()> on_gone);
  ~TcpConnection() override;

  // Gives it its handler, once; reading begins with set_reading(true).
  void start(std::shared_ptr<env::ConnectionHandler> handler);

  void send(base::Bytes bytes) override;
  void send_shared(std::shared_ptr<const base::Bytes> bytes) override;
  size_t unsent_bytes() const override { return unsent_bytes_; }
  void set_reading(bool is_reading) override;
  void close_after_sending() override;
  void close() override;
  env::PeerAddress peer_address() const override { return peer_; }
  env::PeerAddress local_address() const override { return local_; }
  int file_descriptor() const override { return descriptor_; }

  void on_ready(Readiness::Events events) override;

 private:
  enum class Input : uint8_t { kPaused, kWanted, kEnded };
  // Own bytes, or bytes shared with whoever else sends or keeps them.
  using Piece = std::variant<base::Bytes, std::shared_ptr<const base::Bytes>>;
  static base::ByteView bytes_of(const Piece& piece);

  bool wants_bytes() const { return input_ == Input::kWanted && !is_closing_; }
  void ask_for(bool read, bool write);
  void read_some();
  void schedule_flush();
  void flush();
  // Hands at most `bytes_left` of what is queued to the kernel, and takes off what it took; false:
  // it takes no more now, or the stream is closed.
  bool write_some(size_t& bytes_left);
  void finish();

  Loop& loop_;
  int descriptor_;
  std::function<void()> on_gone_;
  // Shared with nobody but the accept callback's caller, who may look while it lives.
  std::shared_ptr<env::ConnectionHandler> handler_;
  env::PeerAddress peer_;
  env::PeerAddress local_;
  std::deque<Piece> queued_;
  size_t front_sent_bytes_ = 0;  // of the first that is queued
  size_t unsent_bytes_ = 0;
  Input input_ = Input::kPaused;
  // What the kernel was asked for. A pause is told to it only when bytes come nevertheless.
  bool is_asked_to_read_ = false;
  bool is_asked_to_write_ = false;  // the kernel took not all
  bool is_flush_scheduled_ = false;
  bool is_closing_ = false;  // after sending
  bool is_closed_ = false;
};

}  // namespace alfheim::net
