#include "sim/hands/sim_executor.h"

#include <algorithm>

#include "base/check.h"

namespace alfheim::sim {

SimExecutor::SimExecutor(SimScheduler& scheduler, Options options)
    : scheduler_(scheduler), options_(options), random_(scheduler.random().fork_seed("executor")) {}

SimExecutor::~SimExecutor() { drop_all(); }

env::Strand& SimExecutor::make_strand(std::string name) {
  strands_.push_back(std::make_unique<SimStrand>(*this, std::move(name)));
  return *strands_.back();
}

void SimExecutor::post_to_pool(env::Lane, env::Task task) {
  const uint64_t delay_ns = random_.between(0, options_.pool_delay_ns_max);
  scheduler_.add(scheduler_.now_ns() + delay_ns, SimEventKind::kPool, this, nullptr,
                 std::move(task));
}

void SimExecutor::drop_all() {
  std::vector<SimScheduler::Event> held;
  held.swap(held_back_);
  for (const SimScheduler::Event& event : held) scheduler_.cancel_timer(event.sequence);
  scheduler_.drop_all_of(this);
}

void SimExecutor::set_paused(bool is_paused) {
  is_paused_ = is_paused;
  put_back_held();
}

void SimExecutor::set_hanging(const env::Strand* strand) {
  hanging_ = strand;
  put_back_held();
}

// What still has to wait is held back again when its turn comes.
void SimExecutor::put_back_held() {
  std::vector<SimScheduler::Event> held;
  held.swap(held_back_);
  // With their old times and sequences they run before anything that is due later.
  for (SimScheduler::Event& event : held) scheduler_.put_back(std::move(event));
}

SimStrand::SimStrand(SimExecutor& executor, std::string name)
    : executor_(executor), name_(std::move(name)) {}

void SimStrand::post(env::Task task) {
  const uint64_t delay_ns = executor_.random_.between(0, executor_.options_.post_delay_ns_max);
  last_post_ns_ = std::max(last_post_ns_, executor_.scheduler_.now_ns() + delay_ns);
  executor_.scheduler_.add(last_post_ns_, SimEventKind::kPost, &executor_, this, std::move(task));
}

env::TimerId SimStrand::post_after(uint64_t delay_ms, env::Task task) {
  const uint64_t late_ns = executor_.random_.between(0, executor_.options_.post_delay_ns_max);
  const auto rate = static_cast<uint64_t>(1000 + executor_.options_.drift_permille);
  const uint64_t delay_ns = delay_ms * 1'000'000 * 1000 / rate;
  const uint64_t due_ns = executor_.scheduler_.now_ns() + delay_ns + late_ns;
  return env::TimerId{
      executor_.scheduler_.add(due_ns, SimEventKind::kTimer, &executor_, this, std::move(task))};
}

void SimStrand::cancel(env::TimerId timer) { executor_.scheduler_.cancel_timer(timer.value); }

bool SimStrand::is_current() const { return executor_.scheduler_.current_strand_ == this; }

bool SimStrand::is_turn_over() const { return executor_.options_.has_short_turns; }

}  // namespace alfheim::sim
