// replica/write_watch: whether a leader's disk is so sick that another node should lead.
//
// A disk that hangs returns no error: a leader on it would keep its group waiting for as long, for
// its heartbeats go on. One that is full refuses writes that the other nodes have room for.
//
// Thread: one. Lifetime: a value.
#pragma once

#include <cstdint>
#include <utility>

namespace alfheim::replica {

class WriteWatch {
 public:
  // Called now and then with the number of writes that ended and whether there is one to do.
  // Milliseconds since the last of them ended, or since there was something to do; 0: nothing.
  uint64_t waiting_ms(uint64_t write_count, bool is_writing, uint64_t now_ms) {
    if (!is_writing || write_count != write_count_) {
      write_count_ = write_count;
      since_ms_ = now_ms;
      is_told_ = false;
    }
    return is_writing ? now_ms - since_ms_ : 0;
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
  uint64_t write_count_ = 0;
  uint64_t since_ms_ = 0;
  bool is_told_ = false;
  uint64_t full_term_ = 0;  // the first in which it led with a full disk; 0: none yet
};

}  // namespace alfheim::replica
