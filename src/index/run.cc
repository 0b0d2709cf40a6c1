#include "index/run.h"

#include <algorithm>
#include <limits>
#include <shared_mutex>

#include "base/check.h"

namespace alfheim::index {

void Run::note(Record* record, const Record* previous) {
  ALF_CHECK(!is_closed());
  if (ordered_kinds_.find(record->key().front()) != std::string::npos) {
    if (previous == nullptr) {
      ALF_CHECK(ordered_.insert(Entry{record}).second);
    } else {
      const auto entry = ordered_.find(record->key());
      ALF_CHECK(entry != ordered_.end());
      entry->record = record;
    }
    return;
  }
  if (previous != nullptr) {
    record->slot = previous->slot;
  } else {
    ALF_CHECK(slot_count_ < std::numeric_limits<uint32_t>::max());
    record->slot = static_cast<uint32_t>(slot_count_++);
    if (slot_count_ > slots_.size() * kChunk) {
      slots_.push_back(std::make_unique_for_overwrite<Record*[]>(kChunk));
    }
  }
  slots_[record->slot / kChunk][record->slot % kChunk] = record;
}

// The versions that `sequence` sees are held by whoever asks, so their keys may be compared
// after the lock was given back. In a closed run every slot is held.
template <typename SlotAt>
Run::Places Run::places(size_t count, uint64_t sequence, SliceLock* lock, SlotAt slot_at) const {
  constexpr size_t kSlice = 1024;
  Places places;
  places.reserve(count);
  for (size_t i = 0; i < count;) {
    std::shared_lock<SliceLock> guard;
    if (lock != nullptr) guard = std::shared_lock(*lock);
    for (const size_t end = std::min(count, i + kSlice); i < end; ++i) {
      const uint32_t slot = slot_at(i);
      const Record* record = this->slot(slot);
      while (!is_closed() && record->sequence > sequence) record = record->older;
      places.push_back({record, slot});
    }
  }
  return places;
}

base::Result<Run::Levels> Run::sorted(size_t count, uint64_t sequence, SliceLock* lock,
                                      ReadMode mode) {
  std::unique_lock<std::mutex> sorting(sort_mutex_, std::defer_lock);
  const base::Error would_block{base::ErrorCode::kWouldBlock, "scan: records must be sorted first"};
  if (mode == ReadMode::kMayBlock) {
    sorting.lock();
  } else if (!sorting.try_lock()) {
    return would_block;
  }
  if (count <= sorted_count_) return levels_;
  const size_t begin = sorted_count_;
  if (mode == ReadMode::kMemoryOnly && count - begin > kTailMax) return would_block;

  const auto by_key = [](const Place& a, const Place& b) {
    return a.record->key() < b.record->key();
  };
  Places sorted = places(count - begin, sequence, lock,
                         [begin](size_t i) { return static_cast<uint32_t>(begin + i); });
  std::sort(sorted.begin(), sorted.end(), by_key);
  // In kMemoryOnly levels may pile up a little; the next scan that may block joins them.
  while (!levels_.empty() && levels_.back()->size() < 2 * sorted.size() &&
         (mode == ReadMode::kMayBlock || levels_.back()->size() <= kTailMax)) {
    const Level& level = *levels_.back();
    const Places other =
        places(level.size(), sequence, lock, [&level](size_t i) { return level[i]; });
    Places joined;
    joined.reserve(other.size() + sorted.size());
    std::merge(other.begin(), other.end(), sorted.begin(), sorted.end(), std::back_inserter(joined),
               by_key);
    sorted = std::move(joined);
    levels_.pop_back();
  }
  auto level = std::make_shared<Level>();
  level->reserve(sorted.size());
  for (const Place& place : sorted) level->push_back(place.slot);
  levels_.push_back(std::move(level));
  sorted_count_ = count;
  return levels_;
}

RunSource::RunSource(const Run& run, Run::Levels levels)
    : run_(run),
      levels_(std::move(levels)),
      ordered_(run.ordered().begin()),
      positions_(levels_.size()) {
  ALF_CHECK(run.is_closed());
}

bool RunSource::next(SortedRecord& record) {
  const Record* least = nullptr;
  size_t* position = nullptr;  // of the level that `least` is from
  if (ordered_ != run_.ordered().end()) least = ordered_->record;
  for (size_t i = 0; i < levels_.size(); ++i) {
    if (positions_[i] == levels_[i]->size()) continue;
    const Record* candidate = run_.slot((*levels_[i])[positions_[i]]);
    if (least != nullptr && least->key() < candidate->key()) continue;
    least = candidate;
    position = &positions_[i];
  }
  if (least == nullptr) return false;
  if (position != nullptr) {
    ++*position;
  } else {
    ++ordered_;
  }
  record = {least->key(), least->content()};
  return true;
}

}  // namespace alfheim::index
