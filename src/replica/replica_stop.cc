// A replica's clean end: what it waits for, and for how long.
#include "base/mutant.h"
#include "replica/replica.h"

namespace alfheim::replica {
namespace {

// A member waits so long for others to commit what it has proposed. They may answer and yet commit
// nothing: a disk hangs, or a majority needs somebody who is far behind.
constexpr uint64_t kStopWaitMs = 10'000;

}  // namespace

void Replica::stop(std::function<void(base::Status)> done) {
  hands_.core.post([this, done = std::move(done)]() mutable {
    ALF_CHECK(!stopping_);
    stopping_ = {std::move(done), hands_.clock.monotonic_ms() + kStopWaitMs};
    if (snapshots_ != nullptr) snapshots_->stop();
    roster_.give_up();
    if (has_failed_ || !is_serving() || writes_.is_parked()) return finish_stop();
    pump();
  });
}

// Whether nothing more is to be waited for: a single node writes all that it was asked for. Where
// another leads, or this node could not begin to, what is not committed here may never be.
bool Replica::may_close() const {
  if (has_failed_ || writes_.is_abandoned() || ALF_MUTANT(StopDoesNotWait)) return true;
  if (writes_.is_writing()) return false;
  const bool is_overdue = needs_barrier() && hands_.clock.monotonic_ms() >= stopping_->by_ms;
  if (is_overdue || !raft_.is_leader_established()) return true;
  return in_flight_.is_empty() && !large_ && batcher_.is_empty();
}

// It is not known how much of it stands in the log, here or elsewhere, so nobody is answered.
void Replica::lose_all() {
  lose(in_flight_.take_all());
  if (large_) lose_large();
  for (LargeInFlight next; batcher_.take_large(next.operation); lose_large()) large_ = next;
  for (Batch& batch : batcher_.take_batches(SIZE_MAX)) lose(batch);
  barriers_.refuse_all();
  tell_readers();
}

void Replica::finish_stop() {
  if (is_closing_) return;
  if (writes_.is_parked()) writes_.abandon();  // there is no room, and it cannot wait for some
  if (!is_serving() && !has_failed_) redirect_queued(true);
  if (!may_close()) return;
  hand_over_.give_up();
  lose_all();
  is_closing_ = true;
  is_serving_.store(false, std::memory_order_release);
  // Through the core, behind the move of the log's start that the last freeze brings.
  const auto close = [this] {
    hands_.core.post([this] {
      hands_.log_strand.post([this] {
        base::Status status = hands_.log.close();
        hands_.core.post(
            [this, status = std::move(status)]() mutable { stopping_->done(std::move(status)); });
      });
    });
  };
  // A node that has failed leaves everything as it is: the next start recovers.
  if (has_failed_) return stopping_->done(base::ok());
  applier_.persist_now(close);
}

}  // namespace alfheim::replica
