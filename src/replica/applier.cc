#include "replica/applier.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"

namespace alfheim::replica {
namespace {

// One slice applies at most this much, then lets other tasks of the strand run.
constexpr size_t kSliceEntriesMax = 512;
constexpr size_t kSliceBytesMax = 4 * 1024 * 1024;
// On a loop connections, and raft, wait behind it: operations and their replies, in bytes.
constexpr size_t kNearBytesMax = 256 * 1024;
// Elsewhere they only must not pile up before they are handed on.
constexpr size_t kFarBytesMax = 4 * 1024 * 1024;
// How often a freeze that waits for compaction is tried again.
constexpr uint64_t kFreezeRetryMs = 10;
// How often one is tried that found the disk full: each try may write a lot in vain.
constexpr uint64_t kRoomRetryMsMin = 500;
constexpr uint64_t kRoomRetryMsMax = 8000;

}  // namespace

// Writes replies into the batches of their loops.
class Applier::Sink : public machine::ReplySink {
 public:
  Sink(Applier& applier, const std::vector<ReplyTo>& waiters)
      : applier_(applier), waiters_(waiters) {}

  resp::ReplyWriter* begin(size_t ordinal) override {
    const ReplyTo* to = waiter(ordinal);
    if (to == nullptr) return nullptr;
    ReplyBatch& batch = batch_of(*to);
    reply_ = Reply{.to = *to, .begin = batch.bytes.size(), .ends_begin = batch.ends.size()};
    writer_.emplace(batch.bytes, to->protocol);
    return &*writer_;
  }
  void end_part(size_t ordinal) override {
    ReplyBatch& batch = batch_of(waiters_[ordinal]);
    batch.ends.push_back(batch.bytes.size());
  }
  void end(size_t ordinal, machine::Outcome outcome) override {
    ReplyBatch& batch = batch_of(waiters_[ordinal]);
    reply_.kind =
        outcome == machine::Outcome::kWatchFailed ? ReplyKind::kWatchFailed : ReplyKind::kReplied;
    reply_.is_block = outcome != machine::Outcome::kReplied;
    reply_.end = batch.bytes.size();
    replied_bytes_ += reply_.end - reply_.begin;
    if (!reply_.is_block) batch.ends.push_back(reply_.end);
    reply_.ends_end = batch.ends.size();
    writer_.reset();
    if (!batch.replies.empty() && follows(batch.replies.back())) {
      batch.replies.back().end = reply_.end;
      batch.replies.back().ends_end = reply_.ends_end;
    } else {
      batch.replies.push_back(reply_);
    }
  }
  void abandon(size_t ordinal) override {
    if (!writer_) return;
    ReplyBatch& batch = batch_of(waiters_[ordinal]);
    batch.bytes.resize(reply_.begin);
    batch.ends.resize(reply_.ends_begin);
    writer_.reset();
  }
  size_t replied_bytes() const override { return replied_bytes_; }
  void on_state_hash(size_t ordinal) override {
    if (const ReplyTo* to = waiter(ordinal)) {
      applier_.events_.on_state_hash(applier_.hands_.machine.open_view(), *to);
    }
  }

 private:
  const ReplyTo* waiter(size_t ordinal) const {
    if (ordinal >= waiters_.size() || waiters_[ordinal].session == 0) return nullptr;
    return &waiters_[ordinal];
  }
  ReplyBatch& batch_of(const ReplyTo& to) {
    ALF_CHECK(to.loop < applier_.outgoing_.size());
    return applier_.outgoing_[to.loop];
  }

  // Whether the reply is the next of the run that `last` is.
  bool follows(const Reply& last) const {
    return last.kind == ReplyKind::kReplied && reply_.kind == ReplyKind::kReplied &&
           !last.is_block && !reply_.is_block && last.to.session == reply_.to.session &&
           last.to.slot + (last.ends_end - last.ends_begin) == reply_.to.slot;
  }

  Applier& applier_;
  const std::vector<ReplyTo>& waiters_;
  Reply reply_;
  size_t replied_bytes_ = 0;
  std::optional<resp::ReplyWriter> writer_;
};

Applier::Applier(const Hands& hands, const Options& options, Events events)
    : hands_(hands),
      strand_(hands.near, hands.far),
      warm_up_({hands.executor, strand_, hands.machine.index()}),
      options_(options),
      events_(std::move(events)),
      target_(hands.machine.applied()),
      outgoing_(hands.router.loop_count()) {}

void Applier::offer(base::LogIndex commit, std::vector<CommittedEntry> entries) {
  uint64_t bytes = 0;
  for (const CommittedEntry& item : entries) bytes += item.entry.bytes().size();
  backlog_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  strand_.post([this, commit, entries = std::move(entries)]() mutable {
    ALF_CHECK(commit >= target_);
    target_ = commit;
    for (CommittedEntry& item : entries) {
      ALF_CHECK(entries_.empty() || entries_.back().entry.index < item.entry.index);
      entries_.push_back(std::move(item));
    }
    if (!is_running_) run_slice();
  });
}

void Applier::run_slice() {
  if (has_failed_) return;
  is_running_ = true;
  size_t bytes_begin = log_bytes_since_freeze_;
  Step step = Step::kApplied;
  for (size_t i = 0; i < kSliceEntriesMax && step == Step::kApplied; ++i) {
    base::Result<Step> next = apply_next();
    if (!next) return fail(std::move(next).error());
    step = *next;
    if (step != Step::kApplied) break;
    maybe_freeze(!persist_waiters_.empty() || !freeze_waiters_.empty());
    if (log_bytes_since_freeze_ < bytes_begin) bytes_begin = 0;
    if (log_bytes_since_freeze_ - bytes_begin > kSliceBytesMax || is_near()) break;
  }
  is_running_ = step != Step::kNothing;
  note_choked();  // before a reply says that there is room for the next
  flush_replies();
  if (events_.on_progress) events_.on_progress(hands_.machine.applied(), target_);
  events_.on_applied(hands_.machine.applied());
  choose_place(step);
  if (is_running_) strand_.post([this] { run_slice(); });
}

// Far only for what asks for it: what comes behind that may be small again.
void Applier::choose_place(Step step) {
  if (step == Step::kNeedsFar) {
    strand_.go(ApplyStrand::Place::kFar);
  } else if (!current_ && (hands_.machine.applied() >= target_ || has_next_in_memory())) {
    strand_.go(ApplyStrand::Place::kNear);
  }
}

bool Applier::is_near() const { return strand_.place() == ApplyStrand::Place::kNear; }

base::Result<Applier::Step> Applier::apply_next() {
  if (is_stopping_ && !current_) return Step::kNothing;  // the log closes behind the last freeze
  if (!current_) {
    if (hands_.machine.applied() >= target_) return Step::kNothing;
    // The dirty part must not grow without bound while a freeze runs, or while the store has
    // too much to compact to take another run.
    if (hands_.machine.index().is_overfull()) {
      if (!hands_.machine.index().is_freezing()) retry_freeze();
      return Step::kNothing;
    }
    if (is_near() && !has_next_in_memory()) return Step::kNeedsFar;
    ALF_TRY(current_, next_entry());
    log_bytes_since_freeze_ += current_->entry.bytes().size();
  }
  Sink sink(*this, current_->waiters);
  machine::Machine::Budget budget{.bytes = kFarBytesMax};
  if (is_near()) {
    budget = {.changes = options_.near_changes_max, .bytes = kNearBytesMax, .may_block = false};
  }
  using Progress = machine::Machine::Progress;
  ALF_TRY(const Progress progress, hands_.machine.apply_part(current_->entry, sink, budget));
  if (progress == Progress::kPart) return Step::kPart;
  if (progress == Progress::kWouldBlock) return Step::kNeedsFar;
  for (const ReplyTo& follower : current_->followers) {
    if (follower.session == 0) continue;  // nobody: log time was to move, no more
    outgoing_[follower.loop].replies.push_back(Reply{.to = follower, .kind = ReplyKind::kApplied});
  }
  current_.reset();
  return Step::kApplied;
}

bool Applier::has_next_in_memory() const {
  return !entries_.empty() && entries_.front().entry.index == hands_.machine.applied().next();
}

base::Result<CommittedEntry> Applier::next_entry() {
  const base::LogIndex wanted = hands_.machine.applied().next();
  if (has_next_in_memory()) {
    CommittedEntry item = std::move(entries_.front());
    entries_.pop_front();
    backlog_bytes_.fetch_sub(item.entry.bytes().size(), std::memory_order_relaxed);
    replay_.reset();
    return item;
  }
  ALF_CHECK(entries_.empty() || entries_.front().entry.index > wanted);
  if (replay_ == nullptr) replay_ = std::make_unique<vlog::EntryCursor>(hands_.log.cursor(wanted));
  ALF_TRY(std::optional<raft::Entry> entry, replay_->next());
  if (!entry || entry->index != wanted) {
    return base::Error{base::ErrorCode::kCorruption,
                       base::format("replay the log at index={}: {} found", wanted.value,
                                    entry ? base::format("index {}", entry->index.value)
                                          : std::string("nothing"))};
  }
  const bool is_last = !entries_.empty() && entries_.front().entry.index == wanted.next();
  if (ALF_MUTANT(ReplaySkipsTheLast) && is_last) entry->kind = raft::EntryKind::kNoop;
  return CommittedEntry{std::move(*entry), {}, {}};
}

void Applier::maybe_freeze(bool is_forced) {
  index::Index& index = hands_.machine.index();
  // A part of an entry may stand in the index: that must not be persisted (I2).
  if (index.is_freezing() || current_ || has_failed_) return;
  // A stop alone goes before compaction.
  const bool is_log_long = log_bytes_since_freeze_ >= options_.log_bytes_per_freeze;
  const bool is_due = is_log_long ? index.can_freeze() : index.wants_freeze();
  if (!is_due && !is_forced) return;
  log_bytes_since_freeze_ = 0;
  needed_from_ = hands_.machine.log_needed_from();
  if (ALF_MUTANT(LogStartBeforePersisted)) events_.on_persisted(needed_from_);
  run_freeze(index.freeze(hands_.machine.applied().value));
}

void Applier::run_freeze(std::unique_ptr<index::FreezeJob> job) {
  hands_.executor.post_to_pool(env::Lane::kUpkeep, [this, job = std::move(job)]() mutable {
    base::Status status = job->run();
    strand_.post([this, job = std::move(job), status = std::move(status)]() mutable {
      on_frozen(std::move(status), std::move(job));
    });
  });
}

void Applier::retry_freeze() {
  if (is_retry_set_) return;
  is_retry_set_ = true;
  strand_.post_after(kFreezeRetryMs, [this] {
    is_retry_set_ = false;
    maybe_freeze(false);
    if (!is_running_) run_slice();
  });
}

void Applier::on_frozen(base::Status status, std::unique_ptr<index::FreezeJob> job) {
  if (!status && status.error().code == base::ErrorCode::kNoSpace) {
    return wait_for_room(std::move(job), status.error());
  }
  if (!status) return fail(std::move(status).error());
  if (std::exchange(room_retry_ms_, 0) > 0) events_.on_room();
  note_choked();
  hands_.machine.index().finish(*job);
  // It owns all that was frozen, and this strand may be a loop.
  hands_.executor.post_to_pool(env::Lane::kUpkeep, [job = std::move(job)] {});
  events_.on_persisted(needed_from_);
  tell_freeze_waiters();
  if (!persist_waiters_.empty()) {
    if (!current_ && hands_.machine.index().persisted_applied() == hands_.machine.applied().value) {
      tell_persist_waiters();
    } else {
      maybe_freeze(true);
    }
  }
  if (!is_running_) run_slice();
}

// Nothing is lost: the frozen part stays in memory and is tried again, the log goes on holding
// what it reflects, and is_overfull() bounds what comes on top.
void Applier::wait_for_room(std::unique_ptr<index::FreezeJob> job, const base::Error& found) {
  events_.on_no_room(found);
  if (!persist_waiters_.empty() && !current_) return tell_persist_waiters();
  room_retry_ms_ = std::clamp(2 * room_retry_ms_, kRoomRetryMsMin, kRoomRetryMsMax);
  note_choked();
  strand_.post_after(room_retry_ms_, [this, job = std::move(job)]() mutable {
    if (has_failed_) return;
    run_freeze(std::move(job));
  });
}

void Applier::note_choked() {
  is_choked_.store(room_retry_ms_ > 0 && hands_.machine.index().is_nearly_full(),
                   std::memory_order_release);
}

void Applier::tell_persist_waiters() {
  std::vector<std::function<void()>> waiters = std::move(persist_waiters_);
  persist_waiters_.clear();
  for (std::function<void()>& done : waiters) done();
}

// Those whose entries the store holds by now; for the others it is frozen once more.
void Applier::tell_freeze_waiters() {
  const base::LogIndex persisted{hands_.machine.index().persisted_applied()};
  std::vector<std::function<void()>> told;
  std::erase_if(freeze_waiters_, [&](auto& waiter) {
    if (waiter.first > persisted && !is_stopping_) return false;
    told.push_back(std::move(waiter.second));
    return true;
  });
  for (std::function<void()>& done : told) done();
  if (!freeze_waiters_.empty()) maybe_freeze(true);
}

void Applier::freeze_now(std::function<void()> done) {
  strand_.post([this, done = std::move(done)]() mutable {
    if (has_failed_) return;
    freeze_waiters_.emplace_back(hands_.machine.applied(), std::move(done));
    tell_freeze_waiters();
  });
}

void Applier::freeze_for_room() {
  strand_.post([this] {
    index::Index& index = hands_.machine.index();
    if (has_failed_ || is_stopping_ || !index.has_dirty() || !index.can_freeze()) return;
    maybe_freeze(true);
  });
}

void Applier::persist_now(std::function<void()> done) {
  strand_.post([this, done = std::move(done)]() mutable {
    if (has_failed_) return;
    is_stopping_ = true;
    warm_up_.stop();
    index::Index& index = hands_.machine.index();
    if (!index.is_freezing() && !current_ &&
        index.persisted_applied() == hands_.machine.applied().value) {
      done();
      return;
    }
    persist_waiters_.push_back(std::move(done));
    maybe_freeze(true);
  });
}

void Applier::flush_replies() {
  for (uint32_t loop = 0; loop < outgoing_.size(); ++loop) {
    if (outgoing_[loop].is_empty()) continue;
    hands_.router.deliver(loop, std::move(outgoing_[loop]));
    outgoing_[loop] = ReplyBatch();
  }
}

void Applier::fail(base::Error error) {
  if (has_failed_) return;
  has_failed_ = true;
  warm_up_.stop();
  events_.on_fatal(std::move(error));
}

}  // namespace alfheim::replica
