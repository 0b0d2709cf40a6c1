// index/run: which keys were written between two freezes, and their order.
//
// The active run collects what the strand writes; freeze() closes it, the job writes it out
// in order, and a new run begins. For each key it names the newest version written in its
// time. Kinds that are ordered in memory stand in a B-tree. All others take a slot each, in
// the order of their first write; they are sorted only when a scan or a freeze asks, and what
// was sorted stays sorted: each sort takes the new tail only, and joins levels of like size.
// A level holds slot numbers, not records, so it stays true while records are replaced.
//
// Thread: note() by the strand under the exclusive lock; reading under the shared lock, or
// without any once the run is closed. Lifetime: shared by the Index, views and the job.
#pragma once

#include <absl/container/btree_set.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "index/record.h"
#include "index/slice_lock.h"
#include "index/store.h"

namespace alfheim::index {

class Run {
 public:
  using Level = std::vector<uint32_t>;  // slots, in the order of their keys
  using Levels = std::vector<std::shared_ptr<const Level>>;

  struct Entry {
    mutable Record* record;  // replaced by versions of the same key only
  };
  struct EntryOrder {
    using is_transparent = void;
    static ByteView key(const Entry& entry) { return entry.record->key(); }
    static ByteView key(ByteView key) { return key; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return key(a) < key(b);
    }
  };
  using Ordered = absl::btree_set<Entry, EntryOrder>;

  // Takes versions above `low`; `ordered_kinds` outlives the run.
  Run(uint64_t low, const std::string& ordered_kinds) : low_(low), ordered_kinds_(ordered_kinds) {}

  // `record` was written, the first of its key in this run or after `previous`.
  void note(Record* record, const Record* previous);
  void close(uint64_t high) { high_ = high; }

  uint64_t low() const { return low_; }
  uint64_t high() const { return high_; }  // the greatest number while open
  bool is_closed() const { return high_ != ~uint64_t{0}; }
  size_t slot_count() const { return slot_count_; }
  size_t record_count() const { return slot_count_ + ordered_.size(); }
  Record* slot(size_t i) const { return slots_[i / kChunk][i % kChunk]; }
  const Ordered& ordered() const { return ordered_; }
  // Approximate in the B-tree and the levels.
  uint64_t memory_bytes() const {
    return slots_.size() * kChunk * sizeof(Record*) + slot_count_ * sizeof(uint32_t) +
           ordered_.size() * 12;
  }

  // Levels that together hold at least the first `count` slots in order. `lock` is taken in
  // slices to read slots, at `sequence` (what the asking view sees, or anything in a closed
  // run); null for the job, whose run is closed. kWouldBlock where more than kTailMax slots
  // would have to be sorted in kMemoryOnly.
  base::Result<Levels> sorted(size_t count, uint64_t sequence, SliceLock* lock, ReadMode mode);

  static constexpr size_t kTailMax = 512;

 private:
  static constexpr size_t kChunk = 8192;
  struct Place {
    const Record* record;
    uint32_t slot;
  };
  using Places = std::vector<Place>;
  template <typename SlotAt>
  Places places(size_t count, uint64_t sequence, SliceLock* lock, SlotAt slot_at) const;

  const uint64_t low_;
  uint64_t high_ = ~uint64_t{0};
  const std::string& ordered_kinds_;
  Ordered ordered_;
  std::vector<std::unique_ptr<Record*[]>> slots_;
  size_t slot_count_ = 0;
  // Guards levels_ and sorted_count_; held while sorting, so that two scans do not sort the
  // same tail. Taken before the index's lock, never under it.
  std::mutex sort_mutex_;
  Levels levels_;  // each at least twice as long as the next
  size_t sorted_count_ = 0;
};

// All records of a closed run in order, for the ingest.
class RunSource final : public SortedSource {
 public:
  RunSource(const Run& run, Run::Levels levels);
  bool next(SortedRecord& record) override;

 private:
  const Run& run_;
  Run::Levels levels_;
  Run::Ordered::const_iterator ordered_;
  std::vector<size_t> positions_;  // in each level
};

}  // namespace alfheim::index
