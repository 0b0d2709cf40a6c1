#include "server/reclaimer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/session.h"
#include "server/session_testing.h"

namespace alfheim::server {
namespace {

// Runs nothing by itself.
class LazyExecutor final : public env::Executor {
 public:
  void post_to_pool(env::Lane, env::Task task) override { tasks.push_back(std::move(task)); }
  std::vector<env::Task> tasks;
};

TEST(Reclaimer, WhatItDestroysEndsWithItsTask) {
  LazyExecutor pool;
  Reclaimer reclaimer(pool);
  auto value = std::make_shared<int>(1);  // shared by the test, which looks who holds it
  reclaimer.destroy(std::pair(value, std::string("beside it")));
  ASSERT_EQ(pool.tasks.size(), 1u);
  EXPECT_EQ(value.use_count(), 2);
  pool.tasks.front()();
  pool.tasks.clear();
  EXPECT_EQ(value.use_count(), 1);
}

TEST(Reclaimer, LargeSharedBytesEndOnThePoolAndSmallOnesWhereTheyAre) {
  LazyExecutor pool;
  auto reclaimer = std::make_unique<Reclaimer>(pool);
  auto small = reclaimer->share(base::Bytes(Reclaimer::kLargeBytes - 1, 's'));
  auto large = reclaimer->share(base::Bytes(Reclaimer::kLargeBytes, 'l'));
  auto survivor = reclaimer->share(base::Bytes(Reclaimer::kLargeBytes, 'x'));
  auto second = large;
  small.reset();
  large.reset();
  EXPECT_EQ(pool.tasks.size(), 0u) << "somebody holds it";
  EXPECT_EQ(second->back(), 'l');
  second.reset();
  EXPECT_EQ(pool.tasks.size(), 1u);
  reclaimer.reset();
  survivor.reset();  // there is no pool any more, as far as it knows
  EXPECT_EQ(pool.tasks.size(), 1u);
}

constexpr size_t kManyWords = 150'000;

TEST(SessionReclaims, ALargeRequestThatIsRefused) {
  TestNode node(TestSetup{.has_data_commands = true});
  node.serve();
  TestClient client(node);
  client.call({"PING"});
  const int before = node.pool_post_count();
  EXPECT_EQ(client.call(std::vector<std::string>(kManyWords, "nonsense")).substr(0, 20),
            "-ERR unknown command");
  EXPECT_EQ(node.pool_post_count(), before + 1);
  EXPECT_EQ(client.call({"PING"}), "+PONG\r\n");
  EXPECT_EQ(node.pool_post_count(), before + 1);
}

TEST(SessionReclaims, WhatAClientHadSentThatIsGone) {
  TestNode node(TestSetup{.has_data_commands = true});
  node.serve();
  int before = 0;
  {
    TestClient client(node);
    base::Bytes words = "*1000000\r\n";
    for (size_t i = 0; i < kManyWords; ++i) words += "$8\r\nnonsense\r\n";
    EXPECT_EQ(client.exchange(words), "");
    before = node.pool_post_count();
  }
  EXPECT_EQ(node.pool_post_count(), before + 1);
  EXPECT_EQ(node.memory().used_bytes(), 0u);
}

TEST(SessionReclaims, ALargeReplyThatWasSent) {
  TestNode node(TestSetup{.has_data_commands = true, .cold_per_1000 = 1000});
  node.serve();
  TestClient client(node);
  const std::string value(1'000'000, 'v');
  for (const char* key : {"a", "b", "c"}) client.call({"SET", key, value});
  // Too many words for a turn of the loop.
  std::vector<std::string> words(300, "none");
  words.front() = "MGET";
  words[1] = "a";
  words[2] = "b";
  words[3] = "c";
  const int before = node.pool_post_count();
  EXPECT_GT(client.call(words).size(), 3 * value.size());
  EXPECT_EQ(node.pool_post_count(), before + 2) << "one task reads it, one destroys it";
}

}  // namespace
}  // namespace alfheim::server
