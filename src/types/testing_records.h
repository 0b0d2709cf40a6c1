// types/testing_records: an index and a value log in memory, for the tests of all rooms.
//
// MemoryRecords is RecordSource and RecordSink over one map; a cursor stays good while the
// map changes. MemoryValues holds the bytes of log entries by index. Not for the product.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "base/crc32c.h"
#include "types/record_source.h"

namespace alfheim::types {

class MemoryRecords : public RecordSource, public RecordSink {
 public:
  using Map = std::map<base::Bytes, base::Bytes, std::less<>>;

  base::Result<std::optional<base::ByteView>> get(base::ByteView key,
                                                  base::Bytes& scratch) override {
    const auto found = map.find(key);
    if (found == map.end()) return std::optional<base::ByteView>();
    scratch = found->second;
    return std::optional<base::ByteView>(scratch);
  }
  std::unique_ptr<RecordCursor> walk() override {
    if (!can_walk) return nullptr;
    return std::make_unique<Cursor>(map);
  }
  void put(base::ByteView key, base::ByteView value) override {
    map.insert_or_assign(base::Bytes(key), base::Bytes(value));
    ++write_count;
  }
  void erase(base::ByteView key) override {
    const auto found = map.find(key);
    if (found != map.end()) map.erase(found);
    ++write_count;
  }

  Map map;
  bool can_walk = true;
  uint64_t write_count = 0;

 private:
  class Cursor : public RecordCursor {
   public:
    explicit Cursor(const Map& map) : map_(map) {}
    void seek(base::ByteView key) override { take(map_.lower_bound(key)); }
    void seek_for_prev(base::ByteView key) override { take_before(map_.upper_bound(key)); }
    void next() override { take(map_.upper_bound(key_)); }
    void prev() override { take_before(map_.lower_bound(key_)); }
    bool is_valid() const override { return is_valid_; }
    base::ByteView key() const override { return key_; }
    base::ByteView value() const override { return value_; }
    base::Status status() const override { return base::ok(); }

   private:
    void take(Map::const_iterator at) {
      is_valid_ = at != map_.end();
      if (!is_valid_) return;
      base::Bytes key = at->first;  // `at` was found by key_: copy before it changes
      key_ = std::move(key);
      value_ = at->second;
    }
    void take_before(Map::const_iterator at) {
      if (at == map_.begin()) {
        is_valid_ = false;
      } else {
        take(std::prev(at));
      }
    }

    const Map& map_;
    bool is_valid_ = false;
    base::Bytes key_;
    base::Bytes value_;
  };
};

class MemoryValues : public ValueSource {
 public:
  // Entry payloads by log index.
  std::map<uint64_t, base::Bytes> entries;
  uint64_t read_bytes = 0;

  base::Status read(const vlog::ValueAddress& address, uint64_t from, uint64_t length,
                    base::Bytes& out) override {
    const auto entry = entries.find(address.index.value);
    if (entry == entries.end() ||
        entry->second.size() < uint64_t{address.offset_bytes} + address.length_bytes ||
        from > address.length_bytes || length > address.length_bytes - from) {
      return base::Error{base::ErrorCode::kCorruption, "read a value: no such place"};
    }
    const base::ByteView value =
        base::ByteView(entry->second).substr(address.offset_bytes, address.length_bytes);
    if (base::crc32c(value) != address.crc) {
      return base::Error{base::ErrorCode::kCorruption, "read a value: crc differs"};
    }
    out.append(value.substr(from, length));
    read_bytes += length;
    return base::ok();
  }
  // Puts bytes into an entry; the offset at which they stand.
  uint32_t add(base::LogIndex index, base::ByteView bytes) {
    base::Bytes& entry = entries[index.value];
    const auto offset = static_cast<uint32_t>(entry.size());
    entry.append(bytes);
    return offset;
  }
};

}  // namespace alfheim::types
