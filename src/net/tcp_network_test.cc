#include "net/tcp_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/testing_socket.h"

namespace alfheim::net {
namespace {

// Says back what it hears. What it is asked to do beyond that, the first byte tells.
class Echo final : public env::ConnectionHandler {
 public:
  Echo(env::Connection& connection, std::atomic<int>& closed_count)
      : connection_(connection), closed_count_(closed_count) {}
  std::span<char> read_buffer() override {
    ++asked_count;
    return buffer_;
  }
  void on_bytes(size_t count) override {
    const base::ByteView bytes(buffer_, count);
    if (bytes.starts_with("!large")) {
      for (int i = 0; i < 20; ++i) {
        connection_.send(base::Bytes(1 << 20, static_cast<char>('a' + i)));
      }
      EXPECT_EQ(connection_.unsent_bytes(), 20u << 20);
      connection_.close_after_sending();
    } else if (bytes.starts_with("!mebibytes")) {
      connection_.send(base::Bytes(64 << 20, 'm'));
    } else if (bytes.starts_with("!close")) {
      connection_.send("never seen");
      connection_.close();
    } else if (bytes.starts_with("!pause")) {
      connection_.set_reading(false);
      connection_.send("paused");
    } else {
      connection_.send(base::Bytes(bytes));
    }
  }
  void on_sent() override { ++sent_count; }
  void on_closed() override { closed_count_.fetch_add(1); }
  env::Connection& connection() { return connection_; }

  std::atomic<int> sent_count = 0;
  std::atomic<int> asked_count = 0;

 private:
  env::Connection& connection_;
  std::atomic<int>& closed_count_;
  char buffer_[16 * 1024];
};

using Client = TestingSocket;

// CPU time of this process, of which a loop that spins would take a whole core.
double processor_seconds() {
  rusage usage{};
  EXPECT_EQ(::getrusage(RUSAGE_SELF, &usage), 0);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class TcpNetworkTest : public testing::Test {
 protected:
  TcpNetworkTest() {
    for (int i = 0; i < 2; ++i) {
      loops_.push_back(std::make_unique<Loop>());
      EXPECT_TRUE(loops_.back()->open().is_ok());
    }
    network_ = std::make_unique<TcpNetwork>(
        std::vector<Loop*>{loops_[0].get(), loops_[1].get()},
        TcpNetwork::Options{.on_trouble = [this](const std::string& what) {
          if (!is_trouble_expected_) ADD_FAILURE() << what;
          trouble_count_.fetch_add(1);
        }});
    base::Result<std::unique_ptr<env::Listener>> listener = network_->listen(
        {"127.0.0.1", 0}, [this](env::Strand& strand, env::Connection& connection) {
          return accept(strand, connection);
        });
    EXPECT_TRUE(listener.is_ok());
    listener_ = std::move(listener).value();
    port_ = listener_->local_address().port;
    for (const auto& loop : loops_) threads_.emplace_back([&loop] { loop->run(); });
    listener_->start_accepting();
  }
  ~TcpNetworkTest() override {
    for (const auto& loop : loops_) loop->request_stop();
    for (std::thread& thread : threads_) thread.join();
    for (const auto& loop : loops_) loop->drop_tasks();
  }
  // On the connection's own loop.
  std::shared_ptr<env::ConnectionHandler> accept(env::Strand& strand, env::Connection& connection) {
    EXPECT_TRUE(strand.is_current());
    if (is_refusing_) return nullptr;
    auto echo = std::make_shared<Echo>(connection, closed_count_);
    const std::lock_guard lock(mutex_);
    last_ = echo;
    last_strand_ = &strand;
    return echo;
  }
  // Runs on the loop of the connection that was accepted last.
  void on_loop(std::function<void(Echo&)> body) {
    std::promise<void> done;
    last_strand_->post([&] {
      body(*last_);
      done.set_value();
    });
    done.get_future().wait();
  }
  // Until it holds on the loop: the client may have the bytes before the loop knows of it.
  void wait_until(std::function<bool(Echo&)> holds) {
    for (bool is_so = false; !is_so; std::this_thread::yield()) {
      on_loop([&](Echo& echo) { is_so = holds(echo); });
    }
  }
  // Until so many connections have ended; their sockets are closed, so it is a matter of turns.
  void wait_until_closed(int count) {
    while (closed_count_.load() < count || network_->connection_count() > 0) {
      std::this_thread::yield();
    }
  }

  std::vector<std::unique_ptr<Loop>> loops_;
  std::unique_ptr<TcpNetwork> network_;
  std::unique_ptr<env::Listener> listener_;
  uint16_t port_ = 0;
  std::vector<std::thread> threads_;
  std::atomic<bool> is_refusing_ = false;
  std::atomic<bool> is_trouble_expected_ = false;
  std::atomic<int> trouble_count_ = 0;
  std::atomic<int> closed_count_ = 0;
  std::mutex mutex_;            // guards last_ and last_strand_
  std::shared_ptr<Echo> last_;  // shared with its connection
  env::Strand* last_strand_ = nullptr;
};

TEST_F(TcpNetworkTest, BytesComeBackAndAddressesAreTold) {
  ASSERT_NE(port_, 0);
  {
    Client client(port_);
    client.send("hello");
    EXPECT_EQ(client.receive(5), "hello");
    on_loop([this](Echo& echo) {
      EXPECT_EQ(echo.connection().local_address().port, port_);
      EXPECT_EQ(echo.connection().peer_address().host, "127.0.0.1");
      EXPECT_GE(echo.connection().file_descriptor(), 0);
    });
    wait_until([](Echo& echo) { return echo.connection().unsent_bytes() == 0; });
    EXPECT_EQ(network_->connection_count(), 1u);
  }
  wait_until_closed(1);
}

TEST_F(TcpNetworkTest, AClientThatEndsItsInputStillGetsAllThatWasSent) {
  const std::string bytes(8 << 20, 'e');
  Client client(port_);
  std::thread sender([&] {
    client.send(bytes);
    client.end_input();
  });
  const std::string received = client.receive_all();
  sender.join();
  EXPECT_TRUE(received == bytes) << received.size();
  wait_until_closed(1);
}

TEST_F(TcpNetworkTest, CloseAfterSendingSendsAll) {
  Client client(port_);
  client.send("!large");
  const std::string received = client.receive_all();
  ASSERT_EQ(received.size(), 20u << 20);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(received[(i << 20) + 1000], 'a' + i);
  }
  wait_until_closed(1);
}

TEST_F(TcpNetworkTest, CloseEndsTheStreamAtOnce) {
  Client client(port_);
  client.send("!close");
  EXPECT_EQ(client.receive_all(), "");
  wait_until_closed(1);
}

TEST_F(TcpNetworkTest, AClientThatGoesInTheMidstOfALargeReplyIsForgotten) {
  {
    Client client(port_);
    client.send("!large");
    EXPECT_EQ(client.receive(1), "a");
  }
  wait_until_closed(1);
}

TEST_F(TcpNetworkTest, ANullHandlerRefuses) {
  is_refusing_ = true;
  Client client(port_);
  EXPECT_EQ(client.receive_all(), "");
  while (network_->connection_count() > 0) std::this_thread::yield();
  is_refusing_ = false;
  Client next(port_);
  next.send("x");
  EXPECT_EQ(next.receive(1), "x");
}

TEST_F(TcpNetworkTest, APausedConnectionLivesAndGoesOn) {
  Client client(port_);
  client.send("!pause");
  EXPECT_EQ(client.receive(6), "paused");
  // Nothing of the kernel refers to it now; what comes lies in the system.
  client.send("later");
  wait_until([](Echo& echo) { return echo.sent_count.load() >= 1; });
  EXPECT_EQ(closed_count_.load(), 0);
  EXPECT_EQ(network_->connection_count(), 1u);
  on_loop([](Echo& echo) { echo.connection().set_reading(true); });
  EXPECT_EQ(client.receive(5), "later");
}

TEST_F(TcpNetworkTest, AConnectionThatSleepsHoldsNoRoom) {
  Client client(port_);
  client.send("hello");
  EXPECT_EQ(client.receive(5), "hello");
  // Asked for when there are bytes, never ahead of them.
  wait_until([](Echo& echo) { return echo.sent_count.load() == 1; });
  on_loop([](Echo& echo) { EXPECT_EQ(echo.asked_count, 1); });
  client.send("again");
  EXPECT_EQ(client.receive(5), "again");
  on_loop([](Echo& echo) { EXPECT_EQ(echo.asked_count, 2); });
}

TEST_F(TcpNetworkTest, APausedConnectionWhoseClientResetsItEnds) {
  {
    Client client(port_);
    client.send("!pause");
    EXPECT_EQ(client.receive(6), "paused");
    client.send("nobody reads this, so the kernel resets the stream when it goes");
    client.reset();
  }
  wait_until_closed(1);
}

TEST_F(TcpNetworkTest, BytesForAPausedConnectionDoNotKeepTheLoopBusy) {
  Client client(port_);
  client.send("!pause");
  EXPECT_EQ(client.receive(6), "paused");
  client.send("later");
  const double begin = processor_seconds();
  pollfd nothing{-1, 0, 0};
  EXPECT_EQ(::poll(&nothing, 1, 300), 0);
  EXPECT_LT(processor_seconds() - begin, 0.15);
  on_loop([](Echo& echo) { echo.connection().set_reading(true); });
  EXPECT_EQ(client.receive(5), "later");
}

TEST_F(TcpNetworkTest, AClientThatReadsSlowlyGetsEverythingInOrder) {
  Client client(port_);
  client.send("!large");
  // The kernel's buffers are full long before 20 MiB: the rest goes out as there is room.
  std::string received;
  while (received.size() < (20u << 20)) {
    std::string piece = client.receive(300'000);
    ASSERT_FALSE(piece.empty());
    received += piece;
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(received[(i << 20) + 12345], 'a' + i);
  wait_until_closed(1);
}

// While one client reads 20 MiB as fast as it can, another one's bytes come back in between.
TEST_F(TcpNetworkTest, AClientThatReadsFastDoesNotKeepTheLoop) {
  Client fast(port_);  // on loop 0, as every second one
  Client elsewhere(port_);
  Client other(port_);
  other.send("x");
  EXPECT_EQ(other.receive(1), "x");
  fast.send("!large");
  EXPECT_EQ(fast.receive(1), "a");
  other.send("y");
  const std::string between = fast.receive(64 * 1024);
  EXPECT_EQ(other.receive(1), "y");
  EXPECT_EQ(fast.receive_all().size() + between.size() + 1, 20u << 20);
}

TEST_F(TcpNetworkTest, AReplyCountsUntilItsLastByteIsSent) {
  Client client(port_);
  client.send("!mebibytes");
  EXPECT_EQ(client.receive(1), "m");
  on_loop([](Echo& echo) { EXPECT_EQ(echo.connection().unsent_bytes(), 64u << 20); });
  EXPECT_EQ(client.receive((64u << 20) - 1).size(), (64u << 20) - 1);
  wait_until([](Echo& echo) { return echo.connection().unsent_bytes() == 0; });
}

TEST_F(TcpNetworkTest, AUsedPortIsRefusedWithWordsForTheOperator) {
  const auto second = network_->listen({"127.0.0.1", port_}, nullptr);
  ASSERT_FALSE(second.is_ok());
  EXPECT_EQ(second.error().code, base::ErrorCode::kAlreadyExists);
  EXPECT_EQ(second.error().message,
            "listen on 127.0.0.1:" + std::to_string(port_) +
                ": Address already in use (another process listens there: stop it or choose "
                "another port)");
  const auto nowhere = network_->listen({"not an address", 1}, nullptr);
  ASSERT_FALSE(nowhere.is_ok());
  EXPECT_EQ(nowhere.error().code, base::ErrorCode::kInvalidArgument);
  const auto foreign = network_->listen({"192.0.2.1", 0}, nullptr);
  ASSERT_FALSE(foreign.is_ok());
  EXPECT_EQ(foreign.error().code, base::ErrorCode::kIo);
}

TEST_F(TcpNetworkTest, TwoHundredConnectionsAreServedAndForgotten) {
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 200; ++i) clients.push_back(std::make_unique<Client>(port_));
    for (int i = 0; i < 200; ++i) clients[i]->send(std::to_string(1000 + i));
    for (int i = 0; i < 200; ++i) EXPECT_EQ(clients[i]->receive(4), std::to_string(1000 + i));
    EXPECT_EQ(network_->connection_count(), 200u);
  }
  wait_until_closed(200);
}

TEST_F(TcpNetworkTest, WithoutDescriptorsAClientWaitsAndIsServedLater) {
  Client first(port_);
  first.send("1");
  ASSERT_EQ(first.receive(1), "1");
  rlimit allowed{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &allowed), 0);
  const rlimit none{1, allowed.rlim_max};  // poll wants one
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  is_trouble_expected_ = true;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  Client second(port_, socket);
  while (trouble_count_.load() == 0) std::this_thread::yield();
  // Those that are connected are served meanwhile, and nothing spins until there is room.
  const double begin = processor_seconds();
  pollfd nothing{socket, POLLIN, 0};
  EXPECT_EQ(::poll(&nothing, 1, 300), 0);
  EXPECT_LT(processor_seconds() - begin, 0.15);
  first.send("2");
  EXPECT_EQ(first.receive(1), "2");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &allowed), 0);
  second.send("3");
  EXPECT_EQ(second.receive(1), "3");
  EXPECT_EQ(trouble_count_.load(), 1);  // said once, however often it was tried
}

TEST_F(TcpNetworkTest, AClosedListenerAcceptsNobodyAndItsConnectionsStay) {
  Client client(port_);
  client.send("1");
  EXPECT_EQ(client.receive(1), "1");
  listener_->close();
  std::promise<void> done;
  loops_[0]->post([&done] { done.set_value(); });
  done.get_future().wait();
  client.send("2");
  EXPECT_EQ(client.receive(1), "2");
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ::close(socket);
}

// ---- dialling ----

// Our side of what we dialled; sends what it was given, and tells what comes.
class Caller final : public env::ConnectionHandler {
 public:
  std::span<char> read_buffer() override { return buffer_; }
  void on_bytes(size_t count) override {
    received_.append(buffer_, count);
    if (received_.size() == wanted_) done_.set_value(received_);
  }
  void on_sent() override {}
  void on_closed() override {}
  std::string wait_for(size_t bytes, const std::function<void()>& begin) {
    wanted_ = bytes;
    begin();
    return done_.get_future().get();
  }

 private:
  char buffer_[64 * 1024];
  std::string received_;
  size_t wanted_ = 0;
  std::promise<std::string> done_;
};

// What became of it: empty, or the words.
std::string dial(TcpNetwork& network, Loop& loop, const env::PeerAddress& address,
                 const std::shared_ptr<Caller>& caller,
                 std::function<void(env::Connection&)> on_connected = nullptr,
                 env::ConnectOptions options = {.timeout_ms = 5000}) {
  std::promise<std::string> done;
  network.connect(address, loop, options, [&, caller](base::Result<env::Connection*> connection) {
    EXPECT_TRUE(loop.is_current());
    std::shared_ptr<env::ConnectionHandler> handler;
    if (connection.is_ok()) handler = caller;
    if (connection.is_ok() && on_connected) on_connected(**connection);
    done.set_value(connection.is_ok() ? "" : connection.error().message);
    return handler;
  });
  return done.get_future().get();
}

TEST_F(TcpNetworkTest, WhatIsDialledSpeaksOnTheLoopThatWasNamed) {
  const auto caller = std::make_shared<Caller>();
  // Own and shared bytes leave in the order of sending, the shared ones from where they lie.
  const auto shared = std::make_shared<const base::Bytes>(300'000, 's');
  const std::string received = caller->wait_for(1 + 300'000 + 2 + 300'000, [&] {
    EXPECT_EQ(dial(*network_, *loops_[1], {"127.0.0.1", port_}, caller,
                   [&](env::Connection& connection) {
                     connection.send("a");
                     connection.send_shared(shared);
                     connection.send("bc");
                     connection.send_shared(shared);
                     EXPECT_EQ(connection.unsent_bytes(), 600'003u);
                     EXPECT_EQ(shared.use_count(), 3);
                   }),
              "");
  });
  EXPECT_TRUE(received == "a" + *shared + "bc" + *shared);
  while (shared.use_count() > 1) std::this_thread::yield();
  EXPECT_EQ(network_->connection_count(), 2u);  // both of its ends
}

TEST_F(TcpNetworkTest, WhoeverDialsSaysHowLongThePeerMaySayNothing) {
  int found_ms = 0;
  const auto ask = [&](env::Connection& connection) {
    socklen_t size = sizeof(found_ms);
    const int descriptor = connection.file_descriptor();
    EXPECT_EQ(::getsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &found_ms, &size), 0);
  };
  const env::PeerAddress address{"127.0.0.1", port_};
  EXPECT_EQ(dial(*network_, *loops_[0], address, std::make_shared<Caller>(), ask), "");
  EXPECT_EQ(found_ms, 0);
  env::ConnectOptions options{.timeout_ms = 5000, .unacknowledged_ms_max = 1234};
  EXPECT_EQ(dial(*network_, *loops_[0], address, std::make_shared<Caller>(), ask, options), "");
  EXPECT_EQ(found_ms, 1234);
}

TEST_F(TcpNetworkTest, WhereNobodyListensTheWordsSaySo) {
  EXPECT_EQ(dial(*network_, *loops_[0], {"127.0.0.1", 1}, nullptr),
            "connect to 127.0.0.1:1: Connection refused");
  EXPECT_EQ(dial(*network_, *loops_[0], {"localhost", 1}, nullptr),
            "connect to localhost:1: not an address in digits");
}

// The pool of a test: a thread for each task.
class Pool final : public env::Executor {
 public:
  ~Pool() override {
    for (std::thread& thread : threads_) thread.join();
  }
  void post_to_pool(env::Lane, env::Task task) override {
    threads_.emplace_back([task = std::move(task)]() mutable { task(); });
  }

 private:
  std::vector<std::thread> threads_;
};

TEST_F(TcpNetworkTest, NamesAreLookedUpOnThePool) {
  Pool pool;
  TcpNetwork network({loops_[0].get()}, TcpNetwork::Options{.names = &pool});
  EXPECT_EQ(dial(network, *loops_[0], {"localhost", port_}, std::make_shared<Caller>()), "");
  EXPECT_THAT(dial(network, *loops_[0], {"no.such.name.invalid", 1}, nullptr),
              testing::StartsWith("connect to no.such.name.invalid:1: cannot look up the name: "));
}

TEST_F(TcpNetworkTest, AnAnswerThatDoesNotComeInTimeIsNotWaitedFor) {
  // A queue of connections that is full: what comes further is not answered.
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  const Client first(ntohs(address.sin_port));
  std::promise<std::string> done;
  const env::PeerAddress full{"127.0.0.1", ntohs(address.sin_port)};
  network_->connect(full, *loops_[0], {.timeout_ms = 50},
                    [&](base::Result<env::Connection*> connection) {
                      done.set_value(connection.is_ok() ? "" : connection.error().message);
                      return nullptr;
                    });
  EXPECT_EQ(done.get_future().get(),
            "connect to 127.0.0.1:" + std::to_string(full.port) + ": no answer within 50 ms");
  ::close(listener);
}

}  // namespace
}  // namespace alfheim::net
