// What a full disk asks of a replica: refuse what would grow the data before it is proposed,
// keep what the log has no room for, look for room, and go on.
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "machine/growth.h"
#include "replica/replica.h"

namespace alfheim::replica {
namespace {

constexpr uint64_t kLookEveryMs = 1000;
// Files of the log's reserve that the index does not get: deletes go on in them.
constexpr uint32_t kReserveOfLog = 1;

}  // namespace

// A new segment is what takes room: whoever is refused from now on is refused early.
void Replica::look_behind_write() {
  const uint64_t roll_count = hands_.log.roll_count();
  if (std::exchange(roll_count_, roll_count) == roll_count) return;
  guard_.look();
  // Deletes may use up the room faster than once a second, and with it that of the index.
  if (guard_.is_full()) applier_.freeze_for_room();
}

// ---- the core ----

// The entries are raft's, so nothing can take them back: they wait, and with them all that is
// behind, until there is room. Reads go on.
void Replica::on_no_room(const base::Error& found) {
  guard_.note_no_room(DiskGuard::Need::kLog, found);
  release_followers();
  if (stopping_) finish_stop();
}

// Log time stands still before there is room: reads must not wait for it.
void Replica::release_followers() {
  tell(in_flight_.take_followers(), ReplyKind::kNoTick);
  tell(batcher_.take_followers(), ReplyKind::kNoTick);
}

void Replica::retry_parked() {
  if (!writes_.is_parked()) return;
  release_followers();  // who came before it could know
  writes_.retry();
}

// Only an index that is stored lets the segments of deleted values go. So on a disk that somebody
// else filled its files go where the log keeps room for itself; before the freeze is tried again.
void Replica::give_room_to_index(const base::Error& found) {
  guard_.note_no_room(DiskGuard::Need::kIndex, found);
  hands_.log_strand.post([this] {
    base::Result<bool> given = hands_.log.give_room(kReserveOfLog);
    if (given) return;
    hands_.core.post(
        [this, error = std::move(given).error()]() mutable { fail(std::move(error)); });
  });
}

void Replica::look_at_disk() {
  const uint64_t now_ms = hands_.clock.monotonic_ms();
  if (now_ms < look_ms_ || is_closing_) return;
  look_ms_ = now_ms + kLookEveryMs;
  hands_.log_strand.post([this] { guard_.look(); });
  // A follower's disk fills, too.
  if (!is_serving() && !needs_barrier()) return;
  const bool is_full = guard_.is_full();
  // What was deleted gives its segments back once the index says so on disk.
  if (is_full) applier_.freeze_for_room();
  if (is_full || hands_.log.reserve_missing_bytes() > 0) sweep();
}

bool Replica::is_refused(machine::OperationKind kind, base::ByteView body) {
  const command::Table& table = hands_.machine.table();
  if (applier_.is_choked()) return machine::writes(table, kind, body);
  return guard_.is_full() && machine::grows(table, kind, body);
}

bool Replica::is_refused(const LargeOperation& operation) {
  const bool is_refused =
      applier_.is_choked() ? !operation.is_read : guard_.is_full() && operation.is_growth;
  if (!is_refused) return false;
  const bool is_block = operation.kind == machine::OperationKind::kBlock;
  const std::span<const ReplyTo> one(&operation.waiter, 1);
  refuse(is_block ? std::span<const ReplyTo>() : one, is_block ? one : std::span<const ReplyTo>());
  return true;
}

// Pieces of it may stand in the log already, and would hold the log's start back until the next
// large operation: an operation that names them, and that nobody runs, lets them go.
void Replica::disown_large() {
  const std::vector<vlog::ValueAddress> pieces = std::move(large_->pieces);
  uint64_t length_bytes = 0;
  for (const vlog::ValueAddress& piece : pieces) length_bytes += piece.length_bytes;
  large_.reset();
  if (pieces.empty()) return;
  base::Bytes list;
  machine::put_fragmented_body(list, length_bytes, pieces);
  LargeOperation nobodys;
  nobodys.is_read = true;
  Batch batch = batcher_.make_fragmented(nobodys, list);
  propose_commands(batch);
}

// Takes out of a batch what may not go on a full disk. It was never proposed, so the error is
// honest; the rest keeps its order.
void Replica::refuse_growth(Batch& batch) {
  if (batch.payload.empty()) return;  // a tick
  base::Result<machine::PayloadReader> reader = machine::PayloadReader::open(batch.payload);
  ALF_CHECK_MSG(reader.is_ok(), "our own batch");
  machine::BatchBuilder kept;
  kept.start(reader->header());
  std::vector<ReplyTo> waiters;
  std::vector<ReplyTo> calls;
  std::vector<ReplyTo> blocks;
  for (size_t ordinal = 0; reader->has_next(); ++ordinal) {
    const base::Result<machine::Operation> operation = reader->next();
    ALF_CHECK_MSG(operation.is_ok(), "our own batch");
    ALF_CHECK(ordinal < batch.waiters.size());
    if (!is_refused(operation->kind, operation->body)) {
      kept.add_body(operation->kind, operation->flags, operation->body);
      waiters.push_back(batch.waiters[ordinal]);
    } else if (operation->kind == machine::OperationKind::kBlock) {
      blocks.push_back(batch.waiters[ordinal]);
    } else {
      calls.push_back(batch.waiters[ordinal]);
    }
  }
  if (calls.empty() && blocks.empty()) return;
  batch.payload = waiters.empty() ? base::Bytes() : kept.take();
  batch.waiters = std::move(waiters);
  refuse(calls, blocks);
}

void Replica::refuse(std::span<const ReplyTo> calls, std::span<const ReplyTo> blocks) {
  std::vector<ReplyBatch> batches(hands_.router.loop_count());
  for (const ReplyTo& to : calls) add_refusal(batches, to, "", kRefusedByFullDisk);
  for (const ReplyTo& to : blocks) {
    add_refusal(batches, to, "EXECABORT Transaction discarded because of: ", kRefusedByFullDisk);
  }
  deliver(std::move(batches));
}

}  // namespace alfheim::replica
