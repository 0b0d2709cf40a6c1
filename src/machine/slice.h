// machine/slice: the index's write lock, held over several commands of one entry.
//
// Taking and giving back the lock costs as much as a small command, so what apply publishes in
// a row shares one slice. It ends before anything that may take long or wait (a read of the
// store or of the log, a view, a command without a small bound), after kCommandsMax commands,
// and with the entry: readers wait for microseconds only.
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
  // One more command was published in it.
  void count_command() {
    if (++commands_ >= kCommandsMax) close();
  }
  void close() {
    commands_ = 0;
    slice_.reset();
  }

 private:
  // At 1 to 2 microseconds each.
  static constexpr size_t kCommandsMax = 64;

  index::Index& index_;
  std::optional<index::WriteSlice> slice_;
  size_t commands_ = 0;
};

}  // namespace alfheim::machine
