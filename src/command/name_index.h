// command/name_index: from a word, in any case, to the row of that name.
//
// Every command is looked up twice, when it arrives and when it is applied, so this is made for
// speed: a name is its length and three numbers, and one probe compares them.
//
// Thread: immutable once filled; any thread. Lifetime: borrows the rows.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace alfheim::command {

struct Row;

class NameIndex {
 public:
  NameIndex();
  // The name in lower case, of at most kNameBytesMax bytes; each once.
  void add(base::ByteView name, const Row* row);
  // Null where there is none; longer words are none.
  const Row* find(base::ByteView word) const;

  static constexpr size_t kNameBytesMax = 24;

 private:
  struct Key {
    uint64_t head = 0;  // lower case; head, middle and tail overlap in short words
    uint64_t middle = 0;
    uint64_t tail = 0;
    size_t length = 0;
    bool operator==(const Key&) const = default;
  };
  struct Slot {
    Key key;
    const Row* row = nullptr;
  };
  // Far more than there are commands: probes are short.
  static constexpr size_t kSlotCount = 1024;

  static Key key_of(base::ByteView word);
  static size_t home_of(const Key& key);

  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace alfheim::command
