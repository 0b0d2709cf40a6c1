// What a replica does that is sick: a leader whose disk hangs, or is full, gives up leadership, so
// that a slow minority stays invisible.
#include "base/mutant.h"
#include "replica/replica.h"

namespace alfheim::replica {
namespace {

// A disk that finishes nothing for so long hangs; healthy ones stall for a second now and then.
constexpr uint64_t kHangingMs = 1500;

}  // namespace

// On each tick. What is under way stays with raft: whoever leads next decides about it, and most
// likely holds it. Their clients are not kept waiting for this disk: nobody knows how long.
void Replica::look_at_health() {
  if (!needs_barrier() || has_failed_) return;
  const uint64_t led_term = raft_.is_leader() ? raft_.soft_state().term.value : 0;
  // (One that stops has asked already, and what waits must not be held back at each tick again.)
  if (!stopping_ && write_watch_.wants_to_leave(guard_.is_full(), led_term)) {
    return hand_over_to_best();
  }
  // A write that waits for room does not wait for the disk: that it is full is looked at above, and
  // where all are full, leadership must not go round for ever.
  const bool is_writing = writes_.is_writing() && !writes_.is_parked();
  const uint64_t waiting_ms =
      write_watch_.waiting_ms(writes_.write_count(), is_writing, hands_.clock.monotonic_ms());
  if (waiting_ms < kHangingMs) return;
  if (raft_.is_leader() && !ALF_MUTANT(HangingLeaderStays)) return hand_over_to_best();
  if (write_watch_.is_first_asked()) close_waiters();
}

// Raft gives up after an election timeout where that one does not take over: asked again then.
// Where nobody is connected, or raft refuses, the next tick asks again. Without an order's phases:
// these wait for writes that end.
void Replica::hand_over_to_best() {
  const base::Result<base::NodeId> best = hand_over_.best_voter();
  if (best && raft_.transfer_leadership(*best)) handle_ready();
}

// They may still be answered, by nobody who listens.
void Replica::close_waiters() {
  tell(in_flight_.all_waiters(), ReplyKind::kLost);
  barriers_.refuse_all();
  tell_readers();
}

}  // namespace alfheim::replica
