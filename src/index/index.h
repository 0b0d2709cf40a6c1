// index/index: the write-back memory over a Store.
//
// Owns the newest version of every record that was written or read for writing lately, in
// slabs under a hash table; what was written since the last freeze is dirty, the rest is a
// cache that the budget evicts. Knows nothing of Redis keys but that the first byte of a key
// is its kind (never kStoreKind). States of a record, and what a crash leaves: docs/index.md.
//
// A freeze closes the dirty part; its job, run elsewhere, puts it into the Store in one
// atomic step together with `applied`. The persisted state is therefore always the exact
// state at persisted_applied() (I2), and after a crash the index is that state.
//
// Thread: one apply strand calls what stands under "Apply strand"; read(), open_view() and
// the numbers are for any thread. The strand's writes and the readers exclude each other by a
// lock that nobody may hold over 200 µs or over I/O. No threads of its own.
// Lifetime: `store` and `clock` outlive the Index, the Index its guards, views and jobs.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "env/clock.h"
#include "index/slice_lock.h"
#include "index/store.h"
#include "index/view.h"
#include "index/warm_part.h"

namespace alfheim::index {

struct Mutation {
  ByteView key;
  std::optional<ByteView> value;  // nothing: the key is deleted
};

struct Options {
  uint64_t memory_budget_bytes = 256 << 20;  // at least twice the dirty budget
  uint64_t dirty_budget_bytes = 64 << 20;    // from here on wants_freeze()
  std::string ordered_kinds;    // kind bytes that are kept in order in memory, for scans
  char warm_kind = kStoreKind;  // whose records next_warm_part() brings; kStoreKind: none
  uint64_t hash_seed = 0;       // random per process, so that clients cannot craft collisions
};

struct Stats {
  uint64_t record_count = 0;  // newest versions in memory
  uint64_t older_version_count = 0;
  uint64_t memory_bytes = 0;
  uint64_t dirty_bytes = 0;   // written since the last freeze
  uint64_t frozen_bytes = 0;  // being ingested
  uint64_t eviction_count = 0;
  uint64_t warmed_count = 0;      // records that take_warm kept
  uint64_t store_read_count = 0;  // of get_for_write, those that had to ask the Store
  uint64_t freeze_count = 0;
  uint64_t view_count = 0;
  uint64_t oldest_view_ms = 0;
};

class Memory;

// A frozen part on its way into the Store. Dropping a job that was not finished is a crash of
// the node: the Index refuses to go on without its frozen part (it never freezes again).
class FreezeJob {
 public:
  // Sorts, writes and ingests; any thread, once. On an error the owner stops the node.
  base::Status run();
  uint64_t applied() const { return applied_; }

 private:
  friend class Index;
  FreezeJob(Store& store, std::shared_ptr<Run> frozen, uint64_t applied)
      : store_(store), frozen_(std::move(frozen)), applied_(applied) {}
  Store& store_;
  std::shared_ptr<Run> frozen_;  // shared with the Index and with views
  uint64_t applied_;
  bool is_ingested_ = false;
};

// Excludes the strand's writes while it lives: at most 200 µs, no I/O, no write by its thread.
class ReadGuard {
 public:
  // From memory and the Store's cache; kWouldBlock when only the disk knows (ask a View). The
  // result borrows from the index while the guard lives, or from `scratch`.
  base::Result<std::optional<ByteView>> get(ByteView key, Bytes& scratch) const;
  // The state does not change under a guard: the number last given to write().
  uint64_t applied() const;
  // Hints, as Index's.
  uint64_t prefetch(ByteView key) const;
  void prefetch_record(uint64_t number) const;

  ReadGuard(ReadGuard&& other) noexcept : index_(other.index_) { other.index_ = nullptr; }
  ReadGuard& operator=(ReadGuard&&) = delete;
  ~ReadGuard();

 private:
  friend class Index;
  explicit ReadGuard(const Index& owner);
  const Index* index_;
};

// Several publishes under one lock, at most 200 µs: what one publish() wrote is seen as one,
// and nobody reads between two publishes of a slice. One slice at a time.
class WriteSlice {
 public:
  // `applied` as in Index::write.
  void publish(std::span<const Mutation> mutations, uint64_t applied);
  // Readers see what was published since draw_curtain(), as one.
  void lift_curtain();

  WriteSlice(WriteSlice&& other) noexcept : index_(other.index_) { other.index_ = nullptr; }
  WriteSlice& operator=(WriteSlice&&) = delete;
  ~WriteSlice();

 private:
  friend class Index;
  explicit WriteSlice(Index& owner);
  Index* index_;
};

// Where the strand stands.
struct Progress {
  uint64_t applied = 0;
  uint64_t sequence = 0;   // of the last publish
  uint64_t persisted = 0;  // versions up to this one are in the Store (see finish)
  uint64_t seen_views_version = ~uint64_t{0};
  uint64_t frozen_bytes = 0;
  uint64_t freeze_count = 0;
  uint64_t store_read_count = 0;
  uint64_t warmed_count = 0;
  bool is_slice_open = false;
  std::shared_ptr<View> curtain;  // what readers see instead; shared with views of this time
};

// How far the Store's records of one kind were brought into memory.
struct WarmUp {
  Bytes from;             // the next part begins here
  bool is_over = false;   // at the end, or out of room
  bool is_whole = false;  // it reached the end
};

class Index {
 public:
  // kInvalidArgument where the budgets contradict each other.
  static base::Result<std::unique_ptr<Index>> open(Store& store, const env::Clock& clock,
                                                   Options options);
  ~Index();

  // ---- Apply strand -------------------------------------------------------------------
  // The newest state, own writes included. Asks the Store where memory does not know (without
  // any lock) and keeps the answer as a clean record. With kMemoryOnly, and always inside a
  // WriteSlice, nothing may block: there the answer is kWouldBlock; ask again where it may. The
  // result borrows from the index or from `scratch`, until the next write or get_for_write.
  base::Result<std::optional<ByteView>> get_for_write(ByteView key, Bytes& scratch,
                                                      ReadMode mode = ReadMode::kMayBlock);

  // Hints for whoever will ask for the key some keys later: first for its place in the table,
  // whose number is the result, then, once that has come, for the record.
  uint64_t prefetch(ByteView key) const;
  void prefetch_record(uint64_t number) const;

  // Publishes all mutations as one; a later one of the same key wins. Keys and values must not
  // borrow from the index (a mutation may move what the next one names). `applied` is opaque and
  // never goes back: readers learn it with the state it belongs to.
  void write(std::span<const Mutation> mutations, uint64_t applied);
  WriteSlice begin_slice() { return WriteSlice(*this); }
  // Readers and new views see the state as it is now, whatever is published, until a slice lifts
  // it: for what has to be seen as one and is too much for one slice. Costs what a view costs.
  void draw_curtain();

  // No freeze is under way, and the Store can take one (level 0 is not full).
  bool can_freeze() const;
  // The dirty part has reached its budget, and a freeze is possible.
  bool wants_freeze() const;
  // The dirty part has reached its budget again while a freeze is under way or has to wait:
  // the owner slows its clients down.
  bool is_overfull() const;
  // The dirty part comes near its budget. Where no freeze can end, an owner that takes no more from
  // here on still has a quarter of the budget for what is under way.
  bool is_nearly_full() const;
  bool is_freezing() const { return frozen_ != nullptr; }
  bool has_dirty() const;
  // Closes the dirty part, which may be empty; O(1), at most one at a time. `applied` is what
  // the state now reflects, wholly.
  std::unique_ptr<FreezeJob> freeze(uint64_t applied);
  // After job.run() succeeded: its records are clean from here on; O(1). Destroy the job in the
  // background where that matters: it owns the order of all that was frozen.
  void finish(FreezeJob& job);

  // The next records of the warm kind, to be read and brought here; one part at a time. Null where
  // there are no more, or no more room: what is written later needs two dirty parts, and what is
  // read later a place, too.
  std::unique_ptr<WarmPart> next_warm_part();
  // Keeps some records of a part that was read, those that memory does not know: few, under one
  // lock. True: there are more of them. Drops the part where the Store took in something since
  // (what it read may be old), and then the next one reads the same again.
  bool take_warm(WarmPart& part);

  // What was last given to write() or freeze(), or read from the Store at open.
  uint64_t applied() const { return progress_.applied; }
  // Aborts where the memory contradicts itself. O(records): for tests and the simulator.
  void check_invariants() const;

  // ---- Any thread ---------------------------------------------------------------------
  ReadGuard read() const { return ReadGuard(*this); }
  std::shared_ptr<View> open_view();
  // Of the very state that the guard reads.
  std::shared_ptr<View> open_view(const ReadGuard& guard);

  // Entries up to here are in the Store (I2); grows in finish().
  uint64_t persisted_applied() const { return persisted_applied_.load(std::memory_order_acquire); }
  // What a compaction filter may judge by (I9): min(persisted, oldest open view).
  uint64_t filter_horizon() const;
  uint64_t view_count() const;
  uint64_t oldest_view_ms() const;  // age; 0 without views
  uint64_t memory_bytes() const;    // under the lock of readers, as stats()
  uint64_t dirty_bytes() const { return dirty_bytes_.load(std::memory_order_relaxed); }
  Stats stats() const;

 private:
  friend class ReadGuard;
  friend class WriteSlice;
  friend class View;
  friend class RunCursor;
  friend class MergedCursor;
  Index(Store& store, const env::Clock& clock, Options options);

  // Whether every record there is of this key's kind stands in memory: what is not found there,
  // is not.
  bool holds_all(ByteView key) const;
  bool has_room_to_warm() const;
  void insert_warm(WarmPart& part, size_t count);
  void refresh_held();
  void close_view(View& view) noexcept;

  Store& store_;
  const env::Clock& clock_;
  const Options options_;
  // Guards memory_, the runs and the numbers below it against readers. The strand alone
  // writes, so it reads without the lock.
  mutable SliceLock lock_;
  std::unique_ptr<Memory> memory_;
  std::shared_ptr<Run> active_;  // shared with views
  std::shared_ptr<Run> frozen_;  // shared with views and the job; null while none runs
  std::shared_ptr<const StoreSnapshot> snapshot_;  // shared with views
  Progress progress_;
  bool began_empty_ = false;  // nothing was ever ingested before this life
  WarmUp warm_up_;
  std::atomic<uint64_t> dirty_bytes_ = 0;
  std::atomic<uint64_t> persisted_applied_;
  // Guards views_, which stands in the order of opening.
  mutable std::mutex views_mutex_;
  std::list<View*> views_;
  std::atomic<uint64_t> views_version_ = 0;  // grows with each change of views_
};

}  // namespace alfheim::index
