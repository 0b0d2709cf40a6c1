#include "sim/hands/sim_scheduler.h"

#include <xxhash.h>

#include <algorithm>

#include "base/check.h"
#include "sim/hands/sim_executor.h"

namespace alfheim::sim {

SimScheduler::SimScheduler(SimClock& clock, uint64_t seed) : clock_(clock), random_(seed) {}

SimScheduler::~SimScheduler() = default;

bool SimScheduler::run_one() {
  while (!events_.empty()) {
    if (discard_if_cancelled()) continue;
    Event event = take_first();
    if (event.kind == SimEventKind::kTimer) waiting_timers_.erase(event.sequence);
    // Events that a pause held back are due in the past: they run now.
    clock_.advance_to_ns(std::max(event.time_ns, now_ns()));
    if (event.owner != nullptr && event.owner->holds_back(event)) {
      if (event.kind == SimEventKind::kTimer) waiting_timers_.insert(event.sequence);
      event.owner->held_back_.push_back(std::move(event));
      continue;
    }
    ++event_count_;
    mix_into_hash(now_ns());
    mix_into_hash(static_cast<uint64_t>(event.kind));
    mix_into_hash(event.sequence);
    last_owner_ = event.owner;
    current_strand_ = event.strand;
    std::move(event.task)();
    event.task = nullptr;  // what it holds goes while the strand is still current
    current_strand_ = nullptr;
    return true;
  }
  return false;
}

uint64_t SimScheduler::run_until_idle(uint64_t event_count_max) {
  uint64_t count = 0;
  while (count < event_count_max && run_one()) ++count;
  return count;
}

uint64_t SimScheduler::run_until_ns(uint64_t time_ns) {
  const uint64_t count_before = event_count_;
  while (!events_.empty()) {
    if (discard_if_cancelled()) continue;
    if (events_.front().time_ns > time_ns) break;
    const SimExecutor* owner = events_.front().owner;
    if (owner != nullptr && owner->holds_back(events_.front())) {
      // Holds it back without running a later event that might lie beyond `time_ns`.
      Event event = take_first();
      event.owner->held_back_.push_back(std::move(event));
      continue;
    }
    run_one();
  }
  if (time_ns > now_ns()) clock_.advance_to_ns(time_ns);
  return event_count_ - count_before;
}

uint64_t SimScheduler::run_for_ms(uint64_t duration_ms) {
  return run_until_ns(now_ns() + duration_ms * 1'000'000);
}

void SimScheduler::post_world(uint64_t delay_ns, env::Task task) {
  add(now_ns() + delay_ns, SimEventKind::kWorld, nullptr, nullptr, std::move(task));
}

void SimScheduler::mix_into_hash(uint64_t value) {
  event_hash_ = XXH3_64bits_withSeed(&value, sizeof value, event_hash_);
}

uint64_t SimScheduler::add(uint64_t time_ns, SimEventKind kind, SimExecutor* owner,
                           const env::Strand* strand, env::Task task) {
  ALF_CHECK(time_ns >= now_ns());
  const uint64_t sequence = ++last_sequence_;
  if (kind == SimEventKind::kTimer) waiting_timers_.insert(sequence);
  put_back(Event{time_ns, sequence, kind, owner, strand, std::move(task)});
  return sequence;
}

void SimScheduler::put_back(Event event) {
  events_.push_back(std::move(event));
  std::push_heap(events_.begin(), events_.end(), RunsLater{});
}

SimScheduler::Event SimScheduler::take_first() {
  std::pop_heap(events_.begin(), events_.end(), RunsLater{});
  Event event = std::move(events_.back());
  events_.pop_back();
  return event;
}

void SimScheduler::cancel_timer(uint64_t sequence) { waiting_timers_.erase(sequence); }

// A cancelled timer stays in the heap until it is due, and then is no event.
bool SimScheduler::discard_if_cancelled() {
  const Event& first = events_.front();
  if (first.kind != SimEventKind::kTimer || waiting_timers_.contains(first.sequence)) return false;
  const Event discarded = take_first();
  return true;
}

void SimScheduler::drop_all_of(const SimExecutor* owner) {
  const auto first_dropped = std::partition(
      events_.begin(), events_.end(), [owner](const Event& event) { return event.owner != owner; });
  // Destroyed only when the heap is whole again: what they hold may post.
  const std::vector<Event> dropped(std::make_move_iterator(first_dropped),
                                   std::make_move_iterator(events_.end()));
  events_.erase(first_dropped, events_.end());
  std::make_heap(events_.begin(), events_.end(), RunsLater{});
  for (const Event& event : dropped) waiting_timers_.erase(event.sequence);
}

}  // namespace alfheim::sim
