#include "env/posix/posix_executor.h"

#include <fmt/format.h>

#include "base/check.h"
#include "env/posix/posix_thread.h"

namespace alfheim::env {

base::Result<std::unique_ptr<PosixExecutor>> PosixExecutor::create(const Clock& clock,
                                                                   Options options) {
  std::unique_ptr<PosixExecutor> executor(new PosixExecutor(clock, options));
  // With one thread at hand every task will run, even where no further thread can be made.
  const std::lock_guard lock(executor->mutex_);
  ALF_TRY_STATUS(executor->add_pool_thread());
  return executor;
}

PosixExecutor::PosixExecutor(const Clock& clock, Options options)
    : clock_(clock), options_(options) {
  ALF_CHECK(options_.pool_threads_max > 0);
}

PosixExecutor::~PosixExecutor() { stop(); }

base::Error PosixExecutor::stopped(const std::string& name) const {
  return base::Error{base::ErrorCode::kUnavailable,
                     fmt::format("start thread {}: the executor is stopping", name)};
}

base::Result<PosixStrand*> PosixExecutor::make_strand(const std::string& name) {
  auto strand = std::make_unique<PosixStrand>(clock_);
  const std::lock_guard lock(mutex_);
  if (is_stopping_) return stopped(name);
  ALF_TRY_STATUS(strand->start(name));
  strands_.push_back(std::move(strand));
  return strands_.back().get();
}

base::Status PosixExecutor::run_loop(const std::string& name, std::function<void()> body,
                                     std::function<void()> request_stop) {
  ALF_CHECK(request_stop != nullptr);
  const std::lock_guard lock(mutex_);
  if (is_stopping_) return stopped(name);
  ALF_TRY(std::thread thread, start_thread(name, std::move(body)));
  loops_.push_back(Loop{std::move(thread), std::move(request_stop)});
  return base::ok();
}

base::Status PosixExecutor::add_pool_thread() {
  ALF_TRY(std::thread thread,
          start_thread(fmt::format("pool{}", pool_threads_.size()), [this] { run_pool(); }));
  pool_threads_.push_back(std::move(thread));
  return base::ok();
}

void PosixExecutor::post_to_pool(Task task) {
  std::unique_lock lock(mutex_);
  if (is_stopping_) {
    lock.unlock();  // the task is destroyed outside the mutex
    return;
  }
  pool_queue_.push_back(std::move(task));
  // Threads that were woken but have not taken their task yet still count as idle, so the
  // comparison is with the whole line.
  if (pool_idle_count_ < pool_queue_.size() && pool_threads_.size() < options_.pool_threads_max) {
    // Where no thread can be made the task waits for one of those that are there.
    const base::Status grown = add_pool_thread();
    static_cast<void>(grown);
  }
  lock.unlock();
  pool_has_work_.notify_one();
}

void PosixExecutor::run_pool() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++pool_idle_count_;
    pool_has_work_.wait(lock, [this] { return is_stopping_ || !pool_queue_.empty(); });
    --pool_idle_count_;
    if (is_stopping_) return;
    Task task = std::move(pool_queue_.front());
    pool_queue_.pop_front();
    lock.unlock();
    std::move(task)();
    task = nullptr;  // what it holds may post again: not under the mutex
    lock.lock();
  }
}

void PosixExecutor::stop() {
  std::vector<Loop> loops;
  std::vector<std::thread> pool_threads;
  std::deque<Task> unrun;
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    loops.swap(loops_);
    pool_threads.swap(pool_threads_);
    unrun.swap(pool_queue_);
  }
  pool_has_work_.notify_all();
  for (const Loop& loop : loops) loop.request_stop();
  // Strands stay where they are until the executor goes: others hold references to them.
  for (const std::unique_ptr<PosixStrand>& strand : strands_) strand->stop();
  for (std::thread& thread : pool_threads) thread.join();
  for (Loop& loop : loops) loop.thread.join();
}

size_t PosixExecutor::pool_queued_count() const {
  const std::lock_guard lock(mutex_);
  return pool_queue_.size();
}

size_t PosixExecutor::pool_thread_count() const {
  const std::lock_guard lock(mutex_);
  return pool_threads_.size();
}

}  // namespace alfheim::env
