// server/write_shares: does a session write alone, or beside others?
//
// Writes are applied in the order of their arrival, on whatever loop: who writes alone may have
// many under way, but beside others each of them would wait behind all of those. A hint and no
// count: it remembers the last two that wrote.
//
// Thread: any; two loops that write at once may lose one note of the two. Lifetime: of the node.
#pragma once

#include <atomic>
#include <cstdint>

namespace alfheim::server {

class WriteShares {
 public:
  // While another session has written within this time, none writes alone.
  static constexpr uint64_t kSharedNs = 100'000'000;

  void note(uint64_t session, uint64_t now_ns) {
    if (last_session_.load(std::memory_order_relaxed) != session) {
      other_ns_.store(last_ns_.load(std::memory_order_relaxed), std::memory_order_relaxed);
      last_session_.store(session, std::memory_order_relaxed);
    }
    last_ns_.store(now_ns, std::memory_order_relaxed);
  }

  bool is_alone(uint64_t session, uint64_t now_ns) const {
    const bool is_last = last_session_.load(std::memory_order_relaxed) == session;
    const uint64_t seen_ns = (is_last ? other_ns_ : last_ns_).load(std::memory_order_relaxed);
    return seen_ns == 0 || now_ns > seen_ns + kSharedNs;
  }

 private:
  std::atomic<uint64_t> last_session_{0};
  std::atomic<uint64_t> last_ns_{0};
  std::atomic<uint64_t> other_ns_{0};  // when somebody else wrote than the last
};

}  // namespace alfheim::server
