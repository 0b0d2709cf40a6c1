// server/session: one client connection: requests in, replies out, in order.
//
// Cuts requests from what arrives, and sends each on its way: a session command is executed
// here; a write goes into the group's open batch; a read is answered from the state as it is
// now, or, where the connection has writes that are not applied yet, travels behind them in
// the same entry. Whatever must wait (a long read behind writes, a body that was not admitted,
// a read that needs a tick) stalls the session: nothing later of the connection is looked at.
//
// A view is taken after the request's last byte was read, never before, and before anything
// later of the connection is proposed.
//
// Thread: its loop. Lifetime: owned by SessionHost; the connection outlives on_closed.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/mutant.h"
#include "env/network.h"
#include "machine/read_context.h"
#include "replica/reply.h"
#include "resp/request_cutter.h"
#include "server/body_budget.h"
#include "server/client_memory.h"
#include "server/read_ahead.h"
#include "server/read_gate.h"
#include "server/reply_queue.h"
#include "server/services.h"
#include "server/session_host.h"
#include "server/transaction_queue.h"
#include "server/tunnel.h"
#include "server/upstream_mirror.h"

namespace alfheim::server {

// Reads of more words than this are too long for a loop.
inline constexpr size_t kLoopWordsMax = 256;
// Reads of a connection on the pool at a time, as long as none has said how large they are.
inline constexpr size_t kFirstPoolReads = 8;
// Long reads of one connection on the pool at a time.
inline constexpr size_t kLongReadsMax = 2;

class Session final : public env::ConnectionHandler,
                      public Tunnel::Owner,
                      public std::enable_shared_from_this<Session> {
 public:
  Session(SessionHost& host, env::Connection& connection, std::shared_ptr<ClientInfo> info);
  ~Session() override;

  // ---- env::ConnectionHandler ----
  std::span<char> read_buffer() override;
  void on_bytes(size_t count) override;
  void on_sent() override;
  bool on_end_of_input() override;
  void on_closed() override;

  // A reply that came out of apply (or its loss).
  void on_reply(const replica::Reply& reply, const replica::ReplyBatch& batch);
  void on_pool_reply(SessionHost::PoolReply reply);
  // A WATCH comes back from the pool; early: a key was written by an entry that is not wholly
  // applied, and it runs again behind that.
  void on_watched(SessionHost::LongWatch watch);
  // Nothing more of the connection is executed or sent.
  void abort();
  // What stopped the session may be over: looks again.
  void resume();
  // Another node leads, or none, or this one: who waits for that looks again. `is_demoted`: this
  // one did, and does no more.
  void on_leader_changed(bool is_demoted);
  void close_after_replies();
  // The host goes: nothing of the node may be touched any more.
  void abandon() {
    stream_ = Stream::kClosed;
    transaction_.take_watches().reset();
    memory_.account.close();
    drop_early_view();
    if (upstream_.tunnel != nullptr) upstream_.tunnel->abandon();
  }
  void check_output_limit();
  // What it holds changed, or time has passed.
  void note_memory();
  // Nothing was heard for a while: what is kept for the next request is given back.
  void release_idle();
  const ClientInfo& info() const { return *state_.info; }
  // How a body that was granted its room comes; for as long as it is the one. Time in which the
  // server did not read is not the client's.
  struct BodyPace {
    uint64_t since_ms = 0;  // later by all that was not its time
    uint64_t noted_ms = 0;
    uint64_t bytes = 0;       // that came since
    size_t unsent_bytes = 0;  // replies that it had not taken then
    bool was_slow = false;    // in the period before
  };
  const BodyBudget::Claim& body() const { return memory_.body; }
  // As of now.
  BodyPace& body_pace(uint64_t now_ms) {
    note_pace(now_ms);
    return memory_.pace;
  }
  uint64_t active_ms() const { return state_.info->active_ms.load(std::memory_order_relaxed); }
  uint64_t id() const { return state_.info->id; }
  // Also in the midst of a block: its client may be gone.
  bool is_idle() const {
    return !replies_.has_pending() && !stalled_ && !memory_.body.is_waiting && !is_owed_upstream();
  }
  bool is_closed() const { return stream_ == Stream::kClosed; }

 private:
  enum class Stream : uint8_t { kOpen, kEnded, kClosed };  // kEnded: no more input comes
  // Why nothing more is cut.
  enum class Stall : uint8_t {
    kDrain,    // until the connection's earlier writes are applied
    kReply,    // until one reply has come that it says is over
    kTick,     // until log time has moved
    kPool,     // until one of its long reads on the pool is done
    kRoom,     // until the replica takes more work
    kBarrier,  // until what was received may be read (replica/read_barriers.h)
    kLeader,   // until it is known who leads, or it took too long
    kTunnel,   // until its tunnel is open and all that went through it is answered
  };
  static constexpr uint64_t kNoSlot = UINT64_MAX;  // the reply gets its slot when it is there
  struct Stalled {
    Stall reason = Stall::kDrain;
    uint64_t slot = 0;  // whose reply ends it, of kReply
    bool is_over = false;
    bool has_ticked = true;  // of kTick: or log time cannot move now
    bool reruns = false;     // the request is looked at anew: who leads may have changed
    uint64_t since_ms = 0;   // of kLeader
    base::Stamp clock;       // of kTick: what the read's clock said; log time has passed it then
    std::optional<OwnedRequest> request;  // executed when the stall ends
  };
  // What the requests that are cut in one go share.
  struct Turn {
    uint64_t commands = 0;  // not yet in the node's counters
    uint64_t reads = 0;
    uint64_t writes = 0;
    uint64_t lease_reads = 0;
    types::Lookups lookups;
    uint64_t begin_ns = 0;
    uint64_t mark_ns = 0;      // when the last request was done
    bool is_mark_old = false;  // a later one was not measured
    size_t cut = 0;            // requests
    size_t writes_max = 0;     // that may be under way; 0: not asked yet
    bool has_written = false;
    std::optional<base::Stamp> clock;
  };
  // What a block's reply is put together from.
  struct BlockPlan {
    uint64_t slot = 0;
    std::vector<QueuedCommand> session_commands;
    size_t command_count = 0;  // of all
    resp::ProtocolVersion protocol = resp::ProtocolVersion::kResp2;
  };

  void cut_requests();
  bool may_cut();
  void end_turn();
  void execute(std::span<const base::ByteView> words);
  bool is_refused(const command::Row* row, const command::Arguments& args);
  bool is_without_room(uint32_t row_flags) const;
  void execute_row(const command::Row& row, const command::Arguments& args,
                   std::span<const base::ByteView> words);
  void execute_session(const command::Row& row, const command::Arguments& args,
                       std::span<const base::ByteView> words);
  void execute_write(const command::Row& row, std::span<const base::ByteView> words);
  void encode_on_pool(const command::Row& row, std::span<const base::ByteView> words);
  // Takes the words over, with their memory where that is possible and worth it.
  OwnedRequest own(std::span<const base::ByteView> words);
  size_t writes_max();
  size_t travelling_max() const;
  void note_travelled(const replica::Reply& reply, std::span<const size_t> ends);
  bool stall_for_room(std::span<const base::ByteView> words);
  void execute_read(const command::Row& row, const command::Arguments& args,
                    std::span<const base::ByteView> words);
  void read_on_pool(const command::Row& row, std::span<const base::ByteView> words,
                    std::unique_ptr<machine::BegunRead> begun);
  bool has_early_view() {
    return ALF_MUTANT(ViewBeforeTheLastByte) && pool_reads_.early_view.get() != nullptr;
  }
  void drop_early_view() {
    if (ALF_MUTANT(ViewBeforeTheLastByte)) pool_reads_.early_view.get().reset();
  }
  void wait_for_tick(base::Stamp clock, std::span<const base::ByteView> words);

  // session_leader.cc: where this node does not lead, or must prove that it does
  bool needs_leader(const command::Row& row) const;
  bool may_read_here(const command::Row& row) const;
  bool is_barrier_late() const;
  bool may_read_stale(const command::Row& row) const;
  bool is_read_of_follower(const command::Row& row) const;
  bool waits_for_leader(const command::Row& row, std::span<const base::ByteView> words);
  std::string redirection(const command::Row& row, const command::Arguments& args) const;
  bool waits_for_barrier(std::span<const base::ByteView> words);
  bool may_read_at_once() const;
  bool begin_by_lease();
  bool lacks_lease(uint64_t now_ns, std::span<const base::ByteView> words);
  bool is_leader_known();
  bool is_unsafe_here() const;
  bool is_from_sentinel() const;
  bool holds_what_a_leader_gave() const;
  void leave();
  void note_door(const command::Row& row);
  void end_stall_by(replica::ReplyKind kind);
  base::Stamp read_clock();

  // session_tunnel.cc: where the leader answers, through this node (--proxy)
  bool is_plain() const;
  bool may_tunnel() const;
  bool goes_upstream(const command::Row* row) const;
  bool passes_upstream(const command::Row* row, const command::Arguments& args,
                       std::span<const base::ByteView> words);
  bool stall_for_tunnel(std::span<const base::ByteView> words);
  bool open_tunnel();
  void drop_tunnel();
  void retry_tunnel();
  void forward(const command::Row* row, std::span<const base::ByteView> words);
  void forward_on_pool(std::span<const base::ByteView> words, Tunnel::ReplyFor reply_for);
  UpstreamMirror::Client as_client() const;
  bool is_tunnel_ready();
  void check_tunnel();
  bool is_owed_upstream() const {
    return upstream_.tunnel != nullptr && !upstream_.tunnel->is_idle();
  }
  bool has_upstream_room() const;
  // ---- Tunnel::Owner ----
  void on_upstream_bytes(base::Bytes bytes) override;
  void on_upstream_changed() override;

  // session_transaction.cc
  bool execute_transaction(const command::Row& row, const command::Arguments& args,
                           std::span<const base::ByteView> words);
  void execute_exec(std::span<const base::ByteView> words);
  void propose_block(QueuedBlock block, std::unique_ptr<WatchSet> watches, bool is_growth);
  void end_transaction();
  void answer_local_block(const std::vector<QueuedCommand>& commands);
  void execute_in_block(const QueuedCommand& queued, resp::ReplyWriter& reply);
  void watch_on_pool(std::span<const base::ByteView> words, base::Stamp clock);
  void end_watch();
  void execute_watch(const command::Arguments& args, std::span<const base::ByteView> words);
  void finish_block(const replica::Reply& reply, const replica::ReplyBatch& batch);
  void forget_block_plan(uint64_t slot);
  void take_refusal(const replica::Reply& reply, const replica::ReplyBatch& batch);

  // session_special.cc: session commands that need more than an answer
  bool execute_special(const command::Row& row, const command::Arguments& args,
                       std::span<const base::ByteView> words);
  bool execute_wait(const command::Row& row, const command::Arguments& args,
                    std::span<const base::ByteView> words);
  void execute_raft_snapshot();
  void execute_raft_add(const command::Arguments& args);
  void execute_raft_change(const raft::Change& change);
  void execute_raft_change_of(raft::ChangeKind kind, base::ByteView word);
  void execute_debug_sleep(const command::Arguments& args);
  void execute_raft_transfer(const command::Arguments& args);
  using AnswerLater = std::function<void(const std::function<void(resp::ReplyWriter&)>& write)>;
  AnswerLater answer_later();
  void end_reply_stall(uint64_t slot, base::ByteView bytes);
  void answer_error(std::string_view words);

  // Answers in place.
  template <typename Write>
  void answer(Write write);
  bool is_muted_now();
  uint64_t add_pending_slot();
  uint64_t add_pending_write();  // a slot of what goes through the log
  replica::ReplyTo reply_to(uint64_t slot) const;
  void fill(uint64_t slot, base::ByteView reply);
  void stall(Stall reason, uint64_t slot, std::span<const base::ByteView> words);
  bool is_stall_over();
  void end_stall();
  void flush();
  void note_input();

  // session_memory.cc
  uint64_t held_bytes() const;
  bool must_wait_for_memory() const;
  void release_large_input();
  void note_sent(uint64_t slot, uint64_t bytes);
  void note_answered(uint64_t first_slot, size_t count);
  void note_pace(uint64_t now_ms);
  // What was executed and is not needed any more; what is large of a closed session.
  void reclaim_request();
  void reclaim_all();
  bool is_above_query_limit(std::string_view held, uint64_t bytes);
  bool admit_body();
  void release_body();
  void take_mark(const command::Row* row);
  void note_done(const command::Row& row, const command::Arguments& args);
  void note_done(const command::Row& row, const command::Arguments& args, uint64_t now_ns);
  void note_slow(uint64_t begin_ns, uint64_t end_ns, const command::Row& row,
                 const command::Arguments& args);
  uint64_t chance_for(const command::Row& row);
  void flush_counts();
  void resume_later();

  SessionHost& host_;
  env::Connection& connection_;
  SessionState state_;
  resp::RequestCutter cutter_;
  ReplyQueue replies_;
  TransactionQueue transaction_;
  std::optional<Stalled> stalled_;
  std::optional<BlockPlan> block_;
  base::Bytes scratch_;
  Turn turn_;
  size_t writes_pending_ = 0;  // slots filled by apply that are still open
  struct {
    size_t count = 0;
    size_t count_max = kFirstPoolReads;
    size_t long_count = 0;
    uint64_t request_bytes = 0;  // of those that are out
    uint64_t reply_bytes = 0;    // of the last one: what those that are out may bring
    [[no_unique_address]] base::MutantMemory<std::shared_ptr<machine::ReadView>> early_view;
  } pool_reads_;
  struct {
    ClientAccount account;
    BodyBudget::Claim body;
    BodyPace pace;
  } memory_;
  // Reads that travel behind writes of the connection, and how large a reply of them was.
  struct {
    size_t count = 0;
    uint64_t reply_bytes = 256 * 1024;  // not known yet
  } travelling_;
  ReadGate read_gate_;
  ReadAhead read_ahead_;
  struct {
    bool is_by_lease = false;   // the read of now: the lease is asked after its view is taken
    bool is_wait_over = false;  // nobody leads: a request has waited long enough for it
    bool gave_block = false;    // MULTI or WATCH was taken while this node led
    // Of the last EXEC that was proposed with its WATCH: the next one waits for its reply.
    uint64_t watched_slot = 0;
  } leadership_;
  // The connection's own way to the leader. What the state here says of it was told there.
  struct Upstream {
    std::shared_ptr<Tunnel> tunnel;
    UpstreamMirror mirror;
    uint64_t tried_ms = 0;        // since when it is tried to open one; 0: it is not
    uint64_t retry_ms = 0;        // not before
    uint64_t stale_ms = 0;        // since when another node leads; 0: none does
    uint64_t encoding_bytes = 0;  // of a request on the pool that is to be sent
    bool has_given_up = false;
  } upstream_;
  // Blocks and long writes that have no reply yet: what they hold elsewhere counts here. By slot.
  struct {
    std::deque<std::pair<uint64_t, uint64_t>> parts;  // slot, bytes
    uint64_t bytes = 0;                               // of all
  } sent_;
  uint64_t watching_bytes_ = 0;              // of a WATCH that is there, and its set
  OwnedRequest* resumed_ = nullptr;          // the request that runs again at the end of a stall
  uint64_t over_soft_limit_ms_ = 0;          // since when, 0: it is not
  std::optional<base::Stamp> ticked_clock_;  // while a read runs again after its tick
  bool is_resume_set_ = false;
  bool is_cutting_ = false;
  bool is_turn_over_ = false;  // and the next one is on its way
  bool is_paused_ = false;     // nothing is read: it waits for something
  Stream stream_ = Stream::kOpen;
};

template <typename Write>
void Session::answer(Write write) {
  const bool is_muted = is_muted_now();
  if (!is_muted && replies_.is_direct()) {
    resp::ReplyWriter reply(replies_.output(), state_.protocol);
    return write(reply);
  }
  base::Bytes bytes;
  resp::ReplyWriter reply(bytes, state_.protocol);
  write(reply);
  replies_.add_ready(bytes, is_muted);
}

}  // namespace alfheim::server
