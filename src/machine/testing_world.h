// machine/testing_world: one member of its own (disk, store, machine) as a fixture, for tests.
//
// Not for the product.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "index/twin_store.h"
#include "machine/read_context.h"
#include "machine/testing_node.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"

namespace alfheim::machine {

// One node of its own: disk, store and machine.
struct World {
  World() {
    EXPECT_TRUE(disk.make_dir("/node").is_ok());
    store = std::make_unique<index::TwinStore>(twin);
    node = std::make_unique<TestingNode>(TestingNode::Options{
        .disk = disk, .store = *store, .random = random, .clock = clock, .log_dir = "/node/log"});
  }
  // The process dies; what was frozen and what was logged is left.
  void restart() {
    node.reset();
    disk.kill_process();
    store = std::make_unique<index::TwinStore>(
        twin, index::TwinStore::Options{.would_block_per_1000 = would_block_per_1000});
    node = std::make_unique<TestingNode>(TestingNode::Options{
        .disk = disk, .store = *store, .random = random, .clock = clock, .log_dir = "/node/log"});
  }
  // All records as they are persisted.
  index::TwinDisk::Records frozen_records() {
    node->freeze();
    return *twin->content().records;
  }

  sim::SimDisk disk;
  sim::SimClock clock;
  sim::SimRandom random{3};
  uint32_t would_block_per_1000 = 0;  // of what the store knows, from the next start on
  std::shared_ptr<index::TwinDisk> twin = std::make_shared<index::TwinDisk>();
  std::unique_ptr<index::TwinStore> store;
  std::unique_ptr<TestingNode> node;
};

class MachineTest : public testing::Test {
 protected:
  std::string run(const Words& words) { return node().run(words); }
  TestingNode& node() { return *world.node; }
  base::Bytes block_of(const std::vector<Watch>& watches, const std::vector<base::Bytes>& calls) {
    base::Bytes body;
    put_block(body, watches, calls);
    return body;
  }
  std::string run_block(const std::vector<Watch>& watches, const std::vector<base::Bytes>& calls) {
    BatchBuilder builder = node().batch();
    builder.add_body(OperationKind::kBlock, 0, block_of(watches, calls));
    KeptReplies replies;
    node().propose(builder.take(), replies);
    return replies.at(0);
  }

  World world;
};

}  // namespace alfheim::machine
