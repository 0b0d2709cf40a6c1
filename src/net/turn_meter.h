// net/turn_meter: CPU time of a loop's longest turn, and when a turn has gone on for long enough.
//
// While a turn runs, everybody else of its loop waits. CPU time and not the clock's, so that a busy
// machine is not called a slow server. Asking for CPU time is a call of the kernel, so it is asked
// for only where kSpanNs have passed since the last time; what is said to be the time of a turn may
// be that of the short ones before it, too, and so be too much by as much, never too little. A turn
// is told of when the next one begins.
//
// Thread: its loop. Lifetime: clock and figure outlive the loop's run.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "env/clock.h"

namespace alfheim::net {

class TurnMeter {
 public:
  static constexpr uint64_t kSpanNs = 200'000;
  // What is ready beyond this waits for the next turn.
  static constexpr uint64_t kTurnNs = 500'000;

  // Before this nothing is measured, and no turn is ever over. `longest_ns` is raised, by several
  // loops and from any thread.
  void start(const env::Clock& clock, std::atomic<uint64_t>& longest_ns) {
    clock_ = &clock;
    longest_ns_ = &longest_ns;
  }
  // What ran before is over, whether the loop slept since or not.
  void begin_turn() {
    if (clock_ == nullptr) return;
    const uint64_t now_ns = clock_->monotonic_ns();
    if (now_ns - span_begin_ns_ >= kSpanNs) end_span(now_ns);
    turn_begin_ns_ = now_ns;
  }
  bool is_turn_over() const {
    return clock_ != nullptr && clock_->monotonic_ns() - turn_begin_ns_ >= kTurnNs;
  }

 private:
  void end_span(uint64_t now_ns) {
    const uint64_t cpu_ns = clock_->thread_cpu_ns();
    // Turns before the last one of a span took less than kSpanNs together.
    const uint64_t turn_ns = std::min(cpu_ns - span_begin_cpu_ns_, now_ns - turn_begin_ns_);
    const bool is_first = span_begin_ns_ == 0;
    span_begin_ns_ = now_ns;
    span_begin_cpu_ns_ = cpu_ns;
    if (is_first) return;  // of all that the thread did before
    uint64_t longest_ns = longest_ns_->load(std::memory_order_relaxed);
    while (turn_ns > longest_ns &&
           !longest_ns_->compare_exchange_weak(longest_ns, turn_ns, std::memory_order_relaxed)) {
    }
  }

  const env::Clock* clock_ = nullptr;
  std::atomic<uint64_t>* longest_ns_ = nullptr;
  uint64_t span_begin_ns_ = 0;
  uint64_t span_begin_cpu_ns_ = 0;
  uint64_t turn_begin_ns_ = 0;
};

}  // namespace alfheim::net
