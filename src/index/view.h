// index/view: one consistent state of the index, held for as long as its reader needs it.
//
// A View is the memory versions up to its sequence number together with the Store snapshot
// that lies under them, taken as one. What it shows never changes, whatever is written,
// frozen, ingested or evicted meanwhile. It is for long reads and for reads that may block;
// its price is that versions it can see are chained instead of overwritten.
//
// A view never holds the index's lock over Store I/O: memory is copied in short slices.
//
// Thread: get() and scan() from any thread, also several at once; a Cursor is used by one
// thread at a time. Lifetime: shared by whoever reads (a session's long reply, a sweep of
// upkeep); the Index outlives all its views, a view its cursors. Destroy on any thread.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>

#include "index/store.h"

namespace alfheim::index {

class Index;
class Run;
class RunCursor;

class View {
 public:
  ~View();
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  // The value is copied into `scratch`, the result borrows from it. kWouldBlock in
  // kMemoryOnly where neither memory nor the Store's cache knows.
  base::Result<std::optional<ByteView>> get(ByteView key, ReadMode mode, Bytes& scratch) const;

  // A cursor over the merged order of memory and Store, both directions. The first scan whose
  // bounds touch a kind that is not in Options::ordered_kinds sorts what was written since the
  // last scan (in kMemoryOnly a long tail answers kWouldBlock instead).
  std::unique_ptr<Cursor> scan(ScanOptions options = {}) const;

  // The number that was last given to write() when this view was taken.
  uint64_t applied() const { return applied_; }
  uint64_t sequence() const { return sequence_; }

 private:
  friend class Index;
  friend class ReadGuard;
  friend class RunCursor;
  friend class MergedCursor;
  explicit View(Index& owner) : index_(owner) {}

  Index& index_;
  uint64_t sequence_ = 0;   // versions up to this one are seen
  uint64_t persisted_ = 0;  // sequence that snapshot_ holds everything up to
  uint64_t applied_ = 0;
  uint64_t opened_ns_ = 0;
  // Shared with other views of the same time: the runs written since `persisted_`, newest
  // first. Their records are kept while this view lives (Index::is_held).
  std::shared_ptr<Run> active_;
  std::shared_ptr<Run> frozen_;
  size_t slot_count_ = 0;                          // slots of active_ that this view can see
  std::shared_ptr<const StoreSnapshot> snapshot_;  // shared by views between two freezes
  std::list<View*>::iterator place_;               // in Index::views_, under its mutex
};

}  // namespace alfheim::index
