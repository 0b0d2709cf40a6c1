#include "net/loop.h"

#include <asio/executor_work_guard.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::net {
namespace {

// Between two looks at the clock.
constexpr size_t kTasksPerLook = 4;
// A list of tasks that was longer is not kept.
constexpr size_t kTasksKept = 4096;

}  // namespace

Loop::Loop() = default;
Loop::~Loop() = default;

base::Status Loop::open() {
  std::string why_not;
  try {
    const asio::steady_timer timer(context_);
    const asio::ip::tcp::socket socket(context_);
    const asio::error_code error = readiness_.open();
    if (error) why_not = error.message();
  } catch (const std::system_error& error) {
    why_not = error.what();
  }
  if (why_not.empty()) return base::ok();
  return base::Error{
      base::ErrorCode::kLimit,
      base::format("open an event loop: {} (raise the limit of open files)", why_not)};
}

void Loop::run() {
  auto work = asio::make_work_guard(context_);
  context_.run();
}

void Loop::request_stop() { context_.stop(); }

void Loop::drop_tasks() {
  timers_.clear();
  turn_end_.clear();
  turn_end_now_ = {};
  posted_now_ = {};
  kept_.clear();
  std::vector<env::Task> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(posted_);
  awaited_timers_.clear();
}

void Loop::post(env::Task task) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
    is_first = !std::exchange(is_posted_, true);
  }
  // One wake-up, however many tasks stand there when the loop comes to them.
  if (is_first) asio::post(context_, [this] { run_posted(); });
}

void Loop::run_posted() {
  meter_.begin_turn();
  if (posted_now_.tasks.empty()) {
    const std::lock_guard lock(mutex_);
    posted_now_.tasks.swap(posted_);
  }
  if (run_some(posted_now_)) {
    const std::lock_guard lock(mutex_);
    is_posted_ = !posted_.empty();
    if (!is_posted_) return;
  }
  asio::post(context_, [this] { run_posted(); });
}

bool Loop::run_some(Batch& batch) {
  while (batch.next < batch.tasks.size()) {
    env::Task task = std::move(batch.tasks[batch.next++]);
    task();
    if (batch.next % kTasksPerLook == 0 && meter_.is_turn_over()) break;
  }
  if (batch.next < batch.tasks.size()) return false;
  batch.next = 0;
  batch.tasks.clear();
  if (batch.tasks.capacity() > kTasksKept) std::vector<env::Task>().swap(batch.tasks);
  return true;
}

env::TimerId Loop::post_after(uint64_t delay_ms, env::Task task) {
  const uint64_t id = last_timer_id_.fetch_add(1) + 1;
  if (is_current()) {
    start_timer(id, delay_ms, std::move(task));
  } else {
    {
      const std::lock_guard lock(mutex_);
      awaited_timers_.insert(id);
    }
    post([this, id, delay_ms, task = std::move(task)]() mutable {
      if (stop_awaiting(id)) start_timer(id, delay_ms, std::move(task));
    });
  }
  return env::TimerId{id};
}

// False: it was cancelled before the loop came to it.
bool Loop::stop_awaiting(uint64_t id) {
  const std::lock_guard lock(mutex_);
  return awaited_timers_.erase(id) > 0;
}

void Loop::start_timer(uint64_t id, uint64_t delay_ms, env::Task task) {
  auto timer = std::make_unique<asio::steady_timer>(context_);
  timer->expires_after(std::chrono::milliseconds(delay_ms));
  timer->async_wait([this, id, task = std::move(task)](const asio::error_code&) mutable {
    // Cancelled timers are no longer in the table, whatever the error code says.
    if (timers_.erase(id) == 0) return;
    meter_.begin_turn();
    task();
  });
  timers_.emplace(id, std::move(timer));
}

void Loop::cancel(env::TimerId timer) {
  if (timer.value == 0) return;
  if (is_current()) {
    forget_timer(timer.value);
  } else {
    post([this, timer] { forget_timer(timer.value); });
  }
}

// A timer that another thread has set may still be on its way to this loop.
void Loop::forget_timer(uint64_t id) {
  if (timers_.erase(id) == 0) stop_awaiting(id);
}

bool Loop::is_current() const {
  return const_cast<asio::io_context&>(context_).get_executor().running_in_this_thread();
}

void Loop::at_turn_end(env::Task task) {
  turn_end_.push_back(std::move(task));
  if (std::exchange(is_turn_end_posted_, true)) return;
  asio::post(context_, [this] { run_turn_end(); });
}

void Loop::run_turn_end() {
  meter_.begin_turn();
  if (turn_end_now_.tasks.empty()) turn_end_now_.tasks.swap(turn_end_);
  if (run_some(turn_end_now_)) {
    is_turn_end_posted_ = !turn_end_.empty();
    if (!is_turn_end_posted_) return;
  }
  asio::post(context_, [this] { run_turn_end(); });
}

}  // namespace alfheim::net
