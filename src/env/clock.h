// env/clock: the seam through which time comes in.
//
// Monotonic time never goes back and includes suspend (CLOCK_BOOTTIME); it measures.
// Wall time is what people mean by "now"; it may jump. Nothing that is replicated reads
// either: time in apply is the entry's stamp (docs/formats/entry.md).
//
// Thread: any. Lifetime: outlives everything that was given it.
#pragma once

#include <cstdint>

namespace alfheim::env {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t monotonic_ns() const = 0;
  virtual uint64_t wall_us() const = 0;  // microseconds since the Unix epoch
  // What the calling thread has worked. Where time passes by decree, nobody is ever preempted.
  virtual uint64_t thread_cpu_ns() const { return monotonic_ns(); }

  uint64_t monotonic_ms() const { return monotonic_ns() / 1'000'000; }
  uint64_t wall_ms() const { return wall_us() / 1000; }
};

}  // namespace alfheim::env
