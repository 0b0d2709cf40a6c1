// env/executor: the seam through which work is put elsewhere, or later.
//
// A Strand runs the tasks posted to it one after another, in the order of posting, never
// two at once. Which thread runs it is the hand's business: several strands may share a
// thread (a setting), and in the simulator all share one. Nothing but an Executor's hand
// makes threads.
//
// Thread: post, post_after and cancel may be called from any thread.
// Lifetime: a Strand lives as long as its Executor; the Executor's hand is stopped (and
// joined) before the objects that its tasks refer to are destroyed.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <string_view>

namespace alfheim::env {

using Task = absl::AnyInvocable<void()>;

struct TimerId {
  uint64_t value = 0;  // 0 names no timer
};

class Strand {
 public:
  virtual ~Strand() = default;
  virtual void post(Task task) = 0;
  // Runs `task` on this strand, not before `delay_ms` of monotonic time have passed.
  virtual TimerId post_after(uint64_t delay_ms, Task task) = 0;
  // After cancel returns on the strand's own thread, the task will not run.
  virtual void cancel(TimerId timer) = 0;
  // Whether the caller runs on this strand now (for checks).
  virtual bool is_current() const = 0;
  // On the strand: the task has gone on for long, and had better post what is left of its work.
  virtual bool is_turn_over() const { return false; }
};

// What a task of the pool is, so that no kind of it can hold up the others for good.
enum class Lane : uint8_t {
  kShort,   // a read that may wait for the disk
  kLong,    // a read whose work has no small bound
  kUpkeep,  // what writes would wait for in the end, if it did not run
};
inline constexpr size_t kLaneCount = 3;

class Executor {
 public:
  virtual ~Executor() = default;
  // A task that may block, on the bounded pool; order is not kept.
  virtual void post_to_pool(Lane lane, Task task) = 0;
};

}  // namespace alfheim::env
