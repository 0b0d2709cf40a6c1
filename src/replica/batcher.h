// replica/batcher: the group's open batch: where the loops leave operations, and the core
// takes them all at once.
//
// An operation is encoded here once, straight into the payload of the entry that will carry
// it. While a write is in flight the batch stays open: the running sync is the batch timer,
// and nothing ever waits to fill a batch. A body too large for an entry is queued apart, and
// goes ahead of its operation in fragment entries.
//
// Bounds: is_full() from kQueuedBytesMax on; the sessions then stop reading.
// Thread: add_* from any loop, take_* from the core strand; a mutex guards the open batches
// (held for the copy of one operation). Lifetime: of the replica.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "machine/entry_codec.h"
#include "replica/large_operation.h"
#include "replica/reply.h"

namespace alfheim::replica {

// A batch is closed at this size; one operation inline is smaller.
inline constexpr size_t kBatchBytesMax = 1024 * 1024;
inline constexpr size_t kInlineBodyBytesMax = 512 * 1024;
inline constexpr size_t kQueuedBytesMax = 64 * 1024 * 1024;

// A closed batch: the payload of one entry, and who waits for what.
struct Batch {
  base::Bytes payload;             // empty: a tick
  std::vector<ReplyTo> waiters;    // by ordinal; session 0 means nobody
  std::vector<ReplyTo> followers;  // told when the entry is applied (reads that need a tick)
  bool is_empty() const { return waiters.empty() && followers.empty(); }
};

class Batcher {
 public:
  explicit Batcher(const machine::PayloadHeader& header) : header_(header) {}

  // ---- any thread ----
  // `body_bytes` is call_bytes(call), at most kInlineBodyBytesMax.
  void add_call(const machine::CallView& call, size_t body_bytes, bool is_read,
                const ReplyTo& waiter);
  // The body of a call or block that is encoded already, at most kInlineBodyBytesMax; or the empty
  // one of a state hash.
  void add_body(machine::OperationKind kind, base::ByteView body, const ReplyTo& waiter);
  // It goes ahead in fragments, so nothing of its connection may come before it is applied.
  void add_large(LargeOperation large);
  // Whoever reads again after the next entry is applied. Makes a tick where nothing else goes.
  void add_follower(const ReplyTo& waiter);
  void set_header(const machine::PayloadHeader& header);
  bool is_full() const { return queued_bytes_.load(std::memory_order_relaxed) >= kQueuedBytesMax; }
  bool is_empty() const { return !has_work_.load(std::memory_order_acquire); }
  uint64_t queued_bytes() const { return queued_bytes_.load(std::memory_order_relaxed); }

  // ---- core strand ----
  // Closed batches, oldest first, of at most `bytes_max` in all (at least one where there is any).
  std::vector<Batch> take_batches(size_t bytes_max);
  // Those who wait for a tick that cannot come.
  std::vector<ReplyTo> take_followers();
  // The next body that must go ahead in fragments.
  bool take_large(LargeOperation& large);
  // A batch of its own for the operation of a body that went ahead.
  Batch make_fragmented(const LargeOperation& large, base::ByteView fragment_list) const;

 private:
  struct Open {
    machine::BatchBuilder builder;
    Batch batch;
  };
  struct Size {
    size_t payload_bytes = 0;
    size_t waiter_count = 0;
  };
  Open& open_for(size_t body_bytes);  // under mutex_
  void added(size_t bytes);           // under mutex_

  mutable std::mutex mutex_;  // guards all below but the atomics
  machine::PayloadHeader header_;
  std::deque<Open> open_;
  std::deque<LargeOperation> large_;
  std::vector<ReplyTo> followers_;
  Size last_;  // of the last batch that was taken
  std::atomic<uint64_t> queued_bytes_{0};
  std::atomic<bool> has_work_{false};
};

}  // namespace alfheim::replica
