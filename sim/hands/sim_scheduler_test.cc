#include "sim/hands/sim_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_executor.h"
#include "sim/hands/sim_random.h"

namespace alfheim::sim {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct World {
  explicit World(uint64_t seed = 1) : scheduler(clock, seed), node(scheduler) {}
  SimClock clock;
  SimScheduler scheduler;
  SimExecutor node;
};

TEST(SimRandom, one_seed_gives_one_stream_and_forks_differ) {
  SimRandom first(7);
  SimRandom second(7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(first.next_u64(), second.next_u64());
  EXPECT_EQ(first.fork_seed("disk"), second.fork_seed("disk"));
  EXPECT_NE(first.fork_seed("disk"), second.fork_seed("network"));
  EXPECT_NE(SimRandom(1).next_u64(), SimRandom(2).next_u64());
}

TEST(SimRandom, draws_stay_in_bounds_and_reach_both_ends) {
  SimRandom random(3);
  std::set<uint64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(random.between(5, 8));
  EXPECT_THAT(seen, ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(random.below(1), 0u);
  EXPECT_FALSE(random.chance_ppm(0));
  EXPECT_TRUE(random.chance_ppm(kAlwaysPpm));
  int hit_count = 0;
  for (int i = 0; i < 10'000; ++i) hit_count += random.chance_ppm(100'000) ? 1 : 0;
  EXPECT_NEAR(hit_count, 1000, 200);
}

TEST(SimClock, wall_time_jumps_and_monotonic_time_does_not) {
  SimClock clock;
  EXPECT_EQ(clock.wall_us(), kWallStartUs);
  clock.advance_ms(5);
  EXPECT_EQ(clock.monotonic_ms(), 5u);
  clock.jump_wall_us(-1'000'000);
  EXPECT_EQ(clock.wall_us(), kWallStartUs + 5000 - 1'000'000);
  EXPECT_EQ(clock.monotonic_ms(), 5u);

  SimNodeClock node(clock);
  node.jump_wall_us(3'000'000);
  node.jump_monotonic_ns(1000);
  EXPECT_EQ(node.wall_us(), kWallStartUs + 5000 + 2'000'000);
  EXPECT_EQ(node.monotonic_ns(), 5'001'000u);
}

TEST(SimNodeClock, runs_fast_or_slow_and_never_back) {
  SimClock clock;
  for (const int32_t permille : {100, -100}) {
    SimNodeClock node(clock);
    node.set_drift(permille);
    uint64_t before = node.monotonic_ns();
    const uint64_t begin = before;
    const uint64_t world_begin = clock.monotonic_ns();
    for (int i = 0; i < 3000; ++i) {
      clock.advance_to_ns(clock.monotonic_ns() + 7);
      EXPECT_GE(node.monotonic_ns(), before);
      before = node.monotonic_ns();
    }
    EXPECT_EQ(clock.monotonic_ns() - world_begin, 21'000u);
    EXPECT_EQ(before - begin, permille > 0 ? 23'100u : 18'900u);
    node.set_drift(0);
    EXPECT_EQ(node.monotonic_ns(), before);
    clock.advance_to_ns(clock.monotonic_ns() + 1000);
    EXPECT_EQ(node.monotonic_ns(), before + 1000);
    before = node.monotonic_ns();
  }
}

TEST(SimExecutor, timers_follow_the_clock_of_their_node) {
  SimClock clock;
  SimScheduler scheduler(clock, 1);
  SimExecutor::Options options;
  options.post_delay_ns_max = 0;
  options.drift_permille = 250;
  SimExecutor fast(scheduler, options);
  env::Strand& strand = fast.make_strand("core");
  uint64_t ran_ns = 0;
  strand.post_after(1000, [&] { ran_ns = scheduler.now_ns(); });
  scheduler.run_until_idle();
  EXPECT_EQ(ran_ns, 800'000'000u);
}

TEST(SimExecutor, a_strand_keeps_the_order_of_posting) {
  World world;
  env::Strand& strand = world.node.make_strand("log");
  std::vector<int> ran;
  for (int i = 0; i < 50; ++i) strand.post([&ran, i] { ran.push_back(i); });
  EXPECT_EQ(world.scheduler.run_until_idle(), 50u);
  EXPECT_TRUE(std::is_sorted(ran.begin(), ran.end()));
  EXPECT_EQ(ran.size(), 50u);
}

TEST(SimExecutor, a_post_runs_later_even_from_the_strand_itself_and_knows_where_it_is) {
  World world;
  env::Strand& strand = world.node.make_strand("a");
  env::Strand& other = world.node.make_strand("b");
  std::string trace;
  strand.post([&] {
    strand.post([&] { trace += "inner"; });
    EXPECT_TRUE(strand.is_current());
    EXPECT_FALSE(other.is_current());
    trace += "outer ";
  });
  EXPECT_FALSE(strand.is_current());
  world.scheduler.run_until_idle();
  EXPECT_EQ(trace, "outer inner");
}

TEST(SimExecutor, strands_and_pool_tasks_meet_in_an_order_of_the_seed) {
  const auto order = [](uint64_t seed) {
    World world(seed);
    std::string trace;
    env::Strand& a = world.node.make_strand("a");
    env::Strand& b = world.node.make_strand("b");
    a.post([&] { trace += "a"; });
    b.post([&] { trace += "b"; });
    for (const char letter : {'1', '2', '3'}) {
      world.node.post_to_pool(env::Lane::kShort, [&trace, letter] { trace += letter; });
    }
    world.scheduler.run_until_idle();
    return std::make_pair(trace, world.scheduler.event_hash());
  };
  std::set<std::string> traces;
  std::set<uint64_t> hashes;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(order(seed), order(seed));
    traces.insert(order(seed).first);
    hashes.insert(order(seed).second);
  }
  EXPECT_GT(traces.size(), 6u);
  EXPECT_EQ(hashes.size(), 50u);
}

TEST(SimExecutor, timers_fire_at_their_time_and_move_the_clock) {
  World world;
  env::Strand& strand = world.node.make_strand("a");
  std::vector<int> ran;
  strand.post_after(20, [&] { ran.push_back(20); });
  strand.post_after(10, [&] { ran.push_back(10); });
  const env::TimerId cancelled = strand.post_after(15, [&] { ran.push_back(15); });
  strand.cancel(cancelled);
  strand.cancel(cancelled);
  strand.cancel(env::TimerId{});
  world.scheduler.run_for_ms(9);
  EXPECT_THAT(ran, IsEmpty());
  EXPECT_EQ(world.clock.monotonic_ms(), 9u);
  world.scheduler.run_for_ms(2);
  EXPECT_THAT(ran, ElementsAre(10));
  world.scheduler.run_until_idle();
  EXPECT_THAT(ran, ElementsAre(10, 20));
  EXPECT_EQ(world.clock.monotonic_ms(), 20u);
  EXPECT_FALSE(world.scheduler.run_one());
}

TEST(SimExecutor, a_timer_can_cancel_the_next_at_the_same_time) {
  SimClock clock;
  SimScheduler scheduler(clock, 1);
  SimExecutor node(scheduler, {.post_delay_ns_max = 0, .pool_delay_ns_max = 0});
  env::Strand& strand = node.make_strand("a");
  bool has_run = false;
  env::TimerId second;
  strand.post_after(5, [&] { strand.cancel(second); });
  second = strand.post_after(5, [&] { has_run = true; });
  scheduler.run_until_idle();
  EXPECT_FALSE(has_run);
}

TEST(SimExecutor, a_crash_drops_one_nodes_tasks_and_leaves_the_others) {
  World world;
  SimExecutor other(world.scheduler);
  env::Strand& strand = world.node.make_strand("a");
  std::string trace;
  auto held = std::make_shared<int>(1);
  strand.post([&trace, held] { trace += "post"; });
  strand.post_after(1, [&trace, held] { trace += "timer"; });
  world.node.post_to_pool(env::Lane::kShort, [&trace, held] { trace += "pool"; });
  other.make_strand("b").post([&trace] { trace += "other "; });
  world.scheduler.post_world(0, [&trace] { trace += "world"; });
  world.node.drop_all();
  EXPECT_EQ(held.use_count(), 1);
  world.scheduler.run_until_idle();
  EXPECT_THAT(trace, testing::AnyOf("other world", "worldother "));
}

TEST(SimExecutor, a_paused_node_runs_nothing_until_it_goes_on) {
  World world;
  env::Strand& strand = world.node.make_strand("a");
  std::vector<int> ran;
  env::TimerId cancelled;
  strand.post([&] { ran.push_back(1); });
  strand.post_after(5, [&] { ran.push_back(2); });
  cancelled = strand.post_after(6, [&] { ran.push_back(3); });
  world.node.set_paused(true);
  world.scheduler.run_for_ms(100);
  EXPECT_THAT(ran, IsEmpty());
  EXPECT_EQ(world.clock.monotonic_ms(), 100u);
  strand.cancel(cancelled);
  world.node.set_paused(false);
  strand.post([&] { ran.push_back(4); });
  world.scheduler.run_until_idle();
  EXPECT_THAT(ran, ElementsAre(1, 2, 4));
  world.node.set_paused(true);
  strand.post([&] { ran.push_back(5); });
  EXPECT_EQ(world.scheduler.run_until_idle(), 0u);
  world.node.drop_all();
  world.node.set_paused(false);
  EXPECT_EQ(world.scheduler.run_until_idle(), 0u);
}

TEST(SimScheduler, running_until_idle_is_bounded) {
  World world;
  env::Strand& strand = world.node.make_strand("a");
  std::function<void()> again = [&] { strand.post_after(1, again); };
  again();
  EXPECT_EQ(world.scheduler.run_until_idle(1000), 1000u);
}

}  // namespace
}  // namespace alfheim::sim
