// Clients of a node that follows, with --proxy. The test speaks for the node that leads, and is the
// other end of every tunnel.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/session_tunnel_testing.h"

namespace alfheim::server {
namespace {

constexpr base::NodeId kLeader{3};
constexpr base::NodeId kNext{2};

class SessionTunnelTest : public testing::Test {
 protected:
  explicit SessionTunnelTest(bool is_on = true) : node(setup_with_tunnels(network, is_on)) {
    put_friends(node.directory());
    node.replica().start();
    follow(kLeader);
  }
  // That node leads now, in a new term.
  void follow(base::NodeId leader) {
    ++term_.value;
    node.replica().step(raft::Message{{1}, leader, {1}, term_, raft::Heartbeat{}});
    node.run_for_ms(100);
    ASSERT_EQ(node.replica().leader(), leader);
  }
  // Opens the client's tunnel, where `greeting_replies` are said to what it says of the client.
  FakeConnection& open(std::string_view greeting_replies = "+OK\r\n") {
    FakeConnection& upstream = network.take();
    node.settle();
    greeting = upstream.take();
    upstream.client_send(greeting_replies);
    node.settle();
    return upstream;
  }
  void answer(FakeConnection& upstream, std::string_view bytes) {
    upstream.client_send(bytes);
    node.settle();
  }

  FakeNetwork network;
  TestNode node;
  base::Bytes greeting;

 private:
  base::Term term_{1};
};

TEST_F(SessionTunnelTest, CarriesWhatOnlyTheLeaderCanAnswer) {
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"PING"}, {"SET", "k", "v"}, {"GET", "k"}}), "+PONG\r\n");
  ASSERT_EQ(network.dials.size(), 1u);
  EXPECT_EQ(network.dials[0].address, "10.0.0.3:6379");
  FakeConnection& upstream = open();
  EXPECT_EQ(greeting, request_of({"RAFT", "TUNNEL", "n1"}));
  EXPECT_EQ(upstream.take(), pipeline_of({{"SET", "k", "v"}, {"GET", "k"}}));
  answer(upstream, "+OK\r\n$1");
  EXPECT_EQ(client.connection().take(), "+OK\r\n$1");  // half a reply is as good
  answer(upstream, "\r\nv\r\n");
  EXPECT_EQ(client.connection().take(), "\r\nv\r\n");
  EXPECT_EQ(client.call({"INCR", "n"}), "");
  EXPECT_EQ(upstream.take(), request_of({"INCR", "n"}));
  EXPECT_EQ(network.dials.size(), 1u);
}

TEST_F(SessionTunnelTest, TellsTheLeaderWhatTheConnectionIs) {
  node.config().set({{{"requirepass", "secret"}}}).is_ok();
  TestClient client(node);
  client.pipeline({{"HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me"}, {"SELECT", "4"}});
  EXPECT_EQ(client.call({"GET", "k"}), "");
  FakeConnection& upstream = open("+OK\r\n+OK\r\n%1\r\n+a\r\n+b\r\n+OK\r\n+OK\r\n");
  EXPECT_EQ(greeting, pipeline_of({{"AUTH", "secret"},
                                   {"RAFT", "TUNNEL", "n1"},
                                   {"HELLO", "3"},
                                   {"SELECT", "4"},
                                   {"CLIENT", "SETNAME", "me"}}));
  EXPECT_EQ(upstream.take(), request_of({"GET", "k"}));
  answer(upstream, "_\r\n");
  EXPECT_EQ(client.connection().take(), "_\r\n");
  // And what it becomes.
  EXPECT_EQ(client.pipeline({{"SELECT", "0"}, {"GET", "k"}}), "+OK\r\n");
  EXPECT_EQ(upstream.take(), pipeline_of({{"SELECT", "0"}, {"GET", "k"}}));
  answer(upstream, "+OK\r\n_\r\n");
  EXPECT_EQ(client.connection().take(), "_\r\n");
}

TEST_F(SessionTunnelTest, AnswersOfThisNodeComeInTheirPlace) {
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"GET", "k"}, {"PING"}, {"NOSUCH"}, {"GET", "l"}}), "");
  FakeConnection& upstream = open();
  EXPECT_EQ(upstream.take(), request_of({"GET", "k"}));
  answer(upstream, "$1\r\na\r\n");
  EXPECT_EQ(client.connection().take(),
            "$1\r\na\r\n+PONG\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n");
  EXPECT_EQ(upstream.take(), request_of({"GET", "l"}));
  // So does the end of a connection that speaks no RESP.
  EXPECT_EQ(client.exchange("*1\r\n+\r\n"), "");
  answer(upstream, "$-1\r\n");
  EXPECT_EQ(client.connection().take(), "$-1\r\n-ERR Protocol error: expected '$', got '+'\r\n");
  EXPECT_TRUE(client.is_closed());
}

TEST_F(SessionTunnelTest, AClientThatFollowsMovedIsSentElsewhere) {
  TestClient cluster(node);
  EXPECT_NE(cluster.call({"CLUSTER", "SLOTS"}), "");
  EXPECT_EQ(cluster.call({"GET", "k"}), "-MOVED 7629 10.0.0.3:6379\r\n");
  EXPECT_TRUE(network.dials.empty());
  // From when it says so.
  TestClient late(node);
  EXPECT_EQ(late.call({"GET", "k"}), "");
  FakeConnection& upstream = open();
  answer(upstream, "$-1\r\n");
  EXPECT_NE(late.call({"CLUSTER", "SLOTS"}), "");
  EXPECT_EQ(late.call({"GET", "k"}), "-MOVED 7629 10.0.0.3:6379\r\n");
  EXPECT_TRUE(upstream.is_closed());
}

TEST_F(SessionTunnelTest, AnotherNodesClientIsNeverCarriedOn) {
  TestClient other(node);
  EXPECT_EQ(other.call({"RAFT", "TUNNEL", "n2"}), "-CLUSTERDOWN No leader\r\n");
  EXPECT_TRUE(network.dials.empty());
}

TEST_F(SessionTunnelTest, WhatWasNotSentGoesToTheNextLeader) {
  TestClient client(node);
  EXPECT_EQ(client.call({"SET", "k", "v"}), "");
  FakeConnection& first = network.take();
  node.settle();
  answer(first, "-MOVED 0 10.0.0.2:6379\r\n");
  EXPECT_TRUE(first.is_closed());
  EXPECT_FALSE(client.is_closed());
  follow(kNext);
  ASSERT_EQ(network.dials.size(), 2u);
  EXPECT_EQ(network.dials[1].address, "10.0.0.2:6379");
  FakeConnection& second = open();
  EXPECT_EQ(second.take(), request_of({"SET", "k", "v"}));
  answer(second, "+OK\r\n");
  EXPECT_EQ(client.connection().take(), "+OK\r\n");
  EXPECT_TRUE(first.take().find("SET") == base::Bytes::npos);
}

TEST_F(SessionTunnelTest, AnIdleClientIsMovedWithoutAWord) {
  TestClient client(node);
  client.call({"GET", "k"});
  FakeConnection& first = open();
  answer(first, "$-1\r\n");
  EXPECT_EQ(client.connection().take(), "$-1\r\n");
  first.client_close();  // as a leader does that leads no more
  node.settle();
  EXPECT_FALSE(client.is_closed());
  follow(kNext);
  client.call({"GET", "k"});
  FakeConnection& second = open();
  answer(second, "$1\r\nv\r\n");
  EXPECT_EQ(client.connection().take(), "$1\r\nv\r\n");
  // Or it is known here first.
  follow(kLeader);
  client.call({"GET", "k"});
  EXPECT_TRUE(second.is_closed());
  ASSERT_EQ(network.dials.size(), 3u);
  FakeConnection& third = open();
  answer(third, "$1\r\nw\r\n");
  EXPECT_EQ(client.connection().take(), "$1\r\nw\r\n");
}

TEST_F(SessionTunnelTest, AnOpenOutcomeClosesTheClient) {
  TestClient client(node);
  client.pipeline({{"INCR", "a"}, {"INCR", "b"}});
  FakeConnection& upstream = open();
  answer(upstream, ":1\r\n");
  EXPECT_EQ(client.call({"PING"}), ":1\r\n");  // and waits behind the second
  upstream.client_close();
  node.settle();
  EXPECT_EQ(client.connection().take(), "");
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(network.dials.size(), 1u);  // nothing was sent twice
}

TEST_F(SessionTunnelTest, ALeaderThatIsGoneWithoutAWordIsNotWaitedForForEver) {
  TestClient client(node);
  client.call({"INCR", "a"});
  FakeConnection& upstream = open();
  TestClient idle(node);
  for (int second = 0; second < 5; ++second) {
    EXPECT_FALSE(client.is_closed()) << second;
    follow(kNext);
    node.run_for_ms(900);
    if (second >= 3 && client.is_closed()) break;
  }
  EXPECT_TRUE(client.is_closed());
  EXPECT_TRUE(upstream.is_closed());
  EXPECT_FALSE(idle.is_closed());
}

TEST_F(SessionTunnelTest, ABlockIsBoundToItsLeader) {
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"PING"}, {"NOSUCH"}}), "");
  FakeConnection& upstream = open();
  EXPECT_EQ(upstream.take(), pipeline_of({{"MULTI"}, {"PING"}, {"NOSUCH"}}));
  answer(upstream, "+OK\r\n+QUEUED\r\n-ERR unknown\r\n");
  EXPECT_EQ(client.connection().take(), "+OK\r\n+QUEUED\r\n-ERR unknown\r\n");
  EXPECT_NE(node.run({"CLIENT", "LIST"}).find(" multi=1 "), std::string::npos);
  client.call({"EXEC"});
  answer(upstream, "-EXECABORT no\r\n");
  EXPECT_EQ(client.connection().take(), "-EXECABORT no\r\n");
  // Ended: it may be moved.
  follow(kNext);
  EXPECT_EQ(client.call({"WATCH", "k"}), "");
  ASSERT_EQ(network.dials.size(), 2u);
  FakeConnection& second = open();
  answer(second, "+OK\r\n");
  EXPECT_EQ(client.connection().take(), "+OK\r\n");
  second.client_close();  // and with it goes what was watched
  node.settle();
  EXPECT_TRUE(client.is_closed());
}

TEST_F(SessionTunnelTest, ABlockThatChangesTheConnectionTiesIt) {
  TestClient client(node);
  client.pipeline({{"MULTI"}, {"SELECT", "3"}, {"EXEC"}});
  FakeConnection& upstream = open();
  answer(upstream, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
  upstream.take();
  EXPECT_EQ(client.pipeline({{"PING"}, {"GET", "k"}}), "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
  EXPECT_EQ(upstream.take(), pipeline_of({{"PING"}, {"GET", "k"}}));
  upstream.client_close();
  node.settle();
  EXPECT_TRUE(client.is_closed());
}

// Which answers come could not be told any more: the client would wait, and keep its tunnel.
TEST_F(SessionTunnelTest, WhoMutesAnswersWithinABlockIsClosed) {
  TestClient client(node);
  client.pipeline({{"MULTI"}, {"CLIENT", "REPLY", "OFF"}, {"EXEC"}});
  FakeConnection& upstream = open();
  EXPECT_EQ(upstream.take(), pipeline_of({{"MULTI"}}));
  answer(upstream, "+OK\r\n");
  EXPECT_EQ(client.connection().take(), "+OK\r\n");
  EXPECT_TRUE(client.is_closed());
  EXPECT_TRUE(upstream.is_closed());
}

TEST_F(SessionTunnelTest, ResetEndsABlockAndItsTunnel) {
  TestClient client(node);
  client.pipeline({{"MULTI"}, {"SELECT", "3"}});
  FakeConnection& upstream = open();
  answer(upstream, "+OK\r\n+QUEUED\r\n");
  EXPECT_EQ(client.call({"RESET"}), "+OK\r\n+QUEUED\r\n+RESET\r\n");
  EXPECT_TRUE(upstream.is_closed());
  EXPECT_EQ(client.call({"PING"}), "+PONG\r\n");
  EXPECT_EQ(client.call({"GET", "k"}), "");
  EXPECT_EQ(open().take(), pipeline_of({{"GET", "k"}}));
}

TEST_F(SessionTunnelTest, MutedRequestsStayMuted) {
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"CLIENT", "REPLY", "SKIP"}, {"SET", "a", "1"}, {"GET", "a"}}), "");
  FakeConnection& upstream = open();
  EXPECT_EQ(upstream.take(), pipeline_of({{"SET", "a", "1"}, {"GET", "a"}}));
  answer(upstream, "+OK\r\n$1\r\n1\r\n");
  EXPECT_EQ(client.connection().take(), "$1\r\n1\r\n");
  EXPECT_EQ(client.pipeline({{"CLIENT", "REPLY", "OFF"}, {"GET", "a"}}), "");
  answer(upstream, "$1\r\n1\r\n");
  EXPECT_EQ(client.connection().take(), "");
  EXPECT_EQ(client.call({"CLIENT", "REPLY", "ON"}), "+OK\r\n");
}

TEST_F(SessionTunnelTest, NobodyToCarryItToIsSaidAfterAWhile) {
  TestClient client(node);
  EXPECT_EQ(client.call({"SET", "k", "v"}), "");
  for (int attempt = 0; attempt < 100 && client.connection().sent_bytes() == 0; ++attempt) {
    if (network.dials.back().done != nullptr) network.refuse();
    follow(kLeader);
  }
  EXPECT_EQ(client.connection().take(), "-CLUSTERDOWN No leader\r\n");
  EXPECT_GT(network.dials.size(), 10u);
  EXPECT_LT(network.dials.size(), 80u);
  EXPECT_EQ(node.troubles.size(), 1u);  // said once
  // A block is refused as a whole.
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"INCR", "n"}, {"EXEC"}}), "");
  for (int attempt = 0; attempt < 100 && client.connection().sent_bytes() < 30; ++attempt) {
    if (network.dials.back().done != nullptr) network.refuse();
    follow(kLeader);
  }
  EXPECT_EQ(client.connection().take(),
            "+OK\r\n-CLUSTERDOWN No leader\r\n-CLUSTERDOWN No leader\r\n");
  // The next one is tried anew.
  EXPECT_EQ(client.call({"SET", "k", "v"}), "");
  FakeConnection& upstream = open();
  answer(upstream, "+OK\r\n");
  EXPECT_EQ(client.connection().take(), "+OK\r\n");
}

TEST_F(SessionTunnelTest, AWayThatNeverOpensIsGivenUp) {
  TestClient client(node);
  EXPECT_EQ(client.call({"SET", "k", "v"}), "");
  network.take();  // it hangs: no word comes
  for (int i = 0; i < 50 && client.connection().sent_bytes() == 0; ++i) follow(kLeader);
  EXPECT_EQ(client.connection().take(), "-CLUSTERDOWN No leader\r\n");
}

TEST_F(SessionTunnelTest, LargeRequestsAndRepliesAreBounded) {
  TestClient client(node);
  const std::string value(3 << 20, 'v');
  client.pipeline({{"SET", "k", value}, {"GET", "k"}});
  FakeConnection& upstream = open();
  EXPECT_EQ(upstream.take(), pipeline_of({{"SET", "k", value}, {"GET", "k"}}));
  // A leader that reads nothing: the client is not read any more.
  answer(upstream, "+OK\r\n" + bulk_of(value));
  EXPECT_EQ(client.connection().take(), "+OK\r\n" + bulk_of(value));
  upstream.set_client_reading(false);
  base::Bytes many;
  for (int i = 0; i < 8; ++i) many += request_of({"SET", "k", value});
  client.exchange(many);
  EXPECT_LE(upstream.unsent_bytes(), size_t{12} << 20);
  EXPECT_FALSE(client.connection().is_reading());
  upstream.set_client_reading(true);
  node.settle();
  node.settle();
  EXPECT_EQ(upstream.take(), many);
  answer(upstream, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
  client.connection().take();
  // A client that reads nothing: the leader is not read any more.
  client.connection().set_client_reading(false);
  const std::string large(12 << 20, 'l');
  client.call({"GET", "large"});
  answer(upstream, bulk_of(large));
  EXPECT_LE(client.connection().unsent_bytes(), size_t{9} << 20);
  EXPECT_FALSE(upstream.is_reading());
  client.connection().set_client_reading(true);
  base::Bytes got;
  for (int i = 0; i < 20; ++i) {
    node.settle();
    got += client.connection().take();
  }
  EXPECT_TRUE(got == bulk_of(large));
}

TEST_F(SessionTunnelTest, ClientsAreCountedHereAndCloseTheirTunnel) {
  auto client = std::make_unique<TestClient>(node);
  client->call({"SET", "k", "v"});
  FakeConnection& upstream = open();
  const std::string list = node.run({"CLIENT", "LIST"});
  EXPECT_NE(list.find(" cmd=set "), std::string::npos) << list;
  EXPECT_EQ(node.registry().count(), 2u);  // and the test's own
  client.reset();
  EXPECT_TRUE(upstream.is_closed());
  EXPECT_EQ(node.registry().count(), 1u);
}

class SessionTunnelOffTest : public SessionTunnelTest {
 protected:
  SessionTunnelOffTest() : SessionTunnelTest(false) {}
};

TEST_F(SessionTunnelOffTest, IsSentElsewhere) {
  TestClient client(node);
  EXPECT_EQ(client.call({"GET", "k"}), "-MOVED 7629 10.0.0.3:6379\r\n");
  EXPECT_TRUE(network.dials.empty());
}

}  // namespace
}  // namespace alfheim::server
