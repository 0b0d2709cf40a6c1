#include "replica/replica.h"

#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"

namespace alfheim::replica {
namespace {

// What one write may carry: more only delays the sync that everybody waits for.
constexpr size_t kBytesPerWriteMax = 4 * base::kMiB;
// Fragments proposed before others get their turn.
constexpr size_t kFragmentsPerWriteMax = 4;
// Applied this far behind, nothing new is proposed.
constexpr uint64_t kBacklogBytesMax = 64 * base::kMiB;
// With so much that no majority holds yet, nothing new is proposed.
constexpr uint64_t kUncommittedBytesMax = 64 * base::kMiB;
// A follower whose apply is this far behind takes no entries: the leader sends them again.
constexpr uint64_t kFollowerBacklogBytesMax = 256 * base::kMiB;

raft::Node::Options raft_options(const Replica::Hands& hands, const Replica::Options& options) {
  raft::Node::Options result;
  result.id = options.id;
  result.data_uid = options.data_uid;
  result.group = options.group;
  result.election_ticks = options.election_ticks;
  result.tick_ms = options.tick_ms;
  result.read_mode = options.read_mode;
  result.clock_drift_permille = options.clock_drift_permille;
  result.promised_ms = options.promised_ms;
  result.seed = hands.random.next_u64();
  return result;
}

}  // namespace

base::Result<std::unique_ptr<Replica>> Replica::open(const Hands& hands, const Options& options,
                                                     Events events) {
  ALF_TRY(const raft::RestoredState state, restore(hands, options));
  return std::unique_ptr<Replica>(new Replica(hands, options, std::move(events), state));
}

Replica::Replica(const Hands& hands, const Options& options, Events events,
                 const raft::RestoredState& state)
    : hands_(hands),
      options_(options),
      events_(std::move(events)),
      stamps_(hands.clock),
      batcher_(options.payload),
      raft_(raft_options(hands, options), state),
      guard_(hands.disk, hands.log, options.disk, events_.on_disk),
      applier_(Applier::Hands{hands.apply_strand, hands.near_apply, hands.executor, hands.log,
                              hands.machine, hands.router},
               options.applier,
               Applier::Events{
                   .on_applied =
                       [this](base::LogIndex index) {
                         hands_.core.post([this, index] { on_applied(index); });
                       },
                   .on_persisted =
                       [this](base::LogIndex from) {
                         hands_.core.post([this, from] { on_persisted(from); });
                       },
                   .on_fatal =
                       [this](base::Error error) {
                         hands_.core.post([this, error = std::move(error)]() mutable {
                           fail(std::move(error));
                         });
                       },
                   .on_state_hash = events_.on_state_hash,
                   .on_progress = events_.on_progress,
                   .on_no_room = [this](const base::Error& found) { give_room_to_index(found); },
                   .on_room = [this] { guard_.note_room(DiskGuard::Need::kIndex); },
               }),
      writes_(
          WriteQueue::Hands{hands.core, hands.log_strand, hands.log},
          WriteQueue::Events{
              .on_durable =
                  [this](uint64_t number, std::vector<raft::Message> messages, bool was_written) {
                    on_durable(number, std::move(messages), was_written);
                  },
              .on_no_room = [this](const base::Error& found) { on_no_room(found); },
              .on_failed = [this](base::Error error) { fail(std::move(error)); },
              .on_written = [this] { look_behind_write(); },
          }),
      write_watch_(options.tick_ms),
      outbox_(PeerOutbox::Hands{hands.core, hands.executor, hands.log, hands.transport},
              [this](base::Term term) { return raft_.soft_state().term == term; }),
      hand_over_({raft_, hands.clock, hands.transport, options.tick_ms * options.election_ticks}),
      roster_({.raft = raft_,
               .transport = hands.transport,
               .self = options.id,
               .data_uid = options.data_uid,
               .leaving_ticks = 3 * options.election_ticks},
              {.on_links_changed = events_.on_links_changed, .on_trouble = events_.on_trouble}),
      role_(raft_.soft_state()) {
  needs_barrier_.store(!raft_.configuration().is_sole_voter(options.id), std::memory_order_release);
  open_snapshots();
}

void Replica::start() {
  hands_.core.post([this] {
    if (raft_.configuration().is_sole_voter(options_.id)) raft_.campaign();
    handle_ready();
    on_tick();
  });
}

void Replica::on_tick() {
  if (has_failed_ || is_closing_) return;
  raft_.tick();
  roster_.on_tick();
  handle_ready();  // looks at the members, too
  advance_hand_over();
  barriers_.expire(hands_.clock.monotonic_ms());
  follower_waits_.look(raft_, hands_.clock.monotonic_ms());
  look_at_health();
  close_cut_off();
  redirect_queued();
  tell_readers();
  look_at_disk();
  look_at_snapshots();
  retry_parked();
  note_lag();
  take_snapshot();
  tick_log_time();
  pump();
  if (stopping_) finish_stop();  // where time alone ends what it waits for
  hands_.core.post_after(options_.tick_ms, [this] { on_tick(); });
}

// A tick without followers: keys are due, so log time must move for them to go.
void Replica::tick_log_time() {
  if (!is_serving() || stopping_ || refuses_writes()) return;
  if (writes_.is_writing() || !batcher_.is_empty()) return;
  const std::optional<base::Stamp> deadline = hands_.machine.next_deadline();
  if (deadline && *deadline <= stamps_.now()) batcher_.add_follower(ReplyTo{});
}

void Replica::submit() {
  if (is_pump_posted_.exchange(true, std::memory_order_acq_rel)) return;
  hands_.core.post([this] {
    is_pump_posted_.store(false, std::memory_order_release);
    pump();
  });
}

bool Replica::is_overloaded() const {
  return batcher_.is_full() || applier_.backlog_bytes() > kBacklogBytesMax ||
         is_backed_up_.load(std::memory_order_relaxed);
}

void Replica::step(const raft::Message& message) {
  if (has_failed_ || is_closing_) return;
  // A follower that stops takes no more: its log would never be done.
  if (stopping_ && !raft_.is_leader()) return;
  const auto* append = std::get_if<raft::Append>(&message.body);
  const bool brings_entries = append != nullptr && !append->entries.empty();
  if (brings_entries && applier_.backlog_bytes() > kFollowerBacklogBytesMax) return;
  raft_.step(message);
  handle_ready();
  follower_waits_.look(raft_, hands_.clock.monotonic_ms());
  advance_hand_over();
}

void Replica::on_peer_lost(base::NodeId peer) {
  raft_.unreachable(peer);
  handle_ready();
}

void Replica::pump() {
  if (stopping_ && !is_serving()) return finish_stop();  // asked to stop, and does not serve
  if (has_failed_) return;
  if (barriers_.is_asked()) {
    barriers_.ask(raft_, hands_.clock.monotonic_ms());
    handle_ready();
    tell_readers();
  }
  redirect_queued();
  if (writes_.is_writing() || !raft_.is_leader_established()) return;
  if (gathering_.is_on()) return;  // gather() pumps
  // on_applied pumps again
  if (applier_.backlog_bytes() > kBacklogBytesMax || is_backed_up()) return;
  if (!is_serving()) return;
  propose_queued();
  handle_ready();
  if (stopping_) finish_stop();
}

// Followers are slow, or gone: what comes waits in the batcher, and then at its connections.
bool Replica::is_backed_up() {
  const bool is_full = raft_.uncommitted_bytes() > kUncommittedBytesMax;
  is_backed_up_.store(is_full, std::memory_order_relaxed);
  return is_full;
}

// While leadership goes to another node, only what has begun is ended.
void Replica::propose_queued() {
  propose_large();
  if (hand_over_.holds_back()) return advance_hand_over();
  propose_batches(kBytesPerWriteMax);
}

void Replica::propose_batches(size_t bytes_max) {
  for (Batch& batch : batcher_.take_batches(bytes_max)) {
    if (guard_.is_full()) {
      refuse_growth(batch);
      if (batch.is_empty()) continue;
    }
    propose_commands(batch);
  }
}

void Replica::propose_commands(Batch& batch) {
  propose(raft::EntryKind::kCommands, std::make_shared<const base::Bytes>(std::move(batch.payload)),
          batch);
}

void Replica::propose_large() {
  while (!large_) {
    if (hand_over_.holds_back()) return;
    LargeInFlight next;
    if (!batcher_.take_large(next.operation)) return;
    if (is_refused(next.operation)) continue;
    next.term = raft_.soft_state().term;
    large_ = std::move(next);
  }
  if (large_->term != raft_.soft_state().term) return lose_large();
  if (is_refused(large_->operation)) return disown_large();
  std::vector<LargeOperation::Piece>& pieces = large_->operation.pieces;
  for (size_t i = 0; i < kFragmentsPerWriteMax && large_->pieces.size() < pieces.size(); ++i) {
    LargeOperation::Piece& piece = pieces[large_->pieces.size()];
    vlog::ValueAddress address;
    address.length_bytes = static_cast<uint32_t>(piece.bytes->size());
    address.crc = piece.crc;
    address.index = raft_.log_last().next();
    Batch nobody;
    if (!propose(raft::EntryKind::kFragment, std::move(piece.bytes), nobody)) return lose_large();
    large_->pieces.push_back(address);
  }
  if (large_->pieces.size() < pieces.size()) return;
  // What its connection asked for before stands in the open batches: that goes first.
  propose_batches(SIZE_MAX);
  // The command goes in an entry of its own, at once: the pieces of the next large body come
  // behind it, so unclaimed pieces are always those of one operation.
  base::Bytes list;
  machine::put_fragmented_body(list, large_->operation.body_bytes, large_->pieces);
  Batch command = batcher_.make_fragmented(large_->operation, list);
  large_.reset();
  propose_commands(command);
}

// Its pieces may stand in the log, but its command never will: nothing of it is applied.
void Replica::lose_large() {
  Batch owner;
  owner.waiters.push_back(large_->operation.waiter);
  large_.reset();
  lose(owner);
}

bool Replica::propose(raft::EntryKind kind, raft::Payload payload, Batch& batch) {
  raft::Proposal proposal;
  proposal.kind = kind;
  proposal.stamp = stamps_.issue();
  proposal.seed = hands_.random.next_u64();
  proposal.payload = std::move(payload);
  const base::Result<base::LogIndex> index = raft_.propose({&proposal, 1});
  if (!index) {
    lose(batch);
    return false;
  }
  in_flight_.proposed(*index, raft_.soft_state().term, batch);
  ++counters_.entries_proposed;
  return true;
}

void Replica::lose(Batch& batch) {
  tell(batch.waiters, ReplyKind::kLost);
  tell(batch.followers, ReplyKind::kLost);
}

void Replica::lose(std::vector<CommittedEntry> entries) {
  for (const CommittedEntry& item : entries) {
    tell(item.waiters, ReplyKind::kLost);
    tell(item.followers, ReplyKind::kLost);
  }
}

// A reply without words.
void Replica::tell(std::span<const ReplyTo> waiters, ReplyKind kind) {
  if (waiters.empty()) return;
  std::vector<ReplyBatch> batches(hands_.router.loop_count());
  for (const ReplyTo& to : waiters) {
    if (to.session == 0) continue;
    batches[to.loop].replies.push_back(Reply{.to = to, .kind = kind});
  }
  deliver(std::move(batches));
}

void Replica::deliver(std::vector<ReplyBatch> batches) {
  for (uint32_t loop = 0; loop < batches.size(); ++loop) {
    if (!batches[loop].is_empty()) hands_.router.deliver(loop, std::move(batches[loop]));
  }
}

void Replica::handle_ready() {
  lease_.renew(raft_);
  while (!has_failed_ && !is_closing_ && raft_.has_ready()) {
    raft::Ready ready = raft_.take_ready();
    lease_.note(ready, hands_.clock);
    take_up(ready);
    // Ahead of the own disk: the peers write while this node does.
    for (raft::Message& message : ready.messages) outbox_.send(std::move(message));
    for (const raft::ReadState& read : ready.reads)
      barriers_.granted(read, hands_.clock.monotonic_ms());
    for (const raft::ReadId id : ready.reads_refused) barriers_.refused(id);
    const bool has_reads = !ready.reads.empty() || !ready.reads_refused.empty();
    hand_to_apply(ready.applicable);
    note_role(ready.soft_state);
    if (snapshots_ != nullptr) snapshots_->take_up(ready, hands_.machine.applied());
    if (has_reads) tell_readers();
    writes_.add(std::move(ready));
  }
  note_members();
}

void Replica::take_up(const raft::Ready& ready) {
  in_flight_.take_up(ready.entries);
  outbox_.note_entries(ready.entries);
  for (const raft::Entry& entry : ready.entries) {
    counters_.appended_bytes += entry.bytes().size();
    if (entry.kind == raft::EntryKind::kNoop) established_ = entry.index;
  }
}

void Replica::on_durable(uint64_t number, std::vector<raft::Message> messages, bool was_written) {
  if (was_written && guard_.lacks_log()) guard_.note_room(DiskGuard::Need::kLog);
  raft_.persisted(number);
  outbox_.note_durable(raft_.durable());
  for (raft::Message& message : messages) outbox_.send(std::move(message));
  handle_ready();
  if (!is_serving()) return pump();
  if (!was_written) return;
  gathering_.begin(needs_barrier() ? Gathering::kInGroup : Gathering::kAlone,
                   hands_.clock.monotonic_ns());
  gather();
}

void Replica::gather() {
  const uint64_t now_ns = hands_.clock.monotonic_ns();
  if (!gathering_.goes_on(batcher_.queued_bytes(), now_ns)) return pump();
  hands_.core.post([this] { gather(); });
}

void Replica::hand_to_apply(base::LogIndex applicable) {
  if (applicable <= handed_) return;
  handed_ = applicable;
  applier_.offer(applicable, in_flight_.take_until(applicable));
  for (const CommittedEntry& refuted : in_flight_.take_refuted()) {
    redirect(refuted.entry, refuted.waiters);
    tell(refuted.followers, ReplyKind::kRetry);
  }
}

void Replica::on_applied(base::LogIndex index) {
  if (index > raft_.applied()) raft_.applied(index);
  handle_ready();
  if (snapshots_ != nullptr) snapshots_->note_applied(index);
  tell_readers();
  if (!is_serving() && !has_failed_ && !stopping_ && raft_.is_leader_established() &&
      established_ != base::LogIndex{} && index >= established_) {
    base::Stamp log_time;
    {
      const index::ReadGuard guard = hands_.machine.index().read();
      log_time = hands_.machine.published(guard).log_time;
    }
    stamps_.start(log_time);
    take_snapshot();
    is_serving_.store(true, std::memory_order_release);
    events_.on_serving();
    if (events_.on_leader_changed) events_.on_leader_changed();
    sweep();  // fills the pool of spare segments
    applier_.warm_up();
  }
  tick_log_time();  // one entry removes a bounded number of due keys: go on while there are any
  pump();
}

void Replica::on_persisted(base::LogIndex needed_from) {
  counters_.persisted_wall_ms = hands_.clock.wall_ms();
  const base::LogIndex first = log_start_for(needed_from);
  if (has_failed_ || first <= hands_.log.first_index()) return;
  hands_.log_strand.post([this, first] {
    const std::optional<base::Term> term = hands_.log.term_at(base::LogIndex{first.value - 1});
    ALF_CHECK(term.has_value());
    base::Status status = hands_.log.set_log_start(first, *term);
    hands_.core.post([this, first, status = std::move(status)]() mutable {
      if (!status) return fail(std::move(status).error());
      raft_.log_starts_at(first);
      sweep();
    });
  });
}

void Replica::sweep() {
  if (is_closing_) return;
  hands_.executor.post_to_pool(env::Lane::kUpkeep, [this] {
    const upkeep::Spares spares = guard_.lacks_index() ? upkeep::Spares::kNone
                                  : guard_.is_full()   ? upkeep::Spares::kReserveOnly
                                                       : upkeep::Spares::kAll;
    base::Result<upkeep::SweepReport> swept =
        hands_.keeper.sweep(spares, guard_.wanted_free_bytes());
    if (swept) return;
    hands_.core.post([this, error = std::move(swept).error()]() mutable {
      // The log was closed under a sweep that was still under way: nothing is lost.
      if (is_closing_ && error.code == base::ErrorCode::kUnavailable) return;
      fail(std::move(error));
    });
  });
}

void Replica::fail(base::Error error) {
  is_serving_.store(false, std::memory_order_release);
  if (has_failed_) return;
  has_failed_ = true;
  events_.on_fatal(std::move(error));
}

}  // namespace alfheim::replica
