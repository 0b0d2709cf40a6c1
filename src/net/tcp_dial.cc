#include "net/tcp_dial.h"

#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::net {

TcpDial::TcpDial(Loop& loop, env::PeerAddress address, env::ConnectOptions options,
                 Patience patience, env::ConnectHandler done,
                 std::shared_ptr<std::atomic<size_t>> connection_count)
    : loop_(loop),
      address_(std::move(address)),
      options_(options),
      patience_(patience),
      done_(std::move(done)),
      connection_count_(std::move(connection_count)),
      socket_(loop.context()) {}

void TcpDial::start(env::Executor* names) {
  loop_.post([self = shared_from_this(), names] { self->look_up(names); });
}

void TcpDial::look_up(env::Executor* names) {
  asio::error_code error;
  const asio::ip::address digits = asio::ip::make_address(address_.host, error);
  if (!error) return connect({asio::ip::tcp::endpoint(digits, address_.port)});
  if (names == nullptr) return fail(base::ErrorCode::kInvalidArgument, "not an address in digits");
  names->post_to_pool(env::Lane::kLong, [self = shared_from_this()] {
    // A context of its own, which nobody runs: the loop's belongs to the loop.
    asio::io_context context;
    asio::ip::tcp::resolver resolver(context);
    asio::error_code why;
    const auto found =
        resolver.resolve(self->address_.host, std::to_string(self->address_.port), why);
    Endpoints endpoints;
    for (const auto& entry : found) endpoints.push_back(entry.endpoint());
    self->loop_.post([self, why, endpoints = std::move(endpoints)]() mutable {
      if (!why && !endpoints.empty()) return self->connect(std::move(endpoints));
      self->fail(base::ErrorCode::kUnavailable,
                 base::format("cannot look up the name: {}", why.message()));
    });
  });
}

// The time is counted from here: a lookup that waits for its turn behind long reads would else be
// thrown away, and asked for again, for as long as there are such.
void TcpDial::connect(Endpoints endpoints) {
  timer_ = loop_.post_after(options_.timeout_ms, [self = shared_from_this()] {
    self->is_timed_out_ = true;
    asio::error_code error;
    self->socket_.close(error);  // the pending connect tells
  });
  asio::async_connect(
      socket_, endpoints,
      [self = shared_from_this()](const asio::error_code& error, const asio::ip::tcp::endpoint&) {
        if (!error && !self->is_timed_out_) return self->on_connected();
        self->fail(base::ErrorCode::kUnavailable,
                   self->is_timed_out_ ? "no answer" : error.message());
      });
}

void TcpDial::on_connected() {
  loop_.cancel(timer_);
  connection_count_->fetch_add(1);
  Patience patience = patience_;
  if (options_.unacknowledged_ms_max > 0) {
    patience.unacknowledged_ms_max = options_.unacknowledged_ms_max;
  }
  auto connection = std::make_shared<TcpConnection>(
      loop_, std::move(socket_), patience, [count = connection_count_] { count->fetch_sub(1); });
  std::shared_ptr<env::ConnectionHandler> handler =
      std::exchange(done_, nullptr)(base::Result<env::Connection*>(connection.get()));
  if (handler == nullptr) {
    connection_count_->fetch_sub(1);
    return;  // the socket closes with its last owner, here
  }
  connection->start(std::move(handler));
  connection->set_reading(true);
}

void TcpDial::fail(base::ErrorCode code, const std::string& why) {
  loop_.cancel(timer_);
  if (done_ == nullptr) return;
  const std::string in_time =
      is_timed_out_ ? base::format(" within {} ms", options_.timeout_ms) : std::string();
  const auto handler = std::exchange(done_, nullptr)(base::Error{
      code, base::format("connect to {}:{}: {}{}", address_.host, address_.port, why, in_time)});
  ALF_CHECK(handler == nullptr);
}

}  // namespace alfheim::net
