// replica/replica: one group's heart: proposals in, Ready out to the log, to peers and to apply.
//
// Owns the raft node and the order of everything around it: a batch is proposed as one entry,
// the log strand writes it with one write and one sync (at most one is in flight; what arrives
// meanwhile shares the next) while the links carry it to the peers, what is durable and committed
// goes to the applier. Knows operations only as bytes, and sessions only as ReplyTo.
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
#include "replica/follower_waits.h"
#include "replica/gathering.h"
#include "replica/hand_over.h"
#include "replica/in_flight.h"
#include "replica/lag_clock.h"
#include "replica/lease.h"
#include "replica/peer_outbox.h"
#include "replica/read_barriers.h"
#include "replica/roster.h"
#include "replica/snapshot_desk.h"
#include "replica/stamp_clock.h"
#include "replica/write_queue.h"
#include "replica/write_watch.h"
#include "upkeep/segment_keeper.h"

namespace alfheim::replica {

// Of a leader: another member, and the link to it.
struct PeerFigures {
  raft::PeerStatus raft;
  Lag lag;
  bool is_connected = false;
  uint64_t unsent_bytes = 0;  // given to the link, not yet taken by the kernel
};

struct ReplicaStatus {
  raft::NodeStatus raft;
  std::vector<PeerFigures> peers;
  base::LogIndex applied;
  base::LogIndex persisted;
  uint64_t entries_proposed = 0;
  uint64_t read_barriers = 0;      // that were asked for; each for all reads of a turn
  uint64_t appended_bytes = 0;     // payloads of entries that came into the log
  uint64_t writes = 0;             // each one write and one sync
  uint64_t persisted_wall_ms = 0;  // when the index was last persisted; 0: not in this life
  SnapshotStatus snapshots;
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
    net::PeerTransport* transport = nullptr;  // null: a group of one
    upkeep::Snapshots* snapshots = nullptr;   // null: none are made, and none fetched
  };
  struct Options {
    base::NodeId id;
    base::GroupId group{1};
    uint64_t tick_ms = 100;
    uint32_t election_ticks = 10;
    raft::ReadMode read_mode = raft::ReadMode::kReadIndex;
    // How much faster one member's clock may run than another's: what a lease trusts.
    uint32_t clock_drift_permille = raft::kClockDriftPermilleDefault;
    // What this node may have promised to leaders in an earlier life, in ms.
    uint64_t promised_ms = 0;
    // Who founds the group where the directory is empty; empty: this node alone.
    std::vector<raft::Member> founders;
    // The directory is of a node that was added to a group: it waits for that one's log.
    bool has_joined = false;
    uint64_t data_uid = 0;  // of the directory; 0: not known
    // Log that is kept for peers that lag, though the index no longer needs it.
    uint64_t log_retain_bytes = 256 * base::kMiB;
    machine::PayloadHeader payload;
    Applier::Options applier;
    DiskGuard::Options disk;
    SnapshotDesk::Options snapshot;
  };
  struct Events {
    // On the core strand, once a leadership: entries of the own term are applied, reads and writes
    // may come.
    std::function<void()> on_serving;
    // On the core strand: another leader is known, or none; or this node serves. May be empty.
    std::function<void()> on_leader_changed;
    // On the core strand: links are wanted with others than before (linked()). May be empty.
    std::function<void()> on_links_changed;
    // What a client is told of the key slot (or 0) when that node leads: "MOVED 0 host:port", or
    // nothing while that is not known. Any thread. May be empty.
    std::function<std::string(base::NodeId leader, uint32_t slot)> redirect;
    // Any strand, once: the node must stop; nothing more may be acknowledged.
    std::function<void(base::Error)> on_fatal;
    std::function<void(std::shared_ptr<index::View>, ReplyTo)> on_state_hash;
    // Replay at start: entries applied, entries to apply. May be empty.
    std::function<void(base::LogIndex applied, base::LogIndex target)> on_progress;
    // Any strand: one line, when the disk is full and when it has room again. May be empty.
    DiskGuard::Announce on_disk;
    // On the core strand: a snapshot is here whole. The node is to be stopped, and then started
    // over snapshot_to_install(). May be empty.
    std::function<void()> on_snapshot_ready;
    // On the core strand: one line for the log. May be empty.
    std::function<void(const std::string&)> on_trouble;
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
  // Whether this node leads, and its own term's no-op is applied: it takes what writes, and reads,
  // which in a group of several need a barrier first.
  bool is_serving() const { return is_serving_.load(std::memory_order_acquire); }
  // Whether requests find their way from here: to this node, or to the leader that it follows.
  bool is_ready() const {
    return is_serving() || (needs_barrier() && leader() != base::NodeId{} && !is_removed());
  }
  base::NodeId id() const { return options_.id; }
  // 0 where none is known.
  base::NodeId leader() const { return {leader_.load(std::memory_order_acquire)}; }
  raft::ReadMode read_mode() const { return options_.read_mode; }
  // By which a leader in lease mode reads without a barrier.
  const Lease& lease() const { return lease_; }
  bool needs_barrier() const { return needs_barrier_.load(std::memory_order_acquire); }
  // What the reader has wholly received by now may take its view once kBarrier is told; with
  // kRetry it looks again who leads. Followers may ask, too. submit() makes it go.
  void add_reader(const ReplyTo& reader) { barriers_.add(reader); }
  // Leadership goes to another voter (replica/hand_over.h).
  void transfer(HandOverOrder order);
  // As HandOver::abort(); `done` on the core strand.
  void abort_transfer(std::function<void(base::Status)> done);
  // How many other members hold an entry (replica/follower_waits.h); `done` on the core strand.
  void wait_for_followers(FollowerWait wait);
  // A follower asks its leader to hand over to it; where none is known it stands for election at
  // once. Nobody answers: it leads, or it does not.
  void take_over();
  HandOverPhase hand_over_phase() const { return hand_over_.phase(); }
  uint64_t election_timeout_ms() const { return options_.tick_ms * options_.election_ticks; }
  // As of the last Ready. On the core strand.
  const raft::SoftState& role() const { return role_; }
  // For whoever checks it. On the core strand.
  const raft::Node& core() const { return raft_; }
  // Any thread; `done` on the core strand (replica/roster.h).
  void change_members(const raft::Change& change, Roster::Done done);
  // Any thread: a committed configuration has this node no longer. It answers nobody.
  bool is_removed() const { return roster_.is_removed(); }
  // On the core strand.
  Roster& roster() { return roster_; }
  // A message of a peer. On the core strand.
  void step(const raft::Message& message);
  // The link to it is gone. On the core strand.
  void on_peer_lost(base::NodeId peer);
  // What a peer says of snapshots or members, or that it wants to lead. On the core strand.
  void on_note(base::NodeId from, const net::NoteBody& body);
  // Any thread: stores the index, whatever follows, so that log which nobody needs goes; then makes
  // a snapshot (SnapshotSender::make) and tells on the core strand. kUnavailable: this node does
  // not lead, or one is being made.
  void make_snapshot(std::function<void(base::Result<SnapshotSender::Made>)> done);
  // When the node has stopped: the snapshot to be installed before it starts again; 0: none.
  uint64_t snapshot_to_install() const;
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

  struct LargeInFlight {
    LargeOperation operation;
    base::Term term;  // of all its pieces: what another term put at their indexes is not theirs
    std::vector<vlog::ValueAddress> pieces;  // that were proposed
  };

  struct Stopping {
    std::function<void(base::Status)> done;
    uint64_t by_ms = 0;  // later it waits for no other member
  };

  // replica_restore.cc
  static base::Result<raft::RestoredState> restore(const Hands& hands, const Options& options);

  void on_tick();
  void tick_log_time();
  void pump();
  void gather();
  void propose_queued();
  void propose_batches(size_t bytes_max);
  void propose_large();
  void propose_commands(Batch& batch);
  bool propose(raft::EntryKind kind, raft::Payload payload, Batch& batch);
  bool is_backed_up();
  void handle_ready();
  void take_up(const raft::Ready& ready);
  void note_role(const raft::SoftState& now);
  void note_members();
  void on_durable(uint64_t number, std::vector<raft::Message> messages, bool was_written);
  void hand_to_apply(base::LogIndex applicable);
  void on_applied(base::LogIndex index);
  void on_persisted(base::LogIndex log_needed_from);
  void sweep();
  void lose(Batch& batch);
  void lose(std::vector<CommittedEntry> entries);
  void tell(std::span<const ReplyTo> waiters, ReplyKind kind);
  void tell_readers();

  // replica_role.cc: what a node does that does not lead.
  void advance_hand_over();
  void on_take_over_request(base::NodeId from);
  bool is_long_leaderless() const;
  void close_cut_off();
  void redirect_queued(bool is_last = false);
  void redirect(Batch& batch);
  void redirect(const raft::Entry& entry, std::span<const ReplyTo> waiters);
  std::string redirection(const machine::Operation* operation) const;
  base::LogIndex log_start_for(base::LogIndex needed_from) const;
  base::LogIndex retained_from(base::LogIndex needed_from) const;

  // replica_health.cc: what a node does that is sick.
  void look_at_health();
  void hand_over_to_best();
  void close_waiters();

  // replica_stop.cc
  bool may_close() const;
  void lose_all();
  void finish_stop();

  // replica_snapshots.cc
  void open_snapshots();
  void look_at_snapshots();

  void deliver(std::vector<ReplyBatch> batches);  // by loop
  void lose_large();
  void fail(base::Error error);
  void take_snapshot();
  void note_lag();
  std::vector<PeerFigures> peer_figures(const raft::NodeStatus& status) const;

  // replica_disk.cc: what a full disk asks for.
  void look_behind_write();  // log strand
  void on_no_room(const base::Error& found);
  void retry_parked();
  void release_followers();
  void give_room_to_index(const base::Error& found);  // any strand
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
  WriteQueue writes_;
  WriteWatch write_watch_;
  PeerOutbox outbox_;
  ReadBarriers barriers_;
  Lease lease_;
  LagClock lag_;
  FollowerWaits follower_waits_;
  HandOver hand_over_;
  Roster roster_;
  std::unique_ptr<SnapshotDesk> snapshots_;  // null: there are none
  InFlight in_flight_;
  std::optional<LargeInFlight> large_;
  std::optional<Stopping> stopping_;
  base::LogIndex handed_;         // to apply, up to here
  base::LogIndex established_;    // the newest no-op of an own leadership
  raft::SoftState role_;          // as of the last Ready
  uint64_t leaderless_ms_ = 0;    // since when no leader is known; 0: one is
  bool is_cut_off_told_ = false;  // since then, who waits for what was under way
  uint64_t look_ms_ = 0;          // when the disk is to be asked again
  uint64_t roll_count_ = 0;       // of the log strand alone
  bool is_closing_ = false;
  bool has_failed_ = false;
  ReplicaStatus counters_;
  mutable std::mutex snapshot_mutex_;  // guards snapshot_
  ReplicaStatus snapshot_;
  std::atomic<bool> is_serving_{false};
  std::atomic<bool> needs_barrier_{false};
  std::atomic<bool> is_backed_up_{false};  // by entries that no majority holds
  std::atomic<uint64_t> leader_{0};
  std::atomic<bool> is_pump_posted_{false};
};

}  // namespace alfheim::replica
