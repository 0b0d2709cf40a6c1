// Reads of a leader in lease mode: at once while the lease holds, and never by one that ended.
#include <gtest/gtest.h>

#include <string>

#include "server/session_leader_testing.h"

namespace alfheim::server {
namespace {

constexpr uint64_t kLeaseMs = 891;  // nine ticks of 100 ms, less 1% of drift

class SessionLease : public SessionLeaderTest {
 protected:
  SessionLease() : SessionLeaderTest(setup_of_three(options())) {}
  static Options options() {
    Options options;
    options.group.read_mode = raft::ReadMode::kLease;
    return options;
  }
  // The friend answers the heartbeats of so many ticks.
  void renew(uint64_t promise_ms = 1000) {
    node.run_for_ms(100);
    // Those of rounds that were not begun are ignored.
    for (uint64_t round = 1; round <= 100; ++round) {
      step_only(kFriend, raft::HeartbeatResponse{round, promise_ms});
    }
  }
  uint64_t lease_reads() {
    node.settle();
    return node.counters().lease_reads;
  }
  uint64_t rounds() { return status().counts.read_rounds; }
};

class SessionLeaseOfUnlikeClocks : public SessionLeaderTest {
 protected:
  SessionLeaseOfUnlikeClocks() : SessionLeaderTest(setup_of_three(options())) {}
  static Options options() {
    Options options;
    options.group.read_mode = raft::ReadMode::kLease;
    options.group.clock_drift_permille = 182;
    return options;
  }
};

TEST_F(SessionLeaseOfUnlikeClocks, IsAsMuchShorter) {
  node.run_for_ms(100);
  for (uint64_t round = 1; round <= 100; ++round) {
    step_only(kFriend, raft::HeartbeatResponse{round, 1000});
  }
  node.settle();
  const uint64_t now_ns = node.clock().monotonic_ns();
  EXPECT_TRUE(node.replica().lease().holds(now_ns));
  EXPECT_LE(node.replica().lease().end_ns(), now_ns + 736'000'000);  // of 900 ms
}

TEST_F(SessionLease, ReadsAtOnceWithoutARound) {
  renew();
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"GET", "k"}, {"GET", "l"}}), "$-1\r\n$-1\r\n");
  EXPECT_EQ(client.call({"KEYS", "*"}), "*0\r\n");  // on the pool
  EXPECT_EQ(lease_reads(), 3u);
  EXPECT_EQ(rounds(), 0u);
}

TEST_F(SessionLease, AnAnswerWithoutAPromiseMakesNone) {
  renew(0);
  TestClient client(node);
  EXPECT_EQ(client.call({"GET", "k"}), "");
  EXPECT_EQ(rounds(), 1u);
  EXPECT_EQ(lease_reads(), 0u);
}

// As after SIGSTOP: the process goes on in the midst of things, and its heartbeats are old.
TEST_F(SessionLease, OneThatEndedBeforeTheViewWasTakenIsWorthNothing) {
  for (const bool is_long : {false, true}) {
    renew();
    TestClient client(node);
    client.connection().client_send(request_of(is_long ? std::vector<std::string>{"KEYS", "*"}
                                                       : std::vector<std::string>{"GET", "k"}));
    node.clock().advance_ms(kLeaseMs);
    node.settle();
    EXPECT_EQ(client.connection().take(), "");
    renew();
    node.settle();
    EXPECT_EQ(client.connection().take(), is_long ? "*0\r\n" : "$-1\r\n");
    EXPECT_EQ(lease_reads(), 0u);
  }
}

TEST_F(SessionLease, LastsFromWhenItsHeartbeatLeft) {
  renew();
  const uint64_t now_ns = node.clock().monotonic_ns();
  const replica::Lease& lease = node.replica().lease();
  EXPECT_TRUE(lease.holds(now_ns));
  EXPECT_LE(lease.end_ns(), now_ns + kLeaseMs * 1'000'000);
  EXPECT_GE(lease.end_ns(), now_ns + (kLeaseMs - 110) * 1'000'000);
  const uint64_t end_ns = lease.end_ns();
  step(kFriend, raft::HeartbeatResponse{1, 1000});  // old news
  EXPECT_EQ(lease.end_ns(), end_ns);
}

TEST_F(SessionLease, EndsBeforeAHandOver) {
  renew();
  ASSERT_TRUE(node.replica().lease().is_known());
  begin_to_hand_over();
  EXPECT_FALSE(node.replica().lease().is_known());
}

TEST_F(SessionLease, EndsWithTheLeadership) {
  renew();
  lose_leadership();
  EXPECT_FALSE(node.replica().lease().is_known());
}

// A follower applies an entry when it hears that it is committed: whoever read it there must find
// it here, although it is not applied here yet.
TEST_F(SessionLease, ShowsWhatFollowersMayHaveShown) {
  TestClient writer(node);
  TestClient reader(node);
  renew();
  EXPECT_EQ(writer.call({"SET", "k", "v"}), "");
  const base::LogIndex last = status().last;
  reader.connection().client_send(request_of({"GET", "k"}));
  step_only(kFriend, raft::AppendResponse{.match = last});  // committed, and not applied
  ASSERT_GT(node.replica().lease().needed(), node.replica().applied());
  node.settle();
  EXPECT_EQ(reader.connection().take(), "");
  renew();
  node.settle();
  EXPECT_EQ(reader.connection().take(), "$1\r\nv\r\n");
}

// The lease says nothing of what comes later: it is asked anew for each read.
TEST_F(SessionLease, IsAskedForEachRead) {
  renew();
  TestClient client(node);
  EXPECT_EQ(client.call({"GET", "k"}), "$-1\r\n");
  node.run_for_ms(kLeaseMs);
  EXPECT_EQ(client.call({"GET", "k"}), "");
}

}  // namespace
}  // namespace alfheim::server
