// net/tcp_dial: one attempt to connect to an address.
//
// Looks the host up where it is a name, tries its addresses in turn, gives up after a time, and
// tells its caller once how it ended. Knows nothing of trying again.
//
// Thread: start from any; the rest happens on the loop. Lifetime: shared by whatever it waits
// for (the resolver, the socket, the timer).
#pragma once

#include <asio/ip/tcp.hpp>
#include <atomic>
#include <memory>
#include <vector>

#include "env/network.h"
#include "net/loop.h"
#include "net/tcp_connection.h"

namespace alfheim::net {

class TcpDial final : public std::enable_shared_from_this<TcpDial> {
 public:
  TcpDial(Loop& loop, env::PeerAddress address, env::ConnectOptions options, Patience patience,
          env::ConnectHandler done, std::shared_ptr<std::atomic<size_t>> connection_count);

  // `names` may be null: then only an address in digits is taken.
  void start(env::Executor* names);

 private:
  using Endpoints = std::vector<asio::ip::tcp::endpoint>;

  void look_up(env::Executor* names);
  void connect(Endpoints endpoints);
  void on_connected();
  void fail(base::ErrorCode code, const std::string& why);

  Loop& loop_;
  const env::PeerAddress address_;
  const env::ConnectOptions options_;
  const Patience patience_;
  env::ConnectHandler done_;
  std::shared_ptr<std::atomic<size_t>> connection_count_;  // shared with the network
  asio::ip::tcp::socket socket_;
  env::TimerId timer_;
  bool is_timed_out_ = false;
};

}  // namespace alfheim::net
