#include "server/directory.h"

#include <gtest/gtest.h>

namespace alfheim::server {
namespace {

TEST(Directory, SendsNobodyToANodeThatIsNotConnected) {
  Directory directory;
  const base::NodeId id{2};
  EXPECT_FALSE(directory.is_reachable(id));
  directory.set_connected(id, true);  // nobody knows it
  EXPECT_FALSE(directory.find(id).has_value());
  directory.put(id, {.name = "n2", .node_id = {}, .resp = {}, .raft = {}, .is_connected = true});
  EXPECT_FALSE(directory.is_reachable(id)) << "where its clients reach it is not known yet";
  directory.put(id, {.name = "n2", .node_id = {}, .resp = {"10.0.0.2", 6379}, .raft = {}});
  EXPECT_TRUE(directory.is_reachable(id));
  EXPECT_EQ(directory.redirection(id, 7), "MOVED 7 10.0.0.2:6379");
  directory.set_connected(id, false);
  EXPECT_FALSE(directory.is_reachable(id));
  // It still leads as far as this node knows, and nobody else does.
  EXPECT_EQ(directory.redirection(id, 7), "MOVED 7 10.0.0.2:6379");
}

}  // namespace
}  // namespace alfheim::server
