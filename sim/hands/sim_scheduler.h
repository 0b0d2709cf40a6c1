// sim/hands/sim_scheduler: the one thread of a simulated world, and its order of events.
//
// Tasks wait in one queue ordered by (virtual time, sequence); running one moves the SimClock to
// its time. Everything that shuffles comes from the seed, so two runs of one seed run the same
// tasks in the same order; event_hash() proves it: it covers (time, kind, sequence) of every
// event that ran, and whatever others mix into it.
//
// A SimExecutor is one node's share: it can be paused (as by SIGSTOP) and dropped (crash)
// without the other nodes noticing.
//
// Thread: one. Lifetime: clock, then scheduler, then executors; each outlives the next.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <vector>

#include "env/executor.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_random.h"

namespace alfheim::sim {

class SimExecutor;

enum class SimEventKind : unsigned char { kPost, kTimer, kPool, kWorld };

class SimScheduler {
 public:
  static constexpr uint64_t kEventCountDefaultMax = 10'000'000;

  SimScheduler(SimClock& clock, uint64_t seed);
  ~SimScheduler();
  SimScheduler(const SimScheduler&) = delete;
  SimScheduler& operator=(const SimScheduler&) = delete;

  // Runs the next event. False when there is none.
  bool run_one();
  // Runs until nothing is left, or `event_count_max` events have run (timers that set themselves
  // anew never end). Returns how many ran.
  uint64_t run_until_idle(uint64_t event_count_max = kEventCountDefaultMax);
  // Runs every event up to that time, and moves the clock there.
  uint64_t run_until_ns(uint64_t time_ns);
  uint64_t run_for_ms(uint64_t duration_ms);

  // A task of the world itself (a fault, a client): no node's crash drops it.
  void post_world(uint64_t delay_ns, env::Task task);

  SimClock& clock() { return clock_; }
  SimRandom& random() { return random_; }
  uint64_t now_ns() const { return clock_.monotonic_ns(); }
  uint64_t event_count() const { return event_count_; }
  size_t waiting_count() const { return events_.size(); }
  uint64_t event_hash() const { return event_hash_; }
  // Where the last event ran; null: it was the world's.
  const SimExecutor* last_owner() const { return last_owner_; }
  void mix_into_hash(uint64_t value);

 private:
  friend class SimExecutor;
  friend class SimStrand;

  struct Event {
    uint64_t time_ns;
    uint64_t sequence;
    SimEventKind kind;
    SimExecutor* owner;         // null: the world's
    const env::Strand* strand;  // null: on no strand
    env::Task task;
  };
  struct RunsLater {
    bool operator()(const Event& left, const Event& right) const {
      if (left.time_ns != right.time_ns) return left.time_ns > right.time_ns;
      return left.sequence > right.sequence;
    }
  };

  uint64_t add(uint64_t time_ns, SimEventKind kind, SimExecutor* owner, const env::Strand* strand,
               env::Task task);
  void put_back(Event event);
  Event take_first();
  void cancel_timer(uint64_t sequence);
  void drop_all_of(const SimExecutor* owner);
  bool discard_if_cancelled();

  SimClock& clock_;
  SimRandom random_;
  std::vector<Event> events_;                     // a heap
  absl::flat_hash_set<uint64_t> waiting_timers_;  // asked for membership only
  const env::Strand* current_strand_ = nullptr;
  const SimExecutor* last_owner_ = nullptr;
  uint64_t last_sequence_ = 0;
  uint64_t event_count_ = 0;
  uint64_t event_hash_ = 0;
};

}  // namespace alfheim::sim
