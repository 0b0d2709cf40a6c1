// replica/write_watch: whether a leader's disk is so sick that another node should lead.
//
// A disk that hangs returns no error: a leader on it would keep its group waiting for as long, for
// its heartbeats go on. One that is full refuses writes that the other nodes have room for.
//
// Thread: one. Lifetime: a value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace alfheim::replica {

class WriteWatch {
 public:
  explicit WriteWatch(uint64_t tick_ms) : step_ms_max_(std::max(kStepMsMax, 2 * tick_ms)) {}

  // Called at each tick with the number of writes that ended and whether the disk has one to do.
  // Milliseconds since the last of them ended, or since there was something to do; 0: nothing. Time
  // in which nobody asked hardly counts: the whole process stood still, and the end of a write may
  // wait in a queue behind this call.
  uint64_t waiting_ms(uint64_t write_count, bool is_writing, uint64_t now_ms) {
    const uint64_t step_ms = std::min(now_ms - asked_ms_, step_ms_max_);
    asked_ms_ = now_ms;
    waited_ms_ += step_ms;
    if (!is_writing || write_count != write_count_) {
      write_count_ = write_count;
      waited_ms_ = 0;
      is_told_ = false;
    }
    return waited_ms_;
  }
  // True for the first who asks, until the next write ends.
  bool is_first_asked() { return !std::exchange(is_told_, true); }

  // Called now and then, also while another node leads (`led_term` 0). True in the first term only
  // that this node leads with a full disk: where all are full, leadership goes round once.
  bool wants_to_leave(bool is_full, uint64_t led_term) {
    if (!is_full) {
      full_term_ = 0;
      return false;
    }
    if (full_term_ == 0) full_term_ = led_term;
    return led_term != 0 && led_term == full_term_;
  }

 private:
  static constexpr uint64_t kStepMsMax = 500;

  uint64_t step_ms_max_;
  uint64_t write_count_ = 0;
  uint64_t asked_ms_ = 0;
  uint64_t waited_ms_ = 0;
  bool is_told_ = false;
  uint64_t full_term_ = 0;  // the first in which it led with a full disk; 0: none yet
};

}  // namespace alfheim::replica
