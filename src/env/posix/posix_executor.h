// env/posix/posix_executor: the threads of a real process.
//
// Owns every thread: strands (make_strand), bodies that run a loop of their own, as net's do
// (run_loop), and the reader pool. To merge two duties on one thread, give both the same Strand.
//
// The pool starts with one thread and grows while tasks that may run find none idle. Reads have up
// to `pool_threads_max` threads, long ones half of them (one at least); upkeep has kUpkeepTasksMax
// besides, so it runs whatever reads wait for. What finds its lane full waits, the oldest goes
// first, and runs later. Where reads have one thread, both lanes share it: between two long tasks
// the short ones that wait go first, kShortTurn of them at most, so neither lane starves. What is
// not promised then: a short task waits as long as the long one that runs takes, for nothing
// interrupts a task. From two threads on half of them are never a long one's.
//
// The waiting lines are not bounded here, because post_to_pool must neither block a loop nor drop a
// task that owes somebody a reply: whoever posts bounds its own tasks under way (say, one read per
// connection) and may look at pool_queued_count to refuse work early.
//
// stop (also the destructor): asks every loop to end, lets running tasks end, destroys tasks that
// have not begun, joins all threads; afterwards posts are dropped and nothing can be started.
//
// Thread: any; stop from a thread that is not its own. Lifetime: the clock outlives it; it is
// stopped before the objects its tasks refer to are destroyed.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "env/clock.h"
#include "env/executor.h"
#include "env/posix/posix_strand.h"

namespace alfheim::env {

class PosixExecutor final : public Executor {
 public:
  struct Options {
    size_t pool_threads_max = 8;
  };
  // A part of the index is stored while segments are swept.
  static constexpr size_t kUpkeepTasksMax = 2;
  // Of one thread for reads: short tasks that go before a long one, however old that is.
  static constexpr size_t kShortTurn = 64;
  static base::Result<std::unique_ptr<PosixExecutor>> create(const Clock& clock, Options options);
  ~PosixExecutor() override;

  // A strand with a thread of its own; it lives as long as the executor.
  base::Result<PosixStrand*> make_strand(const std::string& name);
  // Runs `body` on a thread of its own. stop() calls `request_stop` (from another thread), which
  // must make `body` return, and then joins.
  base::Status run_loop(const std::string& name, std::function<void()> body,
                        std::function<void()> request_stop);
  void post_to_pool(Lane lane, Task task) override;

  void stop();

  size_t pool_queued_count() const;
  size_t pool_thread_count() const;

 private:
  struct Loop {
    std::thread thread;
    std::function<void()> request_stop;
  };

  struct Waiting {
    uint64_t number = 0;  // of the post
    Task task;
  };
  struct LaneState {
    std::deque<Waiting> queue;
    size_t running_count = 0;
  };

  PosixExecutor(const Clock& clock, Options options);
  base::Status add_pool_thread();  // under mutex_
  void run_pool();
  base::Error stopped(const std::string& name) const;
  // Under mutex_:
  LaneState& state_of(Lane lane) { return lanes_[static_cast<size_t>(lane)]; }
  size_t room_in(Lane lane) const;
  LaneState* next_lane();  // whose front may run now; null: none
  Lane next_of_one_thread();
  size_t runnable_count() const;
  bool wakes_one();  // then notify, without the mutex

  const Clock& clock_;
  const Options options_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable pool_has_work_;
  std::array<LaneState, kLaneCount> lanes_;
  uint64_t post_count_ = 0;
  size_t short_turn_ = 0;  // short tasks that went before a long one that waits
  std::vector<std::thread> pool_threads_;
  size_t pool_idle_count_ = 0;
  bool is_waking_ = false;  // a thread was notified and has not looked yet
  std::vector<std::unique_ptr<PosixStrand>> strands_;
  std::vector<Loop> loops_;
  bool is_stopping_ = false;
};

}  // namespace alfheim::env
