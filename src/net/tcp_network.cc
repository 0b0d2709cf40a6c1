#include "net/tcp_network.h"

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "net/tcp_dial.h"

namespace alfheim::net {
namespace {

// How long accepting pauses when the process has no descriptors left.
constexpr uint64_t kAcceptRetryMs = 100;

class TcpListener final : public env::Listener, public std::enable_shared_from_this<TcpListener> {
 public:
  TcpListener(std::vector<Loop*> loops, asio::ip::tcp::acceptor acceptor, env::AcceptHandler accept,
              TcpNetwork::Options options, std::shared_ptr<std::atomic<size_t>> connection_count)
      : loops_(std::move(loops)),
        acceptor_(std::move(acceptor)),
        accept_(std::move(accept)),
        options_(std::move(options)),
        connection_count_(std::move(connection_count)) {
    asio::error_code error;
    const auto endpoint = acceptor_.local_endpoint(error);
    local_ = env::PeerAddress{endpoint.address().to_string(), endpoint.port()};
  }

  env::PeerAddress local_address() const override { return local_; }
  void start_accepting() override {
    loops_[0]->post([self = shared_from_this()] { self->accept_next(); });
  }
  // The acceptor belongs to its loop.
  void close() override {
    loops_[0]->post([self = shared_from_this()] {
      asio::error_code error;
      self->acceptor_.close(error);  // refused or not, nobody is accepted any more
    });
  }

  void accept_next() {
    if (!acceptor_.is_open()) return;
    Loop* loop = loops_[next_loop_++ % loops_.size()];
    acceptor_.async_accept(loop->context(),
                           [self = shared_from_this(), loop](const asio::error_code& error,
                                                             asio::ip::tcp::socket socket) {
                             self->on_accept(*loop, error, std::move(socket));
                           });
  }

 private:
  void on_accept(Loop& loop, const asio::error_code& error, asio::ip::tcp::socket socket) {
    if (!acceptor_.is_open()) return;
    if (error) {
      if (options_.on_trouble && !std::exchange(is_troubled_, true)) {
        options_.on_trouble(base::format("accept on {}:{}: {}; trying again in {} ms", local_.host,
                                         local_.port, error.message(), kAcceptRetryMs));
      }
      loops_[0]->post_after(kAcceptRetryMs, [self = shared_from_this()] { self->accept_next(); });
      return;
    }
    is_troubled_ = false;
    connection_count_->fetch_add(1);
    auto connection =
        std::make_shared<TcpConnection>(loop, std::move(socket), options_.patience,
                                        [count = connection_count_] { count->fetch_sub(1); });
    loop.post([self = shared_from_this(), &loop, connection] {
      std::shared_ptr<env::ConnectionHandler> handler = self->accept_(loop, *connection);
      const bool is_refused = handler == nullptr;
      if (is_refused) {
        self->connection_count_->fetch_sub(1);
        return;  // the socket closes with its last owner, here
      }
      connection->start(std::move(handler));
      connection->set_reading(true);
    });
    accept_next();
  }

  std::vector<Loop*> loops_;
  asio::ip::tcp::acceptor acceptor_;
  env::AcceptHandler accept_;
  TcpNetwork::Options options_;
  std::shared_ptr<std::atomic<size_t>> connection_count_;
  env::PeerAddress local_;
  size_t next_loop_ = 0;
  bool is_troubled_ = false;  // said so already
};

// The owner's end of a listener, which its pending accept shares.
class ListenerHandle final : public env::Listener {
 public:
  explicit ListenerHandle(std::shared_ptr<TcpListener> listener) : listener_(std::move(listener)) {}
  ~ListenerHandle() override { listener_->close(); }
  env::PeerAddress local_address() const override { return listener_->local_address(); }
  void start_accepting() override { listener_->start_accepting(); }
  void close() override { listener_->close(); }

 private:
  std::shared_ptr<TcpListener> listener_;
};

base::Error listen_error(const env::PeerAddress& address, const asio::error_code& error) {
  const bool is_taken = error == asio::error::address_in_use;
  return base::Error{
      is_taken ? base::ErrorCode::kAlreadyExists : base::ErrorCode::kIo,
      base::format(
          "listen on {}:{}: {}{}", address.host, address.port, error.message(),
          is_taken ? " (another process listens there: stop it or choose another port)" : "")};
}

}  // namespace

TcpNetwork::TcpNetwork(std::vector<Loop*> loops, Options options)
    : loops_(std::move(loops)),
      options_(std::move(options)),
      connection_count_(std::make_shared<std::atomic<size_t>>(0)) {
  ALF_CHECK(!loops_.empty());
}

TcpNetwork::~TcpNetwork() = default;

base::Result<std::unique_ptr<env::Listener>> TcpNetwork::listen(const env::PeerAddress& address,
                                                                env::AcceptHandler accept) {
  asio::error_code error;
  asio::io_context& context = loops_[0]->context();
  asio::ip::tcp::resolver resolver(context);
  const auto found = resolver.resolve(address.host, std::to_string(address.port),
                                      asio::ip::resolver_base::passive, error);
  if (error || found.empty()) {
    return base::Error{base::ErrorCode::kInvalidArgument,
                       base::format("listen on {}:{}: cannot resolve the address: {}", address.host,
                                    address.port, error.message())};
  }
  const asio::ip::tcp::endpoint endpoint = found.begin()->endpoint();
  asio::ip::tcp::acceptor acceptor(context);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return listen_error(address, error);
  auto listener = std::make_shared<TcpListener>(loops_, std::move(acceptor), std::move(accept),
                                                options_, connection_count_);
  return std::unique_ptr<env::Listener>(std::make_unique<ListenerHandle>(listener));
}

void TcpNetwork::connect(const env::PeerAddress& address, env::Strand& strand,
                         env::ConnectOptions options, env::ConnectHandler done) {
  const auto loop = std::find_if(loops_.begin(), loops_.end(),
                                 [&](const Loop* candidate) { return candidate == &strand; });
  ALF_CHECK_MSG(loop != loops_.end(), "a connection lives on one of the network's own loops");
  auto dial = std::make_shared<TcpDial>(**loop, address, options, options_.patience,
                                        std::move(done), connection_count_);
  dial->start(options_.names);
}

}  // namespace alfheim::net
