#include "net/turn_meter.h"

#include <gtest/gtest.h>

namespace alfheim::net {
namespace {

constexpr uint64_t kMs = 1'000'000;

// Time and CPU time pass as it is told.
class TwoClocks final : public env::Clock {
 public:
  uint64_t monotonic_ns() const override { return now_ns_; }
  uint64_t wall_us() const override { return now_ns_ / 1000; }
  uint64_t thread_cpu_ns() const override {
    ++asked_count;
    return cpu_ns_;
  }
  void work(uint64_t duration_ns) {
    now_ns_ += duration_ns;
    cpu_ns_ += duration_ns;
  }
  void rest(uint64_t duration_ns) { now_ns_ += duration_ns; }

  mutable int asked_count = 0;

 private:
  uint64_t now_ns_ = 50 * kMs;
  uint64_t cpu_ns_ = 30 * kMs;
};

class TurnMeterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    meter.start(clock, longest_ns);
    meter.begin_turn();
  }
  // The loop works, sleeps, and works again.
  void turn(uint64_t work_ns, uint64_t sleep_ns) {
    clock.work(work_ns);
    clock.rest(sleep_ns);
    meter.begin_turn();
  }

  TwoClocks clock;
  std::atomic<uint64_t> longest_ns{0};
  TurnMeter meter;
};

TEST_F(TurnMeterTest, TheLongestTurnIsKeptAndWhatTheThreadDidBeforeIsNone) {
  EXPECT_EQ(longest_ns.load(), 0u);
  turn(3 * kMs, 0);
  EXPECT_EQ(longest_ns.load(), 3 * kMs);
  turn(5 * kMs, 100 * kMs);
  EXPECT_EQ(longest_ns.load(), 5 * kMs);
  turn(2 * kMs, 0);
  EXPECT_EQ(longest_ns.load(), 5 * kMs);
  longest_ns = 0;  // CONFIG RESETSTAT
  turn(2 * kMs, 0);
  EXPECT_EQ(longest_ns.load(), 2 * kMs);
}

TEST_F(TurnMeterTest, RestAndOthersOfTheMachineAreNoWork) {
  for (int i = 0; i < 100; ++i) turn(10'000, 30 * kMs);
  EXPECT_EQ(longest_ns.load(), 10'000u);
}

TEST_F(TurnMeterTest, ShortTurnsAddUpToLessThanASpanAndAreAskedForSeldom) {
  clock.asked_count = 0;
  for (int i = 0; i < 10'000; ++i) turn(5'000, 0);
  EXPECT_LE(longest_ns.load(), TurnMeter::kSpanNs + 5'000);
  EXPECT_LE(clock.asked_count, 10'000 * 5'000 / static_cast<int>(TurnMeter::kSpanNs));
  EXPECT_GT(clock.asked_count, 0);
  // A long one between them is found, and is not more than the span too long.
  for (int i = 0; i < 13; ++i) turn(5'000, 0);
  turn(4 * kMs, 0);
  EXPECT_GE(longest_ns.load(), 4 * kMs);
  EXPECT_LE(longest_ns.load(), 4 * kMs + TurnMeter::kSpanNs);
}

TEST_F(TurnMeterTest, OneThatWasNotStartedMeasuresNothing) {
  TurnMeter idle;
  idle.begin_turn();
  idle.begin_turn();
}

}  // namespace
}  // namespace alfheim::net
