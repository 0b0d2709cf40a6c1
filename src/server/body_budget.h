// server/body_budget: room for large values that were announced, taken before they are read.
//
// One line for all sessions of the node (--request-memory). Whoever finds no room waits in it
// and is woken when its turn has come; nobody overtakes, or a large body would wait for ever
// behind small ones. Those that hold a part of their request already go first: what they hold
// comes back only when they are done.
//
// Thread: any; a Claim is its session's loop's. `wake` is called on whatever thread made room,
// never under the mutex, and must only post. Lifetime: of the node; outlives open claims.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

namespace alfheim::server {

class BodyBudget {
 public:
  // What one session was granted for the request that it reads, and whether it waits for more.
  struct Claim {
    uint64_t bytes = 0;
    bool is_overdrawn = false;
    bool is_waiting = false;
  };
  using Wake = std::function<void()>;

  explicit BodyBudget(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  // The claim stands for so many bytes then. False: it waits in the line, and `wake` is called
  // when it should ask again. Whoever has nothing beside them is granted all, however large.
  // Beyond the budget one at a time may go on that has a part of its request already: two of them
  // would wait for each other.
  bool try_grow(Claim& claim, uint64_t to_bytes, const Wake& wake);
  // It does not ask any more for now; its place in the line is gone.
  void leave_line(Claim& claim);
  // All of it; leaves the line, too.
  void give_back(Claim& claim);

  uint64_t taken_bytes() const { return taken_bytes_.load(std::memory_order_relaxed); }
  uint64_t bytes_max() const { return bytes_max_; }
  bool has_waiters() const { return waiter_count_.load(std::memory_order_relaxed) > 0; }

 private:
  struct Waiter {
    const Claim* claim = nullptr;  // who it is, never looked into
    uint64_t held_bytes = 0;
    uint64_t to_bytes = 0;
    Wake wake;
  };
  // Under mutex_:
  bool has_room(uint64_t held_bytes, uint64_t to_bytes) const;
  void remove(const Claim& claim);
  Wake next_to_wake() const;  // empty where the first has no room, or nobody waits

  const uint64_t bytes_max_;
  std::mutex mutex_;  // guards changes of what follows
  std::atomic<uint64_t> taken_bytes_{0};
  bool is_overdrawn_ = false;
  std::deque<Waiter> line_;
  std::atomic<uint64_t> waiter_count_{0};  // of line_
};

}  // namespace alfheim::server
