#include "replica/stamp_clock.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_random.h"

namespace alfheim::replica {
namespace {

constexpr int64_t kHourUs = 3'600'000'000;

uint64_t distance(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

TEST(StampClock, StartsAtTheLaterOfLogAndWallTime) {
  sim::SimClock clock;
  clock.advance_ms(5000);
  StampClock stamps(clock);
  stamps.start(base::Stamp{5});
  EXPECT_EQ(stamps.now().ms, clock.wall_ms());
  const base::Stamp ahead{clock.wall_ms() + 3'600'000};
  stamps.start(ahead);
  EXPECT_EQ(stamps.now(), ahead);
  // A later leadership does not forget what was told.
  stamps.start(base::Stamp{5});
  EXPECT_EQ(stamps.now(), ahead);
}

TEST(StampClock, NeverGoesBackWhateverTheWallClockDoes) {
  sim::SimClock clock;
  sim::SimRandom random(3);
  StampClock stamps(clock);
  stamps.start({});
  base::Stamp last = stamps.now();
  for (int i = 0; i < 20'000; ++i) {
    clock.advance_to_ns(clock.monotonic_ns() + random.below(30'000'000));
    if (random.below(50) == 0) clock.jump_wall_us(random.coin() ? kHourUs : -kHourUs);
    if (random.below(200) == 0) stamps.start(last);
    const base::Stamp now = random.coin() ? stamps.now() : stamps.issue();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(StampClock, AJumpOfTheWallClockNeitherFreezesNorRushesIt) {
  for (const int64_t jump_us : {kHourUs, -kHourUs}) {
    sim::SimClock clock;
    StampClock stamps(clock);
    stamps.start({});
    uint64_t last = stamps.now().ms;
    clock.jump_wall_us(jump_us);
    for (int second = 0; second < 60; ++second) {
      for (int i = 0; i < 100; ++i) {
        clock.advance_ms(10);
        stamps.now();
      }
      const uint64_t now = stamps.now().ms;
      EXPECT_GE(now - last, 899u) << "after " << second << " s of a jump by " << jump_us;
      EXPECT_LE(now - last, 1101u) << "after " << second << " s of a jump by " << jump_us;
      last = now;
    }
    // A tenth of a minute nearer, and no more.
    const uint64_t gap_ms = distance(last, clock.wall_ms());
    EXPECT_GE(gap_ms, 3'600'000u - 6'100u);
    EXPECT_LE(gap_ms, 3'600'000u - 5'800u);
  }
}

TEST(StampClock, ALongSilenceIsBoundedAsWell) {
  sim::SimClock clock;
  StampClock stamps(clock);
  stamps.start({});
  const uint64_t before = stamps.now().ms;
  clock.jump_wall_us(-kHourUs);
  clock.advance_ms(100'000);  // nobody asks for 100 seconds
  const uint64_t now = stamps.now().ms;
  EXPECT_GE(now - before, 90'000u);
  EXPECT_LE(now - before, 110'000u);
}

TEST(StampClock, LeansTowardsWallTimeUntilItIsThere) {
  for (const int64_t jump_us : {200'000, -200'000}) {
    sim::SimClock clock;
    StampClock stamps(clock);
    stamps.start({});
    clock.jump_wall_us(jump_us);
    for (int i = 0; i < 250; ++i) {
      clock.advance_ms(10);
      stamps.now();
    }
    for (int i = 0; i < 1000; ++i) {
      clock.advance_ms(10);
      ASSERT_LE(distance(stamps.now().ms, clock.wall_ms()), 7u);
    }
  }
}

}  // namespace
}  // namespace alfheim::replica
