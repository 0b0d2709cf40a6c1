#include "net/tls_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/tcp_network.h"
#include "net/testing_certificates.h"
#include "net/testing_socket.h"

namespace alfheim::net {
namespace {

using testing::HasSubstr;

// What several threads tell the test. Each wait is bounded.
class Told {
 public:
  void tell(const std::function<void()>& change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  bool wait_until(const std::function<bool()>& holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), holds);
  }

 private:
  std::mutex mutex_;  // guards what is told
  std::condition_variable changed_;
};

// Keeps what it hears.
class Peer final : public env::ConnectionHandler {
 public:
  Peer(env::Connection& connection, Told& told) : connection(connection), told_(told) {}
  std::span<char> read_buffer() override { return buffer_; }
  void on_bytes(size_t count) override {
    told_.tell([&] { heard.append(buffer_, count); });
  }
  void on_sent() override {
    told_.tell([&] { ++sent_count; });
  }
  void on_closed() override {
    told_.tell([&] { is_closed = true; });
  }

  env::Connection& connection;
  base::Bytes heard;
  int sent_count = 0;
  bool is_closed = false;

 private:
  Told& told_;
  char buffer_[10'000];
};

class TlsNetworkTest : public testing::Test {
 protected:
  TlsNetworkTest() {
    EXPECT_TRUE(loop_.open().is_ok());
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~TlsNetworkTest() override {
    loop_.request_stop();
    thread_.join();
    loop_.drop_tasks();
  }

  TlsNetwork& make_network(const TlsFiles& files) {
    auto context = TlsContext::load(files);
    EXPECT_TRUE(context.is_ok()) << (context ? "" : context.error().message);
    networks_.push_back(std::make_unique<TlsNetwork>(
        tcp_, *context,
        TlsNetwork::Options{.handshake_timeout_ms = timeout_ms_,
                            .answer_to_plain = "TLS only",
                            .on_trouble = [this](const std::string& words) {
                              told_.tell([&] { troubles_.push_back(words); });
                            }}));
    return *networks_.back();
  }
  void listen(env::Network& network) {
    auto listener =
        network.listen({"127.0.0.1", 0}, [this](env::Strand& strand, env::Connection& connection) {
          EXPECT_EQ(&strand, &loop_);
          auto peer = std::make_shared<Peer>(connection, told_);
          told_.tell([&] { accepted_ = peer; });
          return peer;
        });
    ASSERT_TRUE(listener.is_ok());
    listener_ = std::move(*listener);
    listener_->start_accepting();
  }
  void dial(env::Network& network, const std::string& host = "127.0.0.1") {
    network.connect({host, listener_->local_address().port}, loop_, {},
                    [this](base::Result<env::Connection*> connection)
                        -> std::shared_ptr<env::ConnectionHandler> {
                      std::shared_ptr<Peer> peer;
                      if (connection) peer = std::make_shared<Peer>(**connection, told_);
                      told_.tell([&] {
                        dialled_ = peer;
                        if (!connection) refusal_ = connection.error().message;
                      });
                      return peer;
                    });
  }
  void connect(env::Network& from, env::Network& to) {
    listen(to);
    dial(from);
    ASSERT_TRUE(told_.wait_until([&] { return dialled_ != nullptr && accepted_ != nullptr; }))
        << refusal_;
  }
  bool wait_for_trouble() {
    return told_.wait_until([&] { return !troubles_.empty(); });
  }

  uint32_t timeout_ms_ = 10'000;
  Loop loop_;
  TcpNetwork tcp_{{&loop_}, {}};
  std::vector<std::unique_ptr<TlsNetwork>> networks_;
  std::unique_ptr<env::Listener> listener_;
  Told told_;
  std::shared_ptr<Peer> accepted_;  // shared with their connections
  std::shared_ptr<Peer> dialled_;
  std::string refusal_;
  std::vector<std::string> troubles_;
  std::thread thread_;
};

TEST_F(TlsNetworkTest, CarriesBytesBothWaysInTheirOrder) {
  TestingAuthority authority("both_ways");
  connect(make_network(authority.issue({.name = "n1"})),
          make_network(authority.issue({.name = "n2"})));
  const auto large = std::make_shared<const base::Bytes>(base::Bytes(20 << 20, 'l'));
  base::Bytes expected;
  loop_.post([&] {
    for (int i = 0; i < 2000; ++i) {
      const base::Bytes small = "small " + std::to_string(i) + ",";
      expected += small;
      dialled_->connection.send(small);
      if (i % 1000 != 500) continue;
      dialled_->connection.send_shared(large);
      expected += *large;
    }
    EXPECT_EQ(dialled_->connection.unsent_bytes(), expected.size());
    accepted_->connection.send("welcome");
  });
  ASSERT_TRUE(told_.wait_until([&] { return accepted_->heard.size() >= (40u << 20) + 20'000; }));
  ASSERT_TRUE(told_.wait_until([&] { return accepted_->heard.size() == expected.size(); }));
  EXPECT_TRUE(accepted_->heard == expected);
  EXPECT_EQ(large.use_count(), 1);
  ASSERT_TRUE(told_.wait_until([&] { return dialled_->sent_count > 0; }));
  ASSERT_TRUE(told_.wait_until([&] { return dialled_->heard == "welcome"; }));
  loop_.post([&] {
    EXPECT_EQ(dialled_->connection.unsent_bytes(), 0u);
    dialled_->connection.send("last words");
    dialled_->connection.close_after_sending();
  });
  ASSERT_TRUE(told_.wait_until([&] { return accepted_->is_closed && dialled_->is_closed; }));
  EXPECT_TRUE(accepted_->heard.ends_with("last words"));
}

TEST_F(TlsNetworkTest, AReaderThatPausesIsWaitedFor) {
  TestingAuthority authority("pauses");
  connect(make_network(authority.issue({})), make_network(authority.issue({})));
  size_t heard_bytes = 0;
  loop_.post([&] {
    accepted_->connection.set_reading(false);
    dialled_->connection.send(base::Bytes(64 << 20, 'm'));
    loop_.post_after(300, [&] {
      EXPECT_GT(dialled_->connection.unsent_bytes(), 32u << 20);
      told_.tell([&] { heard_bytes = accepted_->heard.size() + 1; });
      accepted_->connection.set_reading(true);
    });
  });
  ASSERT_TRUE(told_.wait_until([&] { return heard_bytes == 1; }));
  ASSERT_TRUE(told_.wait_until([&] { return accepted_->heard.size() == 64u << 20; }));
}

TEST_F(TlsNetworkTest, WhoShowsNoGoodCertificateIsTurnedAwayAndToldWhy) {
  TestingAuthority ours("ours");
  TestingAuthority other("other");
  const TlsFiles good = ours.issue({});
  const long day = TestingAuthority::kDayS;
  const TlsFiles expired = ours.issue({.begin_s = -2 * day, .end_s = -day});
  const TlsFiles early = ours.issue({.begin_s = day, .end_s = 2 * day});
  TlsFiles stranger = other.issue({});
  TlsFiles stranger_that_trusts_us = stranger;
  stranger_that_trusts_us.authority = good.authority;
  const TlsFiles elsewhere = ours.issue({.alternatives = "IP:10.0.0.1,DNS:localhost"});
  struct Case {
    const TlsFiles& dialler;
    const TlsFiles& acceptor;
    const char* dialler_is_told;
    const char* acceptor_is_told;
  };
  const Case cases[] = {
      {expired, good, "refuses our certificate, or us: sslv3 alert certificate expired",
       "its certificate is refused: certificate has expired"},
      {early, good, "refuses our certificate", "certificate is not yet valid"},
      {good, expired, "its certificate is refused: certificate has expired",
       "refuses our certificate, or us: "},
      {stranger_that_trusts_us, good, "alert unknown ca",
       "its certificate is refused: unable to get local issuer certificate"},
      {good, stranger, "its certificate is refused: self-signed certificate in certificate chain",
       "refuses our certificate, or us: "},
      {good, elsewhere, "its certificate is refused: IP address mismatch, expected 127.0.0.1",
       "refuses our certificate, or us: "},
  };
  for (const Case& c : cases) {
    listen(make_network(c.acceptor));
    dial(make_network(c.dialler));
    ASSERT_TRUE(told_.wait_until([&] { return !refusal_.empty(); })) << c.acceptor_is_told;
    ASSERT_TRUE(wait_for_trouble()) << c.acceptor_is_told;
    EXPECT_THAT(refusal_, HasSubstr(c.dialler_is_told));
    EXPECT_THAT(troubles_.front(), HasSubstr(c.acceptor_is_told));
    EXPECT_THAT(troubles_.front(), HasSubstr("link from somebody at 127.0.0.1: refused"));
    EXPECT_EQ(accepted_, nullptr);
    EXPECT_EQ(dialled_, nullptr);
    refusal_.clear();
    troubles_.clear();
  }
}

TEST_F(TlsNetworkTest, WhoShowsNoCertificateIsTurnedAway) {
  TestingAuthority authority("none");
  listen(make_network(authority.issue({})));
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const TestingSocket client(listener_->local_address().port, socket);
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                             SSL_CTX_free);
  const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), SSL_free);
  SSL_set_fd(ssl.get(), socket);
  SSL_connect(ssl.get());  // succeeds: in TLS 1.3 a client does not wait to be judged
  char word = 0;
  EXPECT_LE(SSL_read(ssl.get(), &word, 1), 0);
  ASSERT_TRUE(wait_for_trouble());
  EXPECT_THAT(troubles_.front(), HasSubstr("it shows no certificate"));
  EXPECT_EQ(accepted_, nullptr);
}

TEST_F(TlsNetworkTest, WhoSpeaksNoTlsIsToldSoInItsOwnWords) {
  TestingAuthority authority("plain");
  listen(make_network(authority.issue({})));
  for (int i = 0; i < 2; ++i) {
    TestingSocket client(listener_->local_address().port);
    client.send("A");
    client.send("L and whatever else");
    EXPECT_EQ(client.receive_all(), "TLS only");
  }
  ASSERT_TRUE(wait_for_trouble());
  EXPECT_THAT(troubles_.front(), HasSubstr("it speaks no TLS"));
  EXPECT_EQ(troubles_.size(), 1u);  // said once
}

TEST_F(TlsNetworkTest, ANodeWithoutTlsIsKnownByItsSilence) {
  TestingAuthority authority("silent");
  auto listener =
      tcp_.listen({"127.0.0.1", 0}, [](env::Strand&, env::Connection&) { return nullptr; });
  ASSERT_TRUE(listener.is_ok());
  listener_ = std::move(*listener);
  listener_->start_accepting();
  dial(make_network(authority.issue({})));
  ASSERT_TRUE(told_.wait_until([&] { return !refusal_.empty(); }));
  EXPECT_THAT(refusal_, HasSubstr("closed the connection"));
}

TEST_F(TlsNetworkTest, AHandshakeHasItsTime) {
  timeout_ms_ = 100;
  TestingAuthority authority("slow");
  TlsNetwork& network = make_network(authority.issue({}));
  listen(network);
  TestingSocket mute(listener_->local_address().port);
  EXPECT_EQ(mute.receive_all(), "");  // closed
  ASSERT_TRUE(wait_for_trouble());
  EXPECT_THAT(troubles_.front(), HasSubstr("no handshake within 100 ms"));
  listen(tcp_);  // takes connections, and says nothing
  dial(network);
  ASSERT_TRUE(told_.wait_until([&] { return !refusal_.empty(); }));
  EXPECT_THAT(refusal_, HasSubstr("no handshake within 100 ms"));
}

TEST(TlsContext, SaysWhatIsWrongWithAFile) {
  TestingAuthority authority("files");
  const TlsFiles good = authority.issue({});
  const std::string text = authority.path("text.pem");
  std::ofstream(text) << "no certificate\n";
  struct Case {
    std::string TlsFiles::*file;
    std::string path;
    std::string words;
  };
  const Case cases[] = {
      {&TlsFiles::certificate, "/no/such/file", "certificate /no/such/file: No such file"},
      {&TlsFiles::key, "/no/such/file", "key /no/such/file: No such file"},
      {&TlsFiles::authority, "/no/such/file", "authority /no/such/file: No such file"},
      {&TlsFiles::certificate, text, "no certificate in PEM"},
      {&TlsFiles::key, text, "no private key in PEM, or an encrypted one"},
      {&TlsFiles::authority, text, "no certificate in PEM"},
      {&TlsFiles::key, authority.issue({}).key, "it is not the key of the certificate"},
  };
  EXPECT_TRUE(TlsContext::load(good).is_ok());
  for (const Case& c : cases) {
    TlsFiles files = good;
    files.*c.file = c.path;
    const auto loaded = TlsContext::load(files);
    ASSERT_FALSE(loaded.is_ok()) << c.words;
    EXPECT_THAT(loaded.error().message, HasSubstr(c.words));
  }
}

}  // namespace
}  // namespace alfheim::net
