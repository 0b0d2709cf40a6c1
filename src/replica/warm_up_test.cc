#include "replica/warm_up.h"

#include <gtest/gtest.h>

#include "replica/testing_life.h"

namespace alfheim::replica {
namespace {

constexpr size_t kKeyCount = 5000;  // more than one part

// A node that was stopped with all its keys stored.
void fill(World& world) {
  Life life(world);
  life.serve();
  for (size_t i = 0; i < kKeyCount; ++i) {
    life.begin({"SET", "key" + std::to_string(i), value_of(i, 20)});
    if (i % 500 == 0) life.run_for_ms(20);
  }
  life.run_for_ms(100);
  life.stop();
  ASSERT_TRUE(life.is_stopped);
}

TEST(ReplicaWarmUp, BringsTheKeysOfTheStoreOnceTheNodeServes) {
  World world;
  fill(world);
  world.warm_kind = types::kKindKey;
  Life life(world);
  EXPECT_EQ(life.machine().index().stats().warmed_count, 0u);
  life.serve();
  EXPECT_EQ(life.machine().index().stats().warmed_count, kKeyCount);
  EXPECT_EQ(life.run({"SET", "key7", "x"}), "+OK\r\n");
  EXPECT_EQ(life.run({"GET", "key7"}), bulk_of("x"));
  EXPECT_EQ(life.run({"GET", "key8"}), bulk_of(value_of(8, 20)));
}

TEST(ReplicaWarmUp, BringsNothingWhereNobodyWantsIt) {
  World world;
  fill(world);
  Life life(world);
  life.serve();
  EXPECT_EQ(life.machine().index().stats().warmed_count, 0u);
}

TEST(ReplicaWarmUp, AStopInItsMidstIsClean) {
  World world;
  fill(world);
  world.warm_kind = types::kKindKey;
  Life life(world);
  life.replica().start();
  const auto warmed_count = [&] { return life.machine().index().stats().warmed_count; };
  while (warmed_count() == 0) ASSERT_TRUE(life.run_one());
  life.stop();
  EXPECT_LT(warmed_count(), kKeyCount);  // it went no further
  EXPECT_TRUE(life.is_stopped);
  EXPECT_TRUE(life.fatal_errors.empty());
}

}  // namespace
}  // namespace alfheim::replica
