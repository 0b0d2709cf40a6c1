// sim/apart: what may end its process runs in one of its own, and what it learns outlives it.
//
// Thread: the caller's process has one thread when it starts a child; the child may make more.
// Lifetime: an Outliving is of the parent, its children end before it.
#pragma once

#include <absl/functional/function_ref.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <memory>
#include <new>
#include <type_traits>

#include "base/check.h"

namespace alfheim::sim {

// `count` values in memory that is shared with the children that are started later.
template <typename T>
class Outliving {
 public:
  explicit Outliving(size_t count = 1) : bytes_(sizeof(T) * count) {
    static_assert(std::is_trivially_destructible_v<T>);
    void* const memory =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ALF_CHECK(memory != MAP_FAILED);
    values_ = static_cast<T*>(memory);
    std::uninitialized_value_construct_n(values_, count);
  }
  ~Outliving() { munmap(values_, bytes_); }
  Outliving(const Outliving&) = delete;
  Outliving& operator=(const Outliving&) = delete;

  T& operator*() const { return *values_; }
  T* operator->() const { return values_; }
  T& operator[](size_t i) const { return values_[i]; }

 private:
  size_t bytes_;
  T* values_;
};

// Starts a process that runs `part` and ends with status 0; an assertion in it ends it by a signal,
// of which the parent tells.
pid_t start_apart(absl::FunctionRef<void()> part);
// The same to its end: wait's status.
int run_apart(absl::FunctionRef<void()> part);
bool has_ended_well(int status);

}  // namespace alfheim::sim
