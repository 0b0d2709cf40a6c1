#include "net/tcp_connection.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/write.hpp>
#include <utility>

#include "base/check.h"

namespace alfheim::net {
namespace {

// Small pieces are joined up to this size, so that a turn's replies are few buffers.
constexpr size_t kJoinBytesMax = 64 * 1024;
// What one gathering write hands to the kernel.
constexpr size_t kBuffersPerWriteMax = 64;

env::PeerAddress address_of(const asio::ip::tcp::endpoint& endpoint) {
  return env::PeerAddress{endpoint.address().to_string(), endpoint.port()};
}

}  // namespace

TcpConnection::TcpConnection(Loop& loop, asio::ip::tcp::socket socket, uint32_t keepalive_s,
                             std::function<void()> on_gone)
    : loop_(loop), socket_(std::move(socket)), on_gone_(std::move(on_gone)) {
  asio::error_code error;
  peer_ = address_of(socket_.remote_endpoint(error));
  local_ = address_of(socket_.local_endpoint(error));
  // Best effort: a peer that is already gone refuses it, and its read will tell.
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  if (keepalive_s == 0) return;
  // Asked three times, a third of the time apart, as Redis does.
  using Idle = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
  using Interval = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
  using Count = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;
  socket_.set_option(asio::socket_base::keep_alive(true), error);
  socket_.set_option(Idle(static_cast<int>(keepalive_s)), error);
  socket_.set_option(Interval(static_cast<int>(std::max(1u, keepalive_s / 3))), error);
  socket_.set_option(Count(3), error);
}

void TcpConnection::start(std::shared_ptr<env::ConnectionHandler> handler) {
  ALF_CHECK(handler_ == nullptr);
  handler_ = std::move(handler);
  loop_.keep(shared_from_this());
}

int TcpConnection::file_descriptor() const {
  return const_cast<asio::ip::tcp::socket&>(socket_).native_handle();
}

void TcpConnection::set_reading(bool is_reading) {
  if (input_ == Input::kEnded) return;
  input_ = is_reading ? Input::kWanted : Input::kPaused;
  read_more();
}

void TcpConnection::read_more() {
  if (input_ != Input::kWanted || is_read_pending_ || is_closing_ || is_closed_) return;
  const std::span<char> buffer = handler_->read_buffer();
  if (buffer.empty()) return close();
  is_read_pending_ = has_room_ = true;
  socket_.async_read_some(
      asio::buffer(buffer.data(), buffer.size()),
      [self = shared_from_this()](const asio::error_code& error, size_t count) {
        self->on_read(error, count);
      });
}

void TcpConnection::release_room() {
  // Cancelling is for all operations of the socket: never while it writes.
  const bool is_busy = is_write_pending_ || is_flush_scheduled_ || !queued_.empty();
  if (is_busy || !has_room_ || is_releasing_ || is_closed_) return;
  asio::error_code error;
  socket_.cancel(error);
  is_releasing_ = !error;  // else the read goes on in its room
}

void TcpConnection::wait_for_bytes() {
  is_read_pending_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](const asio::error_code& error) {
                       self->is_read_pending_ = false;
                       if (self->is_closed_) return self->finish();
                       if (error) return self->close();
                       self->read_more();
                     });
}

void TcpConnection::on_read(const asio::error_code& error, size_t count) {
  is_read_pending_ = has_room_ = false;
  const bool is_releasing = std::exchange(is_releasing_, false);
  if (is_closed_) return finish();
  if (is_releasing && error == asio::error::operation_aborted) {
    handler_->on_room_released();
    return wait_for_bytes();
  }
  if (error == asio::error::eof) {
    input_ = Input::kEnded;
    if (!handler_->on_end_of_input()) close_after_sending();
    return;
  }
  if (error) return close();
  handler_->on_bytes(count);
  read_more();
}

void TcpConnection::send(base::Bytes bytes) {
  if (is_closed_ || bytes.empty()) return;
  unsent_bytes_ += bytes.size();
  if (!queued_.empty() && queued_.back().size() + bytes.size() <= kJoinBytesMax) {
    queued_.back().append(bytes);
  } else {
    queued_.push_back(std::move(bytes));
  }
  schedule_flush();
}

void TcpConnection::schedule_flush() {
  if (is_flush_scheduled_ || is_write_pending_ || queued_.empty()) return;
  is_flush_scheduled_ = true;
  loop_.at_turn_end([self = shared_from_this()] { self->flush(); });
}

void TcpConnection::flush() {
  is_flush_scheduled_ = false;
  if (is_closed_ || is_write_pending_ || queued_.empty()) return;
  while (!queued_.empty() && writing_.size() < kBuffersPerWriteMax) {
    writing_.push_back(std::move(queued_.front()));
    queued_.pop_front();
  }
  std::vector<asio::const_buffer> buffers;
  buffers.reserve(writing_.size());
  for (const base::Bytes& bytes : writing_) buffers.emplace_back(bytes.data(), bytes.size());
  is_write_pending_ = true;
  asio::async_write(socket_, buffers,
                    [self = shared_from_this()](const asio::error_code& error, size_t count) {
                      self->on_written(error, count);
                    });
}

void TcpConnection::on_written(const asio::error_code& error, size_t count) {
  is_write_pending_ = false;
  writing_.clear();
  ALF_CHECK(count <= unsent_bytes_);
  unsent_bytes_ -= count;
  if (is_closed_) return finish();
  if (error) return close();
  if (!queued_.empty()) return flush();
  if (is_closing_) return close();
  handler_->on_sent();
}

void TcpConnection::close_after_sending() {
  if (is_closed_) return;
  is_closing_ = true;
  if (queued_.empty() && !is_write_pending_) close();
}

void TcpConnection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  asio::error_code error;
  // Whatever the kernel says to these, the stream is over.
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, error);
  socket_.close(error);
  // Never from within a call of the handler: it may still be on the stack.
  loop_.post([self = shared_from_this()] { self->finish(); });
}

void TcpConnection::finish() {
  if (is_read_pending_ || is_write_pending_ || handler_ == nullptr) return;
  const std::shared_ptr<env::ConnectionHandler> handler = std::move(handler_);
  handler_ = nullptr;
  handler->on_closed();
  if (on_gone_) std::exchange(on_gone_, nullptr)();
  loop_.forget(shared_from_this());
}

}  // namespace alfheim::net
