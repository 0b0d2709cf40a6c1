#include "server/session.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/session_testing.h"

namespace alfheim::server {
namespace {

TestSetup with_data() { return TestSetup{.has_data_commands = true}; }

// Keys that were written by an earlier life are in the store only, where every read that must
// not wait misses; pool reads come back in any order.
TestSetup with_cold_keys(const std::vector<std::vector<std::string>>& writes) {
  TestSetup setup = with_data();
  {
    TestNode node(setup);
    node.serve();
    TestClient client(node);
    for (const std::vector<std::string>& words : writes) {
      EXPECT_EQ(client.call(words), "+OK\r\n");
    }
    node.stop();
  }
  setup.cold_per_1000 = 1000;
  setup.executor.pool_delay_ns_max = 1'000'000;
  return setup;
}

const std::vector<std::vector<std::string>> kMixedPipeline = {
    {"FLUSHALL"},       {"SET", "a", "1"}, {"GET", "a"},        {"PING"},
    {"INCR", "a"},      {"GET", "a"},      {"KEYS", "*"},       {"CLIENT", "REPLY", "SKIP"},
    {"ECHO", "unseen"}, {"MULTI"},         {"SET", "b", "x y"}, {"PING", "in"},
    {"GET", "b"},       {"EXEC"},          {"NOSUCH", "c"},     {"GET"},
    {"SELECT", "1"},    {"GET", "a"},      {"ECHO", "end"}};
constexpr char kMixedReplies[] =
    "+OK\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n"
    ":2\r\n$1\r\n2\r\n*1\r\n$1\r\na\r\n"
    "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n$2\r\nin\r\n$3\r\nx y\r\n"
    "-ERR unknown command 'NOSUCH', with args beginning with: 'c' \r\n"
    "-ERR wrong number of arguments for 'get' command\r\n"
    "+OK\r\n$-1\r\n$3\r\nend\r\n";

TEST(Session, APipelineCutAnywhereGivesTheSameReplies) {
  TestNode node(with_data());
  node.serve();
  const base::Bytes bytes = pipeline_of(kMixedPipeline);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    TestClient client(node);
    base::Bytes replies = client.exchange(bytes.substr(0, cut));
    replies += client.exchange(bytes.substr(cut));
    ASSERT_EQ(replies, kMixedReplies) << "cut at " << cut;
  }
}

// What waits is looked at before its turn: long, strange and absent keys, other databases, no keys.
TEST(Session, ALongPipelineOfReadsIsAnsweredWhateverStandsInIt) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  const std::string long_key(1000, 'k');
  std::vector<std::vector<std::string>> requests;
  base::Bytes replies;
  for (int i = 0; i < 100; ++i) {
    const std::string key = i % 3 == 0 ? long_key + std::to_string(i) : "k" + std::to_string(i);
    ASSERT_EQ(client.call({"SET", key, std::to_string(i)}), "+OK\r\n");
    requests.push_back({"GET", key});
    const std::string value = std::to_string(i);
    replies += "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    if (i % 10 == 0) {
      requests.insert(requests.end(), {{"PING"}, {"GET", ""}, {"GET", "none"}, {"SELECT", "1"}});
      requests.insert(requests.end(), {{"GET", key}, {"SELECT", "0"}, {"GET"}});
      replies +=
          "+PONG\r\n$-1\r\n$-1\r\n+OK\r\n$-1\r\n+OK\r\n"
          "-ERR wrong number of arguments for 'get' command\r\n";
    }
  }
  EXPECT_EQ(client.exchange(pipeline_of(requests)), replies);
}

TEST(Session, APipelineInPiecesOfOneSizeGivesTheSameReplies) {
  TestNode node(with_data());
  node.serve();
  const base::Bytes bytes = pipeline_of(kMixedPipeline);
  for (const size_t piece : {1, 2, 3, 7, 20, 64, 100}) {
    TestClient client(node);
    base::Bytes replies;
    for (size_t from = 0; from < bytes.size(); from += piece) {
      // Not settled between: later bytes come while earlier requests are on their way.
      client.connection().client_send(bytes.substr(from, piece));
      node.loop().post([] {});
      node.run_for_ms(0);
    }
    replies += client.exchange("");
    ASSERT_EQ(replies, kMixedReplies) << "pieces of " << piece;
  }
}

TEST(Session, AReadSeesTheWritesBeforeItAndNoneBehindIt) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"SET", "a", "1"},
                             {"GET", "a"},
                             {"SET", "a", "2"},
                             {"GET", "a"},
                             {"DEL", "a"},
                             {"GET", "a"},
                             {"SET", "a", "3"}}),
            "+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n:1\r\n$-1\r\n+OK\r\n");
  // The first of a connection stands behind nothing, and is read at once.
  EXPECT_EQ(client.pipeline({{"GET", "a"}, {"SET", "a", "4"}, {"GET", "a"}}),
            "$1\r\n3\r\n+OK\r\n$1\r\n4\r\n");
}

// Another client is told of its write while the last byte of the request is still to come.
TEST(Session, AReadSeesWhatWasAnsweredBeforeItsLastByteCame) {
  TestNode node(with_data());
  node.serve();
  TestClient reader(node);
  TestClient writer(node);
  int round = 0;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"GET", "a"}, {"MGET", "a"}, {"KEYS", "*"}}) {
    writer.call({"SET", "a", "before"});
    const base::Bytes request = request_of(words);
    EXPECT_EQ(reader.exchange(request.substr(0, request.size() - 1)), "");
    const std::string value = "later" + std::to_string(round++);
    EXPECT_EQ(writer.call({"RENAME", "a", value}), "+OK\r\n");
    EXPECT_EQ(writer.call({"SET", "a", value}), "+OK\r\n");
    const base::Bytes reply = reader.exchange(request.substr(request.size() - 1));
    EXPECT_NE(reply.find(value), base::Bytes::npos) << words[0] << " was answered " << reply;
  }
}

TEST(Session, ALongReadBehindAWriteWaitsForIt) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"SET", "k", "1"}, {"KEYS", "*"}, {"DEL", "k"}, {"KEYS", "*"}}),
            "+OK\r\n*1\r\n$1\r\nk\r\n:1\r\n*0\r\n");
}

TEST(Session, ColdReadsGoThroughThePoolAndComeBackInOrder) {
  const TestSetup setup = with_cold_keys({{"MSET", "a", "A", "b", "B", "c", "C"}});
  TestNode node(setup);
  node.serve();
  TestClient client(node);
  const base::Bytes once = "$1\r\nA\r\n$-1\r\n$1\r\nC\r\n+PONG\r\n$1\r\nB\r\n";
  base::Bytes replies;
  for (int i = 0; i < 20; ++i) {
    replies +=
        client.pipeline({{"GET", "a"}, {"GET", "missing"}, {"GET", "c"}, {"PING"}, {"GET", "b"}});
  }
  base::Bytes expected;
  for (int i = 0; i < 20; ++i) expected += once;
  EXPECT_EQ(replies, expected);
  EXPECT_GE(node.counters().pool_reads.load(), 20u);
}

TEST(Session, AColdReadKeepsItsViewWhileLaterWritesAreApplied) {
  const TestSetup setup = with_cold_keys({{"SET", "a", "old"}, {"SET", "b", "old"}});
  TestNode node(setup);
  node.serve();
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"GET", "a"},
                             {"SET", "a", "new"},
                             {"GET", "a"},
                             {"KEYS", "*"},
                             {"GET", "b"},
                             {"SET", "b", "new"},
                             {"PING"},
                             {"GET", "b"}}),
            "$3\r\nold\r\n+OK\r\n$3\r\nnew\r\n*2\r\n$1\r\nb\r\n$1\r\na\r\n$3\r\nold\r\n+OK\r\n"
            "+PONG\r\n$3\r\nnew\r\n");
}

TEST(Session, MoreColdReadsThanThePoolTakesWaitTheirTurn) {
  const TestSetup setup = with_cold_keys({{"SET", "a", "A"}});
  TestNode node(setup);
  node.serve();
  TestClient client(node);
  base::Bytes requests;
  base::Bytes expected;
  for (int i = 0; i < 300; ++i) {
    requests += request_of({"GET", "missing" + std::to_string(i)});
    requests += request_of({"ECHO", std::to_string(i)});
    expected += "$-1\r\n" + bulk_of(std::to_string(i));
  }
  EXPECT_EQ(client.exchange(requests), expected);
}

TEST(Session, ARequestOfManyMebibytesGoesInFragmentsAndComesBackEqual) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  std::string value(3 * base::kMiB + 7, ' ');
  for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>('a' + i * 31 % 26);
  base::Bytes replies = client.pipeline({{"SET", "small", "1"},
                                         {"SET", "big", value},
                                         {"APPEND", "small", "2"},
                                         {"GET", "small"},
                                         {"STRLEN", "big"},
                                         {"SET", "big", "gone"},
                                         {"GET", "big"},
                                         {"SET", "big", value},
                                         {"GET", "big"}});
  replies += client.exchange("");
  const base::Bytes expected = "+OK\r\n+OK\r\n:2\r\n$2\r\n12\r\n:" + std::to_string(value.size()) +
                               "\r\n+OK\r\n$4\r\ngone\r\n+OK\r\n" + bulk_of(value);
  EXPECT_TRUE(replies == expected)
      << replies.size() << " of " << expected.size() << " bytes: " << replies.substr(0, 60);
  EXPECT_EQ(node.bodies().taken_bytes(), 0u);
  EXPECT_EQ(client.call({"GETRANGE", "big", "1048570", "1048581"}),
            bulk_of(base::ByteView(value).substr(1048570, 12)));
}

TEST(Session, BodiesWaitForTheirBudgetAndAllArrive) {
  TestSetup setup = with_data();
  setup.options.client.request_memory_bytes = 1 << 20;
  TestNode node(setup);
  node.serve();
  TestClient first(node);
  TestClient second(node);
  const std::string value(900'000, 'v');
  const base::Bytes request = request_of({"SET", "k", value});
  first.connection().client_send(request.substr(0, 100'000));
  node.settle();
  EXPECT_GT(node.bodies().taken_bytes(), 0u);
  // The second is not read while the first holds the budget.
  second.connection().client_send(request);
  node.run_for_ms(100);
  EXPECT_EQ(second.connection().take(), "");
  EXPECT_GT(second.connection().inbox_bytes(), 0u);
  EXPECT_EQ(first.exchange(request.substr(100'000)), "+OK\r\n");
  node.run_for_ms(100);
  EXPECT_EQ(second.connection().take(), "+OK\r\n");
  EXPECT_EQ(node.bodies().taken_bytes(), 0u);
}

TEST(Session, ABodyThatNeverArrivesGivesItsBudgetBackWhenItsClientGoes) {
  TestNode node(with_data());
  node.serve();
  {
    TestClient client(node);
    client.exchange("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc");
    EXPECT_GT(node.bodies().taken_bytes(), 0u);
  }
  EXPECT_EQ(node.bodies().taken_bytes(), 0u);
}

TEST(Session, ReadsCountWhatTheyFound) {
  const TestSetup setup = with_cold_keys({{"MSET", "a", "A", "b", "B", "c", "C"}});
  TestNode node(setup);
  node.serve();
  TestClient client(node);
  client.pipeline({{"MGET", "a", "none", "b"}, {"GET", "c"}});  // on the pool
  EXPECT_EQ(node.counters().keyspace_hits.load(), 3u);
  EXPECT_EQ(node.counters().keyspace_misses.load(), 1u);
  client.call({"SET", "d", "D"});
  client.pipeline({{"GET", "d"}, {"EXISTS", "d", "d"}, {"PING"}, {"DBSIZE"}});
  EXPECT_EQ(node.counters().keyspace_hits.load(), 6u);
  EXPECT_EQ(node.counters().keyspace_misses.load(), 1u);
}

TEST(Session, ClientReplyMutesAndSpeaksAgain) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"CLIENT", "REPLY", "SKIP"}, {"SET", "a", "1"}, {"GET", "a"}}),
            "$1\r\n1\r\n");
  EXPECT_EQ(client.pipeline({{"CLIENT", "REPLY", "OFF"},
                             {"SET", "a", "2"},
                             {"GET", "a"},
                             {"PING"},
                             {"KEYS", "*"},
                             {"NOSUCH"},
                             {"CLIENT", "REPLY", "ON"},
                             {"GET", "a"}}),
            "+OK\r\n$1\r\n2\r\n");
  EXPECT_EQ(client.pipeline({{"CLIENT", "REPLY", "SKIP"}, {"GET", "a"}, {"PING"}}), "+PONG\r\n");
}

TEST(Session, DebugSleepHoldsItsOwnConnectionOnly) {
  TestNode node(with_data());
  node.serve();
  TestClient sleeper(node);
  TestClient other(node);
  EXPECT_EQ(sleeper.pipeline({{"PING"}, {"DEBUG", "SLEEP", "1"}, {"SET", "a", "1"}}), "+PONG\r\n");
  EXPECT_EQ(other.pipeline({{"GET", "a"}}), "$-1\r\n");
  node.run_for_ms(1000);
  EXPECT_EQ(sleeper.exchange(""), "+OK\r\n+OK\r\n");
}

TEST(Session, ReadsOfDueKeysFindNothingOnEveryPath) {
  TestNode node(with_data());
  node.serve();
  TestClient client(node);
  EXPECT_EQ(client.pipeline({{"SET", "p", "1", "PX", "20"},
                             {"SET", "q", "1", "PX", "20"},
                             {"SET", "stays", "1"},
                             {"GET", "p"}}),
            "+OK\r\n+OK\r\n+OK\r\n$1\r\n1\r\n");
  node.clock().advance_ms(30);  // no tick has run: log time stands where it stood
  EXPECT_EQ(client.pipeline({{"GET", "p"}, {"KEYS", "*"}, {"DBSIZE"}, {"GET", "q"}, {"PING"}}),
            "$-1\r\n*1\r\n$5\r\nstays\r\n:1\r\n$-1\r\n+PONG\r\n");
}

}  // namespace
}  // namespace alfheim::server
