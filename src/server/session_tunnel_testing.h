// server/session_tunnel_testing: tunnels of a node under test: whoever it dials, the test is there.
// Only *_test.cc of this room include it.
//
// Thread: one. Lifetime: a test's.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/session_leader_testing.h"

namespace alfheim::server {

// Connections that somebody asked for; the test takes them, or refuses.
class FakeNetwork final : public env::Network {
 public:
  struct Dial {
    std::string address;
    env::Strand* strand = nullptr;
    env::ConnectHandler done;
    std::shared_ptr<FakeConnection> connection;  // shared with its operations
  };

  base::Result<std::unique_ptr<env::Listener>> listen(const env::PeerAddress&,
                                                      env::AcceptHandler) override {
    return base::Error{base::ErrorCode::kInvalidArgument, "nobody listens here"};
  }
  void connect(const env::PeerAddress& address, env::Strand& strand, env::ConnectOptions,
               env::ConnectHandler done) override {
    dials.push_back({address_text(address), &strand, std::move(done), nullptr});
  }

  // The leader's end of the last one. Answers nothing by itself.
  FakeConnection& take() { return take(dials.back()); }
  static FakeConnection& take(Dial& dial) {
    dial.connection = std::make_shared<FakeConnection>(*dial.strand);
    dial.connection->start(
        std::exchange(dial.done, nullptr)(base::Result<env::Connection*>(dial.connection.get())));
    return *dial.connection;
  }
  void refuse() { refuse(dials.back()); }
  static void refuse(Dial& dial) {
    std::exchange(dial.done, nullptr)(base::Error{base::ErrorCode::kUnavailable, "nobody there"});
  }

  std::vector<Dial> dials;
};

inline TestSetup setup_with_tunnels(env::Network& network, bool is_on) {
  TestSetup setup = setup_of_three();
  setup.expects_trouble = true;
  setup.network = &network;
  setup.options.group.serves_for_leader = is_on;
  return setup;
}

}  // namespace alfheim::server
