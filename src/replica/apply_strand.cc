#include "replica/apply_strand.h"

#include <utility>

#include "base/check.h"

namespace alfheim::replica {

void ApplyStrand::post(env::Task task) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
    if (std::exchange(is_scheduled_, true)) return;
  }
  strand().post([this] { drain(); });
}

env::TimerId ApplyStrand::post_after(uint64_t delay_ms, env::Task task) {
  return far_.post_after(delay_ms,
                         [this, task = std::move(task)]() mutable { post(std::move(task)); });
}

bool ApplyStrand::go(Place place) {
  ALF_CHECK(is_current());
  if (near_ == nullptr || place == this->place()) return false;
  place_.store(place, std::memory_order_relaxed);
  return true;
}

// Runs what is queued when it begins. While it runs, the strand is scheduled: nobody else
// begins a drain, and whoever posts only queues; the mutex hands everything on.
void ApplyStrand::drain() {
  size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    count = queue_.size();
  }
  const Place begun = place();
  is_draining_.store(true);
  for (; count > 0 && place() == begun; --count) {
    env::Task task;
    {
      const std::lock_guard lock(mutex_);
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    std::move(task)();
  }
  is_draining_.store(false);
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) {
      is_scheduled_ = false;
      return;
    }
  }
  strand().post([this] { drain(); });
}

}  // namespace alfheim::replica
