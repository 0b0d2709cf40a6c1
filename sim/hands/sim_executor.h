// sim/hands/sim_executor: one node's strands and pool under a SimScheduler.
//
// Tasks of one strand keep the order of posting; each gets a small seeded delay, so that strands
// run against each other in every order that threads could. Pool tasks get a longer one, which
// shuffles them, whatever their lane: none waits for another. Delays of 0 give plain order of
// posting, for unit tests.
//
// Thread: one. Lifetime: the scheduler outlives it; strands live as long as it does. The
// destructor drops what waits.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "env/executor.h"
#include "sim/hands/sim_scheduler.h"

namespace alfheim::sim {

class SimStrand;

class SimExecutor final : public env::Executor {
 public:
  struct Options {
    uint64_t post_delay_ns_max = 20'000;
    uint64_t pool_delay_ns_max = 1'000'000;
    // Its timers run by a clock that is so many thousandths faster than the world's.
    int32_t drift_permille = 0;
    bool has_short_turns = false;  // each task is told at once that its turn is over
  };
  explicit SimExecutor(SimScheduler& scheduler) : SimExecutor(scheduler, Options{}) {}
  SimExecutor(SimScheduler& scheduler, Options options);
  ~SimExecutor() override;

  env::Strand& make_strand(std::string name);
  void post_to_pool(env::Lane, env::Task task) override;

  // The node crashed: its tasks and timers are destroyed unrun. What these post as they go, or
  // objects of the node post while they are destroyed, waits here until the next drop_all.
  void drop_all();
  // A paused node runs nothing; time passes. Its tasks run, in order, once it goes on.
  void set_paused(bool is_paused);
  bool is_paused() const { return is_paused_; }
  bool is_disturbed() const { return is_paused_ || hanging_ != nullptr; }
  // The same of one strand: the disk, or whatever else it waits for, hangs. Null: of none any more.
  void set_hanging(const env::Strand* strand);

  SimScheduler& scheduler() { return scheduler_; }

 private:
  friend class SimScheduler;
  friend class SimStrand;

  bool holds_back(const SimScheduler::Event& event) const {
    return is_paused_ || (hanging_ != nullptr && event.strand == hanging_);
  }
  void put_back_held();

  SimScheduler& scheduler_;
  const Options options_;
  SimRandom random_;
  std::vector<std::unique_ptr<SimStrand>> strands_;
  std::vector<SimScheduler::Event> held_back_;  // due meanwhile, in order
  const env::Strand* hanging_ = nullptr;
  bool is_paused_ = false;
};

class SimStrand final : public env::Strand {
 public:
  SimStrand(SimExecutor& executor, std::string name);

  void post(env::Task task) override;
  env::TimerId post_after(uint64_t delay_ms, env::Task task) override;
  void cancel(env::TimerId timer) override;
  bool is_current() const override;
  bool is_turn_over() const override;

  const std::string& name() const { return name_; }

 private:
  SimExecutor& executor_;
  const std::string name_;
  uint64_t last_post_ns_ = 0;  // posts are never due before earlier ones
};

}  // namespace alfheim::sim
