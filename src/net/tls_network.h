// net/tls_network: a Network whose every connection is under TLS, over another Network.
//
// Dialling succeeds, and whoever comes is accepted, when the handshake is over and either end has
// shown a certificate that the other takes (net/tls_stream.h).
//
// Thread: as the network below; on_trouble on the strand of the connection, which must be one.
// Lifetime: `below` outlives it; streams may outlive both.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "env/network.h"
#include "net/tls_context.h"

namespace alfheim::net {

class TlsNetwork final : public env::Network {
 public:
  struct Options {
    uint32_t handshake_timeout_ms = 3000;
    // Said to callers that speak no TLS, in their own words; then they are closed.
    base::Bytes answer_to_plain;
    // One line when a caller is turned away, once for each change of why.
    std::function<void(const std::string&)> on_trouble;
  };
  TlsNetwork(env::Network& below, std::shared_ptr<const TlsContext> context, Options options);
  ~TlsNetwork() override;

  base::Result<std::unique_ptr<env::Listener>> listen(const env::PeerAddress& address,
                                                      env::AcceptHandler accept) override;
  // kUnavailable, also where the handshake failed: the message says why.
  void connect(const env::PeerAddress& address, env::Strand& strand, env::ConnectOptions options,
               env::ConnectHandler done) override;

 private:
  class Gate;

  env::Network& below_;
  const std::shared_ptr<const TlsContext> context_;
  const Options options_;
};

}  // namespace alfheim::net
