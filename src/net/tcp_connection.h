// net/tcp_connection: one accepted TCP stream on its loop.
//
// Reads straight into the handler's buffer, and writes what is queued with gathering writes
// at the end of the loop's turn, so that the replies of one turn leave in one call. Knows no
// RESP.
//
// Thread: its loop. Lifetime: shared by its loop (from start to the handler's on_closed) and
// the operations under way.
#pragma once

#include <asio/ip/tcp.hpp>
#include <deque>
#include <functional>
#include <memory>

#include "env/network.h"
#include "net/loop.h"

namespace alfheim::net {

class TcpConnection final : public env::Connection,
                            public std::enable_shared_from_this<TcpConnection> {
 public:
  TcpConnection(Loop& loop, asio::ip::tcp::socket socket, uint32_t keepalive_s,
                std::function<void()> on_gone);

  // Gives it its handler, once; reading begins with set_reading(true).
  void start(std::shared_ptr<env::ConnectionHandler> handler);

  void send(base::Bytes bytes) override;
  size_t unsent_bytes() const override { return unsent_bytes_; }
  void set_reading(bool is_reading) override;
  void release_room() override;
  void close_after_sending() override;
  void close() override;
  env::PeerAddress peer_address() const override { return peer_; }
  env::PeerAddress local_address() const override { return local_; }
  int file_descriptor() const override;

 private:
  enum class Input : uint8_t { kPaused, kWanted, kEnded };

  void read_more();
  void wait_for_bytes();
  void on_read(const asio::error_code& error, size_t count);
  void schedule_flush();
  void flush();
  void on_written(const asio::error_code& error, size_t count);
  void finish();

  Loop& loop_;
  asio::ip::tcp::socket socket_;
  std::function<void()> on_gone_;
  // Shared with nobody but the accept callback's caller, who may look while it lives.
  std::shared_ptr<env::ConnectionHandler> handler_;
  env::PeerAddress peer_;
  env::PeerAddress local_;
  std::deque<base::Bytes> queued_;
  std::deque<base::Bytes> writing_;
  size_t unsent_bytes_ = 0;
  Input input_ = Input::kPaused;
  bool is_read_pending_ = false;  // an operation is under way
  bool has_room_ = false;         // of the handler's, which that operation fills
  bool is_releasing_ = false;     // the operation was cancelled for its room's sake
  bool is_write_pending_ = false;
  bool is_flush_scheduled_ = false;
  bool is_closing_ = false;  // after sending
  bool is_closed_ = false;
};

}  // namespace alfheim::net
