// What a node tells, and reads, as one of several: followers' reads, WAIT, INFO, RAFT INFO,
// /metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/http_pages.h"
#include "server/info_text.h"
#include "server/session_leader_testing.h"

namespace alfheim::server {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string replication(TestNode& node) {
  const std::string_view section[] = {"replication"};
  return info_text(node.services(), section);
}

class SessionFollowers : public SessionLeaderTest {
 protected:
  using SessionLeaderTest::SessionLeaderTest;
  static Options stale() {
    Options options;
    options.group.reads_stale = true;
    return options;
  }
};

class StaleFollower : public SessionFollowers {
 protected:
  StaleFollower() : SessionFollowers(setup_of_three(stale())) {}
};

TEST_F(SessionFollowers, AReadAsksTheLeaderFirst) {
  lose_leadership();
  TestClient client(node);
  EXPECT_EQ(client.call({"GET", "k"}), kMoved);
  EXPECT_EQ(client.call({"READONLY"}), "+OK\r\n");
  EXPECT_EQ(client.call({"SET", "k", "v"}), kMoved);
  EXPECT_EQ(client.call({"GET", "k"}), "");  // nobody has answered yet
  EXPECT_EQ(node.replica().status_snapshot().raft.counts.read_rounds, 0u);
}

// The leader is heard, and never answers: what is asked of it does not reach it. Its address is
// given instead, after as long as a request waits for a leader; the next one is asked for again.
TEST_F(SessionFollowers, AReadWhoseBarrierIsLateIsSentToTheLeader) {
  lose_leadership();
  TestClient client(node);
  EXPECT_EQ(client.call({"READONLY"}), "+OK\r\n");
  EXPECT_EQ(client.call({"GET", "k"}), "");
  const uint64_t began_ms = node.clock().monotonic_ms();
  std::string reply;
  while (reply.empty() && node.clock().monotonic_ms() < began_ms + 10'000) {
    step_only(kRival, raft::Heartbeat{});
    node.run_for_ms(50);
    reply = client.connection().take();
    EXPECT_EQ(node.replica().leader(), kRival);
  }
  EXPECT_EQ(reply, kMoved);
  EXPECT_GE(node.clock().monotonic_ms(), began_ms + 3'000);
  EXPECT_LE(node.clock().monotonic_ms(), began_ms + 4'500);
  EXPECT_EQ(client.call({"GET", "k"}), "");
}

TEST_F(StaleFollower, AReadShowsWhatIsHere) {
  TestClient client(node);
  lose_leadership();
  EXPECT_EQ(client.call({"GET", "k"}), kMoved);
  EXPECT_EQ(client.pipeline({{"READONLY"}, {"GET", "k"}}), "+OK\r\n$-1\r\n");
  follow_entry(1, {"SET", "k", "v"});
  EXPECT_EQ(client.call({"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(client.call({"KEYS", "*"}), "*1\r\n$1\r\nk\r\n");
  EXPECT_EQ(client.call({"SET", "k", "w"}), kMoved);
  EXPECT_EQ(client.pipeline({{"READWRITE"}, {"GET", "k"}}), "+OK\r\n" + std::string(kMoved));
}

TEST_F(StaleFollower, ALeaderIsNotStale) {
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"READONLY"}, {"GET", "k"}}), "+OK\r\n");
  confirm_reads();
  EXPECT_EQ(client.connection().take(), "$-1\r\n");
}

// The deadline counts by log time, which the leader moves: by this node's own clock the key would
// be dead at once, or live for ever.
TEST_F(StaleFollower, AKeyIsDeadWhenLogTimeSaysSo) {
  lose_leadership();
  TestClient client(node);
  EXPECT_EQ(client.call({"READONLY"}), "+OK\r\n");
  follow_entry(1000, {"SET", "k", "v", "PX", "500"});
  node.run_for_ms(600);  // its leader is silent
  EXPECT_EQ(client.call({"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(client.call({"PTTL", "k"}), ":500\r\n");
  follow_entry(1499);
  EXPECT_EQ(client.call({"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(client.call({"PTTL", "k"}), ":1\r\n");
  follow_entry(1500);
  EXPECT_EQ(client.call({"GET", "k"}), "$-1\r\n");
  EXPECT_EQ(client.call({"EXISTS", "k"}), ":0\r\n");
  EXPECT_EQ(client.call({"TTL", "k"}), ":-2\r\n");
  EXPECT_EQ(client.call({"KEYS", "*"}), "*0\r\n");
}

// Nobody leads: a linearizable read waits for three seconds, a stale one does not.
TEST_F(StaleFollower, AReadNeedsNoLeader) {
  lose_leadership();
  node.run_for_ms(3000);
  ASSERT_EQ(node.replica().leader(), base::NodeId{});
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"READONLY"}, {"GET", "k"}}), "+OK\r\n$-1\r\n");
}

TEST_F(SessionFollowers, WaitTellsHowManyHoldTheLastWrite) {
  TestClient client(node);
  EXPECT_EQ(client.call({"SET", "k", "v"}), "");
  EXPECT_EQ(client.call({"WAIT", "1", "0"}), "");  // behind the SET
  acknowledge();
  EXPECT_EQ(client.connection().take(), "+OK\r\n:1\r\n");
  EXPECT_EQ(client.call({"WAIT", "2", "0"}), "");
  step(kRival, raft::AppendResponse{.match = status().last});
  EXPECT_EQ(client.connection().take(), ":2\r\n");
  EXPECT_EQ(client.call({"WAIT", "3", "200"}), "");
  node.run_for_ms(300);
  EXPECT_EQ(client.connection().take(), ":2\r\n");
  EXPECT_EQ(client.call({"WAITAOF", "1", "1", "0"}), "*2\r\n:1\r\n:2\r\n");
  EXPECT_EQ(client.call({"WAIT", "x", "0"}), "-ERR value is not an integer or out of range\r\n");
}

TEST_F(SessionFollowers, WaitOnAFollowerIsAnError) {
  TestClient client(node);
  lose_leadership();
  EXPECT_THAT(client.call({"WAIT", "1", "0"}),
              HasSubstr("-ERR WAIT cannot be used with replica instances"));
  EXPECT_THAT(client.call({"WAITAOF", "0", "1", "0"}),
              HasSubstr("-ERR WAITAOF cannot be used with replica instances"));
}

TEST_F(SessionFollowers, InfoOfALeaderNamesItsFollowers) {
  const std::string last = std::to_string(status().last.value);
  const std::string text = replication(node);
  EXPECT_THAT(text, HasSubstr("role:master\r\nconnected_slaves:2\r\n"));
  EXPECT_THAT(text,
              HasSubstr("slave0:ip=10.0.0.2,port=6379,state=online,offset=" + last + ",lag=0\r\n"));
  EXPECT_THAT(text, HasSubstr("slave1:ip=10.0.0.3,port=6379,state=online,offset=0,lag="));
  EXPECT_THAT(text, HasSubstr("master_repl_offset:" + last + "\r\n"));
  node.directory().set_connected(kFriend, false);
  EXPECT_THAT(replication(node), HasSubstr("connected_slaves:1\r\nslave0:ip=10.0.0.3,"));
  node.directory().set_connected(kFriend, true);
}

TEST_F(SessionFollowers, InfoOfAFollowerNamesItsLeader) {
  const std::string replid = "master_replid:";
  const std::string before = replication(node);
  lose_leadership();
  const std::string last = std::to_string(status().last.value);
  const std::string text = replication(node);
  EXPECT_THAT(text, HasSubstr("role:slave\r\nmaster_host:10.0.0.3\r\nmaster_port:6379\r\n"
                              "master_link_status:up\r\nmaster_sync_in_progress:0\r\n"));
  EXPECT_THAT(text, HasSubstr("slave_repl_offset:" + last + "\r\n"));
  EXPECT_THAT(text, HasSubstr("connected_slaves:0\r\n"));
  EXPECT_THAT(text, HasSubstr(before.substr(before.find(replid), replid.size() + 40)));
  node.directory().set_connected(kRival, false);
  EXPECT_THAT(replication(node), HasSubstr("master_link_status:down\r\n"));
}

TEST_F(SessionFollowers, RaftInfoTellsOfPeersAndElections) {
  const std::string info = node.run({"raft", "info"});
  EXPECT_THAT(info, HasSubstr("$13\r\nelections-won\r\n:1\r\n"));
  EXPECT_THAT(info, HasSubstr("$9\r\nread-mode\r\n$5\r\nindex\r\n"));
  EXPECT_THAT(info, HasSubstr("$5\r\npeers\r\n*2\r\n*26\r\n$2\r\nid\r\n$16\r\n0000000000000002\r\n"
                              "$4\r\nname\r\n$2\r\nn2\r\n"));
  EXPECT_THAT(info, HasSubstr("$11\r\nlag-entries\r\n:0\r\n"));
  const std::string members = node.run({"raft", "members"});
  EXPECT_THAT(members, HasSubstr("*3\r\n"));
}

TEST_F(SessionFollowers, MetricsTellOfEachPeer) {
  const std::string last = std::to_string(status().last.value);
  const std::string text = metrics_page(node.services()).body;
  EXPECT_THAT(text, HasSubstr("\nalfheimdb_peer_match_index{peer=\"n2\"} " + last + "\n"));
  EXPECT_THAT(text, HasSubstr("\nalfheimdb_peer_lag_entries{peer=\"n3\"} " + last + "\n"));
  EXPECT_THAT(text, HasSubstr("\nalfheimdb_raft_elections_won_total 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE alfheimdb_snapshot_sent_ratio gauge\n"));
  lose_leadership();
  const std::string follower = metrics_page(node.services()).body;
  EXPECT_THAT(follower, HasSubstr("# TYPE alfheimdb_peer_match_index gauge\n"));
  EXPECT_THAT(follower, Not(HasSubstr("alfheimdb_peer_match_index{")));
}

TEST_F(SessionFollowers, RoleOfEach) {
  const std::string last = std::to_string(status().last.value);
  EXPECT_THAT(node.run({"role"}), HasSubstr("*3\r\n$6\r\nmaster\r\n:" + last + "\r\n*2\r\n"));
  lose_leadership();
  EXPECT_THAT(node.run({"role"}), HasSubstr("*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.3\r\n:6379\r\n"
                                            "$9\r\nconnected\r\n"));
}

}  // namespace
}  // namespace alfheim::server
