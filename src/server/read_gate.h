// server/read_gate: which requests of one connection may be read, by what was proved for them.
//
// A read may take its view where this node was proved to lead after the request had wholly arrived:
// by a barrier (replica/read_barriers.h), or by a lease (replica/lease.h). One proof serves all
// that had arrived when it was asked for, so requests are told apart by where they end in the
// connection's stream of bytes: what the caller names is how many of the received bytes lie behind
// the request.
//
// Thread: the connection's loop. Lifetime: a value of its session. Times: monotonic ms, not 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace alfheim::server {

class ReadGate {
 public:
  void note_received(uint64_t bytes) { received_ += bytes; }

  // ---- barriers ----
  // It ends within what the last barrier covers.
  bool has_passed(size_t bytes_behind) const { return received_ - bytes_behind <= passed_; }
  // A barrier is asked for, for all that is here; asked again, it goes on waiting since the first.
  void ask(uint64_t now_ms) {
    asked_ = received_;
    if (since_ms_ == 0) since_ms_ = now_ms;
  }
  void pass() {
    passed_ = asked_;
    since_ms_ = 0;
  }
  // Nobody waits any more: it was read otherwise, or refused.
  void end_wait() { since_ms_ = 0; }
  bool is_late(uint64_t now_ms, uint64_t longest_ms) const {
    return since_ms_ != 0 && now_ms >= since_ms_ + longest_ms;
  }

  // ---- leases ----
  // What followers may have shown to others before it came is known to be applied here.
  bool is_shown(size_t bytes_behind) const { return received_ - bytes_behind <= shown_; }
  void note_shown() { shown_ = received_; }

 private:
  // Offsets in the stream.
  uint64_t received_ = 0;
  uint64_t asked_ = 0;
  uint64_t passed_ = 0;
  uint64_t shown_ = 0;
  uint64_t since_ms_ = 0;  // a barrier is waited for; 0: none
};

}  // namespace alfheim::server
