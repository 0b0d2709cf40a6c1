#include "command/name_index.h"

#include <cstring>

#include "base/check.h"

namespace alfheim::command {
namespace {

constexpr uint64_t repeated(uint64_t byte) { return byte * 0x0101010101010101; }

// Eight ASCII letters at once; all other bytes stay.
uint64_t to_lower(uint64_t bytes) {
  const uint64_t low = bytes & repeated(0x7f);
  const uint64_t above_z = low + repeated(0x7f - 'Z');
  const uint64_t from_a = low + repeated(0x80 - 'A');
  const uint64_t upper = (from_a ^ above_z) & ~bytes & repeated(0x80);
  return bytes | upper >> 2;
}

template <typename Integer>
uint64_t load(const char* from) {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

NameIndex::NameIndex() : slots_(kSlotCount) {}

NameIndex::Key NameIndex::key_of(base::ByteView word) {
  const size_t size = word.size();
  const char* const at = word.data();
  Key key{.length = size};
  if (size >= 8) {
    key.head = load<uint64_t>(at);
    key.tail = load<uint64_t>(at + size - 8);
    if (size > 16) key.middle = load<uint64_t>(at + 8);
  } else if (size >= 4) {
    key.head = load<uint32_t>(at);
    key.tail = load<uint32_t>(at + size - 4);
  } else if (size > 0) {
    key.head = static_cast<uint8_t>(at[0]) | uint64_t{static_cast<uint8_t>(at[size / 2])} << 8 |
               uint64_t{static_cast<uint8_t>(at[size - 1])} << 16;
  }
  key.head = to_lower(key.head);
  key.middle = to_lower(key.middle);
  key.tail = to_lower(key.tail);
  return key;
}

size_t NameIndex::home_of(const Key& key) {
  const uint64_t mixed =
      (key.head ^ key.tail << 13 ^ key.middle << 29 ^ key.length) * 0x9e3779b97f4a7c15;
  return mixed >> 54;
}
static_assert(uint64_t{1} << (64 - 54) == 1024, "home_of gives places of kSlotCount");

void NameIndex::add(base::ByteView name, const Row* row) {
  ALF_CHECK(name.size() <= kNameBytesMax);
  ALF_CHECK_MSG(find(name) == nullptr, name);
  ALF_CHECK(++count_ < kSlotCount / 2);
  const Key key = key_of(name);
  size_t at = home_of(key);
  while (slots_[at].row != nullptr) at = (at + 1) % kSlotCount;
  slots_[at] = Slot{key, row};
}

const Row* NameIndex::find(base::ByteView word) const {
  if (word.size() > kNameBytesMax) return nullptr;
  const Key key = key_of(word);
  for (size_t at = home_of(key); slots_[at].row != nullptr; at = (at + 1) % kSlotCount) {
    if (slots_[at].key == key) return slots_[at].row;
  }
  return nullptr;
}

}  // namespace alfheim::command
