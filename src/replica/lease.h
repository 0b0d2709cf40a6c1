// replica/lease: until when a leader in lease mode may answer reads without a round of its own.
//
// Raft says by which round of heartbeats a quorum has promised to elect nobody; here it is noted
// when that round began, by the monotonic clock (which counts suspension, too), before its
// heartbeats left. What the mode trusts: no node's clock runs faster than another's by more than
// raft::Node::Options::clock_drift_permille, and none is stopped or set back.
//
// A reader first takes its view and then asks holds(): the lease held when the view was taken if
// it holds afterwards. Asked before alone it proves nothing: the thread may stop in between, for
// longer than the lease. The view must show the entries up to needed(), asked before it is taken:
// followers' readers may have seen them.
//
// Thread: holds() and needed() from any; all else on the core strand. Lifetime: of the replica.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>

#include "base/ids.h"
#include "env/clock.h"
#include "raft/node.h"

namespace alfheim::replica {

class Lease {
 public:
  // ---- any thread ----
  // Whether nobody else could lead until the moment that `now_ns` was read; false in another mode.
  bool holds(uint64_t now_ns) const { return now_ns < end_ns_.load(std::memory_order_acquire); }
  // Whether it is worth asking holds() after a read.
  bool is_known() const { return end_ns_.load(std::memory_order_acquire) != 0; }
  base::LogIndex needed() const { return {needed_.load(std::memory_order_acquire)}; }
  // By this node's monotonic clock; 0: there is none.
  uint64_t end_ns() const { return end_ns_.load(std::memory_order_acquire); }

  // ---- core strand ----
  // Of each Ready, before its messages leave: followers may show what is committed from then on.
  void note(const raft::Ready& ready, const env::Clock& clock);
  // After each input of the node, and before what it wants sent leaves: raft drops its lease before
  // it tells a follower to stand.
  void renew(const raft::Node& node);

 private:
  struct Noted {
    uint64_t round = 0;
    uint64_t at_ns = 0;
  };
  std::atomic<uint64_t> end_ns_{0};
  std::atomic<uint64_t> needed_{0};
  base::Term term_;
  std::deque<Noted> noted_;  // ascending; the first is the one that the lease counts from
};

}  // namespace alfheim::replica
