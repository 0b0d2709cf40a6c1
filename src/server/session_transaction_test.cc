// MULTI, EXEC and WATCH over a session (server/session.h). Expected replies are those that a
// redis-server 7.0.15 gives.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/session_testing.h"

namespace alfheim::server {
namespace {

constexpr char kOneOk[] = "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n";
constexpr char kAborted[] = "+OK\r\n+QUEUED\r\n*-1\r\n";
const std::vector<std::vector<std::string>> kBlock = {{"MULTI"}, {"SET", "out", "1"}, {"EXEC"}};

class SessionTransaction : public testing::Test {
 protected:
  SessionTransaction() : node_(TestSetup{.has_data_commands = true}) { node_.serve(); }

  TestNode node_;
};

TEST_F(SessionTransaction, SessionCommandsStandAtTheirPlaceInTheBlock) {
  TestClient client(node_);
  EXPECT_EQ(client.pipeline({{"MULTI"},
                             {"SET", "a", "0"},
                             {"PING"},
                             {"SELECT", "1"},
                             {"SET", "a", "1"},
                             {"ECHO", "x"},
                             {"GET", "a"},
                             {"EXEC"},
                             {"GET", "a"},
                             {"SELECT", "0"},
                             {"GET", "a"}}),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
            "*6\r\n+OK\r\n+PONG\r\n+OK\r\n+OK\r\n$1\r\nx\r\n$1\r\n1\r\n"
            "$1\r\n1\r\n+OK\r\n$1\r\n0\r\n");
}

TEST_F(SessionTransaction, ABlockOfSessionCommandsAloneIsAnsweredHere) {
  TestClient client(node_);
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"PING"}, {"SELECT", "2"}, {"EXEC"}, {"MULTI"}, {"EXEC"}}),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+PONG\r\n+OK\r\n+OK\r\n*0\r\n");
}

TEST_F(SessionTransaction, ABlockStandsInOrderWithWhatIsAroundIt) {
  TestClient client(node_);
  EXPECT_EQ(client.pipeline({{"SET", "a", "1"},
                             {"MULTI"},
                             {"INCR", "a"},
                             {"KEYS", "*"},
                             {"GET", "a"},
                             {"EXEC"},
                             {"INCR", "a"},
                             {"GET", "a"}}),
            "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
            "*3\r\n:2\r\n*1\r\n$1\r\na\r\n$1\r\n2\r\n:3\r\n$1\r\n3\r\n");
}

TEST_F(SessionTransaction, ExecAfterFailedQueueingDoesNothing) {
  TestClient client(node_);
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"SET", "a", "1"}, {"NOSUCH"}, {"EXEC"}, {"GET", "a"}}),
            "+OK\r\n+QUEUED\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
            "-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n");
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"GET"}, {"EXEC"}}),
            "+OK\r\n-ERR wrong number of arguments for 'get' command\r\n"
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
  // A failure before MULTI has nothing to do with it.
  EXPECT_EQ(client.pipeline({{"NOSUCH"}}).substr(0, 4), "-ERR");
  EXPECT_EQ(client.pipeline(kBlock), kOneOk);
}

// As redis-server 7.0.15 answers, byte for byte.
TEST_F(SessionTransaction, AnExecWithTooManyWordsEndsTheBlockAndTheWatches) {
  const std::string refused =
      "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
      "command\r\n";
  TestClient client(node_);
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"SET", "a", "1"}, {"EXEC", "x"}, {"GET", "a"}, {"EXEC"}}),
            "+OK\r\n+QUEUED\r\n" + refused + "$-1\r\n-ERR EXEC without MULTI\r\n");
  EXPECT_EQ(
      client.pipeline(
          {{"WATCH", "a"}, {"SET", "a", "2"}, {"EXEC", "x"}, {"MULTI"}, {"GET", "a"}, {"EXEC"}}),
      "+OK\r\n+OK\r\n" + refused + "+OK\r\n+QUEUED\r\n*1\r\n$1\r\n2\r\n");
}

TEST_F(SessionTransaction, AnErrorInTheBlockStandsInItsPlaceAndTheRestIsDone) {
  TestClient client(node_);
  EXPECT_EQ(
      client.pipeline(
          {{"SET", "a", "x"}, {"MULTI"}, {"INCR", "a"}, {"SET", "b", "1"}, {"EXEC"}, {"GET", "b"}}),
      "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n"
      "-ERR value is not an integer or out of range\r\n+OK\r\n$1\r\n1\r\n");
}

TEST_F(SessionTransaction, WordsOutOfPlaceAreRefused) {
  TestClient client(node_);
  EXPECT_EQ(
      client.pipeline(
          {{"EXEC"}, {"DISCARD"}, {"MULTI"}, {"MULTI"}, {"WATCH", "a"}, {"DISCARD"}, {"EXEC"}}),
      "-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n+OK\r\n"
      "-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n"
      "+OK\r\n-ERR EXEC without MULTI\r\n");
}

TEST_F(SessionTransaction, AnUntouchedKeyLetsTheBlockThroughOnce) {
  TestClient client(node_);
  TestClient other(node_);
  client.call({"SET", "a", "1"});
  EXPECT_EQ(client.call({"WATCH", "a", "missing"}), "+OK\r\n");
  other.call({"SET", "b", "1"});
  EXPECT_EQ(client.pipeline(kBlock), kOneOk);
  // EXEC has ended the watch.
  other.call({"SET", "a", "2"});
  EXPECT_EQ(client.pipeline(kBlock), kOneOk);
}

TEST_F(SessionTransaction, ATouchedKeyStopsTheBlock) {
  TestClient client(node_);
  TestClient other(node_);
  client.call({"SET", "a", "1"});
  EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
  other.call({"SET", "a", "1"});
  EXPECT_EQ(client.pipeline(kBlock), kAborted);
  EXPECT_EQ(client.call({"GET", "out"}), "$-1\r\n");

  EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
  other.call({"DEL", "a"});
  EXPECT_EQ(client.pipeline(kBlock), kAborted);

  // Also by the connection itself, and with session commands in the block.
  EXPECT_EQ(
      client.pipeline({{"WATCH", "a"}, {"SET", "a", "1"}, {"MULTI"}, {"PING"}, {"EXEC"}, {"PING"}}),
      "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n+PONG\r\n");
  EXPECT_EQ(client.pipeline({{"WATCH", "a"}, {"SET", "a", "2"}, {"UNWATCH"}}),
            "+OK\r\n+OK\r\n+OK\r\n");
  EXPECT_EQ(client.pipeline(kBlock), kOneOk);
}

TEST_F(SessionTransaction, AMissingKeyThatWasMadeAndDeletedWasTouched) {
  TestClient client(node_);
  TestClient other(node_);
  EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
  other.pipeline({{"SET", "a", "1"}, {"DEL", "a"}});
  EXPECT_EQ(client.pipeline(kBlock), kAborted);
  EXPECT_FALSE(node_.watches().is_observing());
}

TEST_F(SessionTransaction, AWatchSeesTheConnectionsOwnEarlierWrites) {
  TestClient client(node_);
  EXPECT_EQ(client.pipeline({{"SET", "a", "1"}, {"WATCH", "a"}, {"MULTI"}, {"GET", "a"}, {"EXEC"}}),
            "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n$1\r\n1\r\n");
}

TEST_F(SessionTransaction, AKeyThatExpiresAfterItIsWatchedWasTouched) {
  TestClient client(node_);
  client.call({"SET", "a", "1", "PX", "50"});
  EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
  node_.clock().advance_ms(100);
  EXPECT_EQ(client.pipeline(kBlock), kAborted);
  client.call({"SET", "a", "1", "PX", "50"});
  EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
  node_.run_for_ms(1000);  // ticks have removed it
  EXPECT_EQ(client.pipeline(kBlock), kAborted);
}

TEST_F(SessionTransaction, AKeyThatWasExpiredWhenItWasWatchedMayBeRemoved) {
  TestClient client(node_);
  client.call({"SET", "a", "1", "PX", "50"});
  node_.clock().advance_ms(100);  // due, and not yet removed
  EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
  node_.run_for_ms(1000);
  EXPECT_EQ(client.pipeline(kBlock), kOneOk);
}

TEST_F(SessionTransaction, AnExpiredKeyDoesNotTouchTheOthersOfItsWatch) {
  TestClient client(node_);
  client.call({"SET", "stays", "1"});
  client.call({"SET", "due", "1", "PX", "50"});
  node_.clock().advance_ms(100);
  EXPECT_EQ(client.call({"WATCH", "stays", "due"}), "+OK\r\n");
  EXPECT_EQ(client.pipeline(kBlock), kOneOk);
}

TEST(SessionColdTransaction, VersionsOfColdKeysComeFromThePoolAndTheFirstHolds) {
  TestSetup setup{.has_data_commands = true};
  {
    TestNode node(setup);
    node.serve();
    TestClient(node).pipeline({{"SET", "a", "1"}, {"SET", "b", "1"}});
    node.stop();
  }
  setup.cold_per_1000 = 1000;
  TestNode node(setup);
  node.serve();
  TestClient client(node);
  TestClient other(node);
  EXPECT_EQ(client.pipeline({{"WATCH", "a"}, {"PING"}}), "+OK\r\n+PONG\r\n");
  EXPECT_EQ(client.pipeline(kBlock), kOneOk);
  EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
  other.call({"SET", "a", "2"});
  // Watched again, together with a cold key: what happened in between still counts.
  EXPECT_EQ(client.call({"WATCH", "a", "b"}), "+OK\r\n");
  EXPECT_EQ(client.pipeline(kBlock), kAborted);
}

TEST_F(SessionTransaction, WatchOfManyKeysIsNotTheLoopsAndHolds) {
  TestClient client(node_);
  TestClient other(node_);
  std::vector<std::string> words = {"WATCH"};
  for (int i = 0; i < 20'000; ++i) words.push_back("k" + std::to_string(i % 10'000));
  EXPECT_EQ(client.pipeline({words, {"PING"}}) + client.exchange(""), "+OK\r\n+PONG\r\n");
  EXPECT_EQ(other.call({"SET", "k9999", "1"}), "+OK\r\n");
  EXPECT_EQ(client.pipeline(kBlock), kAborted);
  EXPECT_EQ(client.pipeline({words, {"PING"}}) + client.exchange(""), "+OK\r\n+PONG\r\n");
  EXPECT_EQ(client.pipeline(kBlock), kOneOk);
}

TEST_F(SessionTransaction, AMissingKeyIsWatchedThroughFlushAndSwap) {
  TestClient client(node_);
  TestClient other(node_);
  for (const std::vector<std::string>& change :
       std::vector<std::vector<std::string>>{{"FLUSHALL"}, {"FLUSHDB"}, {"SWAPDB", "0", "1"}}) {
    EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
    EXPECT_EQ(other.pipeline({change, {"SET", "a", "1"}, {"DEL", "a"}}), "+OK\r\n+OK\r\n:1\r\n");
    EXPECT_EQ(client.pipeline(kBlock), kAborted) << change[0];
    // Alone it is no touch of a key that is missing before and after.
    EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
    EXPECT_EQ(other.call(change), "+OK\r\n");
    EXPECT_EQ(client.pipeline(kBlock), kOneOk) << change[0];
  }
  client.call({"SET", "a", "1"});
  EXPECT_EQ(client.call({"WATCH", "a"}), "+OK\r\n");
  EXPECT_EQ(other.call({"FLUSHALL"}), "+OK\r\n");
  EXPECT_EQ(client.pipeline(kBlock), kAborted);
}

// A hundred thousand keys held the loop for 50 ms and more: what is long is the pool's, which
// here takes its time.
class SessionLongWatch : public testing::Test {
 protected:
  SessionLongWatch() { node_.serve(); }
  static std::vector<std::string> watch_of(int key_count) {
    std::vector<std::string> words = {"WATCH"};
    for (int i = 0; i < key_count; ++i) words.push_back("k" + std::to_string(i));
    return words;
  }
  void let_the_pool_run() { node_.run_for_ms(kPoolMs); }

  static constexpr uint64_t kPoolMs = 100'000;
  TestNode node_{
      TestSetup{.has_data_commands = true,
                .executor = {.post_delay_ns_max = 0, .pool_delay_ns_max = kPoolMs * 1'000'000}}};
};

TEST_F(SessionLongWatch, TheLoopNeitherRegistersNorForgetsManyKeys) {
  TestClient client(node_);
  const auto watch = [&] {
    EXPECT_EQ(client.pipeline({watch_of(1000), {"PING"}}), "");
    EXPECT_FALSE(node_.watches().is_observing());
    let_the_pool_run();
    EXPECT_EQ(client.exchange(""), "+OK\r\n+PONG\r\n");
    EXPECT_TRUE(node_.watches().is_observing());
  };
  const auto expect_forgotten_later = [&] {
    EXPECT_TRUE(node_.watches().is_observing());
    let_the_pool_run();
    EXPECT_FALSE(node_.watches().is_observing());
  };
  watch();
  EXPECT_EQ(client.call({"UNWATCH"}), "+OK\r\n");
  expect_forgotten_later();
  watch();
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"DISCARD"}}), "+OK\r\n+OK\r\n");
  expect_forgotten_later();
  watch();
  EXPECT_EQ(client.pipeline(kBlock), "+OK\r\n+QUEUED\r\n");  // encoded on the pool, too
  expect_forgotten_later();
  EXPECT_EQ(client.exchange(""), "*1\r\n+OK\r\n");
  watch();
  TestClient(node_).call({"SET", "k7", "1"});
  EXPECT_EQ(client.pipeline(kBlock), kAborted);
  expect_forgotten_later();
}

TEST_F(SessionLongWatch, AFewMoreKeysBesideManyAreThePoolsToo) {
  TestClient client(node_);
  client.call(watch_of(1000));
  let_the_pool_run();
  EXPECT_EQ(client.exchange(""), "+OK\r\n");
  EXPECT_EQ(client.call({"WATCH", "more"}), "");
  let_the_pool_run();
  EXPECT_EQ(client.exchange(""), "+OK\r\n");
  TestClient(node_).call({"SET", "more", "1"});
  EXPECT_EQ(client.pipeline(kBlock), kAborted);
}

TEST_F(SessionLongWatch, WhoGoesInTheMidstLeavesNothing) {
  const uint64_t before_bytes = node_.memory().used_bytes();
  {
    TestClient client(node_);
    client.call(watch_of(1000));  // on its way to the pool
    // What it is about to hold counts already.
    EXPECT_GT(node_.memory().used_bytes(), before_bytes + 100'000);
  }
  let_the_pool_run();
  let_the_pool_run();
  EXPECT_FALSE(node_.watches().is_observing());
  EXPECT_EQ(node_.memory().used_bytes(), before_bytes);
  {
    TestClient client(node_);
    client.call(watch_of(1000));
    let_the_pool_run();
    EXPECT_TRUE(node_.watches().is_observing());
  }
  let_the_pool_run();
  EXPECT_FALSE(node_.watches().is_observing());
}

TEST_F(SessionLongWatch, AClientThatSendsNoMoreStillGetsItsReply) {
  TestClient client(node_);
  client.call(watch_of(1000));
  client.connection().client_end_input();
  node_.settle();
  EXPECT_FALSE(client.is_closed());
  let_the_pool_run();
  EXPECT_EQ(client.exchange(""), "+OK\r\n");
  EXPECT_TRUE(client.is_closed());
}

TEST_F(SessionTransaction, ResetAndTheEndOfAConnectionForgetTheirWatches) {
  {
    TestClient client(node_);
    client.pipeline({{"WATCH", "missing"}, {"MULTI"}, {"SET", "a", "1"}, {"RESET"}});
    EXPECT_FALSE(node_.watches().is_observing());
    EXPECT_EQ(client.call({"EXEC"}), "-ERR EXEC without MULTI\r\n");
    client.call({"WATCH", "missing"});
    EXPECT_TRUE(node_.watches().is_observing());
  }
  EXPECT_FALSE(node_.watches().is_observing());
}

TEST_F(SessionTransaction, ALargeBlockGoesInFragmentsAndKeepsItsPlace) {
  TestClient client(node_);
  const std::string value(1'200'000, 'v');
  base::Bytes replies = client.pipeline({{"MULTI"},
                                         {"SET", "a", value},
                                         {"STRLEN", "a"},
                                         {"EXEC"},
                                         {"STRLEN", "a"},
                                         {"SET", "a", "1"},
                                         {"GET", "a"}});
  replies += client.exchange("");
  EXPECT_EQ(replies,
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1200000\r\n:1200000\r\n+OK\r\n$1\r\n1\r\n");
}

TEST_F(SessionTransaction, RepliesOfABlockAreMutedAsOne) {
  TestClient client(node_);
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"SET", "a", "1"}}), "+OK\r\n+QUEUED\r\n");
  EXPECT_EQ(client.pipeline({{"EXEC"},
                             {"CLIENT", "REPLY", "OFF"},
                             {"MULTI"},
                             {"SET", "a", "2"},
                             {"EXEC"},
                             {"CLIENT", "REPLY", "ON"},
                             {"GET", "a"}}),
            "*1\r\n+OK\r\n+OK\r\n$1\r\n2\r\n");
}

}  // namespace
}  // namespace alfheim::server
