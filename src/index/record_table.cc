#include "index/record_table.h"

// Inlined: the call costs as much as the hash of a short key.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

namespace alfheim::index {

RecordTable::RecordTable(uint64_t seed) : seed_(seed) {
  segments_.push_back(std::make_unique<Segment>());
  directory_.push_back(segments_.back().get());
}

RecordTable::~RecordTable() = default;

uint64_t RecordTable::hash(base::ByteView key) const {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed_);
}

Record* RecordTable::find(base::ByteView key, uint64_t hash) const {
  const Segment& segment = *segment_of(hash);
  const uint64_t tag = tag_of(hash);
  for (size_t at = home_of(tag);; at = at + 1 == kSlotCount ? 0 : at + 1) {
    const uint64_t slot = segment.slots[at];
    if (slot == 0) return nullptr;
    if (slot >> 48 != tag) continue;
    Record* record = record_of(slot);
    if (record->key() == key) return record;
  }
}

void RecordTable::prefetch(uint64_t hash) const {
  __builtin_prefetch(&segment_of(hash)->slots[home_of(tag_of(hash))]);
}

void RecordTable::prefetch_record(uint64_t hash) const {
  const Segment& segment = *segment_of(hash);
  const uint64_t tag = tag_of(hash);
  for (size_t at = home_of(tag); segment.slots[at] != 0; at = at + 1 == kSlotCount ? 0 : at + 1) {
    if (segment.slots[at] >> 48 != tag) continue;
    __builtin_prefetch(record_of(segment.slots[at]));
    __builtin_prefetch(record_of(segment.slots[at])->bytes() + 32);
    return;
  }
}

void RecordTable::insert(Record* record, uint64_t hash) {
  while (segment_of(hash)->count >= kFillMax) split(hash);
  place(*segment_of(hash), record, hash);
  ++size_;
}

void RecordTable::replace(const Record* old_record, Record* record, uint64_t hash) {
  Segment& segment = *segment_of(hash);
  const size_t at = position_of(segment, old_record, hash);
  segment.slots[at] = tag_of(hash) << 48 | reinterpret_cast<uint64_t>(record);
}

// Linear probing without tombstones: later slots of the run move up where that brings them
// nearer to their home. The tag tells the home, so no record is touched.
void RecordTable::erase(const Record* record, uint64_t hash) {
  Segment& segment = *segment_of(hash);
  size_t hole = position_of(segment, record, hash);
  for (size_t at = hole;;) {
    at = at + 1 == kSlotCount ? 0 : at + 1;
    const uint64_t slot = segment.slots[at];
    if (slot == 0) break;
    const size_t home = home_of(slot >> 48);
    const size_t distance = (at + kSlotCount - home) % kSlotCount;
    const size_t distance_to_hole = (at + kSlotCount - hole) % kSlotCount;
    if (distance < distance_to_hole) continue;
    segment.slots[hole] = slot;
    hole = at;
  }
  segment.slots[hole] = 0;
  --segment.count;
  --size_;
}

size_t RecordTable::position_of(const Segment& segment, const Record* record, uint64_t hash) const {
  const uint64_t wanted = tag_of(hash) << 48 | reinterpret_cast<uint64_t>(record);
  for (size_t at = home_of(tag_of(hash));; at = at + 1 == kSlotCount ? 0 : at + 1) {
    if (segment.slots[at] == wanted) return at;
    ALF_CHECK_MSG(segment.slots[at] != 0, "a record that should stand in the table does not");
  }
}

void RecordTable::place(Segment& segment, Record* record, uint64_t hash) {
  ALF_CHECK(reinterpret_cast<uint64_t>(record) >> 48 == 0);
  size_t at = home_of(tag_of(hash));
  while (segment.slots[at] != 0) at = at + 1 == kSlotCount ? 0 : at + 1;
  segment.slots[at] = tag_of(hash) << 48 | reinterpret_cast<uint64_t>(record);
  ++segment.count;
}

void RecordTable::split(uint64_t hash) {
  Segment& full = *segment_of(hash);
  ALF_CHECK_MSG(full.depth < kDepthMax, "hundreds of keys share 40 bits of a seeded hash");
  if (full.depth == depth_) {
    std::vector<Segment*> doubled(directory_.size() * 2);
    for (size_t i = 0; i < doubled.size(); ++i) doubled[i] = directory_[i / 2];
    directory_ = std::move(doubled);
    ++depth_;
  }
  const uint64_t depth = full.depth + 1;
  const std::array<uint64_t, kSlotCount> slots = full.slots;
  segments_.push_back(std::make_unique<Segment>());
  Segment& other = *segments_.back();
  full = Segment{};
  full.depth = other.depth = depth;
  // The upper half of the directory's places for `full` goes to `other`.
  const size_t width = size_t{1} << (depth_ - depth);
  const size_t prefix = hash >> (64 - depth) | 1;
  for (size_t i = 0; i < width; ++i) directory_[prefix * width + i] = &other;
  constexpr size_t kAhead = 8;
  for (size_t i = 0; i < kSlotCount; ++i) {
    if (i + kAhead < kSlotCount && slots[i + kAhead] != 0) {
      __builtin_prefetch(record_of(slots[i + kAhead]));
      __builtin_prefetch(record_of(slots[i + kAhead])->bytes());
    }
    if (slots[i] == 0) continue;
    Record* record = record_of(slots[i]);
    const uint64_t record_hash = this->hash(record->key());
    place(record_hash >> (64 - depth) & 1 ? other : full, record, record_hash);
  }
}

}  // namespace alfheim::index
