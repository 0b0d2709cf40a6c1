// replica/replica: one group's heart: proposals in, Ready out to the log and to apply.
//
// Owns the raft node and the order of everything around it: a batch is proposed as one entry,
// the log strand writes it with one write and one sync (at most one is in flight; what arrives
// meanwhile shares the next), what is durable and committed goes to the applier. Knows
// operations only as bytes, and sessions only as ReplyTo.
//
// Thread: the core strand owns it; what says "any thread" may be called from any. The core
// never blocks: writing is the log strand's, applying the apply strand's.
// Lifetime: hands outlive it; stop() comes before its end.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "env/clock.h"
#include "env/disk.h"
#include "env/random.h"
#include "raft/node.h"
#include "replica/applier.h"
#include "replica/batcher.h"
#include "replica/disk_guard.h"
#include "replica/gathering.h"
#include "replica/stamp_clock.h"
#include "upkeep/segment_keeper.h"

namespace alfheim::replica {

struct ReplicaStatus {
  raft::NodeStatus raft;
  base::LogIndex applied;
  base::LogIndex persisted;
  uint64_t entries_proposed = 0;
  uint64_t writes = 0;             // each one write and one sync
  uint64_t persisted_wall_ms = 0;  // when the index was last persisted; 0: not in this life
};

class Replica {
 public:
  struct Hands {
    const env::Clock& clock;
    env::Random& random;
    env::Disk& disk;
    env::Executor& executor;
    env::Strand& core;
    env::Strand& log_strand;
    env::Strand& apply_strand;
    vlog::Log& log;
    machine::Machine& machine;
    upkeep::SegmentKeeper& keeper;
    ReplyRouter& router;
    env::Strand* near_apply = nullptr;  // where small entries are applied; null: on apply_strand
  };
  struct Options {
    base::NodeId id;
    base::GroupId group{1};
    uint64_t tick_ms = 100;
    uint32_t election_ticks = 10;
    machine::PayloadHeader payload;
    Applier::Options applier;
    DiskGuard::Options disk;
  };
  struct Events {
    // On the core strand, once: entries of the own term are applied, reads and writes may come.
    std::function<void()> on_serving;
    // Any strand, once: the node must stop; nothing more may be acknowledged.
    std::function<void(base::Error)> on_fatal;
    std::function<void(std::shared_ptr<index::View>, ReplyTo)> on_state_hash;
    // Replay at start: entries applied, entries to apply. May be empty.
    std::function<void(base::LogIndex applied, base::LogIndex target)> on_progress;
    // Any strand: one line, when the disk is full and when it has room again. May be empty.
    DiskGuard::Announce on_disk;
  };

  // kCorruption where log and index contradict each other.
  static base::Result<std::unique_ptr<Replica>> open(const Hands& hands, const Options& options,
                                                     Events events);

  // Any thread: begins to tick; a sole voter leads at once.
  void start();
  // Any thread. Refuses new work, lets what is in flight end, persists the index and closes
  // the log, then calls `done` on the core strand.
  void stop(std::function<void(base::Status)> done);

  // ---- any thread ----
  Batcher& batcher() { return batcher_; }
  // What was added to the batcher may go: one wake-up, however much was added.
  void submit();
  // Whether a read may take its view now. In a group of one: once the own term's no-op is
  // applied. (More members need a barrier first; there is none yet.)
  bool is_serving() const { return is_serving_.load(std::memory_order_acquire); }
  // New work should wait: too much is queued or not yet applied.
  bool is_overloaded() const;
  // The disk is full: what grows the data must be answered with kRefusedByFullDisk; while the log
  // itself has no room, or memory none for what the index cannot store, whatever writes, and a read
  // that needs a tick. What comes all the same is refused by the core, or waits for room.
  bool refuses_growth() const { return guard_.is_full(); }
  bool refuses_writes() const { return guard_.lacks_log() || applier_.is_choked(); }
  DiskStatus disk_status() const { return guard_.status(); }
  base::Stamp clock_now() { return stamps_.now(); }
  // As of the last tick or change of role; never waits for the core.
  ReplicaStatus status_snapshot() const;
  base::LogIndex applied() const { return hands_.machine.applied(); }

 private:
  Replica(const Hands& hands, const Options& options, Events events,
          const raft::RestoredState& state);

  struct Proposed {  // given to raft, not yet in a Ready
    base::LogIndex index;
    std::vector<ReplyTo> waiters;
    std::vector<ReplyTo> followers;
  };
  struct InFlight {  // on its way to the disk, not yet handed to apply
    raft::Entry entry;
    std::vector<ReplyTo> waiters;
    std::vector<ReplyTo> followers;
  };
  struct LargeInFlight {
    LargeOperation operation;
    base::Term term;  // of all its pieces: what another term put at their indexes is not theirs
    std::vector<vlog::ValueAddress> pieces;  // that were proposed
  };

  void on_tick();
  void tick_log_time();
  void pump();
  void gather();
  void propose_batches(size_t bytes_max);
  void propose_large();
  void propose_commands(Batch& batch);
  bool propose(raft::EntryKind kind, raft::Payload payload, Batch& batch);
  void handle_ready();
  void write(raft::Ready ready);
  void on_written(raft::Ready ready, base::Status status);
  void hand_to_apply(base::LogIndex applicable);
  void on_applied(base::LogIndex index);
  void on_persisted(base::LogIndex log_needed_from);
  void sweep();
  void lose(Batch& batch);
  void deliver(std::vector<ReplyBatch> batches);  // by loop
  void lose_large();
  void fail(base::Error error);
  void finish_stop();
  void take_snapshot();

  // replica_disk.cc: what a full disk asks for.
  void post_write(raft::Ready ready);
  base::Status persist(const raft::Ready& ready);  // log strand
  void park(raft::Ready ready, const base::Error& found);
  void retry_parked();
  void release_followers();
  void give_room_to_index(const base::Error& found);  // any strand
  void abandon_parked();
  void look_at_disk();
  bool is_refused(const LargeOperation& operation);
  bool is_refused(machine::OperationKind kind, base::ByteView body);
  void disown_large();
  void refuse_growth(Batch& batch);
  void refuse(std::span<const ReplyTo> calls, std::span<const ReplyTo> blocks);

  Hands hands_;
  Options options_;
  Events events_;
  StampClock stamps_;
  Batcher batcher_;
  raft::Node raft_;
  DiskGuard guard_;
  Gathering gathering_;
  Applier applier_;
  std::deque<Proposed> proposed_;
  std::deque<InFlight> in_flight_;
  std::optional<LargeInFlight> large_;
  std::function<void(base::Status)> on_stopped_;
  base::LogIndex handed_;           // to apply, up to here
  base::LogIndex established_;      // the newest no-op of an own leadership
  std::deque<raft::Ready> parked_;  // the log has no room for them; in order
  uint64_t look_ms_ = 0;            // when the disk is to be asked again
  struct {
    bool is_parked = false;  // what comes must not pass what is parked
    uint64_t roll_count = 0;
  } log_strand_;  // of the log strand alone
  uint32_t writes_in_flight_ = 0;
  bool is_writing_ = false;
  bool is_closing_ = false;
  bool has_failed_ = false;
  ReplicaStatus counters_;
  mutable std::mutex snapshot_mutex_;  // guards snapshot_
  ReplicaStatus snapshot_;
  std::atomic<bool> is_serving_{false};
  std::atomic<bool> is_pump_posted_{false};
};

}  // namespace alfheim::replica
