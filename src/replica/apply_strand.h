// replica/apply_strand: where apply runs: near its clients' loop, or far on a thread of its own.
//
// A hand-over between threads costs as much as several small commands. So, where there is one
// loop, entries of small commands are applied on it (near), in short slices; what may wait for
// the disk or has no small bound is applied on the apply thread (far), and the loop goes on
// serving. It stays one strand: its tasks run one after another, in the order of their posting,
// wherever they run. docs/decisions/008.
//
// Thread: post, post_after and cancel from any; go from a task of the strand.
// Lifetime: both places outlive it, and run no task of it after its end.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>

#include "env/executor.h"

namespace alfheim::replica {

class ApplyStrand final : public env::Strand {
 public:
  enum class Place : uint8_t { kNear, kFar };

  // Starts far. Where `near` is null it always is.
  ApplyStrand(env::Strand* near, env::Strand& far) : near_(near), far_(far) {}

  void post(env::Task task) override;
  env::TimerId post_after(uint64_t delay_ms, env::Task task) override;
  void cancel(env::TimerId timer) override { far_.cancel(timer); }
  bool is_current() const override { return is_draining_.load() && strand().is_current(); }

  // What is posted behind the present task runs there. Says whether that is another place.
  bool go(Place place);
  Place place() const { return place_.load(std::memory_order_relaxed); }

 private:
  env::Strand& strand() const { return place() == Place::kNear ? *near_ : far_; }
  void drain();

  env::Strand* const near_;
  env::Strand& far_;
  std::atomic<Place> place_{Place::kFar};
  std::atomic<bool> is_draining_{false};
  std::mutex mutex_;  // guards what follows
  std::deque<env::Task> queue_;
  bool is_scheduled_ = false;
};

}  // namespace alfheim::replica
