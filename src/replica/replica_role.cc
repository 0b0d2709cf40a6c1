// What a replica does that does not lead: it says who does, and keeps nobody waiting in vain.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "base/slot.h"
#include "machine/entry_codec.h"
#include "replica/replica.h"

namespace alfheim::replica {
namespace {

// How long what came before it was clear who leads waits for that, and what was under way when a
// leadership ended for word of it.
constexpr uint64_t kLeaderlessMs = 3000;

}  // namespace

void Replica::note_role(const raft::SoftState& now) {
  if (now == role_) return;
  const raft::SoftState before = std::exchange(role_, now);
  const bool was_leader = before.role == raft::RoleKind::kLeader;
  const bool is_leader = now.role == raft::RoleKind::kLeader;
  if (was_leader && (!is_leader || before.term != now.term)) {
    is_serving_.store(false, std::memory_order_release);
    barriers_.refuse_all();
    tell(in_flight_.take_followers(), ReplyKind::kRetry);
    if (ALF_MUTANT(RedirectedThoughProposed)) {
      for (const CommittedEntry& item : in_flight_.take_all()) redirect(item.entry, item.waiters);
    }
    // Its pieces may stand in the log, but its command was never proposed.
    if (large_) lose_large();
  }
  leader_.store(now.leader.value, std::memory_order_release);
  if (now.leader != base::NodeId{}) {
    leaderless_ms_ = 0;
    is_cut_off_told_ = false;
  } else if (leaderless_ms_ == 0) {
    leaderless_ms_ = std::max<uint64_t>(hands_.clock.monotonic_ms(), 1);
  }
  take_snapshot();
  tell_readers();
  redirect_queued();
  if (events_.on_leader_changed) events_.on_leader_changed();
}

// Whoever votes counts from the moment its configuration stands in the log. Who was removed hears
// nothing more: what it had proposed behind that may come to be, or not.
void Replica::note_members() {
  if (is_removed() && !raft_.is_leader() && !in_flight_.is_empty()) lose(in_flight_.take_all());
  if (!roster_.look()) return;
  needs_barrier_.store(!raft_.configuration().is_sole_voter(options_.id),
                       std::memory_order_release);
  take_snapshot();
}

void Replica::change_members(const raft::Change& change, Roster::Done done) {
  hands_.core.post([this, change, done = std::move(done)]() mutable {
    if (has_failed_ || stopping_) {
      return done(base::Error{base::ErrorCode::kUnavailable, "the node stops"});
    }
    roster_.begin(change, std::move(done));
    handle_ready();
  });
}

void Replica::transfer(HandOverOrder order) {
  hands_.core.post([this, order = std::move(order)]() mutable {
    hand_over_.begin(std::move(order));
    advance_hand_over();
  });
}

void Replica::wait_for_followers(FollowerWait wait) {
  hands_.core.post([this, wait = std::move(wait)]() mutable {
    follower_waits_.add(std::move(wait), raft_, hands_.clock.monotonic_ms());
  });
}

void Replica::abort_transfer(std::function<void(base::Status)> done) {
  hands_.core.post([this, done = std::move(done)] {
    done(hand_over_.abort());
    pump();
  });
}

void Replica::take_over() {
  hands_.core.post([this] {
    if (has_failed_ || stopping_ || raft_.is_leader()) return;
    if (role_.leader == base::NodeId{}) {
      raft_.campaign();
      return handle_ready();
    }
    if (hands_.transport == nullptr) return;
    hands_.transport->send(net::PeerNote{options_.group, options_.id, role_.leader,
                                         net::NoteBody(net::TakeOverRequest{})});
  });
}

// From a follower that was told to take over: an order that waits for another target gives way.
// Where this node leads no more, it says nothing.
void Replica::on_take_over_request(base::NodeId from) {
  transfer({.to = from, .timeout_ms = election_timeout_ms(), .joins = true, .done = {}});
}

void Replica::advance_hand_over() {
  if (!hand_over_.is_on()) return;
  hand_over_.advance(large_.has_value());
  handle_ready();
  // It ended without a new leader: what waited is proposed.
  if (!hand_over_.is_on()) submit();
}

void Replica::tell_readers() {
  tell(barriers_.take_passed(hands_.machine.applied()), ReplyKind::kBarrier);
  tell(barriers_.take_refused(), ReplyKind::kRetry);
}

bool Replica::is_long_leaderless() const {
  return leaderless_ms_ > 0 && hands_.clock.monotonic_ms() >= leaderless_ms_ + kLeaderlessMs;
}

// Only what the next leader commits tells what became of a proposal. Cut off from it, this node
// cannot know for how long: nobody is kept waiting for that. Their connections are closed; they may
// still be answered, by nobody who listens.
void Replica::close_cut_off() {
  if (raft_.is_leader() || !is_long_leaderless() || std::exchange(is_cut_off_told_, true)) return;
  tell(in_flight_.all_waiters(), ReplyKind::kLost);
}

// What was left in the open batches while this node led, or seemed to: it was not proposed, so
// whoever asked is told where to ask. While no leader is known it waits a while for one, unless
// the node stops.
void Replica::redirect_queued(bool is_last) {
  if (raft_.is_leader() || batcher_.is_empty()) return;
  const bool is_known = role_.leader != base::NodeId{};
  if (!is_known && !is_long_leaderless() && !is_last && !is_removed()) return;
  for (LargeInFlight next; batcher_.take_large(next.operation); next = {}) {
    std::vector<ReplyBatch> batches(hands_.router.loop_count());
    add_refusal(batches, next.operation.waiter, "", redirection(nullptr));
    deliver(std::move(batches));
  }
  for (Batch& batch : batcher_.take_batches(SIZE_MAX)) redirect(batch);
}

void Replica::redirect(Batch& batch) {
  raft::Entry entry;
  entry.kind = raft::EntryKind::kCommands;
  entry.payload = std::make_shared<const base::Bytes>(std::move(batch.payload));
  redirect(entry, batch.waiters);
  tell(batch.followers, ReplyKind::kRetry);
}

void Replica::redirect(const raft::Entry& entry, std::span<const ReplyTo> waiters) {
  if (entry.kind != raft::EntryKind::kCommands || waiters.empty()) return;
  base::Result<machine::PayloadReader> reader = machine::PayloadReader::open(entry.bytes());
  ALF_CHECK_MSG(reader.is_ok(), "our own batch");
  std::vector<ReplyBatch> batches(hands_.router.loop_count());
  for (const ReplyTo& to : waiters) {
    ALF_CHECK(reader->has_next());
    const base::Result<machine::Operation> operation = reader->next();
    ALF_CHECK_MSG(operation.is_ok(), "our own batch");
    add_refusal(batches, to, "", redirection(&*operation));
  }
  deliver(std::move(batches));
}

std::string Replica::redirection(const machine::Operation* operation) const {
  if (is_removed()) return std::string(kRemoved);
  if (role_.leader == base::NodeId{} || role_.leader == options_.id || !events_.redirect) {
    return std::string(kNoLeader);
  }
  uint32_t slot = 0;
  base::DatabaseIndex database;
  base::ByteView key;
  const bool is_call = operation != nullptr &&
                       operation->kind == machine::OperationKind::kCommand &&
                       (operation->flags & machine::kOperationIsFragments) == 0;
  if (is_call && machine::peek_key(operation->body, database, key)) slot = base::key_slot(key);
  const std::string words = events_.redirect(role_.leader, slot);
  return words.empty() ? std::string(kNoLeader) : words;
}

// Log that lagging peers may still ask for stays: so many bytes of it, on every node alike, for
// any of them may lead next.
base::LogIndex Replica::log_start_for(base::LogIndex needed_from) const {
  const bool has_peers = raft_.configuration().members.size() > 1;  // a learner counts, too
  base::LogIndex kept = has_peers ? retained_from(needed_from) : needed_from;
  if (snapshots_ != nullptr) {
    kept = std::min(
        kept, std::max(snapshots_->log_needed_from(guard_.is_full()), hands_.log.first_index()));
  }
  return kept;
}

base::LogIndex Replica::retained_from(base::LogIndex needed_from) const {
  uint64_t bytes = 0;
  const std::vector<vlog::SegmentInfo> segments = hands_.log.sealed_segments();
  // Of the open one nothing goes.
  base::LogIndex kept = std::min(
      needed_from, segments.empty() ? hands_.log.first_index() : segments.back().last_index.next());
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    bytes += segment->data_bytes;
    if (bytes > options_.log_retain_bytes) break;
    kept = std::min(kept, segment->first_index);
  }
  return kept;
}

}  // namespace alfheim::replica
