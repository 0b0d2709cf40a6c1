// index/record: one version of one record in memory, 32 bytes before its key and value.
//
// A version is clean, dirty or frozen by its sequence number alone (docs/index.md), so that a
// freeze and its end touch no record. While a version is held (Memory::is_held) its key,
// value and numbers do not change, and may be read without a lock; `older` and
// `is_referenced` are not part of that promise.
//
// Thread: see index.h. Lifetime: in a SlabArena, from allocate() to release().
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/bytes.h"

namespace alfheim::index {

enum class RecordState : uint8_t { kFree = 0, kNewest, kOlder };

struct Record {
  uint64_t sequence;  // of the publish that wrote it, or what was persisted when it was loaded
  Record* older;      // the next older version that somebody may still need
  uint32_t key_bytes;
  uint32_t value_bytes;
  uint32_t slot;  // place in Run's slots; only of dirty and frozen versions of unordered kinds
  uint8_t size_class;
  RecordState state;
  bool is_tombstone;
  std::atomic<bool> is_referenced;  // since the clock of eviction came by; set by readers

  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  base::ByteView key() const { return {bytes(), key_bytes}; }
  base::ByteView value() const { return {bytes() + key_bytes, value_bytes}; }
  std::optional<base::ByteView> content() const {
    return is_tombstone ? std::nullopt : std::optional(value());
  }
  void set_content(std::optional<base::ByteView> content) {
    is_tombstone = !content.has_value();
    value_bytes = content ? static_cast<uint32_t>(content->size()) : 0;
    // memmove: the new value may be a part of the old one.
    if (value_bytes > 0) std::memmove(bytes() + key_bytes, content->data(), value_bytes);
  }
  void touch() {
    if (!is_referenced.load(std::memory_order_relaxed)) {
      is_referenced.store(true, std::memory_order_relaxed);
    }
  }
};
static_assert(sizeof(Record) == 32);

inline size_t record_bytes(base::ByteView key, std::optional<base::ByteView> value) {
  return sizeof(Record) + key.size() + (value ? value->size() : 0);
}

}  // namespace alfheim::index
