#include "index/memory.h"

#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"

namespace alfheim::index {
namespace {

// Dirty records cost their slot and their place in the run.
constexpr int64_t kRunBytes = 12;

}  // namespace

Record* Memory::visible(Record* newest, uint64_t sequence, uint64_t persisted) {
  if (newest == nullptr || newest->sequence <= sequence) return newest;
  Record* record = newest->older;
  while (record != nullptr && record->sequence > sequence) record = record->older;
  // Versions at or below `persisted` are not held for this view: one that is still here may
  // have had a successor that is gone, and the Store's snapshot knows better.
  return record != nullptr && record->sequence > persisted ? record : nullptr;
}

void Memory::set_held(HeldBounds bounds) {
  held_ = std::move(bounds);
  sweep_count_ = retired_.size();
  fruitless_ = 0;
}

bool Memory::is_held_by_run(uint64_t sequence) const {
  for (const auto& run : held_.runs) {
    if (run.above < sequence && sequence <= run.up_to) return true;
  }
  return false;
}

// Within the active run its place for the key moves on to the new version, so only views that
// see the old one hold it. Anything older may be named by a run that a view or the job walks.
bool Memory::is_held_when_overwritten(uint64_t sequence) const {
  if (sequence <= held_.active_low) return is_held_by_run(sequence);
  if (ALF_MUTANT(OverwrittenUnderAView)) return false;
  return !held_.view_sequences.empty() && sequence <= held_.view_sequences.back();
}

bool Memory::is_held(const Retired& retired) const {
  const auto view = std::lower_bound(held_.view_sequences.begin(), held_.view_sequences.end(),
                                     retired.record->sequence);
  if (view != held_.view_sequences.end() && *view < retired.superseded) return true;
  return retired.record->sequence <= held_.active_low && is_held_by_run(retired.record->sequence);
}

int64_t Memory::put(ByteView key, uint64_t hash, std::optional<ByteView> content, uint64_t sequence,
                    Run& active) {
  ALF_CHECK(!key.empty());
  ALF_CHECK(key.front() != kStoreKind);
  ALF_CHECK(key.size() + (content ? content->size() : 0) < (uint64_t{1} << 32));
  const size_t bytes = record_bytes(key, content);
  Record* newest = table_.find(key, hash);
  const bool is_noted = newest != nullptr && newest->sequence > held_.active_low;
  const bool is_held = newest != nullptr && is_held_when_overwritten(newest->sequence);
  const size_t old_capacity = newest != nullptr ? arena_.capacity(newest) : 0;
  int64_t growth = is_noted ? 0 : kRunBytes;
  if (newest != nullptr && !is_held && bytes <= old_capacity && 2 * bytes >= old_capacity) {
    newest->set_content(content);
    newest->sequence = sequence;
    newest->touch();
    if (!is_noted) active.note(newest, nullptr);
    return growth + (is_noted ? 0 : static_cast<int64_t>(old_capacity));
  }
  Record* record = arena_.allocate(bytes);
  record->sequence = sequence;
  record->older = newest;
  record->state = RecordState::kNewest;
  record->key_bytes = static_cast<uint32_t>(key.size());
  std::memcpy(record->bytes(), key.data(), key.size());
  record->set_content(content);
  record->is_referenced.store(true, std::memory_order_relaxed);
  growth += static_cast<int64_t>(arena_.capacity(record));
  active.note(record, is_noted ? newest : nullptr);
  if (newest == nullptr) {
    table_.insert(record, hash);
    return growth;
  }
  table_.replace(newest, record, hash);
  if (is_noted) growth -= static_cast<int64_t>(old_capacity);
  if (is_held) {
    newest->state = RecordState::kOlder;
    retire(newest, sequence);
  } else {
    record->older = newest->older;
    arena_.release(newest);
  }
  return growth;
}

Record* Memory::insert_clean(ByteView key, uint64_t hash, std::optional<ByteView> content) {
  Record* record = arena_.allocate(record_bytes(key, content));
  // Views that do not see everything persisted must not see this version (docs/index.md).
  record->sequence = held_.persisted;
  record->older = nullptr;
  record->state = RecordState::kNewest;
  record->key_bytes = static_cast<uint32_t>(key.size());
  std::memcpy(record->bytes(), key.data(), key.size());
  record->set_content(content);
  record->is_referenced.store(true, std::memory_order_relaxed);
  table_.insert(record, hash);
  fruitless_ = 0;  // here is one that eviction may take
  return record;
}

void Memory::maintain(size_t mutation_count) {
  constexpr size_t kLeast = 16;
  if (sweep_count_ > 0) sweep(std::min(sweep_count_, kLeast + 2 * mutation_count));
  if (is_over_budget()) evict(kLeast + 4 * mutation_count);
}

void Memory::sweep(size_t count) {
  sweep_count_ -= count;
  for (; count > 0; --count) {
    const Retired retired = retired_.front();
    retired_.pop_front();
    if (is_held(retired)) {
      retired_.push_back(retired);
    } else {
      unlink(retired.record);
      arena_.release(retired.record);
    }
  }
}

void Memory::unlink(Record* record) {
  Record* newer = table_.find(record->key(), table_.hash(record->key()));
  while (newer != nullptr && newer->older != record) newer = newer->older;
  ALF_CHECK_MSG(newer != nullptr, "an older version hangs behind no newer one");
  newer->older = record->older;
}

// Slots that are free may be used by their own class only, so the slabs count as well.
bool Memory::is_over_budget() const {
  const uint64_t table_bytes = table_.memory_bytes();
  return arena_.live_bytes() + table_bytes > budget_ ||
         arena_.slab_bytes() + table_bytes > budget_ + budget_ / 4;
}

void Memory::evict(size_t count) {
  // Two rounds without a victim (the first may only have cleared marks): all is dirty or held,
  // until the bounds change.
  if (fruitless_ > 2 * arena_.slot_count() + SlabArena::kSlabBytes) return;
  fruitless_ += count;
  arena_.walk(count, [this](Record* record) {
    if (record->state != RecordState::kNewest || record->older != nullptr) return;
    if (record->sequence > held_.persisted || is_held_by_run(record->sequence)) return;
    if (record->is_referenced.load(std::memory_order_relaxed)) {
      record->is_referenced.store(false, std::memory_order_relaxed);
      return;
    }
    if (!is_over_budget()) return;
    table_.erase(record, table_.hash(record->key()));
    arena_.release(record);
    ++eviction_count_;
    fruitless_ = 0;
  });
}

void Memory::check_invariants(const Run& active) const {
  size_t older_count = 0;
  size_t noted_count = 0;
  uint64_t bytes = 0;
  table_.for_each([&](Record* record) {
    ALF_CHECK(record->state == RecordState::kNewest);
    ALF_CHECK(table_.find(record->key(), table_.hash(record->key())) == record);
    bytes += arena_.capacity(record);
    if (record->sequence > active.low()) ++noted_count;
    for (const Record* newer = record; newer->older != nullptr; newer = newer->older) {
      ALF_CHECK(newer->older->state == RecordState::kOlder);
      ALF_CHECK(newer->older->sequence < newer->sequence);
      ALF_CHECK(newer->older->key() == newer->key());
      bytes += arena_.capacity(newer->older);
      ++older_count;
    }
  });
  ALF_CHECK(older_count == retired_.size());
  ALF_CHECK(table_.size() + older_count == arena_.slot_count());
  ALF_CHECK(bytes == arena_.live_bytes());
  ALF_CHECK(noted_count == active.record_count());
  ALF_CHECK(active.low() == held_.active_low);
  const auto check_noted = [&](const Record* record) {
    ALF_CHECK(record->state == RecordState::kNewest);
    ALF_CHECK(record->sequence > active.low());
  };
  for (size_t i = 0; i < active.slot_count(); ++i) check_noted(active.slot(i));
  for (const auto& entry : active.ordered()) check_noted(entry.record);
}

}  // namespace alfheim::index
