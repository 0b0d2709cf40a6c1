// machine/slice: the index's write lock, held over several commands of one entry.
//
// Taking and giving back the lock costs as much as a small command, so what apply publishes in
// a row shares one slice. It ends before anything that may take long or wait (a read of the
// store's files or of the log, a view, a block, a command without a small bound), after
// kMutationsMax changes, and with the entry: readers wait for microseconds only.
//
// Thread: apply strand. Lifetime: of the machine.
#pragma once

#include <cstddef>
#include <optional>

#include "index/index.h"

namespace alfheim::machine {

class Slice {
 public:
  explicit Slice(index::Index& index) : index_(index) {}

  index::WriteSlice& open() {
    if (!slice_) slice_.emplace(index_.begin_slice());
    return *slice_;
  }
  // So many more changes were published in it.
  void count(size_t mutations) {
    mutations_ += mutations;
    if (mutations_ >= kMutationsMax) close();
  }
  void close() {
    mutations_ = 0;
    slice_.reset();
  }

  // At 0.5 to 1 microsecond each, their commands included.
  static constexpr size_t kMutationsMax = 64;

 private:
  index::Index& index_;
  std::optional<index::WriteSlice> slice_;
  size_t mutations_ = 0;
};

}  // namespace alfheim::machine
