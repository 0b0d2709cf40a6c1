// Sessions of a node that leads, and then does no more. It is one of three voters, and the test
// speaks for the other two.
#include <gtest/gtest.h>

#include <string>

#include "server/session_leader_testing.h"

namespace alfheim::server {
namespace {

TEST_F(SessionLeaderTest, WhoFollowsMovedKeepsItsConnection) {
  TestClient unknown(node);
  TestClient cluster(node);
  EXPECT_NE(cluster.call({"CLUSTER", "SLOTS"}), "");
  lose_leadership();
  EXPECT_EQ(unknown.call({"SET", "k", "v"}), kMoved);
  EXPECT_EQ(cluster.call({"SET", "k", "v"}), kMoved);
  EXPECT_FALSE(unknown.is_closed());
  EXPECT_FALSE(cluster.is_closed());
}

TEST_F(SessionLeaderTest, WhatWasQueuedOrWatchedUnderThisLeaderClosesItsConnection) {
  TestClient queued(node);
  EXPECT_EQ(queued.pipeline({{"MULTI"}, {"SET", "k", "v"}}), "+OK\r\n+QUEUED\r\n");
  TestClient watching(node);
  EXPECT_EQ(watching.call({"WATCH", "k"}), "");
  confirm_reads();
  EXPECT_EQ(watching.call({"PING"}), "+OK\r\n+PONG\r\n");
  TestClient done(node);
  EXPECT_EQ(done.pipeline({{"MULTI"}, {"SET", "k", "v"}, {"DISCARD"}}),
            "+OK\r\n+QUEUED\r\n+OK\r\n");
  lose_leadership();
  EXPECT_TRUE(queued.is_closed());
  EXPECT_EQ(queued.connection().take(), "");
  EXPECT_TRUE(watching.is_closed());
  EXPECT_FALSE(done.is_closed());
}

// As in Redis Cluster: a pipeline that came to the wrong node is sent to the right one as a whole.
TEST_F(SessionLeaderTest, ABlockThatBeginsOnAFollowerIsSentElsewhere) {
  lose_leadership();
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"SET", "k", "v"}, {"EXEC"}}),
            "+OK\r\n" + std::string(kMoved) + "-MOVED 0 10.0.0.3:6379\r\n");
  EXPECT_FALSE(client.is_closed());
}

TEST_F(SessionLeaderTest, WhoCameThroughSentinelIsClosedAndNotSentElsewhere) {
  TestClient sentinel(node);
  EXPECT_EQ(sentinel.call({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"}),
            "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n");
  TestClient worker(node);
  EXPECT_EQ(worker.call({"PING"}), "+PONG\r\n");
  TestClient cluster(node);
  EXPECT_NE(cluster.call({"CLUSTER", "SLOTS"}), "");
  lose_leadership();
  EXPECT_TRUE(worker.is_closed());
  EXPECT_FALSE(cluster.is_closed());
  EXPECT_EQ(sentinel.call({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"}),
            "*2\r\n$8\r\n10.0.0.3\r\n$4\r\n6379\r\n");
  // Late: it asked before, and connects when the master is none any more.
  TestClient late(node);
  EXPECT_EQ(late.call({"PING"}), "+PONG\r\n");
  EXPECT_EQ(late.call({"SET", "k", "v"}), "");
  EXPECT_TRUE(late.is_closed());
}

TEST_F(SessionLeaderTest, WhatIsOwedIsAnsweredBeforeTheConnectionCloses) {
  TestClient sentinel(node);
  EXPECT_NE(sentinel.call({"SENTINEL", "MYID"}), "");
  TestClient worker(node);
  EXPECT_EQ(worker.call({"SET", "k", "v"}), "");  // proposed; nobody has acknowledged it
  begin_to_hand_over();
  EXPECT_EQ(worker.call({"SET", "k", "w"}), "");  // not proposed
  EXPECT_EQ(worker.call({"PING"}), "");
  TestClient other(node);
  EXPECT_NE(other.call({"CLUSTER", "SLOTS"}), "");
  EXPECT_EQ(other.call({"SET", "k", "x"}), "");
  lose_leadership();
  EXPECT_EQ(worker.connection().take(), "+OK\r\n");
  EXPECT_TRUE(worker.is_closed());
  EXPECT_EQ(other.connection().take(), kMoved);
  EXPECT_FALSE(other.is_closed());
}

// One barrier serves a pipeline of reads; what stands behind the first is looked at when it passes.
TEST_F(SessionLeaderTest, APipelineOfReadsIsAnsweredBehindItsBarrier) {
  std::vector<std::vector<std::string>> requests;
  base::Bytes replies;
  for (int i = 0; i < 100; ++i) {
    requests.push_back({i % 7 == 3 ? "STRLEN" : "GET", "k" + std::to_string(i)});
    replies += i % 7 == 3 ? ":0\r\n" : "$-1\r\n";
    if (i % 10 == 5) {
      requests.insert(requests.end(), {{"GET", std::string(3000, 'x')}, {"PING"}});
      replies += "$-1\r\n+PONG\r\n";
    }
  }
  TestClient client(node);
  EXPECT_EQ(client.exchange(pipeline_of(requests)), "");  // nobody has confirmed that it leads
  confirm_reads();
  EXPECT_EQ(client.connection().take(), replies);
}

// Sent again elsewhere the block would go without its WATCH.
TEST_F(SessionLeaderTest, AWatchedBlockIsNotSentElsewhere) {
  TestClient client(node);
  EXPECT_EQ(client.call({"WATCH", "k"}), "");
  confirm_reads();
  EXPECT_EQ(client.connection().take(), "+OK\r\n");
  begin_to_hand_over();
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"SET", "k", "v"}, {"EXEC"}}), "+OK\r\n+QUEUED\r\n");
  TestClient plain(node);
  EXPECT_EQ(plain.pipeline({{"MULTI"}, {"SET", "k", "v"}, {"EXEC"}}), "+OK\r\n+QUEUED\r\n");
  lose_leadership();
  EXPECT_EQ(client.connection().take(), "");
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(plain.connection().take(), "-MOVED 0 10.0.0.3:6379\r\n");
  EXPECT_FALSE(plain.is_closed());
}

TestSetup setup_with_proxy() {
  TestSetup setup = setup_of_three();
  setup.options.group.serves_for_leader = true;
  return setup;
}

class SessionLeaderProxyTest : public SessionLeaderTest {
 protected:
  SessionLeaderProxyTest() : SessionLeaderTest(setup_with_proxy()) {}
};

TEST_F(SessionLeaderProxyTest, WhoKnowsNoMovedIsToldThatItWasNotDone) {
  TestClient plain(node);
  TestClient block(node);
  TestClient cluster(node);
  EXPECT_NE(cluster.call({"CLUSTER", "SLOTS"}), "");
  begin_to_hand_over();
  EXPECT_EQ(plain.call({"SET", "k", "v"}), "");
  EXPECT_EQ(block.pipeline({{"MULTI"}, {"SET", "k", "v"}, {"EXEC"}}), "+OK\r\n+QUEUED\r\n");
  EXPECT_EQ(cluster.call({"SET", "k", "v"}), "");
  lose_leadership();
  EXPECT_EQ(plain.connection().take(), "-CLUSTERDOWN No leader\r\n");
  EXPECT_EQ(block.connection().take(), "-CLUSTERDOWN No leader\r\n");
  EXPECT_EQ(cluster.connection().take(), kMoved);
}

// Another node's client: it is closed where it would be sent elsewhere.
TEST_F(SessionLeaderTest, WhoCameThroughATunnelIsClosedAfterWhatItIsOwed) {
  TestClient tunnelled(node);
  EXPECT_EQ(tunnelled.call({"RAFT", "TUNNEL", "n2"}), "+OK\r\n");
  EXPECT_EQ(tunnelled.call({"SET", "k", "v"}), "");  // proposed; nobody has acknowledged it
  TestClient late(node);
  EXPECT_EQ(late.call({"RAFT", "TUNNEL", "n2"}), "+OK\r\n");
  begin_to_hand_over();
  EXPECT_EQ(late.call({"SET", "k", "w"}), "");  // not proposed
  lose_leadership();
  EXPECT_EQ(tunnelled.connection().take(), "+OK\r\n");
  EXPECT_TRUE(tunnelled.is_closed());
  EXPECT_EQ(late.connection().take(), "");
  EXPECT_TRUE(late.is_closed());
  TestClient follower(node);
  EXPECT_EQ(follower.call({"RAFT", "TUNNEL", "n2"}), "-MOVED 0 10.0.0.3:6379\r\n");
}

}  // namespace
}  // namespace alfheim::server
