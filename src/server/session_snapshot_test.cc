// RAFT SNAPSHOT, through sessions.
#include <gtest/gtest.h>

#include <string>

#include "server/session_leader_testing.h"

namespace alfheim::server {
namespace {

size_t count_made(sim::SimDisk& disk) {
  const base::Result<std::vector<std::string>> names = disk.list("/snapshots");
  return names.is_ok() ? names->size() : 0;
}

TEST(SessionSnapshot, IsMadeWhileOthersAreServedAndAnsweredWithItsIndexAndBytes) {
  const TestSetup setup{.has_data_commands = true};
  TestNode node(setup);
  node.serve();
  TestClient client(node);
  ASSERT_EQ(client.call({"SET", "k", std::string(3000, 'v')}), "+OK\r\n");
  // What the connection asked for behind it is answered behind it.
  client.connection().client_send(pipeline_of({{"RAFT", "SNAPSHOT"}, {"GET", "none"}}));
  TestClient other(node);
  EXPECT_EQ(other.call({"PING"}), "+PONG\r\n");
  node.run_for_ms(500);
  const base::Bytes reply = client.connection().take();
  const std::string index = std::to_string(node.replica().applied().value);
  EXPECT_EQ(reply.rfind("*2\r\n:" + index + "\r\n:", 0), 0u) << reply;
  EXPECT_EQ(reply.substr(reply.size() - 5), "$-1\r\n") << reply;
  EXPECT_EQ(count_made(setup.disks->disk), 1u);
  const replica::ReplicaStatus status = node.replica().status_snapshot();
  EXPECT_EQ(status.snapshots.made_count, 1u);
  EXPECT_EQ(status.persisted, node.replica().applied()) << "the index was stored before";
  // Ten minutes for whoever needs it, and then it goes.
  node.run_for_ms(599'000);
  EXPECT_EQ(count_made(setup.disks->disk), 1u);
  node.run_for_ms(3'000);
  EXPECT_EQ(count_made(setup.disks->disk), 0u);
}

TEST_F(SessionLeaderTest, WhoDoesNotLeadSendsElsewhereForASnapshot) {
  lose_leadership();
  TestClient client(node);
  EXPECT_EQ(client.call({"RAFT", "SNAPSHOT"}), "-MOVED 0 10.0.0.3:6379\r\n");
  EXPECT_FALSE(client.is_closed());
}

}  // namespace
}  // namespace alfheim::server
