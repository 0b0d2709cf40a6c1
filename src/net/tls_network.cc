#include "net/tls_network.h"

#include <utility>

#include "base/format.h"
#include "net/tls_stream.h"

namespace alfheim::net {
namespace {

// Callers whose handshake is not over.
constexpr size_t kStrangersMax = 64;
// Hosts of which it is remembered what was said.
constexpr size_t kSaidMax = 64;

}  // namespace

// What a listener and its streams share.
class TlsNetwork::Gate : public std::enable_shared_from_this<Gate> {
 public:
  Gate(std::shared_ptr<const TlsContext> context, Options options, env::AcceptHandler accept)
      : context_(std::move(context)), options_(std::move(options)), accept_(std::move(accept)) {}

  std::shared_ptr<env::ConnectionHandler> take(env::Strand& strand, env::Connection& below) {
    if (stranger_count_ >= kStrangersMax) return nullptr;
    TlsStream::Options options;
    options.side = TlsStream::Side::kAcceptor;
    options.handshake_timeout_ms = options_.handshake_timeout_ms;
    options.answer_to_plain = options_.answer_to_plain;
    auto stream = std::make_shared<TlsStream>(
        context_, strand, below, std::move(options),
        [self = shared_from_this(), &strand,
         host = below.peer_address().host](base::Result<env::Connection*> connection) {
          return self->judge(strand, host, std::move(connection));
        });
    if (!stream->begin()) return nullptr;
    ++stranger_count_;
    return stream;
  }

 private:
  std::shared_ptr<env::ConnectionHandler> judge(env::Strand& strand, const std::string& host,
                                                base::Result<env::Connection*> connection) {
    --stranger_count_;
    if (connection) {
      said_.erase(host);
      return accept_(strand, **connection);
    }
    // The port is another each time.
    const std::string& words = connection.error().message;
    const std::string why = words.substr(words.find(": ") + 2);
    if (said_.size() >= kSaidMax && !said_.contains(host)) said_.clear();
    if (std::exchange(said_[host], why) != why && options_.on_trouble) {
      options_.on_trouble(
          base::format("link from somebody at {}: refused under TLS: {}", host, why));
    }
    return nullptr;
  }

  const std::shared_ptr<const TlsContext> context_;
  const Options options_;
  const env::AcceptHandler accept_;
  std::map<std::string, std::string> said_;
  size_t stranger_count_ = 0;
};

TlsNetwork::TlsNetwork(env::Network& below, std::shared_ptr<const TlsContext> context,
                       Options options)
    : below_(below), context_(std::move(context)), options_(std::move(options)) {}

TlsNetwork::~TlsNetwork() = default;

base::Result<std::unique_ptr<env::Listener>> TlsNetwork::listen(const env::PeerAddress& address,
                                                                env::AcceptHandler accept) {
  auto gate = std::make_shared<Gate>(context_, options_, std::move(accept));
  return below_.listen(address, [gate](env::Strand& strand, env::Connection& connection) {
    return gate->take(strand, connection);
  });
}

void TlsNetwork::connect(const env::PeerAddress& address, env::Strand& strand,
                         env::ConnectOptions options, env::ConnectHandler done) {
  below_.connect(
      address, strand, options,
      [context = context_, timeout_ms = options_.handshake_timeout_ms, host = address.host, &strand,
       done = std::move(done)](
          base::Result<env::Connection*> connection) -> std::shared_ptr<env::ConnectionHandler> {
        if (!connection) return done(std::move(connection));
        TlsStream::Options stream_options;
        stream_options.host = host;
        stream_options.handshake_timeout_ms = timeout_ms;
        auto stream =
            std::make_shared<TlsStream>(context, strand, **connection, stream_options, done);
        if (stream->begin()) return stream;
        return done(base::Error{base::ErrorCode::kUnavailable, "no memory for TLS"});
      });
}

}  // namespace alfheim::net
