// replica/applier: applies committed entries in order, hands their replies on, and keeps the
// index moving to disk (freeze, ingest, log start).
//
// Takes entries from the core while they are in memory, and reads them from the log where
// they are not (replay at start). Works in slices, so that it never holds its thread for long.
//
// Thread: apply strand, near or far, but start, offer and the numbers. Lifetime: of the replica.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "env/executor.h"
#include "machine/machine.h"
#include "replica/apply_strand.h"
#include "replica/batcher.h"
#include "replica/reply.h"
#include "replica/warm_up.h"
#include "vlog/log.h"

namespace alfheim::replica {

// A committed entry and who waits for it.
struct CommittedEntry {
  raft::Entry entry;
  std::vector<ReplyTo> waiters;
  std::vector<ReplyTo> followers;
};

class Applier {
 public:
  struct Hands {
    env::Strand& far;   // a thread that may wait
    env::Strand* near;  // the only loop, to apply small entries on; null: never
    env::Executor& executor;
    const vlog::Log& log;
    machine::Machine& machine;
    ReplyRouter& router;
  };
  struct Options {
    uint64_t log_bytes_per_freeze = 512ull * 1024 * 1024;
    // What one slice on a loop may change: a fraction of a millisecond.
    size_t near_changes_max = 512;
  };
  // Told on the apply strand.
  struct Events {
    std::function<void(base::LogIndex)> on_applied;
    // The index is persisted; the log is needed from here on.
    std::function<void(base::LogIndex log_needed_from)> on_persisted;
    std::function<void(base::Error)> on_fatal;
    // A state hash was asked for at this index: the view is the state there.
    std::function<void(std::shared_ptr<index::View>, ReplyTo)> on_state_hash;
    std::function<void(base::LogIndex applied, base::LogIndex target)> on_progress;
    // The index cannot be stored for want of room: it stays in memory and is tried again.
    std::function<void(const base::Error&)> on_no_room;
    std::function<void()> on_room;  // it is stored, after all
  };
  Applier(const Hands& hands, const Options& options, Events events);

  // Any thread (posts): entries up to `commit` may be applied; `entries` are those of them
  // that are in memory, ascending.
  void offer(base::LogIndex commit, std::vector<CommittedEntry> entries);
  // Payload bytes offered and not yet applied, for back-pressure.
  uint64_t backlog_bytes() const { return backlog_bytes_.load(std::memory_order_relaxed); }
  // Any thread: a freeze waits for room, and what may come on top of it is nearly used up: nothing
  // that writes should be proposed, or it would wait, and whoever reads behind it.
  bool is_choked() const { return is_choked_.load(std::memory_order_acquire); }
  // Applies no more, freezes what is dirty and calls `done` when it is in the store (stop).
  // Also when the disk has no room for it: the log holds all, the next start replays.
  void persist_now(std::function<void()> done);
  // Any thread: the node serves, and memory is filled with what the store has.
  void warm_up() { warm_up_.start(); }
  // Any thread (posts): `done` when the store holds what is applied by now, or never will (stop).
  void freeze_now(std::function<void()> done);
  // Any thread (posts): stores what is dirty, so that segments without live values can go.
  void freeze_for_room();

 private:
  class Sink;
  void run_slice();
  enum class Step : uint8_t {
    kApplied,   // an entry, whole
    kPart,      // of an entry; it goes on in the next slice
    kNeedsFar,  // where it may wait
    kNothing,   // there is nothing to apply, or not now
  };
  base::Result<Step> apply_next();
  void choose_place(Step step);
  bool is_near() const;
  bool has_next_in_memory() const;
  base::Result<CommittedEntry> next_entry();
  void maybe_freeze(bool is_forced);
  void on_frozen(base::Status status, std::unique_ptr<index::FreezeJob> job);
  void retry_freeze();
  void run_freeze(std::unique_ptr<index::FreezeJob> job);
  void wait_for_room(std::unique_ptr<index::FreezeJob> job, const base::Error& found);
  void note_choked();
  void tell_persist_waiters();
  void tell_freeze_waiters();
  void flush_replies();
  void fail(base::Error error);

  Hands hands_;
  ApplyStrand strand_;
  WarmUp warm_up_;
  Options options_;
  Events events_;
  base::LogIndex target_;
  std::deque<CommittedEntry> entries_;
  std::optional<CommittedEntry> current_;  // applied in part
  std::unique_ptr<vlog::EntryCursor> replay_;
  std::vector<ReplyBatch> outgoing_;  // by loop
  std::vector<std::function<void()>> persist_waiters_;
  std::vector<std::pair<base::LogIndex, std::function<void()>>> freeze_waiters_;
  uint64_t log_bytes_since_freeze_ = 0;
  base::LogIndex needed_from_;  // once the running freeze is done
  uint64_t room_retry_ms_ = 0;  // 0: nothing waits for room
  bool is_running_ = false;
  bool is_retry_set_ = false;
  bool is_stopping_ = false;
  bool has_failed_ = false;
  std::atomic<uint64_t> backlog_bytes_{0};
  std::atomic<bool> is_choked_{false};
};

}  // namespace alfheim::replica
