// index/memory: the versions in memory: how they come, are held, and go.
//
// Each key has at most one newest version, found by the table; older ones hang behind it for
// as long as they are held. Which versions are held follows from three facts (HeldBounds):
// where the open views stand, what is being frozen, and where the active run begins. Versions
// that were superseded while held wait in `retired_` and are looked at again when the bounds
// have changed, a few per mutation, so that no operation has to clean up after another.
//
// Thread: one writer; readers under the Index's lock. Lifetime: owned by the Index.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "index/record_table.h"
#include "index/run.h"
#include "index/slab_arena.h"

namespace alfheim::index {

// A view sees versions up to its sequence; those above its persisted number it can only find
// in memory. It also walks the run that was active when it was opened, to its very end.
struct HeldBounds {
  struct Interval {
    uint64_t above = 0;
    uint64_t up_to = 0;
    friend bool operator==(const Interval&, const Interval&) = default;
  };
  std::vector<uint64_t> view_sequences;  // ascending
  std::vector<Interval> runs;            // that views walk, and the one being frozen; few
  uint64_t active_low = 0;               // versions above belong to the active run
  uint64_t persisted = 0;                // versions above are dirty or frozen
};

class Memory {
 public:
  Memory(uint64_t budget_bytes, uint64_t hash_seed) : budget_(budget_bytes), table_(hash_seed) {}
  ~Memory() = default;

  uint64_t hash(ByteView key) const { return table_.hash(key); }
  void prefetch(uint64_t hash) const { table_.prefetch(hash); }
  void prefetch_record(uint64_t hash) const { table_.prefetch_record(hash); }
  Record* find(ByteView key, uint64_t hash) const { return table_.find(key, hash); }
  // The version of `key` that a view at `sequence`, over a Store that holds all up to
  // `persisted`, must see; null where the Store's snapshot has it.
  static Record* visible(Record* newest, uint64_t sequence, uint64_t persisted);

  void set_held(HeldBounds bounds);
  const HeldBounds& held() const { return held_; }

  // Makes `content` the newest version of `key` and notes it in the active run. Returns by how
  // much the dirty bytes grew.
  int64_t put(ByteView key, uint64_t hash, std::optional<ByteView> content, uint64_t sequence,
              Run& active);
  // Keeps what the Store said of a key that is not in memory.
  Record* insert_clean(ByteView key, uint64_t hash, std::optional<ByteView> content);
  // Frees what is no longer held, and clean records above the budget: looks at a few records
  // per mutation made.
  void maintain(size_t mutation_count);

  size_t record_count() const { return table_.size(); }
  size_t older_count() const { return retired_.size(); }
  uint64_t eviction_count() const { return eviction_count_; }
  uint64_t memory_bytes() const {
    return arena_.slab_bytes() + table_.memory_bytes() + retired_.size() * sizeof(Retired);
  }
  void check_invariants(const Run& active) const;

 private:
  struct Retired {
    Record* record;
    uint64_t superseded;  // sequence of the next newer version
  };

  bool is_held_when_overwritten(uint64_t sequence) const;
  bool is_held_by_run(uint64_t sequence) const;
  bool is_held(const Retired& retired) const;
  bool is_over_budget() const;
  void retire(Record* record, uint64_t superseded) { retired_.push_back({record, superseded}); }
  void sweep(size_t count);
  void unlink(Record* record);
  void evict(size_t count);

  const uint64_t budget_;
  SlabArena arena_;
  RecordTable table_;
  HeldBounds held_;
  std::deque<Retired> retired_;
  size_t sweep_count_ = 0;  // retired ones to be looked at since the bounds changed
  size_t fruitless_ = 0;    // slots passed since the last eviction
  uint64_t eviction_count_ = 0;
};

}  // namespace alfheim::index
