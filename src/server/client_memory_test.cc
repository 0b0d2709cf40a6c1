// The ledger of what clients hold, and what sessions do about it (server/client_memory.h).
#include "server/client_memory.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/session.h"
#include "server/session_testing.h"

namespace alfheim::server {
namespace {

constexpr uint64_t kBudget = 4 * base::kMiB;

Options with_budget(uint64_t bytes) {
  Options options;
  options.client.client_memory_bytes = bytes;
  return options;
}

TestSetup with_data(uint64_t client_memory_bytes = kBudget) {
  return TestSetup{.options = with_budget(client_memory_bytes),
                   .has_data_commands = true,
                   .expects_trouble = true};
}

ClientMemory::Client client_of(uint64_t id, uint64_t bytes) {
  auto client = std::make_shared<ClientInfo>();
  client->id = id;
  client->memory_bytes = bytes;
  return client;
}

std::vector<uint64_t> ids_of(const std::vector<ClientMemory::Client>& clients) {
  std::vector<uint64_t> ids;
  for (const auto& client : clients) ids.push_back(client->id);
  return ids;
}

using Ids = std::vector<uint64_t>;

TEST(ClientMemory, AccountsAreSummedAndGoneWhenTheyClose) {
  const Config config(with_budget(kBudget));
  ClientMemory memory(config);
  ClientInfo info;
  {
    ClientAccount first(memory);
    ClientAccount second(memory);
    first.set(1000, info);
    second.set(kBudget, info);
    EXPECT_EQ(memory.used_bytes(), kBudget + 1000);
    EXPECT_TRUE(memory.is_over());
    second.set(500, info);
    EXPECT_EQ(info.memory_bytes, 500u);
    EXPECT_EQ(memory.used_bytes(), 1500u);
    first.close();
    first.set(7000, info);  // the ledger is not touched any more
    EXPECT_EQ(memory.used_bytes(), 500u);
  }
  EXPECT_EQ(memory.used_bytes(), 0u);
  EXPECT_EQ(memory.peak_bytes(), kBudget + 1000);
}

TEST(ClientMemory, OnlyTheLargeWaitWhenMemoryIsTight) {
  const Config config(with_budget(kBudget));
  ClientMemory memory(config);
  memory.move(0, kBudget / 4 * 3);
  EXPECT_FALSE(memory.must_wait(kBudget));
  memory.move(0, 1);
  EXPECT_FALSE(memory.is_over());
  EXPECT_TRUE(memory.must_wait(ClientMemory::kFreeBytes + 1));
  EXPECT_FALSE(memory.must_wait(ClientMemory::kFreeBytes));
}

TEST(ClientMemory, WithoutABudgetNobodyWaitsAndNobodyIsChosen) {
  const Config config(with_budget(0));
  ClientMemory memory(config);
  memory.move(0, uint64_t{1} << 50);
  EXPECT_FALSE(memory.is_over());
  EXPECT_FALSE(memory.must_wait(uint64_t{1} << 50));
  EXPECT_TRUE(memory.choose({client_of(1, uint64_t{1} << 50)}).empty());
}

TEST(ClientMemory, TheLargestAreChosenUntilTheRestFits) {
  const Config config(with_budget(kBudget));
  ClientMemory memory(config);
  const std::vector<ClientMemory::Client> clients = {
      client_of(1, 1000), client_of(2, 2 * base::kMiB), client_of(3, 3 * base::kMiB),
      client_of(4, 3 * base::kMiB), client_of(5, 0)};
  memory.move(0, 8 * base::kMiB + 1000);
  EXPECT_EQ(ids_of(memory.choose(clients)), (Ids{3, 4}));
  // Chosen before: they count as gone, and are not chosen twice.
  EXPECT_EQ(ids_of(memory.choose(clients)), Ids{});
  memory.move(0, kBudget);
  EXPECT_EQ(ids_of(memory.choose(clients)), (Ids{2, 1}));
}

TEST(ClientMemory, WhoMayNotBeEvictedIsNotChosen) {
  const Config config(with_budget(kBudget));
  ClientMemory memory(config);
  const std::vector<ClientMemory::Client> clients = {client_of(1, 9 * base::kMiB),
                                                     client_of(2, 1000)};
  clients[0]->is_no_evict = true;
  memory.move(0, 9 * base::kMiB + 1000);
  EXPECT_EQ(ids_of(memory.choose(clients)), Ids{2});
}

TEST(SessionMemory, WhatASessionHoldsIsSeenAndGoneAgain) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  EXPECT_EQ(node.memory().used_bytes(), 0u);
  client.call({"MULTI"});
  client.call({"SET", "a", std::string(50'000, 'v')});
  EXPECT_GT(node.memory().used_bytes(), 50'000u);
  client.call({"EXEC"});
  EXPECT_EQ(client.call({"WATCH", std::string(20'000, 'k')}), "+OK\r\n");
  EXPECT_GT(node.memory().used_bytes(), 20'000u);
  client.call({"UNWATCH"});
  // Half a request counts as what came of it.
  client.exchange("*2\r\n$3\r\nGET\r\n$30000\r\n" + std::string(10'000, 'k'));
  EXPECT_GT(node.memory().used_bytes(), 10'000u);
  EXPECT_NE(TestClient(node).call({"INFO", "memory"}).find("client_memory_used:"),
            std::string::npos);
  client.connection().client_close();
  node.run_for_ms(2500);
  EXPECT_EQ(node.memory().used_bytes(), 0u);
}

TEST(SessionMemory, ASessionThatRestsHoldsNothingAndHearsWhatComesLater) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  for (int round = 0; round < 3; ++round) {
    client.call({"SET", "a", std::string(12'000, 'v')});
    EXPECT_GT(node.memory().used_bytes(), 0u);
    node.run_for_ms(2500);
    EXPECT_EQ(node.memory().used_bytes(), 0u);
    EXPECT_EQ(client.call({"STRLEN", "a"}), ":12000\r\n");
  }
}

TEST(SessionMemory, TheLargestIsClosedAboveTheBudgetAndOthersAreServed) {
  TestNode node(with_data());
  node.serve();
  TestClient large(node);
  TestClient small(node);
  // A request of many words that does not end: each is short, so no body budget holds it back.
  std::string bytes = "*1000000\r\n";
  for (int i = 0; i < 60'000; ++i) bytes += "$100\r\n" + std::string(100, 'x') + "\r\n";
  small.exchange("*2\r\n$3\r\nGET\r\n$20000\r\n" + std::string(10'000, 'k'));
  large.connection().client_send(bytes);
  node.run_for_ms(100);
  EXPECT_TRUE(large.is_closed());
  EXPECT_FALSE(small.is_closed());
  EXPECT_LT(node.memory().peak_bytes(), 2 * kBudget);
  ASSERT_EQ(node.troubles.size(), 1u);
  EXPECT_NE(node.troubles[0].find("(client-memory)"), std::string::npos) << node.troubles[0];
  EXPECT_EQ(node.counters().evicted_clients, 1u);
  EXPECT_EQ(TestClient(node).call({"PING"}), "+PONG\r\n");
}

TEST(SessionMemory, AboveTheBudgetTheLargeAreReadInSmallSteps) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  client.call({"CLIENT", "NO-EVICT", "ON"});  // or it would be gone
  const std::string id = client.call({"CLIENT", "ID"});
  Session* session = node.host().find(std::stoull(id.substr(1)));
  ASSERT_NE(session, nullptr);
  const std::string value(6'000'000, 'v');
  const base::Bytes request = request_of({"ECHO", value});
  client.exchange(request.substr(0, 3'000'000));
  EXPECT_GT(session->read_buffer().size(), 2'000'000u);
  client.exchange(request.substr(3'000'000, 2'000'000));
  EXPECT_TRUE(node.memory().is_over());
  EXPECT_EQ(session->read_buffer().size(), resp::RequestCutter::kRoomBytesMin);
  // Slower, and not less.
  EXPECT_EQ(client.exchange(request.substr(5'000'000)), bulk_of(value));
}

TEST(SessionMemory, FreedMemoryIsGivenBackWhereTheBudgetIsTight) {
  TestNode node(with_data());
  node.serve();
  TestClient calm(node);
  calm.call({"SET", "a", std::string(50'000, 'v')});
  node.run_for_ms(1000);
  EXPECT_EQ(node.memory_return_count, 0);
  TestClient large(node);
  large.connection().client_send("*2\r\n$4\r\nECHO\r\n$5000000\r\n" + std::string(4'900'000, 'x'));
  node.run_for_ms(1000);
  EXPECT_TRUE(large.is_closed());
  // What it left is given back although the budget is not tight any more; and only once.
  EXPECT_EQ(node.memory_return_count, 1);
}

TEST(SessionMemory, FreedMemoryIsGivenBackOnceASecondWhileItIsTight) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  client.call({"MULTI"});
  for (int i = 0; i < 54; ++i) client.call({"SET", "k", std::string(60'000, 'v')});
  ASSERT_TRUE(node.memory().is_tight());
  node.run_for_ms(10'000);
  EXPECT_GE(node.memory_return_count, 9);
  EXPECT_LE(node.memory_return_count, 11);
}

TEST(ClientMemory, OneOfAllLoopsHasFreedMemoryGivenBackAndThenNobodyForAWhile) {
  const Config config(with_budget(kBudget));
  ClientMemory memory(config);
  EXPECT_FALSE(memory.try_begin_purge(5000));  // nothing is tight, nobody was closed
  memory.note_closing();
  ASSERT_TRUE(memory.try_begin_purge(5000));
  memory.note_closing();
  EXPECT_FALSE(memory.try_begin_purge(5000));  // another loop
  EXPECT_FALSE(memory.try_begin_purge(8000));  // it takes long
  memory.end_purge(8000);
  EXPECT_FALSE(memory.try_begin_purge(8000 + ClientMemory::kPurgeMs - 1));
  // Who was closed while it ran left memory, too.
  ASSERT_TRUE(memory.try_begin_purge(8000 + ClientMemory::kPurgeMs));
  memory.end_purge(9001);
  EXPECT_FALSE(memory.try_begin_purge(20'000));
}

TEST(SessionMemory, WhoDoesNotReadIsHeldBackBeforeAnybodyIsClosed) {
  TestNode node(with_data());
  node.serve();
  TestClient deaf(node);
  TestClient other(node);
  deaf.call({"SET", "a", std::string(100'000, 'v')});
  deaf.connection().set_client_reading(false);
  std::string gets;
  for (int i = 0; i < 200; ++i) gets += request_of({"GET", "a"});
  deaf.connection().client_send(gets);
  node.run_for_ms(100);
  // Twenty megabytes are asked for: it stops at three quarters of the budget.
  EXPECT_FALSE(deaf.is_closed());
  EXPECT_LE(node.memory().used_bytes(), kBudget);
  EXPECT_EQ(other.call({"STRLEN", "a"}), ":100000\r\n");
  // When it reads again, it gets all.
  deaf.connection().set_client_reading(true);
  node.run_for_ms(500);
  EXPECT_EQ(deaf.connection().take().size(), 200 * bulk_of(std::string(100'000, 'v')).size());
  EXPECT_TRUE(node.troubles.empty());
}

TEST(SessionMemory, EachClosingByALimitIsToldAndCounted) {
  TestSetup setup = with_data();
  setup.expects_trouble = true;
  TestNode node(setup);
  node.serve();
  node.run({"CONFIG", "SET", "client-query-buffer-limit", "1mb", "client-output-buffer-limit",
            "normal 200kb 0 0"});
  TestClient with_request(node);
  with_request.exchange("*2\r\n$4\r\nECHO\r\n$2000000\r\n");
  EXPECT_TRUE(with_request.is_closed());
  TestClient with_block(node);
  with_block.call({"MULTI"});
  for (int i = 0; i < 3; ++i) with_block.call({"SET", "k", std::string(400'000, 'v')});
  EXPECT_TRUE(with_block.is_closed());
  TestClient deaf(node);
  deaf.connection().set_client_reading(false);
  deaf.call({"ECHO", std::string(300'000, 'v')});
  EXPECT_TRUE(deaf.is_closed());
  EXPECT_EQ(node.counters().query_limit_closings.load(), 2u);
  EXPECT_EQ(node.counters().output_limit_closings.load(), 1u);
  ASSERT_EQ(node.troubles.size(), 3u);
  EXPECT_NE(node.troubles[0].find("its request holds 2000"), std::string::npos);
  EXPECT_NE(node.troubles[1].find("MULTI queued 120"), std::string::npos);
  EXPECT_NE(node.troubles[2].find("allowed are 204800 (client-output-buffer-limit)"),
            std::string::npos);
}

TEST(SessionMemory, AtRestNothingIsKeptOfLargeReplies) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  ASSERT_EQ(client.call({"SET", "k", std::string(100'000, 'v')}), "+OK\r\n");
  // The reply of GET waits behind that of KEYS; then the input's buffer goes, as nothing is read.
  const std::string padding(40'000, 'p');
  const base::Bytes begin = pipeline_of({{"KEYS", "*"}, {"GET", "k"}, {"ECHO", padding}});
  client.exchange(begin + request_of({"DEBUG", "SLEEP", "1"}));
  node.run_for_ms(4000);
  EXPECT_LT(node.memory().used_bytes(), 1000u);
}

TEST(SessionMemory, EachLargeBulkOfARequestAsksForItsRoom) {
  TestSetup setup = with_data();
  setup.options.client.request_memory_bytes = 1 << 20;
  TestNode node(setup);
  node.serve();
  TestClient large(node);
  TestClient waiting(node);
  const std::string value(700'000, 'v');
  const base::Bytes request = request_of({"MSET", "a", value, "b", value});
  const base::Bytes other = request_of({"SET", "c", std::string(200'000, 'c')});
  large.exchange(request.substr(0, 800'000));  // in the midst of the second
  EXPECT_GT(node.bodies().taken_bytes(), 1'400'000u);
  waiting.connection().client_send(other);
  node.run_for_ms(100);
  EXPECT_EQ(waiting.connection().take(), "");
  EXPECT_EQ(large.exchange(request.substr(800'000)) + large.exchange(""), "+OK\r\n");
  node.run_for_ms(100);
  EXPECT_EQ(waiting.connection().take(), "+OK\r\n");
  EXPECT_EQ(node.bodies().taken_bytes(), 0u);
}

TEST(SessionMemory, ABodyThatDoesNotComeGivesWayToOnesThatWait) {
  TestSetup setup = with_data();
  setup.options.client.request_memory_bytes = 1 << 20;
  TestNode node(setup);
  node.serve();
  TestClient silent(node);
  TestClient waiting(node);
  const std::string value(900'000, 'v');
  const base::Bytes request = request_of({"SET", "k", value});
  silent.exchange(request.substr(0, 100'000));
  // Nobody wants its room yet.
  node.run_for_ms(15'000);
  EXPECT_FALSE(silent.is_closed());
  waiting.connection().client_send(request);
  node.run_for_ms(2500);
  EXPECT_TRUE(silent.is_closed());
  EXPECT_EQ(waiting.connection().take(), "+OK\r\n");
  ASSERT_EQ(node.troubles.size(), 1u);
  EXPECT_NE(node.troubles[0].find("(request-body-timeout)"), std::string::npos);
}

TEST(SessionMemory, ABodyThatComesAtAModestPaceIsNotTakenForSilent) {
  TestSetup setup = with_data();
  setup.options.client.request_memory_bytes = 1 << 20;
  TestNode node(setup);
  node.serve();
  TestClient slow(node);
  TestClient waiting(node);
  const base::Bytes request = request_of({"SET", "k", std::string(1'040'000, 'v')});
  slow.exchange(request.substr(0, 100'000));
  waiting.connection().client_send(request);
  for (size_t at = 100'000; at < request.size(); at += 70'000) {
    node.run_for_ms(1000);
    slow.exchange(request.substr(at, 70'000));
  }
  node.run_for_ms(100);
  EXPECT_EQ(slow.connection().take() + waiting.connection().take(), "+OK\r\n");
  EXPECT_FALSE(slow.is_closed());
}

TEST(SessionMemory, AByteNowAndThenDoesNotKeepOthersWaiting) {
  TestSetup setup = with_data();
  setup.options.client.request_memory_bytes = 1 << 20;
  TestNode node(setup);
  node.serve();
  TestClient dripping(node);
  TestClient waiting(node);
  const base::Bytes request = request_of({"SET", "k", std::string(900'000, 'v')});
  dripping.exchange(request.substr(0, 100'000));
  waiting.connection().client_send(request);
  for (int i = 0; i < 3; ++i) {
    dripping.exchange("v");
    node.run_for_ms(5000);
  }
  EXPECT_TRUE(dripping.is_closed());
  EXPECT_EQ(waiting.connection().take(), "+OK\r\n");
}

// What a block or a long write holds, in the queue, on the pool, in the batcher or on its way
// through the log, stands in its client's account, and once.
TEST(SessionMemory, ABlockAndALongWriteCountUntilTheirReplies) {
  TestSetup setup = with_data(64 * base::kMiB);
  // Each step from one strand to another takes its time.
  setup.executor = {.post_delay_ns_max = 20'000'000, .pool_delay_ns_max = 20'000'000};
  using Requests = std::vector<std::vector<std::string>>;
  const std::string inline_value(200'000, 'v');
  const std::string large_value(900'000, 'v');
  for (const auto& [requests, bytes] : std::vector<std::pair<Requests, uint64_t>>{
           {{{"MULTI"}, {"SET", "a", inline_value}, {"SET", "b", inline_value}, {"EXEC"}}, 400'000},
           {{{"MULTI"}, {"SET", "a", large_value}, {"SET", "b", large_value}, {"EXEC"}}, 1'800'000},
           {{{"MULTI"}, {"PING"}, {"SET", "a", large_value}, {"EXEC"}}, 900'000},
           {{{"MSET", "a", large_value, "b", large_value}}, 1'800'000}}) {
    TestNode node(setup);
    node.serve();
    TestClient client(node);
    node.run_for_ms(1000);
    Session* session = node.host().find(node.registry().all().back()->id);
    ASSERT_NE(session, nullptr);
    for (size_t i = 0; i + 1 < requests.size(); ++i) {
      client.call(requests[i]);
      node.run_for_ms(1000);
    }
    const size_t sent_before = client.connection().sent_bytes();
    node.memory().reset_peak();
    const uint64_t held_bytes = std::max(bytes, node.memory().used_bytes());
    client.connection().client_send(request_of(requests.back()));
    while (node.memory().used_bytes() < bytes) node.run_for_ms(1);
    while (node.memory().used_bytes() >= bytes) {
      node.run_for_ms(1);
      session->note_memory();  // as the check does that comes once a second
    }
    EXPECT_GT(client.connection().sent_bytes(), sent_before) << "counted nowhere";
    EXPECT_LT(node.memory().peak_bytes(), held_bytes * 3 / 2) << "counted twice";
    node.run_for_ms(1000);
    EXPECT_LT(node.memory().used_bytes(), bytes / 2);
  }
}

// A body of which a part has come, others that wait for room, and memory that is tight: the node
// reads no further until the reply before it is out.
class PausedBody : public testing::Test {
 protected:
  static constexpr uint64_t kPoolMs = 1'000'000;
  static TestSetup setup() {
    TestSetup setup = with_data();
    setup.options.client.request_memory_bytes = 1 << 20;
    setup.executor = {.post_delay_ns_max = 0, .pool_delay_ns_max = kPoolMs * 1'000'000};
    return setup;
  }
  PausedBody() { node_.serve(); }
  void begin_body() { client_.exchange(request_.substr(0, 100'000)); }
  void make_tight() {
    hog_.call({"MULTI"});
    for (int i = 0; i < 54; ++i) hog_.call({"SET", "h", std::string(60'000, 'h')});
    ASSERT_TRUE(node_.memory().is_tight());
    client_.exchange("v");
    ASSERT_FALSE(client_.connection().is_reading());
    waiting_.connection().client_send(request_);
    node_.run_for_ms(25'000);
  }

  const base::Bytes request_ = request_of({"SET", "k", std::string(900'000, 'v')});
  TestNode node_{setup()};
  TestClient client_{node_};
  TestClient hog_{node_};
  TestClient waiting_{node_};
};

TEST_F(PausedBody, IsNotSlowWhileTheNodeDoesNotReadIt) {
  client_.call({"KEYS", "*"});  // on the pool, which takes its time
  begin_body();
  make_tight();
  EXPECT_FALSE(client_.is_closed());
  // Neither does what has passed count once it is read again.
  for (uint64_t i = 0; i < kPoolMs && !client_.connection().is_reading(); i += 100) {
    node_.run_for_ms(100);
  }
  node_.run_for_ms(5000);
  client_.connection().client_send(request_.substr(100'001));
  node_.run_for_ms(kPoolMs);
  EXPECT_EQ(client_.connection().take(), "*0\r\n+OK\r\n");
  EXPECT_EQ(waiting_.connection().take(), "+OK\r\n");
}

TEST_F(PausedBody, GivesWayWhereItsClientDoesNotTakeReplies) {
  client_.connection().set_client_reading(false);
  client_.call({"ECHO", "x"});
  begin_body();
  make_tight();
  EXPECT_TRUE(client_.is_closed());
  node_.run_for_ms(kPoolMs);
  EXPECT_EQ(waiting_.connection().take(), "+OK\r\n");
}

TEST(SessionMemory, ThoseWhoWaitForRoomAreServedInOrder) {
  TestSetup setup = with_data();
  setup.options.client.request_memory_bytes = 1 << 20;
  TestNode node(setup);
  node.serve();
  TestClient holder(node);
  const base::Bytes request = request_of({"SET", "k", std::string(900'000, 'v')});
  holder.exchange(request.substr(0, 100'000));
  std::vector<std::unique_ptr<TestClient>> waiting;
  const std::string value(600'000, 'v');
  std::string order;
  for (char letter = '0'; letter < 'a'; ++letter) {
    waiting.push_back(std::make_unique<TestClient>(node));
    waiting.back()->exchange(
        pipeline_of({{"SET", "k", value}, {"APPEND", "order", std::string(1, letter)}}));
    if (letter != '7') order += letter;
  }
  waiting[7].reset();  // one goes
  EXPECT_EQ(holder.exchange(request.substr(100'000)), "+OK\r\n");
  node.run_for_ms(1000);
  EXPECT_EQ(TestClient(node).call({"GET", "order"}), bulk_of(order));
  EXPECT_EQ(node.bodies().taken_bytes(), 0u);
  EXPECT_FALSE(node.bodies().has_waiters());
}

}  // namespace
}  // namespace alfheim::server
