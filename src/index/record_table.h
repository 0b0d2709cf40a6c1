// index/record_table: key -> newest version, as compact and as steady as can be.
//
// Extendible hashing: a directory over segments of 8 KiB. A slot is eight bytes, 48 of
// pointer and 16 of hash, ~14 bytes per record all in all. Growing splits one segment (~800
// records, tens of microseconds); no operation ever rehashes everything. Segments are not
// merged again: the table stays as large as its fullest time.
//
// Thread: one writer, readers excluded by the owner. Lifetime: borrows the records.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "index/record.h"

namespace alfheim::index {

class RecordTable {
 public:
  explicit RecordTable(uint64_t seed);
  ~RecordTable();

  uint64_t hash(base::ByteView key) const;
  Record* find(base::ByteView key, uint64_t hash) const;
  // Asks the processor for the memory that find() will touch.
  void prefetch(uint64_t hash) const;
  // The same for the record, once its place has come.
  void prefetch_record(uint64_t hash) const;
  // The key must not be there yet.
  void insert(Record* record, uint64_t hash);
  // `old_record` must be there, and `record` have its key.
  void replace(const Record* old_record, Record* record, uint64_t hash);
  void erase(const Record* record, uint64_t hash);

  size_t size() const { return size_; }
  uint64_t memory_bytes() const {
    return segments_.size() * sizeof(Segment) + directory_.capacity() * sizeof(Segment*);
  }
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const auto& segment : segments_) {
      for (const uint64_t slot : segment->slots) {
        if (slot != 0) visit(record_of(slot));
      }
    }
  }

 private:
  static constexpr size_t kSlotCount = 1022;
  static constexpr size_t kFillMax = kSlotCount * 4 / 5;
  static constexpr uint32_t kDepthMax = 40;
  struct Segment {
    uint64_t depth = 0;  // leading bits of hash that all its records share
    uint64_t count = 0;
    std::array<uint64_t, kSlotCount> slots{};
  };
  static_assert(sizeof(Segment) == 8192);

  static Record* record_of(uint64_t slot) {
    return reinterpret_cast<Record*>(slot & 0xffff'ffff'ffff);
  }
  static size_t home_of(uint64_t tag) { return (tag & 1023) * kSlotCount >> 10; }
  static uint64_t tag_of(uint64_t hash) { return hash & 0xffff; }
  Segment* segment_of(uint64_t hash) const {
    return directory_[depth_ == 0 ? 0 : hash >> (64 - depth_)];
  }
  size_t position_of(const Segment& segment, const Record* record, uint64_t hash) const;
  static void place(Segment& segment, Record* record, uint64_t hash);
  void split(uint64_t hash);

  uint64_t seed_;
  uint32_t depth_ = 0;
  std::vector<Segment*> directory_;
  std::vector<std::unique_ptr<Segment>> segments_;
  size_t size_ = 0;
};

}  // namespace alfheim::index
