#include "net/tcp_connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace alfheim::net {
namespace {

// Small pieces are joined up to this size, so that a turn's replies are few buffers.
constexpr size_t kJoinBytesMax = 64 * 1024;
// What one gathering write hands to the kernel.
constexpr size_t kBuffersPerWriteMax = 64;
// A peer that sends, or reads, as fast as we do would keep the loop for as long as it likes.
constexpr size_t kReadBytesPerTurnMax = 256 * 1024;
constexpr size_t kWriteBytesPerTurnMax = 256 * 1024;

env::PeerAddress address_of(const asio::ip::tcp::endpoint& endpoint) {
  return env::PeerAddress{endpoint.address().to_string(), endpoint.port()};
}

}  // namespace

void prepare_socket(asio::ip::tcp::socket& socket, const Patience& patience) {
  using Idle = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
  using Interval = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
  using Count = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;
  using Unacknowledged = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;
  asio::error_code error;
  socket.set_option(asio::ip::tcp::no_delay(true), error);
  if (patience.keepalive_s > 0) {
    // Asked three times, a third of the time apart, as Redis does.
    socket.set_option(asio::socket_base::keep_alive(true), error);
    socket.set_option(Idle(static_cast<int>(patience.keepalive_s)), error);
    socket.set_option(Interval(static_cast<int>(std::max(1u, patience.keepalive_s / 3))), error);
    socket.set_option(Count(3), error);
  }
  if (patience.unacknowledged_ms_max > 0) {
    socket.set_option(Unacknowledged(static_cast<int>(patience.unacknowledged_ms_max)), error);
  }
}

TcpConnection::TcpConnection(Loop& loop, asio::ip::tcp::socket socket, const Patience& patience,
                             std::function<void()> on_gone)
    : loop_(loop), on_gone_(std::move(on_gone)) {
  asio::error_code error;
  peer_ = address_of(socket.remote_endpoint(error));
  local_ = address_of(socket.local_endpoint(error));
  prepare_socket(socket, patience);
  // Asio's own watching of it ends here.
  descriptor_ = socket.release(error);
  ALF_CHECK(!error);
}

TcpConnection::~TcpConnection() {
  if (!is_closed_) ::close(descriptor_);
}

void TcpConnection::start(std::shared_ptr<env::ConnectionHandler> handler) {
  ALF_CHECK(handler_ == nullptr);
  handler_ = std::move(handler);
  loop_.keep(shared_from_this());
  if (!loop_.readiness().add(descriptor_, *this)) close();
}

void TcpConnection::set_reading(bool is_reading) {
  if (input_ == Input::kEnded || is_closed_) return;
  input_ = is_reading ? Input::kWanted : Input::kPaused;
  if (wants_bytes()) ask_for(true, is_asked_to_write_);
}

void TcpConnection::ask_for(bool read, bool write) {
  if (read == is_asked_to_read_ && write == is_asked_to_write_) return;
  is_asked_to_read_ = read;
  is_asked_to_write_ = write;
  loop_.readiness().ask_for(descriptor_, *this, read, write);
}

void TcpConnection::on_ready(Readiness::Events events) {
  if (is_closed_) return;  // by what another stream of this turn asked for
  if (events.can_write && is_asked_to_write_) flush();
  if (is_closed_) return;
  if (wants_bytes()) {
    if (events.can_read || events.is_broken) read_some();
    return;
  }
  if (events.is_broken) return close();
  ask_for(false, is_asked_to_write_);
}

void TcpConnection::read_some() {
  const std::span<char> buffer = handler_->read_buffer();
  if (buffer.empty()) return close();
  const size_t wanted = std::min(buffer.size(), kReadBytesPerTurnMax);
  const ssize_t count = ::recv(descriptor_, buffer.data(), wanted, MSG_DONTWAIT);
  if (count > 0) return handler_->on_bytes(static_cast<size_t>(count));
  if (count < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) close();
    return;
  }
  input_ = Input::kEnded;
  ask_for(false, is_asked_to_write_);
  if (!handler_->on_end_of_input()) close_after_sending();
}

void TcpConnection::send(base::Bytes bytes) {
  if (is_closed_ || bytes.empty()) return;
  unsent_bytes_ += bytes.size();
  auto* last = queued_.empty() ? nullptr : std::get_if<base::Bytes>(&queued_.back());
  if (last != nullptr && last->size() + bytes.size() <= kJoinBytesMax) {
    last->append(bytes);
  } else {
    queued_.emplace_back(std::move(bytes));
  }
  schedule_flush();
}

void TcpConnection::send_shared(std::shared_ptr<const base::Bytes> bytes) {
  if (is_closed_ || bytes == nullptr || bytes->empty()) return;
  unsent_bytes_ += bytes->size();
  queued_.emplace_back(std::move(bytes));
  schedule_flush();
}

base::ByteView TcpConnection::bytes_of(const Piece& piece) {
  if (const auto* own = std::get_if<base::Bytes>(&piece)) return *own;
  return *std::get<std::shared_ptr<const base::Bytes>>(piece);
}

void TcpConnection::schedule_flush() {
  if (is_flush_scheduled_ || is_asked_to_write_ || queued_.empty()) return;
  is_flush_scheduled_ = true;
  loop_.at_turn_end([self = shared_from_this()] {
    self->is_flush_scheduled_ = false;
    self->flush();
  });
}

void TcpConnection::flush() {
  size_t left = kWriteBytesPerTurnMax;
  while (!is_closed_ && !queued_.empty() && left > 0) {
    if (!write_some(left)) return;
  }
  if (is_closed_) return;
  if (!queued_.empty()) return ask_for(is_asked_to_read_, true);  // in the next turn
  ask_for(is_asked_to_read_, false);
  if (is_closing_) return close();
  handler_->on_sent();
}

bool TcpConnection::write_some(size_t& bytes_left) {
  std::array<iovec, kBuffersPerWriteMax> pieces;
  size_t piece_count = 0;
  size_t wanted = 0;
  for (const Piece& piece : queued_) {
    const base::ByteView bytes = bytes_of(piece);
    const size_t skip = piece_count == 0 ? front_sent_bytes_ : 0;
    const size_t length = std::min(bytes.size() - skip, bytes_left - wanted);
    // The kernel's prototype lacks const; it only reads.
    pieces[piece_count++] = {const_cast<char*>(bytes.data()) + skip, length};
    wanted += length;
    if (piece_count == pieces.size() || wanted == bytes_left) break;
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = piece_count;
  const ssize_t count =
      piece_count == 1
          ? ::send(descriptor_, pieces[0].iov_base, pieces[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
          : ::sendmsg(descriptor_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count < 0) {
    const bool is_full = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (is_full) {
      ask_for(is_asked_to_read_, true);
    } else {
      close();
    }
    return false;
  }
  bytes_left -= static_cast<size_t>(count);
  front_sent_bytes_ += static_cast<size_t>(count);
  // A reply is held until its last byte is sent, and counts for as long.
  while (!queued_.empty()) {
    const size_t length = bytes_of(queued_.front()).size();
    if (front_sent_bytes_ < length) break;
    front_sent_bytes_ -= length;
    ALF_CHECK(length <= unsent_bytes_);
    unsent_bytes_ -= length;
    queued_.pop_front();
  }
  return true;
}

void TcpConnection::close_after_sending() {
  if (is_closed_) return;
  is_closing_ = true;
  if (queued_.empty()) close();
}

void TcpConnection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  // Whatever the kernel says to these, the stream is over.
  ::shutdown(descriptor_, SHUT_RDWR);
  ::close(descriptor_);
  // Never from within a call of the handler: it may still be on the stack.
  loop_.post([self = shared_from_this()] { self->finish(); });
}

void TcpConnection::finish() {
  if (handler_ == nullptr) return;
  const std::shared_ptr<env::ConnectionHandler> handler = std::move(handler_);
  handler_ = nullptr;
  handler->on_closed();
  if (on_gone_) std::exchange(on_gone_, nullptr)();
  loop_.forget(shared_from_this());
}

}  // namespace alfheim::net
