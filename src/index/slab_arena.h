// index/slab_arena: the memory that records lie in.
//
// Slabs of 64 KiB, each cut into slots of one size class; a slab whose last slot is released
// serves any class again. Larger records stand alone. Freed memory is kept for reuse, so what
// the process holds is bounded by the peak of slab_bytes(). The arena can walk its slots in
// order of memory, which is how eviction goes round: a slab is emptied as a whole.
//
// Thread: one writer; see index.h. Lifetime: owns all records.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "index/record.h"

namespace alfheim::index {

class SlabArena {
 public:
  SlabArena();
  ~SlabArena();
  SlabArena(const SlabArena&) = delete;
  SlabArena& operator=(const SlabArena&) = delete;

  // At least `bytes` long, header included; size_class is set, state is the caller's.
  Record* allocate(size_t bytes);
  void release(Record* record);
  // Bytes that `record` may grow to in place, header included.
  size_t capacity(const Record* record) const;

  uint64_t live_bytes() const { return live_bytes_; }  // slots in use
  uint64_t slab_bytes() const { return slabs_.size() * kSlabBytes + large_bytes_; }
  size_t slot_count() const { return slot_count_; }  // in use

  // Moves the hand over up to `count` slots, calling visit(Record*) for those in use; visit
  // may release the record it is given. Ends early when the hand passed the end.
  template <typename Visit>
  void walk(size_t count, Visit&& visit);
  void rewind() { hand_ = {}; }

  static constexpr size_t kSlabBytes = 64 * 1024;

 private:
  static constexpr size_t kRegionBytes = 2 * 1024 * 1024;
  static constexpr uint8_t kLargeClass = 0xff;
  struct Slab {
    uint32_t slot_bytes = 0;
    uint32_t slot_count = 0;
    uint32_t used_count = 0;
    uint32_t cut_count = 0;  // slots that were ever given out; those behind are untouched
    uint32_t position = 0;   // in slabs_
    uint8_t size_class = 0;
    bool is_listed = false;  // in its class's list of slabs with free slots
    Record* free = nullptr;  // chained by `older`
    Slab* next = nullptr;
    Slab* previous = nullptr;
    Record* slot(size_t i) {
      return reinterpret_cast<Record*>(reinterpret_cast<char*>(this + 1) + i * slot_bytes);
    }
  };
  static_assert(sizeof(Slab) == 48 && sizeof(Slab) % alignof(Record) == 0);
  struct Large {
    uint64_t position = 0;  // in large_
    uint64_t bytes = 0;     // of the record
    Record* record() { return reinterpret_cast<Record*>(this + 1); }
  };
  struct Hand {
    size_t slab = 0;
    size_t slot = 0;
    size_t large = 0;
  };
  struct SizeClass {
    uint32_t slot_bytes = 0;
    Slab* partial = nullptr;  // slabs with free slots
  };

  Record* allocate_large(size_t bytes);
  void release_large(Record* record);
  Slab* take_slab(uint8_t size_class);
  void list(Slab* slab);
  void unlist(Slab* slab);
  static Slab* slab_of(const Record* record) {
    return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(record) & ~(kSlabBytes - 1));
  }
  static Large* large_of(const Record* record) {
    return reinterpret_cast<Large*>(const_cast<Record*>(record)) - 1;
  }

  std::vector<SizeClass> classes_;
  std::vector<uint8_t> class_of_size_;  // by bytes / 16, rounded up
  std::vector<char*> regions_;
  std::vector<char*> free_slabs_;
  std::vector<Slab*> slabs_;  // in use
  std::vector<Large*> large_;
  uint64_t live_bytes_ = 0;
  uint64_t large_bytes_ = 0;
  size_t slot_count_ = 0;
  Hand hand_;
};

template <typename Visit>
void SlabArena::walk(size_t count, Visit&& visit) {
  while (count > 0 && hand_.slab < slabs_.size()) {
    Slab* slab = slabs_[hand_.slab];
    const size_t end = std::min<size_t>(slab->cut_count, hand_.slot + count);
    bool is_gone = false;
    while (hand_.slot < end && !is_gone) {
      Record* record = slab->slot(hand_.slot++);
      --count;
      if (record->state == RecordState::kFree) continue;
      visit(record);
      // The slab that held only this record went back; another may stand in its place.
      is_gone = hand_.slab >= slabs_.size() || slabs_[hand_.slab] != slab;
    }
    if (is_gone) {
      hand_.slot = 0;
    } else if (hand_.slot >= slab->cut_count) {
      ++hand_.slab;
      hand_.slot = 0;
    }
  }
  while (count > 0 && hand_.slab >= slabs_.size() && hand_.large < large_.size()) {
    Large* large = large_[hand_.large];
    --count;
    visit(large->record());
    if (hand_.large < large_.size() && large_[hand_.large] == large) ++hand_.large;
  }
  if (hand_.slab >= slabs_.size() && hand_.large >= large_.size()) hand_ = {};
}

}  // namespace alfheim::index
