// How connections of a session begin, pause and end (server/session.h, session_host.h).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/session.h"
#include "server/session_testing.h"

namespace alfheim::server {
namespace {

TestSetup with_data() { return TestSetup{.has_data_commands = true}; }

std::string repeated(const std::vector<std::string>& words, size_t count) {
  return pipeline_of(std::vector<std::vector<std::string>>(count, words));
}

TEST(SessionFlow, APipelineOfLargeReadsIsAnsweredInManyTurns) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  const std::string value(100'000, 'v');
  client.call({"SET", "a", value});
  EXPECT_EQ(client.exchange(repeated({"GET", "a"}, 100) + request_of({"QUIT"})).size(),
            100 * bulk_of(value).size() + std::string("+OK\r\n").size());
  EXPECT_LT(client.connection().sent_bytes_max(), 512u * 1024);
  EXPECT_TRUE(client.is_closed());
}

TEST(SessionFlow, ReadsBehindAWriteBringFewRepliesAtATime) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  const std::string value(100'000, 'v');
  client.call({"SET", "v", value});
  const std::string input = request_of({"SET", "x", "1"}) + repeated({"GET", "v"}, 300);
  EXPECT_EQ(client.exchange(input).size(), 5 + 300 * bulk_of(value).size());
  EXPECT_LT(node.services().client_memory.peak_bytes(), 4u << 20);
}

TEST(SessionFlow, SessionsThatMakeWayAreAllServed) {
  TestSetup setup = with_data();
  setup.executor.has_short_turns = true;
  TestNode node(setup);
  node.serve();
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(std::make_unique<TestClient>(node));
  // One entry: its replies come in one batch.
  const std::string input = repeated({"INCR", "n"}, 300);
  for (const auto& client : clients) client->connection().client_send(input);
  node.settle();
  node.settle();
  for (const auto& client : clients) {
    const base::Bytes replies = client->connection().take();
    EXPECT_EQ(std::count(replies.begin(), replies.end(), ':'), 300);
  }
  EXPECT_EQ(clients[7]->call({"GET", "n"}), bulk_of("6000"));
}

TEST(SessionFlow, AWriteOfManyWordsIsEncodedElsewhereAndKeepsItsPlace) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  std::vector<std::string> words{"MSET"};
  for (int i = 0; i < 20'000; ++i) {
    words.push_back("k" + std::to_string(i));
    words.push_back("v" + std::to_string(i));
  }
  std::vector<std::string> more = words;  // too long for an entry
  more.push_back("long");
  more.push_back(std::string(600'000, 'x'));
  EXPECT_EQ(
      client.pipeline({{"SET", "k7", "before"},
                       words,
                       {"GET", "k7"},
                       {"SET", "k7", "between"},
                       more,
                       {"MGET", "k7", "k19999"},
                       {"STRLEN", "long"}}),
      "+OK\r\n+OK\r\n$2\r\nv7\r\n+OK\r\n+OK\r\n*2\r\n$2\r\nv7\r\n$6\r\nv19999\r\n:600000\r\n");
  EXPECT_EQ(client.call({"DBSIZE"}), ":20001\r\n");
}

// A connection that goes while its write is being encoded leaves nothing behind.
TEST(SessionFlow, AWriteWhoseConnectionWentBeforeItWasProposedIsDropped) {
  TestNode node(with_data());
  node.serve();
  {
    TestClient client(node);
    const std::string id = client.call({"CLIENT", "ID"});
    client.connection().client_send(request_of({"SET", "a", std::string(2'000'000, 'x')}));
    client.connection().client_close();
    node.settle();
  }
  EXPECT_EQ(node.services().client_memory.used_bytes(), 0u);
  TestClient other(node);
  const std::string found = other.call({"EXISTS", "a"});
  EXPECT_TRUE(found == ":0\r\n" || found == ":1\r\n") << found;
}

TEST(WriteShares, WhoWritesWithinATenthOfASecondOfAnotherIsNotAlone) {
  constexpr uint64_t kMs = 1'000'000;
  WriteShares shares;
  shares.note(7, 1000 * kMs);
  EXPECT_TRUE(shares.is_alone(7, 1000 * kMs));
  EXPECT_FALSE(shares.is_alone(8, 1050 * kMs));
  shares.note(8, 1050 * kMs);
  EXPECT_FALSE(shares.is_alone(8, 1050 * kMs));
  shares.note(7, 1060 * kMs);
  shares.note(7, 1070 * kMs);
  EXPECT_FALSE(shares.is_alone(7, 1070 * kMs));
  EXPECT_TRUE(shares.is_alone(7, 1300 * kMs));
}

// Others' writes are applied behind those of a pipeline. How many go into an entry tells how many
// were under way.
TEST(SessionFlow, APipelineHasFewerWritesUnderWayBesideOthers) {
  TestNode node(with_data());
  node.serve();
  constexpr size_t kCount = 4096;
  const std::string pipeline = repeated({"SET", "a", "1"}, kCount);
  TestClient bulk(node);
  const auto entries_of_pipeline = [&] {
    const base::LogIndex before = node.services().log.last_index();
    bulk.exchange(pipeline);
    return node.services().log.last_index().value - before.value;
  };
  EXPECT_LT(entries_of_pipeline(), kCount / 256);
  // A single SET now and then is enough to be another.
  EXPECT_EQ(TestClient(node).call({"SET", "b", "1"}), "+OK\r\n");
  EXPECT_GE(entries_of_pipeline(), kCount / 256);
}

TEST(SessionEnd, QuitClosesAfterTheRepliesBeforeIt) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"SET", "a", "1"}, {"GET", "a"}, {"QUIT"}, {"SET", "a", "2"}}),
            "+OK\r\n$1\r\n1\r\n+OK\r\n");
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(TestClient(node).call({"GET", "a"}), "$1\r\n1\r\n");
}

TEST(SessionEnd, AProtocolErrorClosesAfterTheEarlierReplies) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  EXPECT_EQ(client.exchange(request_of({"SET", "a", "1"}) + "*2\r\n$3\r\nGET\r\n!1\r\na\r\n" +
                            request_of({"PING"})),
            "+OK\r\n-ERR Protocol error: expected '$', got '!'\r\n");
  EXPECT_TRUE(client.is_closed());
}

TEST(SessionEnd, ABrowserIsSentAwayBeforeWhatItPostsIsRun) {
  TestNode node(with_data());
  node.serve();
  const std::string body = "SET a posted\r\n";
  for (const std::string head : {"POST / HTTP/1.1\r\n", "post / HTTP/1.1\r\n", "Host: here\r\n",
                                 "GET / HTTP/1.1\r\nHost: here\r\n", "MULTI\r\nPOST /\r\n"}) {
    TestClient client(node);
    EXPECT_EQ(client.exchange(head + body), "") << head;
    EXPECT_TRUE(client.is_closed()) << head;
  }
  EXPECT_EQ(TestClient(node).call({"GET", "a"}), "$-1\r\n");
}

TEST(SessionEnd, ALostReplyClosesTheConnection) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  TestClient other(node);
  const std::string id = client.call({"CLIENT", "ID"});
  replica::ReplyBatch batch;
  batch.replies.push_back(
      {.to = {.session = std::stoull(id.substr(1))}, .kind = replica::ReplyKind::kLost});
  node.host().deliver(std::move(batch));
  node.settle();
  EXPECT_TRUE(client.is_closed());
  EXPECT_FALSE(other.is_closed());
  EXPECT_EQ(client.connection().take(), "");
}

TEST(SessionEnd, RepliesOfAClosedConnectionAreDropped) {
  TestNode node(with_data());
  node.serve();
  {
    TestClient client(node);
    client.connection().client_send(
        pipeline_of({{"SET", "a", "1"}, {"KEYS", "*"}, {"WATCH", "a"}, {"SET", "a", "2"}}));
    client.connection().client_close();
  }
  EXPECT_EQ(node.registry().count(), 1u);  // the one that TestNode has made itself
  EXPECT_EQ(TestClient(node).call({"PING"}), "+PONG\r\n");
}

TEST(SessionEnd, ADrainAnswersWhatItReadAndTakesNobodyNew) {
  TestNode node(with_data());
  node.serve();
  TestClient busy(node);
  TestClient idle(node);
  bool is_drained = false;
  busy.connection().client_send(request_of({"SET", "a", "1"}));
  node.host().drain([&is_drained] { is_drained = true; });
  node.settle();
  EXPECT_EQ(busy.connection().take(), "+OK\r\n");
  EXPECT_TRUE(busy.is_closed());
  EXPECT_TRUE(idle.is_closed());
  EXPECT_TRUE(is_drained);
  TestClient late(node);
  EXPECT_TRUE(late.is_closed());
}

TEST(SessionEnd, IdleConnectionsAreClosedWhereATimeoutIsSet) {
  TestSetup setup = with_data();
  setup.options.client.timeout_s = 10;
  TestNode node(setup);
  node.serve();
  TestClient idle(node);
  TestClient busy(node);
  TestClient in_block(node);
  in_block.pipeline({{"MULTI"}, {"SET", "a", "1"}});
  for (int i = 0; i < 15; ++i) {
    node.run_for_ms(1000);
    EXPECT_EQ(busy.call({"PING"}), "+PONG\r\n");
  }
  EXPECT_TRUE(idle.is_closed());
  EXPECT_TRUE(in_block.is_closed());  // as in Redis
  EXPECT_FALSE(busy.is_closed());
}

// How much of the replies to many GETs of one value waits for a client that reads nothing.
struct FlowCase {
  size_t value_bytes;
  size_t read_count;
  size_t executed_max;
};

TEST(SessionFlow, AClientThatDoesNotReadStopsBeingCutAndGoesOnWhenItReads) {
  // Small values are answered on the loop, large ones on the pool: 8 at a time, and then as many
  // as make 8 MiB.
  for (const FlowCase& c : {FlowCase{10'000, 3000, 850}, FlowCase{400'000, 300, 21 + 21 + 1},
                            FlowCase{4'000'000, 60, 8 + 2 + 1}}) {
    TestNode node(with_data());
    node.serve();
    TestClient client(node);
    const std::string value(c.value_bytes, 'v');
    ASSERT_EQ(client.call({"SET", "k", value}), "+OK\r\n");
    client.connection().set_client_reading(false);
    base::Bytes requests;
    for (size_t i = 0; i < c.read_count; ++i) requests += request_of({"GET", "k"});
    const uint64_t reads_before = node.counters().reads.load();
    client.exchange(requests);
    node.run_for_ms(1000);
    EXPECT_LT(node.counters().reads.load() - reads_before, c.executed_max);
    EXPECT_GT(client.connection().unsent_bytes(), 8u << 20);
    EXPECT_FALSE(client.connection().is_reading());
    EXPECT_EQ(TestClient(node).call({"PING"}), "+PONG\r\n");

    client.connection().set_client_reading(true);
    node.run_for_ms(1000);
    EXPECT_EQ(client.connection().take().size(), c.read_count * bulk_of(value).size());
    EXPECT_EQ(node.counters().reads.load() - reads_before, c.read_count);
    EXPECT_EQ(client.call({"PING"}), "+PONG\r\n");
  }
}

TEST(SessionFlow, RepliesThatWaitForAnEarlierOneAreBoundedToo) {
  TestSetup setup = with_data();
  setup.executor.pool_delay_ns_max = 1'000'000'000;
  TestNode node(setup);
  node.serve();
  TestClient client(node);
  const std::string value(10'000, 'v');
  ASSERT_EQ(client.call({"SET", "k", value}), "+OK\r\n");
  base::Bytes requests = request_of({"KEYS", "*"});  // for up to a second on the pool
  for (size_t i = 0; i < 3000; ++i) requests += request_of({"GET", "k"});
  const uint64_t reads_before = node.counters().reads.load();
  EXPECT_EQ(client.exchange(requests), "");
  EXPECT_LT(node.counters().reads.load() - reads_before, 850u);
  node.run_for_ms(1100);
  EXPECT_EQ(client.connection().take().size(),
            std::string("*1\r\n$1\r\nk\r\n").size() + 3000 * bulk_of(value).size());
}

TEST(SessionFlow, APipelineOfLongReadsHasTwoUnderWayAtATime) {
  TestSetup setup = with_data();
  setup.executor.pool_delay_ns_max = 100'000'000;
  TestNode node(setup);
  node.serve();
  TestClient client(node);
  ASSERT_EQ(client.call({"SET", "k", "v"}), "+OK\r\n");
  std::vector<std::vector<std::string>> requests(6, {"KEYS", "*"});
  requests.push_back({"GET", "k"});
  client.connection().client_send(pipeline_of(requests));
  node.run_for_ms(1);
  EXPECT_EQ(node.counters().pool_reads.load(), 2u);  // each is on its way for up to 100 ms
  node.run_for_ms(1000);
  EXPECT_EQ(node.counters().pool_reads.load(), 6u);
  base::Bytes expected;
  for (int i = 0; i < 6; ++i) expected += "*1\r\n$1\r\nk\r\n";
  EXPECT_EQ(client.connection().take(), expected + "$1\r\nv\r\n");
}

TEST(SessionEnd, AClientThatOnlyEndsItsInputGetsItsReplies) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  client.connection().client_send(
      pipeline_of({{"SET", "a", "1"}, {"KEYS", "*"}, {"DEBUG", "SLEEP", "1"}, {"GET", "a"}}));
  client.connection().client_end_input();
  node.settle();
  EXPECT_FALSE(client.is_closed());
  node.run_for_ms(1100);
  EXPECT_EQ(client.connection().take(), "+OK\r\n*1\r\n$1\r\na\r\n+OK\r\n$1\r\n1\r\n");
  EXPECT_TRUE(client.is_closed());
  TestClient idle(node);
  idle.connection().client_end_input();
  node.settle();
  EXPECT_TRUE(idle.is_closed());
}

TEST(SessionDoor, NothingIsAnsweredBeforeAuth) {
  TestSetup setup = with_data();
  setup.options.client.requirepass = "secret";
  TestNode node(setup);
  node.serve();
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"GET", "a"}, {"PING"}, {"MULTI"}}),
            "-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n"
            "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(client.call({"AUTH", "wrong"}),
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(client.pipeline({{"AUTH", "secret"}, {"SET", "a", std::string(20'000, 'v')}}),
            "+OK\r\n+OK\r\n");
  // Before AUTH, large requests are not even read.
  TestClient stranger(node);
  EXPECT_EQ(stranger.exchange("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$20000\r\n"),
            "-ERR Protocol error: unauthenticated bulk length\r\n");
  EXPECT_TRUE(stranger.is_closed());
}

TEST(SessionDoor, OneClientTooManyIsToldSoAndClosed) {
  TestSetup setup = with_data();
  setup.options.client.clients_max = 2;  // TestNode's own is one of them
  TestNode node(setup);
  node.serve();
  {
    TestClient first(node);
    TestClient second(node);
    EXPECT_EQ(second.connection().take(), "-ERR max number of clients reached\r\n");
    EXPECT_TRUE(second.is_closed());
    EXPECT_EQ(first.call({"PING"}), "+PONG\r\n");
    EXPECT_EQ(node.counters().rejected_connections.load(), 1u);
  }
  EXPECT_EQ(TestClient(node).call({"PING"}), "+PONG\r\n");
}

// One wait for all of a pipeline, and none for what comes after it, as long as nobody leads.
TEST(SessionDoor, DataCommandsWaitForALeaderAndAreRefusedInTheEnd) {
  TestNode node(with_data());
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"GET", "a"}, {"PING"}, {"SET", "a", "1"}}), "");
  node.run_for_ms(2900);
  EXPECT_EQ(client.connection().take(), "");
  node.run_for_ms(1200);
  EXPECT_EQ(client.connection().take(),
            "-CLUSTERDOWN No leader\r\n+PONG\r\n-CLUSTERDOWN No leader\r\n");
  EXPECT_EQ(client.call({"GET", "a"}), "-CLUSTERDOWN No leader\r\n");
  EXPECT_EQ(client.call({"PING"}), "+PONG\r\n");
}

TEST(SessionDoor, WhatWaitsForALeaderIsDoneOnceTheNodeServes) {
  TestNode node(with_data());
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"GET", "a"}, {"PING"}, {"SET", "a", "1"}, {"GET", "a"}}), "");
  node.serve();
  EXPECT_EQ(client.connection().take(), "$-1\r\n+PONG\r\n+OK\r\n$1\r\n1\r\n");
}

TEST(SessionLeader, AGroupOfOneHandsOverToNobody) {
  TestNode node(TestSetup{.has_data_commands = true});
  node.serve();
  TestClient client(node);
  EXPECT_EQ(client.call({"RAFT", "TRANSFER"}),
            "-ERR leadership was not handed over: no other voter is connected\r\n");
  EXPECT_EQ(client.call({"RAFT", "TRANSFER", "n9"}),
            "-ERR no member is called 'n9'. Try RAFT MEMBERS.\r\n");
  // To itself: it leads already. What was sent behind it waits, and is answered.
  EXPECT_EQ(client.pipeline({{"RAFT", "TRANSFER", "0000000000000001"}, {"SET", "k", "v"}}),
            "+OK\r\n+OK\r\n");
  EXPECT_EQ(client.call({"RAFT", "TRANSFER", "a", "b"}),
            "-ERR wrong number of arguments for 'raft|transfer' command\r\n");
}

}  // namespace
}  // namespace alfheim::server
