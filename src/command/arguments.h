// command/arguments: the words of one command, wherever they lie.
//
// args[0] is the command's name. In a read on a loop the words are slices of the request
// buffer; in apply they are slices of the entry, and a word that may stay unread (a value
// position of the table's row) can be fragments of the log that are not in memory.
//
// Lifetime: of one command; borrows the bytes.
#pragma once

#include <absl/container/inlined_vector.h>

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "types/database.h"

namespace alfheim::command {

class Arguments {
 public:
  // A request on a loop: plain words.
  explicit Arguments(std::span<const base::ByteView> words);
  // Apply: words with their places.
  explicit Arguments(absl::InlinedVector<types::ValueInput, 8> words);

  size_t count() const { return words_.size(); }
  // The word's bytes. CHECKs that they are in memory (always so, but for value positions).
  base::ByteView operator[](size_t index) const;
  // The word as a value that may be stored by its place in the log.
  const types::ValueInput& value(size_t index) const;

 private:
  absl::InlinedVector<types::ValueInput, 8> words_;
};

}  // namespace alfheim::command
