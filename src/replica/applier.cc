#include "replica/applier.h"

#include "base/check.h"
#include "base/format.h"

namespace alfheim::replica {
namespace {

// One slice applies at most this much, then lets other tasks of the strand run.
constexpr size_t kSliceEntriesMax = 512;
constexpr size_t kSliceBytesMax = 4 * 1024 * 1024;
// How often a freeze that waits for compaction is tried again.
constexpr uint64_t kFreezeRetryMs = 10;

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
    reply_ = Reply{.to = *to, .begin = batch.bytes.size(), .parts_begin = batch.part_ends.size()};
    writer_.emplace(batch.bytes, to->protocol);
    return &*writer_;
  }
  void end_part(size_t ordinal) override {
    ReplyBatch& batch = batch_of(waiters_[ordinal]);
    batch.part_ends.push_back(batch.bytes.size());
    reply_.is_block = true;
  }
  void end(size_t ordinal, machine::Outcome outcome) override {
    ReplyBatch& batch = batch_of(waiters_[ordinal]);
    reply_.kind =
        outcome == machine::Outcome::kReplied ? ReplyKind::kReplied : ReplyKind::kWatchFailed;
    reply_.end = batch.bytes.size();
    reply_.parts_end = batch.part_ends.size();
    batch.replies.push_back(reply_);
    writer_.reset();
  }
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

  Applier& applier_;
  const std::vector<ReplyTo>& waiters_;
  Reply reply_;
  std::optional<resp::ReplyWriter> writer_;
};

Applier::Applier(const Hands& hands, const Options& options, Events events)
    : hands_(hands),
      options_(options),
      events_(std::move(events)),
      target_(hands.machine.applied()),
      outgoing_(hands.router.loop_count()) {}

void Applier::offer(base::LogIndex commit, std::vector<CommittedEntry> entries) {
  uint64_t bytes = 0;
  for (const CommittedEntry& item : entries) bytes += item.entry.bytes().size();
  backlog_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  hands_.strand.post([this, commit, entries = std::move(entries)]() mutable {
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
  if (has_failed_) return;  // the node stops: nothing more is applied, nor asked for
  is_running_ = true;
  size_t bytes_begin = log_bytes_since_freeze_;
  for (size_t i = 0; i < kSliceEntriesMax; ++i) {
    base::Result<bool> applied = apply_next();
    if (!applied) return fail(std::move(applied).error());
    if (!*applied) {
      is_running_ = false;
      break;
    }
    maybe_freeze(false);
    if (log_bytes_since_freeze_ < bytes_begin) bytes_begin = 0;
    if (log_bytes_since_freeze_ - bytes_begin > kSliceBytesMax) break;
  }
  flush_replies();
  if (events_.on_progress) events_.on_progress(hands_.machine.applied(), target_);
  events_.on_applied(hands_.machine.applied());
  if (is_running_) hands_.strand.post([this] { run_slice(); });
}

base::Result<bool> Applier::apply_next() {
  if (is_stopping_) return false;  // the log closes behind the last freeze
  if (hands_.machine.applied() >= target_) return false;
  // The dirty part must not grow without bound while a freeze runs, or while the store has
  // too much to compact to take another run.
  if (hands_.machine.index().is_overfull()) {
    if (!hands_.machine.index().is_freezing()) retry_freeze();
    return false;
  }
  ALF_TRY(const CommittedEntry item, next_entry());
  const size_t bytes = item.entry.bytes().size();
  log_bytes_since_freeze_ += bytes;
  Sink sink(*this, item.waiters);
  ALF_TRY_STATUS(hands_.machine.apply(item.entry, sink));
  for (const ReplyTo& follower : item.followers) {
    if (follower.session == 0) continue;  // nobody: log time was to move, no more
    outgoing_[follower.loop].replies.push_back(Reply{.to = follower, .kind = ReplyKind::kApplied});
  }
  return true;
}

base::Result<CommittedEntry> Applier::next_entry() {
  const base::LogIndex wanted = hands_.machine.applied().next();
  if (!entries_.empty() && entries_.front().entry.index == wanted) {
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
  return CommittedEntry{std::move(*entry), {}, {}};
}

void Applier::maybe_freeze(bool is_forced) {
  index::Index& index = hands_.machine.index();
  // After a failure a part of an entry may stand in the index: that must not be persisted (I2).
  if (index.is_freezing() || has_failed_) return;
  // A stop alone goes before compaction.
  const bool is_log_long = log_bytes_since_freeze_ >= options_.log_bytes_per_freeze;
  const bool is_due = is_log_long ? index.can_freeze() : index.wants_freeze();
  if (!is_due && !is_forced) return;
  log_bytes_since_freeze_ = 0;
  needed_from_ = hands_.machine.log_needed_from();
  std::unique_ptr<index::FreezeJob> job = index.freeze(hands_.machine.applied().value);
  hands_.executor.post_to_pool([this, job = std::move(job)]() mutable {
    base::Status status = job->run();
    hands_.strand.post([this, job = std::move(job), status = std::move(status)]() mutable {
      on_frozen(std::move(status), std::move(job));
    });
  });
}

void Applier::retry_freeze() {
  if (is_retry_set_) return;
  is_retry_set_ = true;
  hands_.strand.post_after(kFreezeRetryMs, [this] {
    is_retry_set_ = false;
    maybe_freeze(false);
    if (!is_running_) run_slice();
  });
}

void Applier::on_frozen(base::Status status, std::unique_ptr<index::FreezeJob> job) {
  if (!status) return fail(std::move(status).error());
  hands_.machine.index().finish(*job);
  events_.on_persisted(needed_from_);
  if (!persist_waiters_.empty()) {
    if (hands_.machine.index().persisted_applied() == hands_.machine.applied().value) {
      std::vector<std::function<void()>> waiters = std::move(persist_waiters_);
      persist_waiters_.clear();
      for (std::function<void()>& done : waiters) done();
    } else {
      maybe_freeze(true);
    }
  }
  if (!is_running_) run_slice();
}

void Applier::persist_now(std::function<void()> done) {
  hands_.strand.post([this, done = std::move(done)]() mutable {
    if (has_failed_) return;
    is_stopping_ = true;
    index::Index& index = hands_.machine.index();
    if (!index.is_freezing() && index.persisted_applied() == hands_.machine.applied().value) {
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
  events_.on_fatal(std::move(error));
}

}  // namespace alfheim::replica
