// net/loop: one event loop: a thread's worth of connections, and a Strand.
//
// Whatever lives on a loop (its connections, their sessions) is touched by that loop alone.
// The thread is made by env's executor: run() is the body that it runs, request_stop() ends
// it. Work put off with at_turn_end runs after the handlers that are ready now: so what many
// connections did in one turn leaves together. A turn that has gone on for half a millisecond
// leaves the rest of what is ready to the next one, in its order.
//
// Thread: post, post_after, cancel, request_stop from any; all else on the loop.
// Lifetime: outlives its connections and listeners.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "env/executor.h"
#include "net/readiness.h"
#include "net/turn_meter.h"

namespace alfheim::net {

class Loop final : public env::Strand {
 public:
  Loop();
  ~Loop() override;

  // Takes from the system what the loop needs, once, before anything else is asked of it:
  // Asio would take it at the first use, and throw on a thread where nobody can answer.
  base::Status open();
  // Before run(): bounds its turns, and raises `longest_ns` to their CPU time (net/turn_meter.h).
  void measure_turns(const env::Clock& clock, std::atomic<uint64_t>& longest_ns) {
    meter_.start(clock, longest_ns);
  }
  void run();
  void request_stop();
  // Destroys tasks that have not run; after run() returned.
  void drop_tasks();

  void post(env::Task task) override;
  env::TimerId post_after(uint64_t delay_ms, env::Task task) override;
  void cancel(env::TimerId timer) override;
  bool is_current() const override;
  bool is_turn_over() const override { return meter_.is_turn_over(); }

  // Runs once, after the handlers that are ready now.
  void at_turn_end(env::Task task);

  // Keeps an open connection alive: the kernel alone knows of it.
  void keep(std::shared_ptr<void> connection) { kept_.insert(std::move(connection)); }
  void forget(const std::shared_ptr<void>& connection) { kept_.erase(connection); }

  asio::io_context& context() { return context_; }
  Readiness& readiness() { return readiness_; }

 private:
  void start_timer(uint64_t id, uint64_t delay_ms, env::Task task);
  void forget_timer(uint64_t id);
  bool stop_awaiting(uint64_t id);
  // Tasks that are being run, over several turns where they are many.
  struct Batch {
    std::vector<env::Task> tasks;
    size_t next = 0;
  };
  // True: none is left.
  bool run_some(Batch& batch);
  void run_turn_end();
  void run_posted();

  asio::io_context context_{1};
  TurnMeter meter_;
  Readiness readiness_{context_, meter_};
  std::mutex mutex_;  // guards posted_, is_posted_ and awaited_timers_
  std::vector<env::Task> posted_;
  bool is_posted_ = false;  // run_posted is on its way
  Batch posted_now_;        // loop only
  // Set by other threads and not yet started here: what is no longer in it was cancelled.
  absl::flat_hash_set<uint64_t> awaited_timers_;
  std::vector<env::Task> turn_end_;
  Batch turn_end_now_;
  bool is_turn_end_posted_ = false;
  absl::flat_hash_map<uint64_t, std::unique_ptr<asio::steady_timer>> timers_;  // loop only
  absl::flat_hash_set<std::shared_ptr<void>> kept_;  // loop only; shared with tasks of theirs
  std::atomic<uint64_t> last_timer_id_{0};
};

}  // namespace alfheim::net
