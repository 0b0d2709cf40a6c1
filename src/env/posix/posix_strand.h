// env/posix/posix_strand: a Strand with a thread of its own.
//
// Posters append to one queue; the thread takes the whole queue at each turn, so a batch of
// posts costs one wake-up at most, and none while the thread is busy. Timers wait in the same
// thread; those that are due run before the posted tasks of the same turn. The wait itself does
// not count suspend: a timer may fire late by at most its own delay after a resume.
//
// The queue has no bound of its own, because a post must neither block (loops post) nor fail:
// what stands in it is bounded by the admission of whoever posts (queued_count shows it).
//
// stop: the task that runs ends; tasks and timers that have not begun are destroyed unrun, as at
// a crash. Whoever needs them run waits for them before stopping. Later posts are dropped.
//
// Thread: any, stop from one thread that is not its own. Lifetime: owned by PosixExecutor; the
// clock outlives it.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "env/clock.h"
#include "env/executor.h"

namespace alfheim::env {

class PosixStrand final : public Strand {
 public:
  explicit PosixStrand(const Clock& clock) : clock_(clock) {}
  ~PosixStrand() override;

  base::Status start(const std::string& name);  // once
  void stop();

  void post(Task task) override;
  TimerId post_after(uint64_t delay_ms, Task task) override;
  void cancel(TimerId timer) override;
  bool is_current() const override { return thread_id_.load() == std::this_thread::get_id(); }

  size_t queued_count() const;
  uint64_t wake_up_count() const { return wake_up_count_; }

 private:
  using TimerKey = std::pair<uint64_t, uint64_t>;  // deadline in ns, id

  void run();
  // Waits for work and takes the queue. False when stopped.
  bool take_turn(std::vector<Task>& tasks);
  void run_due_timers();
  void wake_up_if_waiting(std::unique_lock<std::mutex> lock);

  const Clock& clock_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<uint64_t> wake_up_count_ = 0;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable has_work_;
  std::vector<Task> queue_;
  std::map<TimerKey, Task> timers_;
  absl::flat_hash_map<uint64_t, uint64_t> deadlines_;  // timer id -> deadline in ns
  uint64_t last_timer_id_ = 0;
  bool is_waiting_ = false;
};

}  // namespace alfheim::env
