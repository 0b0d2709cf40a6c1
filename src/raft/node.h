// raft/node: one member of the quorum, as a pure function of its inputs.
//
// No clock, no thread, no file, no socket, no global random: time is tick(), chance is
// `seed`, everything else is a Message or an acknowledgement of the log. The same inputs
// give the same Ready. Owns the decision what is committed (and who leads), and nothing
// else: it keeps the log's shape (runs of terms, sizes of the newest entries), never the
// payload of an entry that it has handed out. docs/raft.md tells what is built.
//
// After any input, while has_ready(): take_ready() and carry it out as raft/ready.h says.
// Stamps are the proposer's. A leader's no-op has stamp 0 and seed 0: log time does not move.
//
// Thread: one at a time. Lifetime: owns all it has.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "raft/configuration.h"
#include "raft/durability.h"
#include "raft/log_shape.h"
#include "raft/membership.h"
#include "raft/message.h"
#include "raft/read_mode.h"
#include "raft/ready.h"
#include "raft/roles.h"

namespace alfheim::raft {

// What a client of Raft wants appended: an Entry without its place.
struct Proposal {
  EntryKind kind = EntryKind::kCommands;  // kCommands or kFragment
  base::Stamp stamp;
  uint64_t seed = 0;
  Payload payload;
};

struct PeerStatus {
  base::NodeId id;
  base::LogIndex match;
  base::LogIndex next;
  ProgressState state = ProgressState::kProbe;
  base::LogIndex snapshot_index;   // of the snapshot that is offered to it; 0: none
  uint32_t inflight_messages = 0;  // sent, and not acknowledged
  uint64_t inflight_bytes = 0;
  bool has_promised = false;  // its last answer to a heartbeat makes leases
};

// Of this node, since its start.
struct NodeCounts {
  uint64_t elections_begun = 0;  // in which it asked for votes; pre-votes change nothing
  uint64_t elections_won = 0;
  uint64_t read_rounds = 0;  // of heartbeats that it began as a leader, for reads that waited
};

struct NodeStatus {
  base::NodeId id;
  SoftState soft_state;
  HardState hard_state;
  base::LogIndex log_first;
  base::LogIndex last;
  base::LogIndex commit;
  base::LogIndex applied;
  base::LogIndex durable;
  uint64_t uncommitted_bytes = 0;
  uint64_t messages_ignored = 0;  // malformed, foreign, or of a kind that is not built
  NodeCounts counts;
  Configuration configuration;         // in force, committed or not
  base::LogIndex configuration_index;  // the entry that brought it; 0: it is applied
  std::vector<PeerStatus> peers;       // of a leader, the other members, sorted by id
};

class Node {
 public:
  struct Options {
    base::NodeId id;
    base::GroupId group;
    uint64_t data_uid = 0;  // of the data directory; 0: not known, then a majority may found
    uint32_t election_ticks = 10;
    uint32_t heartbeat_ticks = 1;
    uint64_t seed = 0;  // must differ from start to start: it also marks this life's reads
    bool has_pre_vote = true;
    bool has_check_quorum = true;
    uint32_t inflight_messages_max = 256;    // per peer
    uint64_t inflight_bytes_max = 64 << 20;  // per peer
    uint64_t append_bytes_max = 4 << 20;     // per message (one entry always fits)
    uint64_t uncommitted_bytes_max = 256ull << 20;
    uint32_t reads_waiting_max = 65536;
    // A leader's lease counts on the promises of those alone who are in lease mode, too.
    ReadMode read_mode = ReadMode::kReadIndex;
    // How long a tick lasts: for what this node promises others, whose ticks may be longer.
    uint64_t tick_ms = 100;
    // What an earlier life of this node may have promised others, whatever its mode is now.
    uint64_t promised_ms = 0;
    uint32_t clock_drift_permille = kClockDriftPermilleDefault;
    uint32_t promotion_lag_entries_max = 64;  // a learner further behind is not promoted
  };

  // `state` must have passed check_restored().
  Node(Options options, const RestoredState& state);

  // --- Inputs ---------------------------------------------------------------------------
  void tick();
  // Starts an election now instead of at a timeout; a voter that does not lead only.
  void campaign();
  // A message of this group to this node. What is malformed or foreign is counted and ignored.
  void step(const Message& message);

  // Messages to `peer` may be lost from now on: a read that waits for its answer asks all others.
  void unreachable(base::NodeId peer);

  // Appends all of `proposals`, in order and without gap, or none. Returns the first one's index.
  // kUnavailable: not the leader, or handing over (nothing was or will be appended). kLimit:
  // too many uncommitted bytes, ask again after commits. kInvalidArgument: a kind that is Raft's.
  base::Result<base::LogIndex> propose(std::span<const Proposal> proposals);

  // Asks for a read barrier: a later Ready names `id` in `reads` or in `reads_refused`. A follower
  // asks its leader; an answer may then be lost, so the caller asks again under a new id after a
  // while. kUnavailable: no leader known. kLimit: too many wait.
  base::Status read_index(ReadId id);

  // Begins a change of the membership and returns the index of its (first) entry; where votes
  // change, the leader itself proposes the second one. The change has happened when a committed
  // configuration says so. kUnavailable, nothing was proposed: not the leader, handing over, no
  // entry of the own term committed yet, another change under way, a learner too far behind to be
  // promoted. kInvalidArgument: it makes no sense.
  base::Result<base::LogIndex> propose_configuration_change(const Change& change);

  // Hands leadership to `target` once its log is complete; proposals are refused until it has
  // happened or an election timeout has passed. kUnavailable: not the leader.
  // kInvalidArgument: it does not vote, or will not for long.
  base::Status transfer_leadership(base::NodeId target);

  // `peer`, whom a Ready named as wanting a snapshot, is offered this one with every heartbeat from
  // now on, until it holds it, or the log is enough again. A second offer takes the first one's
  // place. kUnavailable: not the leader, the peer wants none, or the log no longer goes on from
  // there. kInvalidArgument: no entry that is applied here.
  base::Status offer_snapshot(base::NodeId peer, const SnapshotMark& mark);
  // Whether the log lacks what that snapshot holds. To be asked again when this node has stopped to
  // take it: meanwhile it may have got, and acknowledged, the entries after all.
  bool needs_snapshot(const SnapshotMark& mark) const;
  // What was offered will not come to an end: the peer is probed again, and may want another one.
  void snapshot_failed(base::NodeId peer);

  // Everything that the Readies up to `number` wanted durable is durable. Numbers may be skipped
  // (a later one covers the earlier), and acknowledging twice does nothing. A number and not
  // (index, term): when 5@2 was overwritten by 5@3 and again by 5@2, the three writes cannot be
  // told apart by their entries, and only the third one's end makes 5@2 durable.
  void persisted(uint64_t ready_number);
  // Entries up to here are applied; at most `applicable` of a Ready. Never goes back.
  void applied(base::LogIndex index);
  // The log now starts at `first` (<= applied + 1); the earlier entries are gone.
  void log_starts_at(base::LogIndex first);

  // --- Outputs --------------------------------------------------------------------------
  bool has_ready() const;
  Ready take_ready();

  SoftState soft_state() const;
  bool is_leader() const { return std::holds_alternative<Leader>(role_); }
  // True once an entry of the own term is committed: only then the leader knows what is.
  bool is_leader_established() const;
  // Whom leadership is being handed to: nothing is taken until that has happened, or has failed.
  // 0: to nobody.
  base::NodeId transferee() const;
  // Of a leader in lease mode: the newest round of heartbeats by which a quorum has promised to
  // elect nobody else; 0: none, and no read may rely on one. It may go back, and counts as of now.
  // The lease lasts lease_ms() from the moment at which that round's Ready was taken
  // (Ready::heartbeat_round; of several rounds in one Ready that names the last). Read, then ask.
  uint64_t lease() const;
  uint64_t lease_ms() const;
  // The log is on stable storage here up to this entry.
  base::LogIndex durable() const { return durability_.last(); }
  // Of a leader: how many other members hold the entry on stable storage, as far as it knows.
  size_t holder_count(base::LogIndex index) const;
  // Of entries that are appended and not known to be committed.
  uint64_t uncommitted_bytes() const { return log_.uncommitted_bytes(); }
  NodeStatus status() const;
  // Its log as it stands, durable or not; term_at: from log_first() - 1 to log_last().
  base::NodeId id() const { return options_.id; }
  base::LogIndex log_first() const { return log_.first(); }
  base::LogIndex log_last() const { return log_.last(); }
  base::LogIndex committed() const { return commit_; }
  base::LogIndex applied() const { return applied_; }
  std::optional<base::Term> term_at(base::LogIndex index) const { return log_.term_at(index); }
  // In force, committed or not.
  const Configuration& configuration() const { return membership_.current(); }
  // It has changed whenever another configuration is in force.
  uint64_t configuration_version() const { return membership_.version(); }
  // A founder without any entry: all founders must vote for the group's first leader.
  bool is_founding() const;
  // Of a leader: whether that peer has answered within an election timeout, or it is this node.
  bool hears(base::NodeId id) const;
  // Committed, and no second step follows.
  bool is_configuration_settled() const {
    return !configuration().is_joint() && membership_.index() <= commit_;
  }
  // Aborts where an invariant is broken; the simulator calls it after every step.
  void check_invariants() const;

 private:
  // node.cc: what all roles share.
  base::LogIndex append(EntryKind kind, base::Stamp stamp, uint64_t seed, Payload payload);
  void set_hard_state(HardState hard_state);
  void send(base::NodeId to, Body body);  // at once
  void send_in_term(base::NodeId to, base::Term term, Body body);
  void send_after_persist(base::NodeId to, Body body);  // depends on what is not durable yet
  void send_answer(base::NodeId to, Body body);         // at once where the term is durable
  void commit_to(base::LogIndex index);
  bool is_up_to_date(const VoteRequest& request) const;
  bool hears_leader() const;
  bool is_bound() const;
  void reset_timer();
  uint32_t draw_ticks(uint32_t least, uint32_t range);
  void promise();
  bool accept_term(const Message& message);
  void answer_stale(const Message& message);
  void on_vote_request(const Message& message, const VoteRequest& request);
  void dispatch(const Message& message);

  // follower.cc
  void become_follower(base::Term term, base::NodeId leader);
  void leave_role();
  void follow(base::NodeId leader);
  void tick_follower();
  void on_append(const Message& message, const Append& append);
  void on_heartbeat(const Message& message, const Heartbeat& heartbeat);
  void on_read_response(const Message& message, const ReadResponse& response);
  void on_transfer_now(const Message& message);
  void obey_transfer();
  base::Status forward_read(ReadId id);
  void take_entry(const Entry& entry);
  void truncate_after(base::LogIndex index);
  void reject_append(base::NodeId leader, const Append& append);

  // candidate.cc
  bool may_campaign() const;
  void start_election(bool is_pre_vote, bool is_transfer);
  void tick_candidate();
  void on_vote_response(const Message& message, const VoteResponse& response);
  void count_vote(base::NodeId from, const VoteResponse& response);
  void count_own_vote();
  VoteResponse vote_response(bool is_pre_vote, bool is_granted) const;

  // leader.cc
  void become_leader();
  Configuration founded_configuration() const;
  void tick_leader();
  bool has_active_quorum();
  void advance_commit();
  void on_append_response(const Message& message, const AppendResponse& response);
  void on_heartbeat_response(const Message& message, const HeartbeatResponse& response);
  void on_read_request(const Message& message, const ReadRequest& request);
  void add_read(const PendingRead& read);
  void advance_reads();
  void grant_reads(std::vector<PendingRead>& reads, base::LogIndex index);
  void refuse_reads(Leader& leader);
  bool is_quorum(const std::set<base::NodeId>& members) const;
  void broadcast_heartbeat(bool is_new_round);
  void send_heartbeats(bool is_new_round);
  void send_appends();
  bool send_append(base::NodeId to, Progress& progress);

  // snapshot.cc
  void want_snapshot(base::NodeId peer, Progress& progress);
  void send_offers();
  void probe_log_start(base::NodeId peer, const Progress& progress);
  void on_snapshot_offer(const Message& message, const SnapshotOffer& offer);

  // leader_membership.cc
  base::Status check_promotion(const Change& change) const;
  base::LogIndex append_configuration(const Configuration& configuration);
  void update_peers();
  void tick_leaving();
  void settle_membership();
  bool has_left() const;
  void begin_transfer(base::NodeId target);
  void continue_transfer();
  void end_transfer();

  const Options options_;
  Membership membership_;
  HardState hard_state_;
  LogShape log_;
  base::LogIndex commit_;
  base::LogIndex applied_;
  Durability durability_;
  Role role_;
  Ready pending_;    // what the next take_ready() will hand out
  Emitted emitted_;  // what the last one said, to know whether there is news
  Timer timer_;
  uint64_t random_ = 0;
  uint64_t incarnation_ = 0;
  uint64_t messages_ignored_ = 0;
  NodeCounts counts_;
};

}  // namespace alfheim::raft
