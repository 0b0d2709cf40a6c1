// sim/hands/sim_clock: time that only moves when somebody moves it.
//
// SimClock is the world's time, moved by the SimScheduler (or by hand in a unit test).
// SimNodeClock is what one node believes: the world's monotonic time since its boot, and a
// wall clock of its own that may be wrong and may jump.
//
// Thread: SimClock may be read from any thread; moved by one. Lifetime: the base clock
// outlives the node clocks.
#pragma once

#include <atomic>

#include "base/check.h"
#include "env/clock.h"

namespace alfheim::sim {

// 2026-01-01 00:00:00 UTC: where simulated wall clocks begin.
inline constexpr uint64_t kWallStartUs = 1'767'225'600'000'000;

class SimClock final : public env::Clock {
 public:
  uint64_t monotonic_ns() const override { return now_ns_; }
  uint64_t wall_us() const override {
    return kWallStartUs + now_ns_ / 1000 + static_cast<uint64_t>(wall_offset_us_.load());
  }

  void advance_to_ns(uint64_t time_ns) {
    ALF_CHECK(time_ns >= now_ns_);
    now_ns_ = time_ns;
  }
  void advance_ms(uint64_t count) { now_ns_ += count * 1'000'000; }
  // Moves the wall clock only: forwards or back. Jumps add up.
  void jump_wall_us(int64_t change_us) { wall_offset_us_ += change_us; }

 private:
  std::atomic<uint64_t> now_ns_ = 0;
  std::atomic<int64_t> wall_offset_us_ = 0;
};

class SimNodeClock final : public env::Clock {
 public:
  explicit SimNodeClock(const env::Clock& base) : base_(base) {}

  uint64_t monotonic_ns() const override {
    const uint64_t base_ns = base_.monotonic_ns();
    return base_ns + drifted(base_ns - drift_from_ns_) + monotonic_offset_ns_;
  }
  uint64_t wall_us() const override {
    return base_.wall_us() + static_cast<uint64_t>(wall_offset_us_.load());
  }

  void jump_wall_us(int64_t change_us) { wall_offset_us_ += change_us; }
  // Nodes booted at different times; monotonic time never goes back, so this only adds.
  void jump_monotonic_ns(uint64_t change_ns) { monotonic_offset_ns_ += change_ns; }
  // From now on its monotonic time runs so many thousandths faster than the world's, or slower.
  void set_drift(int32_t permille) {
    ALF_CHECK(permille > -1000);
    const uint64_t base_ns = base_.monotonic_ns();
    monotonic_offset_ns_ += drifted(base_ns - drift_from_ns_);
    drift_from_ns_ = base_ns;
    drift_permille_ = permille;
  }

 private:
  // What it has gone too far in that time; wraps where it is slow.
  uint64_t drifted(uint64_t base_ns) const {
    return static_cast<uint64_t>(static_cast<int64_t>(base_ns) * drift_permille_ / 1000);
  }

  const env::Clock& base_;
  std::atomic<uint64_t> monotonic_offset_ns_ = 0;
  std::atomic<uint64_t> drift_from_ns_ = 0;
  std::atomic<int32_t> drift_permille_ = 0;
  std::atomic<int64_t> wall_offset_us_ = 0;
};

}  // namespace alfheim::sim
