// command/arguments: the words of one command, wherever they lie.
//
// args[0] is the command's name. In a read on a loop the words are slices of the request
// buffer; in apply they are slices of the entry, and a word that may stay unread (a value
// position of the table's row) can be fragments of the log that are not in memory.
//
// Lifetime: of one command; borrows everything, the spans included.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/check.h"
#include "types/database.h"

namespace alfheim::command {

class Arguments {
 public:
  // What makes a word of an entry a value that can be addressed.
  struct EntryPlace {
    const char* payload = nullptr;  // the entry's first byte; null: words have no place
    uint64_t value_threshold_bytes = 0;
  };

  // A request on a loop: plain words.
  explicit Arguments(std::span<const base::ByteView> words) : words_(words) {}
  // Apply: words that are slices of one entry.
  Arguments(std::span<const base::ByteView> words, EntryPlace place)
      : words_(words), place_(place) {}
  // Apply: words each with a place of its own; `words` are their bytes.
  Arguments(std::span<const base::ByteView> words, std::span<const types::ValueInput> inputs);

  size_t count() const { return words_.size(); }
  // The word's bytes. CHECKs that they are in memory (always so, but for value positions).
  base::ByteView operator[](size_t index) const {
    ALF_CHECK(index < words_.size());
    if (!inputs_.empty()) check_in_memory(index);
    return words_[index];
  }
  // The word as a value that may be stored by its place in the log.
  types::ValueInput value(size_t index) const;

 private:
  void check_in_memory(size_t index) const;

  std::span<const base::ByteView> words_;
  std::span<const types::ValueInput> inputs_;  // empty, or one for each word
  EntryPlace place_;
};

}  // namespace alfheim::command
