// replica/write_watch: how long the log's disk has not finished what it was given.
//
// A disk that hangs returns no error: a leader on it would keep its group waiting for as long, for
// its heartbeats go on.
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

 private:
  uint64_t write_count_ = 0;
  uint64_t since_ms_ = 0;
  bool is_told_ = false;
};

}  // namespace alfheim::replica
