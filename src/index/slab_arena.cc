#include "index/slab_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "base/check.h"

namespace alfheim::index {
namespace {

constexpr size_t kStepBytes = 16;
constexpr size_t kFineBytesMax = 512;   // classes grow by kStepBytes up to here, then by 1/8
constexpr size_t kSlotBytesMax = 8176;  // eight in a slab; larger records stand alone

}  // namespace

SlabArena::SlabArena() {
  for (size_t bytes = 48; bytes < kSlotBytesMax;) {
    classes_.push_back({static_cast<uint32_t>(bytes), nullptr});
    bytes += bytes < kFineBytesMax ? kStepBytes : bytes / 8 / kStepBytes * kStepBytes;
  }
  classes_.push_back({static_cast<uint32_t>(kSlotBytesMax), nullptr});
  ALF_CHECK(classes_.size() < kLargeClass);
  for (size_t bytes = 0, size_class = 0; bytes <= kSlotBytesMax; bytes += kStepBytes) {
    if (bytes > classes_[size_class].slot_bytes) ++size_class;
    class_of_size_.push_back(static_cast<uint8_t>(size_class));
  }
}

SlabArena::~SlabArena() {
  for (Large* large : large_) ::operator delete(large);
  for (char* region : regions_) ::operator delete(region, std::align_val_t(kRegionBytes));
}

Record* SlabArena::allocate(size_t bytes) {
  if (bytes > kSlotBytesMax) return allocate_large(bytes);
  const uint8_t size_class = class_of_size_[(bytes + kStepBytes - 1) / kStepBytes];
  Slab* slab = classes_[size_class].partial;
  if (slab == nullptr) slab = take_slab(size_class);
  Record* record = slab->free;
  if (record != nullptr) {
    slab->free = record->older;
  } else {
    record = new (slab->slot(slab->cut_count++)) Record;
  }
  ++slab->used_count;
  if (slab->used_count == slab->slot_count) unlist(slab);
  live_bytes_ += slab->slot_bytes;
  ++slot_count_;
  record->size_class = size_class;
  return record;
}

void SlabArena::release(Record* record) {
  ALF_CHECK(record->state != RecordState::kFree);
  if (record->size_class == kLargeClass) return release_large(record);
  Slab* slab = slab_of(record);
  record->state = RecordState::kFree;
  record->older = slab->free;
  slab->free = record;
  live_bytes_ -= slab->slot_bytes;
  --slot_count_;
  --slab->used_count;
  if (!slab->is_listed) list(slab);
  if (slab->used_count > 0) return;
  unlist(slab);
  slabs_[slab->position] = slabs_.back();
  slabs_[slab->position]->position = slab->position;
  slabs_.pop_back();
  free_slabs_.push_back(reinterpret_cast<char*>(slab));
}

size_t SlabArena::capacity(const Record* record) const {
  if (record->size_class == kLargeClass) return large_of(record)->bytes;
  return classes_[record->size_class].slot_bytes;
}

Record* SlabArena::allocate_large(size_t bytes) {
  auto* large = new (::operator new(sizeof(Large) + bytes)) Large{large_.size(), bytes};
  large_.push_back(large);
  large_bytes_ += bytes + sizeof(Large);
  live_bytes_ += bytes;
  ++slot_count_;
  auto* record = new (large->record()) Record;
  record->size_class = kLargeClass;
  return record;
}

void SlabArena::release_large(Record* record) {
  Large* large = large_of(record);
  large_[large->position] = large_.back();
  large_[large->position]->position = large->position;
  large_.pop_back();
  large_bytes_ -= large->bytes + sizeof(Large);
  live_bytes_ -= large->bytes;
  --slot_count_;
  ::operator delete(large);
}

SlabArena::Slab* SlabArena::take_slab(uint8_t size_class) {
  if (free_slabs_.empty()) {
    auto* region = static_cast<char*>(::operator new(kRegionBytes, std::align_val_t(kRegionBytes)));
    // Huge pages save most of the misses of address translation, a third of a random read; an
    // index that is small keeps small pages. A hint: without them all is as before.
    if (!regions_.empty()) static_cast<void>(::madvise(region, kRegionBytes, MADV_HUGEPAGE));
    regions_.push_back(region);
    // Given out from the back of the list: low addresses first.
    for (size_t at = kRegionBytes; at > 0; at -= kSlabBytes) {
      free_slabs_.push_back(region + at - kSlabBytes);
    }
  }
  auto* slab = new (free_slabs_.back()) Slab;
  free_slabs_.pop_back();
  slab->size_class = size_class;
  slab->slot_bytes = classes_[size_class].slot_bytes;
  slab->slot_count = static_cast<uint32_t>((kSlabBytes - sizeof(Slab)) / slab->slot_bytes);
  slab->position = static_cast<uint32_t>(slabs_.size());
  slabs_.push_back(slab);
  list(slab);
  return slab;
}

void SlabArena::list(Slab* slab) {
  Slab*& head = classes_[slab->size_class].partial;
  slab->previous = nullptr;
  slab->next = head;
  if (head != nullptr) head->previous = slab;
  head = slab;
  slab->is_listed = true;
}

void SlabArena::unlist(Slab* slab) {
  ALF_CHECK(slab->is_listed);
  if (slab->previous != nullptr) slab->previous->next = slab->next;
  if (slab->next != nullptr) slab->next->previous = slab->previous;
  Slab*& head = classes_[slab->size_class].partial;
  if (head == slab) head = slab->next;
  slab->is_listed = false;
}

}  // namespace alfheim::index
