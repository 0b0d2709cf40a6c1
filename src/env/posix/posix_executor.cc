#include "env/posix/posix_executor.h"

#include <fmt/format.h>

#include <algorithm>

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

void PosixExecutor::post_to_pool(Lane lane, Task task) {
  std::unique_lock lock(mutex_);
  if (is_stopping_) {
    lock.unlock();  // the task is destroyed outside the mutex
    return;
  }
  state_of(lane).queue.push_back(Waiting{post_count_++, std::move(task)});
  // Threads that were woken but have not taken their task yet are not busy, so the comparison is
  // with all that may run.
  size_t needed_count = runnable_count();
  for (const LaneState& state : lanes_) needed_count += state.running_count;
  ALF_CHECK(needed_count <= options_.pool_threads_max + kUpkeepTasksMax);
  if (pool_threads_.size() < needed_count) {
    // Where no thread can be made the task waits for one of those that are there.
    const base::Status grown = add_pool_thread();
    static_cast<void>(grown);
  }
  const bool shall_wake = wakes_one();
  lock.unlock();
  if (shall_wake) pool_has_work_.notify_one();
}

// One at a time: who was woken and took a task wakes the next. So whoever posts many tasks pays for
// one wake-up, and a thread that ends its task meanwhile takes the next one without any.
bool PosixExecutor::wakes_one() {
  if (is_waking_ || pool_idle_count_ == 0 || next_lane() == nullptr) return false;
  is_waking_ = true;
  return true;
}

// Long reads count twice: among themselves, and with the short ones.
size_t PosixExecutor::room_in(Lane lane) const {
  const auto running = [this](Lane of) { return lanes_[static_cast<size_t>(of)].running_count; };
  if (lane == Lane::kUpkeep) return kUpkeepTasksMax - running(Lane::kUpkeep);
  const size_t reads_room =
      options_.pool_threads_max - running(Lane::kShort) - running(Lane::kLong);
  if (lane == Lane::kShort) return reads_room;
  const size_t long_max = std::max<size_t>(1, options_.pool_threads_max / 2);
  return std::min(reads_room, long_max - running(Lane::kLong));
}

// Ten thousand connections may have two long reads each in the line: behind all of them a short
// one would wait for minutes.
Lane PosixExecutor::next_of_one_thread() {
  if (state_of(Lane::kLong).queue.empty()) return Lane::kShort;
  if (state_of(Lane::kShort).queue.empty()) return Lane::kLong;
  return short_turn_ < kShortTurn ? Lane::kShort : Lane::kLong;
}

PosixExecutor::LaneState* PosixExecutor::next_lane() {
  LaneState* next = nullptr;
  const bool is_one_thread = options_.pool_threads_max == 1;
  for (const Lane lane : {Lane::kUpkeep, Lane::kShort, Lane::kLong}) {
    LaneState& state = state_of(lane);
    if (state.queue.empty() || room_in(lane) == 0) continue;
    if (is_one_thread && lane != Lane::kUpkeep && lane != next_of_one_thread()) continue;
    if (next == nullptr || state.queue.front().number < next->queue.front().number) next = &state;
  }
  return next;
}

size_t PosixExecutor::runnable_count() const {
  const auto runnable = [this](Lane lane) {
    return std::min(lanes_[static_cast<size_t>(lane)].queue.size(), room_in(lane));
  };
  const size_t reads = runnable(Lane::kShort) + runnable(Lane::kLong);
  return runnable(Lane::kUpkeep) + std::min(reads, room_in(Lane::kShort));
}

void PosixExecutor::run_pool() {
  std::unique_lock lock(mutex_);
  while (true) {
    LaneState* lane = nullptr;
    while (!is_stopping_ && (lane = next_lane()) == nullptr) {
      ++pool_idle_count_;
      pool_has_work_.wait(lock);
      --pool_idle_count_;
      is_waking_ = false;
    }
    if (is_stopping_) return;
    Task task = std::move(lane->queue.front().task);
    lane->queue.pop_front();
    ++lane->running_count;
    if (lane == &state_of(Lane::kLong)) short_turn_ = 0;
    if (lane == &state_of(Lane::kShort) && !state_of(Lane::kLong).queue.empty()) ++short_turn_;
    const bool shall_wake = wakes_one();
    lock.unlock();
    if (shall_wake) pool_has_work_.notify_one();
    std::move(task)();
    task = nullptr;  // what it holds may post again: not under the mutex
    lock.lock();
    --lane->running_count;
  }
}

void PosixExecutor::stop() {
  std::vector<Loop> loops;
  std::vector<std::thread> pool_threads;
  std::array<std::deque<Waiting>, kLaneCount> unrun;
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    loops.swap(loops_);
    pool_threads.swap(pool_threads_);
    for (size_t i = 0; i < kLaneCount; ++i) unrun[i].swap(lanes_[i].queue);
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
  size_t count = 0;
  for (const LaneState& state : lanes_) count += state.queue.size();
  return count;
}

size_t PosixExecutor::pool_thread_count() const {
  const std::lock_guard lock(mutex_);
  return pool_threads_.size();
}

}  // namespace alfheim::env
