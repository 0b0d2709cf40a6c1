#include "env/posix/posix_strand.h"

#include <chrono>

#include "base/check.h"
#include "env/posix/posix_thread.h"

namespace alfheim::env {

PosixStrand::~PosixStrand() { stop(); }

base::Status PosixStrand::start(const std::string& name) {
  ALF_CHECK(!thread_.joinable());
  ALF_TRY(thread_, start_thread(name, [this] { run(); }));
  return base::ok();
}

void PosixStrand::stop() {
  ALF_CHECK_MSG(!is_current(), "a strand cannot wait for its own end");
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    has_work_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  // Destroyed outside the mutex: what a task holds may post or cancel as it goes.
  std::vector<Task> unrun;
  std::map<TimerKey, Task> unfired;
  {
    const std::lock_guard lock(mutex_);
    unrun.swap(queue_);
    unfired.swap(timers_);
    deadlines_.clear();
  }
}

void PosixStrand::post(Task task) {
  std::unique_lock lock(mutex_);
  if (is_stopping_) {
    lock.unlock();  // the task is destroyed outside the mutex
    return;
  }
  queue_.push_back(std::move(task));
  wake_up_if_waiting(std::move(lock));
}

TimerId PosixStrand::post_after(uint64_t delay_ms, Task task) {
  const uint64_t deadline_ns = clock_.monotonic_ns() + delay_ms * 1'000'000;
  std::unique_lock lock(mutex_);
  if (is_stopping_) {
    lock.unlock();
    return TimerId{};
  }
  const uint64_t id = ++last_timer_id_;
  const auto placed = timers_.emplace(TimerKey{deadline_ns, id}, std::move(task)).first;
  deadlines_.emplace(id, deadline_ns);
  // A thread that waits for an earlier timer need not know of this one.
  if (placed == timers_.begin()) wake_up_if_waiting(std::move(lock));
  return TimerId{id};
}

void PosixStrand::cancel(TimerId timer) {
  Task cancelled;  // destroyed after the mutex is free
  const std::lock_guard lock(mutex_);
  const auto found = deadlines_.find(timer.value);
  if (found == deadlines_.end()) return;
  const auto entry = timers_.find(TimerKey{found->second, timer.value});
  ALF_CHECK(entry != timers_.end());
  cancelled = std::move(entry->second);
  timers_.erase(entry);
  deadlines_.erase(found);
}

size_t PosixStrand::queued_count() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void PosixStrand::wake_up_if_waiting(std::unique_lock<std::mutex> lock) {
  if (!is_waiting_) return;
  is_waiting_ = false;  // posts until it has woken find it awake
  lock.unlock();
  ++wake_up_count_;
  has_work_.notify_one();
}

void PosixStrand::run() {
  thread_id_ = std::this_thread::get_id();
  std::vector<Task> tasks;
  while (take_turn(tasks)) {
    run_due_timers();
    for (Task& task : tasks) {
      if (is_stopping_) break;
      std::move(task)();
      task = nullptr;  // what it holds goes now, not at the end of the batch
    }
    tasks.clear();
  }
  thread_id_ = std::thread::id();  // the system may give the id to another thread
}

bool PosixStrand::take_turn(std::vector<Task>& tasks) {
  std::unique_lock lock(mutex_);
  while (!is_stopping_ && queue_.empty()) {
    if (timers_.empty()) {
      is_waiting_ = true;
      has_work_.wait(lock);
    } else {
      const uint64_t now_ns = clock_.monotonic_ns();
      const uint64_t deadline_ns = timers_.begin()->first.first;
      if (deadline_ns <= now_ns) break;
      is_waiting_ = true;
      has_work_.wait_for(lock, std::chrono::nanoseconds(deadline_ns - now_ns));
    }
    is_waiting_ = false;
  }
  if (is_stopping_) return false;
  tasks.swap(queue_);
  return true;
}

void PosixStrand::run_due_timers() {
  const uint64_t now_ns = clock_.monotonic_ns();
  uint64_t newest_id = 0;
  {
    const std::lock_guard lock(mutex_);
    newest_id = last_timer_id_;
  }
  // One by one, so that a timer can still cancel the next. Timers that these set wait for the
  // next turn, lest posted tasks starve.
  while (!is_stopping_) {
    Task task;
    {
      const std::lock_guard lock(mutex_);
      const auto first = timers_.begin();
      if (first == timers_.end()) return;
      const auto [deadline_ns, id] = first->first;
      if (deadline_ns > now_ns || id > newest_id) return;
      task = std::move(first->second);
      timers_.erase(first);
      deadlines_.erase(id);
    }
    std::move(task)();
  }
}

}  // namespace alfheim::env
