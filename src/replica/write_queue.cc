#include "replica/write_queue.h"

#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"

namespace alfheim::replica {
namespace {

// What one write may carry: more only delays the sync that everybody waits for.
constexpr uint64_t kWriteBytesMax = 4 * base::kMiB;

uint64_t bytes_of(const std::vector<raft::Entry>& entries) {
  uint64_t bytes = 0;
  for (const raft::Entry& entry : entries) bytes += entry.bytes().size();
  return bytes;
}

template <typename Item>
void move_behind(std::vector<Item>& from, std::vector<Item>& to) {
  if (to.empty()) {
    to = std::move(from);
    return;
  }
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void WriteQueue::add(raft::Ready ready) {
  // A later one's being durable would say so of what was given up, too.
  if (is_abandoned_ && !ALF_MUTANT(AbandonedIsDurable)) return;
  ALF_CHECK(waiting_.empty() || waiting_.back().number < ready.number);
  const bool is_next = !is_writing() || ALF_MUTANT(AckOvertakesAWrite);
  if (is_next && !ready.needs_persist()) {
    return events_.on_durable(ready.number, std::move(ready.messages_after_persist), false);
  }
  waiting_.push_back(Write{.number = ready.number,
                           .hard_state = ready.hard_state,
                           .entries = std::move(ready.entries),
                           .messages = std::move(ready.messages_after_persist)});
  start_next();
}

// All that waits goes in one write, as far as it follows on: an entry that takes the place of an
// earlier one begins a write of its own, so that each is one run.
void WriteQueue::start_next() {
  // What wants nothing durable has waited for its turn only: the disk is not asked.
  while (!is_under_way_ && !is_parked_ && !waiting_.empty() && !waiting_.front().needs_persist()) {
    Write told = std::move(waiting_.front());
    waiting_.pop_front();
    events_.on_durable(told.number, std::move(told.messages), false);
  }
  if (is_under_way_ || is_parked_ || waiting_.empty()) return;
  Write next = std::move(waiting_.front());
  waiting_.pop_front();
  uint64_t bytes = bytes_of(next.entries);
  while (!waiting_.empty()) {
    Write& behind = waiting_.front();
    const bool follows = next.entries.empty() || behind.entries.empty() ||
                         next.entries.back().index.next() == behind.entries.front().index;
    bytes += bytes_of(behind.entries);
    if (!follows || bytes > kWriteBytesMax) break;
    next.number = behind.number;
    if (behind.hard_state) next.hard_state = behind.hard_state;
    move_behind(behind.entries, next.entries);
    move_behind(behind.messages, next.messages);
    waiting_.pop_front();
  }
  is_under_way_ = true;
  post(std::move(next));
}

void WriteQueue::post(Write write) {
  hands_.log_strand.post([this, write = std::move(write)]() mutable {
    base::Status status = persist(write);
    events_.on_written();
    hands_.core.post([this, write = std::move(write), status = std::move(status)]() mutable {
      on_ended(std::move(write), std::move(status));
    });
  });
}

base::Status WriteQueue::persist(const Write& write) {
  if (write.hard_state && !ALF_MUTANT(HardStateNotSaved)) {
    ALF_TRY_STATUS(hands_.log.save_hard_state(
        vlog::HardState{write.hard_state->term, write.hard_state->vote}));
  }
  if (write.entries.empty()) return base::ok();
  return hands_.log.append(write.entries);
}

void WriteQueue::on_ended(Write write, base::Status status) {
  ALF_CHECK(is_under_way_);
  is_under_way_ = false;
  if (!status && status.error().code == base::ErrorCode::kNoSpace) {
    is_parked_ = true;
    waiting_.push_front(std::move(write));
    return events_.on_no_room(status.error());
  }
  if (!status) return events_.on_failed(std::move(status).error());
  ++write_count_;
  events_.on_durable(write.number, std::move(write.messages), true);
  start_next();
}

void WriteQueue::retry() {
  if (!std::exchange(is_parked_, false)) return;
  start_next();
}

void WriteQueue::abandon() {
  ALF_CHECK(!is_under_way_);
  is_parked_ = false;
  is_abandoned_ = true;
  waiting_.clear();
}

}  // namespace alfheim::replica
