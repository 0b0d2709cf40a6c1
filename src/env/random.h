// env/random: the seam through which chance comes in (ids, seeds of entries, timeouts).
//
// Thread: any. Lifetime: outlives everything that was given it.
#pragma once

#include <cstdint>

namespace alfheim::env {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next_u64() = 0;  // uniform over all 64-bit values
};

}  // namespace alfheim::env
