// net/tcp_network: listeners on addresses, connections spread over the loops, and dialling.
//
// One acceptor a listener, on loop 0; accepted sockets are dealt to the loops in turn. The
// accept callback runs on the connection's own loop. What is dialled lives on the loop that
// the caller names; hosts given by name are looked up on the executor's pool, since asking for
// them blocks.
//
// Thread: listen before the loops run, or on loop 0; the others from any.
// Lifetime: loops outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "env/network.h"
#include "net/loop.h"
#include "net/tcp_connection.h"

namespace alfheim::net {

class TcpNetwork final : public env::Network {
 public:
  struct Options {
    // Told once when accepting begins to fail (EMFILE and its kin); it is tried again.
    std::function<void(const std::string& what)> on_trouble;
    Patience patience;
    // Looks up names for connect; null: it takes addresses in digits only. Outlives the loops.
    env::Executor* names = nullptr;
  };
  TcpNetwork(std::vector<Loop*> loops, Options options);
  ~TcpNetwork() override;

  // kInvalidArgument: not an address. kAlreadyExists: the port is taken. kIo: anything else.
  base::Result<std::unique_ptr<env::Listener>> listen(const env::PeerAddress& address,
                                                      env::AcceptHandler accept) override;
  void connect(const env::PeerAddress& address, env::Strand& strand, env::ConnectOptions options,
               env::ConnectHandler done) override;
  size_t connection_count() const { return connection_count_->load(); }

 private:
  std::vector<Loop*> loops_;
  Options options_;
  // Shared with connections, which may end after the network.
  std::shared_ptr<std::atomic<size_t>> connection_count_;
};

}  // namespace alfheim::net
