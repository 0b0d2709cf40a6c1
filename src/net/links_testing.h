// net/links_testing: nodes with links over real sockets, for tests: a core and an io loop each,
// and a receiver that keeps what comes. Every wait has an end.
//
// Thread: the test's; what it asks runs on the node's core. Lifetime: a node may be destroyed
// and another made at its port, as when a process is started anew.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "env/posix/posix_clock.h"
#include "net/links.h"
#include "net/loop.h"
#include "net/tcp_network.h"
#include "sim/hands/sim_random.h"

namespace alfheim::net {

inline constexpr auto kTestPatience = std::chrono::seconds(20);

// What a node hears. Filled on the core, read by the test.
class Heard final : public PeerReceiver {
 public:
  struct Arrival {
    PeerMessage message;
    std::chrono::steady_clock::time_point at;
  };

  void on_message(PeerMessage message) override {
    if (on_each) return on_each(std::move(message));
    change([&] { arrivals.push_back({std::move(message), std::chrono::steady_clock::now()}); });
  }
  void on_dropped(base::NodeId) override {
    change([&] { ++dropped_count; });
  }
  void on_peer_connected(base::NodeId peer) override {
    change([&] { events.push_back("+" + std::to_string(peer.value)); });
  }
  void on_peer_disconnected(base::NodeId peer) override {
    change([&] { events.push_back("-" + std::to_string(peer.value)); });
  }
  void on_trouble(const std::string& line) {
    change([&] { troubles.push_back(line); });
  }

  // False: it did not come to hold in time.
  bool wait_until(const std::function<bool()>& holds) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, kTestPatience, holds);
  }
  bool wait_for_event(const std::string& event) {
    return wait_until(
        [&] { return std::find(events.begin(), events.end(), event) != events.end(); });
  }
  bool wait_for_trouble(const std::string& part) {
    const bool came = wait_until([&] { return count_lines(part) > 0; });
    EXPECT_TRUE(came) << "no line with: " << part;
    return came;
  }
  size_t count_troubles(const std::string& part) {
    const std::lock_guard lock(mutex);
    return count_lines(part);
  }
  std::vector<std::string> events_now() {
    const std::lock_guard lock(mutex);
    return events;
  }
  std::vector<std::string> troubles_now() {
    const std::lock_guard lock(mutex);
    return troubles;
  }
  // The next one that came.
  std::optional<Arrival> next() {
    if (!wait_until([&] { return !arrivals.empty(); })) return std::nullopt;
    const std::lock_guard lock(mutex);
    Arrival arrival = std::move(arrivals.front());
    arrivals.pop_front();
    return arrival;
  }

  std::mutex mutex;  // guards all below but on_each
  std::condition_variable changed;
  std::deque<Arrival> arrivals;
  std::vector<std::string> events;
  std::vector<std::string> troubles;
  int dropped_count = 0;
  std::function<void(PeerMessage)> on_each;  // instead of keeping it; set before it runs

 private:
  size_t count_lines(const std::string& part) const {  // with the mutex held
    size_t count = 0;
    for (const std::string& line : troubles) {
      if (line.find(part) != std::string::npos) ++count;
    }
    return count;
  }
  template <typename Change>
  void change(const Change& make) {
    const std::lock_guard lock(mutex);
    make();
    changed.notify_all();
  }
};

class TestNode {
 public:
  struct Options {
    uint64_t id = 1;
    uint16_t port = 0;  // 0: any
    uint64_t cluster_uid = 0xa1f;
    std::function<base::Status(const Hello&)> judge = [](const Hello&) { return base::ok(); };
    std::function<void(LinkOptions&)> change;  // further options
    TcpNetwork::Options network;
  };

  explicit TestNode(Options options) : random_(options.id) {
    EXPECT_TRUE(core_.open().is_ok());
    EXPECT_TRUE(io_.open().is_ok());
    network_ = std::make_unique<TcpNetwork>(std::vector<Loop*>{&io_}, options.network);
    LinkOptions link_options{.id = {options.id},
                             .name = "n" + std::to_string(options.id),
                             .cluster_uid = options.cluster_uid,
                             .data_uid = 1000 + options.id,
                             .judge = options.judge};
    link_options.on_trouble = [this](const std::string& line) { heard.on_trouble(line); };
    if (options.change) options.change(link_options);
    links =
        std::make_unique<Links>(LinkHands{*network_, core_, io_, random_, clock_}, link_options);
    links->set_receiver(&heard);
    auto listener = network_->listen({"127.0.0.1", options.port}, links->acceptor());
    EXPECT_TRUE(listener.is_ok()) << listener.error().message;
    listener_ = std::move(listener).value();
    endpoint = {.id = {options.id}, .address = listener_->local_address()};
  }
  // Apart from the constructor, so that a test can set on_each before.
  TestNode& run() {
    threads_.emplace_back([this] { core_.run(); });
    threads_.emplace_back([this] { io_.run(); });
    listener_->start_accepting();
    return *this;
  }
  ~TestNode() {
    core_.request_stop();
    io_.request_stop();
    for (std::thread& thread : threads_) thread.join();
    listener_.reset();
    core_.drop_tasks();
    io_.drop_tasks();
  }

  void on_core(const std::function<void()>& body) { on(core_, body); }
  void on_io(const std::function<void()>& body) { on(io_, body); }
  void set_peers(std::vector<PeerEndpoint> peers) {
    on_core([&] { links->set_peers(peers); });
  }
  void send(PeerMessage message) {
    on_core([&] { links->send(std::move(message)); });
  }
  std::vector<PeerLinkStatus> status() {
    std::vector<PeerLinkStatus> result;
    on_core([&] { result = links->status(); });
    return result;
  }
  Loop& core() { return core_; }
  size_t connection_count() const { return network_->connection_count(); }

  Heard heard;
  std::unique_ptr<Links> links;
  PeerEndpoint endpoint;

 private:
  static void on(Loop& loop, const std::function<void()>& body) {
    std::promise<void> done;
    loop.post([&] {
      body();
      done.set_value();
    });
    done.get_future().wait();
  }

  env::PosixClock clock_;
  sim::SimRandom random_;
  Loop core_;
  Loop io_;
  std::unique_ptr<TcpNetwork> network_;
  std::unique_ptr<env::Listener> listener_;
  std::vector<std::thread> threads_;
};

}  // namespace alfheim::net
