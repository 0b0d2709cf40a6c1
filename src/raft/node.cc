#include "raft/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"

namespace alfheim::raft {

using base::Error;
using base::ErrorCode;
using base::LogIndex;
using base::NodeId;
using base::Term;

namespace {

// splitmix64: one word of state, the same on every machine.
uint64_t next_random(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

// What a peer may never send, whatever the state: checked before anything is believed.
bool is_well_formed(const Append& append, Term term) {
  if (append.entries.empty()) return append.previous_term <= term;
  LogIndex index = append.previous;
  Term last_term = append.previous_term;
  for (const Entry& entry : append.entries) {
    if (entry.index != index.next() || entry.term < last_term) return false;
    if (entry.bytes().size() > base::kEntryBytesMax) return false;
    if (entry.kind == EntryKind::kConfiguration && !decode_configuration(entry.bytes()).is_ok()) {
      return false;
    }
    index = entry.index;
    last_term = entry.term;
  }
  return append.entries.front().term.value > 0 && last_term <= term;
}

// Only whoever leads in its term says such things.
bool is_leaders(const Body& body) {
  return std::holds_alternative<Append>(body) || std::holds_alternative<Heartbeat>(body) ||
         std::holds_alternative<SnapshotOffer>(body);
}

}  // namespace

Node::Node(Options options, const RestoredState& state)
    : options_(options),
      membership_(state.configuration, state.configurations_behind),
      hard_state_(state.hard_state),
      log_(state),
      commit_(state.applied),
      applied_(state.applied),
      durability_(state.last, state.hard_state),
      // Two nodes that were given one seed must still draw different timeouts.
      random_(options.seed ^ (options.id.value * 0xff51afd7ed558ccd)) {
  ALF_CHECK(check_restored(state).is_ok());
  ALF_CHECK(options_.id != NodeId{});
  ALF_CHECK(options_.election_ticks > options_.heartbeat_ticks);
  ALF_CHECK(options_.heartbeat_ticks > 0);
  ALF_CHECK(options_.inflight_messages_max > 0);
  ALF_CHECK(options_.inflight_bytes_max > 0);
  ALF_CHECK(options_.read_mode != ReadMode::kLease || options_.has_check_quorum);
  ALF_CHECK(options_.clock_drift_permille < 1000);
  ALF_CHECK(options_.tick_ms > 0);
  incarnation_ = next_random(random_);
  // It may have promised time to a leader just before it stopped. Only where there never was
  // anybody else it has not.
  const bool was_always_alone = configuration().members.size() == 1 &&
                                membership_.applied().members.size() == 1 &&
                                configuration().retired.empty();
  if (!was_always_alone && !ALF_MUTANT(VoteRightAfterRestart)) {
    promise();
    const uint64_t ticks = (options_.promised_ms + options_.tick_ms - 1) / options_.tick_ms;
    timer_.promise_ticks = std::max(timer_.promise_ticks, static_cast<uint32_t>(ticks));
  }
  emitted_ = {.number = 0, .commit = commit_, .applicable = commit_, .soft_state = soft_state()};
  reset_timer();
  check_invariants();
}

// --- Inputs -------------------------------------------------------------------------------

void Node::tick() {
  ++timer_.elapsed_ticks;
  if (timer_.promise_ticks > 0) --timer_.promise_ticks;
  if (std::holds_alternative<Leader>(role_)) return tick_leader();
  if (std::holds_alternative<Candidate>(role_)) return tick_candidate();
  tick_follower();
}

void Node::campaign() {
  if (is_leader() || !may_campaign() || is_bound()) return;
  // The own vote is still on its way to the disk: another term would only send it there again,
  // and on a slow disk for ever.
  if (durability_.hard_state() != hard_state_) return;
  const bool is_alone = configuration().is_sole_voter(options_.id);
  start_election(options_.has_pre_vote && !is_alone, false);
}

void Node::step(const Message& message) {
  const auto* append = std::get_if<Append>(&message.body);
  const bool is_for_us = message.group == options_.group && message.to == options_.id &&
                         message.from != NodeId{} && message.from != options_.id;
  if (!is_for_us || (append != nullptr && !is_well_formed(*append, message.term))) {
    ++messages_ignored_;
    return;
  }
  if (accept_term(message)) dispatch(message);
}

base::Result<LogIndex> Node::propose(std::span<const Proposal> proposals) {
  const auto refuse = [&](ErrorCode code, const char* what) {
    return Error{code, fmt::format("propose {} entries in term {}: {}", proposals.size(),
                                   hard_state_.term.value, what)};
  };
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return refuse(ErrorCode::kUnavailable, "this node does not lead");
  if (leader->transferee != NodeId{}) {
    return refuse(ErrorCode::kUnavailable, "leadership is being handed over");
  }
  if (proposals.empty()) return refuse(ErrorCode::kInvalidArgument, "nothing to append");
  uint64_t bytes = 0;
  for (const Proposal& proposal : proposals) {
    if (proposal.kind != EntryKind::kCommands && proposal.kind != EntryKind::kFragment) {
      return refuse(ErrorCode::kInvalidArgument, "entries of this kind are made by raft alone");
    }
    const size_t size = proposal.payload ? proposal.payload->size() : 0;
    if (size > base::kEntryBytesMax) {
      return refuse(ErrorCode::kInvalidArgument, "a payload is above the largest entry");
    }
    bytes += size;
  }
  // With nothing uncommitted anything is let in, so that a small limit never stops a group.
  const uint64_t uncommitted = log_.uncommitted_bytes();
  if (uncommitted > 0 && bytes > 0 && uncommitted + bytes > options_.uncommitted_bytes_max) {
    return refuse(ErrorCode::kLimit, "too many bytes are not committed yet");
  }
  const LogIndex first = log_.last().next();
  for (const Proposal& proposal : proposals) {
    append(proposal.kind, proposal.stamp, proposal.seed, proposal.payload);
  }
  leader->has_news = !leader->peers.empty();
  ALF_CHECK(log_.last() == first.plus(proposals.size() - 1));
  return first;
}

base::Status Node::read_index(ReadId id) {
  if (std::holds_alternative<Follower>(role_)) return forward_read(id);
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    return Error{ErrorCode::kUnavailable, "ask for a read index: an election is going on"};
  }
  if (leader->reads.waiting.size() >= options_.reads_waiting_max) {
    return Error{ErrorCode::kLimit, "ask for a read index: too many reads wait for one"};
  }
  add_read({.id = id, .from = options_.id, .incarnation = incarnation_});
  return base::ok();
}

void Node::persisted(uint64_t ready_number) {
  ALF_CHECK_MSG(ready_number <= emitted_.number, "a Ready that was never handed out");
  durability_.finished(ready_number);
  ALF_CHECK(durability_.last() <= log_.last());
  if (std::holds_alternative<Candidate>(role_)) count_own_vote();
  if (is_leader()) advance_commit();
}

void Node::applied(LogIndex index) {
  ALF_CHECK(index >= applied_);
  ALF_CHECK_MSG(index <= commit_, "only what is committed may be applied");
  ALF_CHECK_MSG(index <= durability_.last(), "only what is durable here may be applied");
  applied_ = index;
  membership_.applied_to(index);
  obey_transfer();
}

void Node::log_starts_at(LogIndex first) {
  ALF_CHECK_MSG(first <= applied_.next(), "only what is applied may leave the log");
  log_.start_at(first);
}

// --- Outputs ------------------------------------------------------------------------------

bool Node::has_ready() const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader != nullptr && leader->has_news) return true;
  if (pending_.needs_persist() || !pending_.messages.empty()) return true;
  if (!pending_.messages_after_persist.empty()) return true;
  if (!pending_.reads.empty() || !pending_.reads_refused.empty()) return true;
  if (!pending_.snapshots_wanted.empty() || pending_.snapshot_offered) return true;
  return commit_ != emitted_.commit ||
         std::min(commit_, durability_.last()) != emitted_.applicable ||
         soft_state() != emitted_.soft_state;
}

Ready Node::take_ready() {
  if (is_leader()) send_appends();
  Ready ready = std::exchange(pending_, Ready{});
  emitted_ = {.number = emitted_.number + 1,
              .commit = commit_,
              .applicable = std::min(commit_, durability_.last()),
              .soft_state = soft_state()};
  ready.number = emitted_.number;
  ready.commit = emitted_.commit;
  ready.applicable = emitted_.applicable;
  ready.soft_state = emitted_.soft_state;
  ALF_CHECK(ready.entries.empty() || ready.entries.back().index == log_.last());
  ALF_CHECK(!ready.hard_state || *ready.hard_state == hard_state_);
  if (ready.needs_persist()) durability_.started(ready.number, log_.last(), hard_state_);
  if (ALF_MUTANT(CountedBeforeDurable) && is_leader()) persisted(ready.number);
  return ready;
}

SoftState Node::soft_state() const {
  SoftState state{.term = hard_state_.term,
                  .is_removed = membership_.applied().is_retired(options_.id)};
  if (const auto* follower = std::get_if<Follower>(&role_)) {
    state.leader = follower->leader;
  } else if (const auto* candidate = std::get_if<Candidate>(&role_)) {
    state.role = candidate->is_pre_vote ? RoleKind::kPreCandidate : RoleKind::kCandidate;
  } else {
    state.role = RoleKind::kLeader;
    state.leader = options_.id;
  }
  return state;
}

bool Node::is_leader_established() const {
  const auto* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && commit_ >= leader->own_first;
}

NodeStatus Node::status() const {
  NodeStatus status{.id = options_.id,
                    .soft_state = soft_state(),
                    .hard_state = hard_state_,
                    .log_first = log_.first(),
                    .last = log_.last(),
                    .commit = commit_,
                    .applied = applied_,
                    .durable = durability_.last(),
                    .uncommitted_bytes = log_.uncommitted_bytes(),
                    .messages_ignored = messages_ignored_,
                    .counts = counts_,
                    .configuration = configuration(),
                    .configuration_index = membership_.index(),
                    .peers = {}};
  if (const auto* leader = std::get_if<Leader>(&role_)) {
    for (const auto& [id, progress] : leader->peers) {
      if (leader->leaving_ticks.contains(id)) continue;
      const LogIndex offered = progress.offered() ? progress.offered()->index : LogIndex{};
      status.peers.push_back(
          {.id = id,
           .match = progress.match(),
           .next = progress.next(),
           .state = progress.state(),
           .snapshot_index = offered,
           .inflight_messages = static_cast<uint32_t>(progress.inflight_messages()),
           .inflight_bytes = progress.inflight_bytes(),
           .has_promised = progress.has_promised()});
    }
  }
  return status;
}

void Node::check_invariants() const {
  log_.check_invariants();
  durability_.check_invariants(log_.last());
  membership_.check_invariants(applied_, log_.last());
  ALF_CHECK(applied_ <= commit_);
  ALF_CHECK(applied_ <= durability_.last());
  ALF_CHECK(commit_ <= log_.last());
  ALF_CHECK(log_.first() <= applied_.next());
  ALF_CHECK(log_.last_term() <= hard_state_.term);
  ALF_CHECK(durability_.hard_state().term <= hard_state_.term);
  ALF_CHECK(emitted_.commit <= commit_);
  const bool is_candidate = std::holds_alternative<Candidate>(role_);
  ALF_CHECK(is_candidate || timer_.timeout_ticks >= options_.election_ticks);
  ALF_CHECK(pending_.entries.empty() || pending_.entries.back().index == log_.last());
  for (const Entry& entry : pending_.entries) ALF_CHECK(log_.term_at(entry.index) == entry.term);
  if (const auto* candidate = std::get_if<Candidate>(&role_)) {
    ALF_CHECK(candidate->is_pre_vote || hard_state_.vote == options_.id);
  }
  if (const auto* leader = std::get_if<Leader>(&role_)) {
    ALF_CHECK(hard_state_.vote == options_.id);
    ALF_CHECK_MSG(durability_.hard_state() == hard_state_, "led before the term was durable");
    ALF_CHECK(log_.last_term() == hard_state_.term);
    ALF_CHECK(!leader->peers.contains(options_.id));
    for (const NodeId id : configuration().everybody()) {
      ALF_CHECK(id == options_.id || leader->peers.contains(id));
      ALF_CHECK(!leader->leaving_ticks.contains(id));
    }
    ALF_CHECK(leader->reads.is_under_way || leader->reads.current.empty());
    for (const auto& [id, progress] : leader->peers) progress.check_invariants(log_.last());
  }
}

// --- What all roles share -------------------------------------------------------------------

LogIndex Node::append(EntryKind kind, base::Stamp stamp, uint64_t seed, Payload payload) {
  ALF_CHECK(is_leader());
  const LogIndex index = log_.append(hard_state_.term, payload ? payload->size() : 0);
  pending_.entries.push_back({.index = index,
                              .term = hard_state_.term,
                              .kind = kind,
                              .stamp = stamp,
                              .seed = seed,
                              .payload = std::move(payload)});
  return index;
}

void Node::set_hard_state(HardState hard_state) {
  ALF_CHECK(hard_state.term >= hard_state_.term);
  // One vote per term, for ever (Raft §5.2).
  ALF_CHECK(hard_state.term > hard_state_.term || hard_state_.vote == NodeId{} ||
            hard_state.vote == hard_state_.vote);
  if (hard_state == hard_state_) return;
  hard_state_ = hard_state;
  pending_.hard_state = hard_state;
}

void Node::send(NodeId to, Body body) { send_in_term(to, hard_state_.term, std::move(body)); }

void Node::send_in_term(NodeId to, Term term, Body body) {
  ALF_CHECK(to != options_.id);
  pending_.messages.push_back({options_.group, options_.id, to, term, std::move(body)});
}

void Node::send_after_persist(NodeId to, Body body) {
  ALF_CHECK(to != options_.id);
  pending_.messages_after_persist.push_back(
      {options_.group, options_.id, to, hard_state_.term, std::move(body)});
}

void Node::send_answer(NodeId to, Body body) {
  const bool is_durable = durability_.hard_state() == hard_state_;
  if (is_durable || ALF_MUTANT(VoteSentBeforeItsSync)) return send(to, std::move(body));
  send_after_persist(to, std::move(body));
}

void Node::commit_to(LogIndex index) {
  if (index <= commit_) return;
  ALF_CHECK(index <= log_.last());
  commit_ = index;
  log_.commit_to(index);
}

bool Node::is_up_to_date(const VoteRequest& request) const {
  if (ALF_MUTANT(VoteForAnyLog)) return true;
  if (request.last_term != log_.last_term()) return request.last_term > log_.last_term();
  return request.last >= log_.last();
}

bool Node::hears_leader() const {
  return options_.has_check_quorum && soft_state().leader != NodeId{} &&
         timer_.elapsed_ticks < options_.election_ticks;
}

// Whether this node must not elect anybody, itself included: a leader may rely on it to answer
// reads. Unlike hears_leader() it outlives terms, roles and restarts. Who was told by its leader
// to stand (is_transfer) is exempt: that leader has given up its lease for the rest of its term, no
// earlier leader's lease outlived its election, and a later one's term makes the request stale.
bool Node::is_bound() const { return timer_.promise_ticks > 0; }

void Node::promise() {
  if (options_.read_mode == ReadMode::kLease) timer_.promise_ticks = options_.election_ticks;
}

// Until it stands: at least election_ticks, so that whoever asks finds that others miss the
// leader, too; and at most two thirds more, so that with ten ticks of 100 ms another leads within
// two seconds. A candidate that nobody could elect (the others still heard the leader, or stood
// themselves) asks again sooner: a pre-vote disturbs nobody.
void Node::reset_timer() {
  const uint32_t whole = options_.election_ticks;
  const bool is_candidate = std::holds_alternative<Candidate>(role_);
  timer_.elapsed_ticks = 0;
  timer_.timeout_ticks =
      is_candidate ? draw_ticks((whole + 1) / 2, whole / 2) : draw_ticks(whole, whole * 2 / 3);
}

uint32_t Node::draw_ticks(uint32_t least, uint32_t range) {
  return least + static_cast<uint32_t>(next_random(random_) % std::max(range, 1U));
}

// Whether the message, its term compared with ours, is to be handled; may make us a follower.
bool Node::accept_term(const Message& message) {
  if (message.term < hard_state_.term) {
    answer_stale(message);
    return false;
  }
  if (message.term == hard_state_.term) return true;
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    // A node that was cut off must not unseat a leader that its followers still hear.
    if ((hears_leader() || is_bound()) && !request->is_transfer) return false;
    if (request->is_pre_vote) return true;
  }
  const auto* response = std::get_if<VoteResponse>(&message.body);
  if (response != nullptr && response->is_pre_vote && response->is_granted) return true;
  become_follower(message.term, is_leaders(message.body) ? message.from : NodeId{});
  return true;
}

// Old news is dropped, except where the sender must learn our term to get on: a leader that our
// votes have left behind, and a node whose pre-votes would otherwise never be answered.
void Node::answer_stale(const Message& message) {
  if (is_leaders(message.body) && (options_.has_check_quorum || options_.has_pre_vote)) {
    send_answer(message.from, AppendResponse{});
    return;
  }
  const auto* request = std::get_if<VoteRequest>(&message.body);
  if (request != nullptr && request->is_pre_vote) {
    send_answer(message.from, vote_response(true, false));
  }
}

void Node::on_vote_request(const Message& message, const VoteRequest& request) {
  const bool is_free = hard_state_.vote == NodeId{} && soft_state().leader == NodeId{} &&
                       (!is_bound() || request.is_transfer);
  const bool may_grant =
      request.is_pre_vote ? message.term > hard_state_.term
                          : hard_state_.vote == message.from || is_free || ALF_MUTANT(VotesTwice);
  if (!may_grant || !is_up_to_date(request)) {
    send_answer(message.from, vote_response(request.is_pre_vote, false));
    return;
  }
  if (request.is_pre_vote) {
    send_in_term(message.from, message.term, vote_response(true, true));
    return;
  }
  ALF_CHECK(message.term == hard_state_.term);
  set_hard_state({hard_state_.term, message.from});
  timer_.elapsed_ticks = 0;
  send_answer(message.from, vote_response(false, true));
}

void Node::dispatch(const Message& message) {
  const Body& body = message.body;
  if (const auto* request = std::get_if<VoteRequest>(&body)) on_vote_request(message, *request);
  if (const auto* response = std::get_if<VoteResponse>(&body)) on_vote_response(message, *response);
  if (const auto* append = std::get_if<Append>(&body)) on_append(message, *append);
  if (const auto* response = std::get_if<AppendResponse>(&body)) {
    on_append_response(message, *response);
  }
  if (const auto* heartbeat = std::get_if<Heartbeat>(&body)) on_heartbeat(message, *heartbeat);
  if (const auto* response = std::get_if<HeartbeatResponse>(&body)) {
    on_heartbeat_response(message, *response);
  }
  if (const auto* request = std::get_if<ReadRequest>(&body)) on_read_request(message, *request);
  if (const auto* response = std::get_if<ReadResponse>(&body)) on_read_response(message, *response);
  if (std::holds_alternative<TransferNow>(body)) on_transfer_now(message);
  if (const auto* offer = std::get_if<SnapshotOffer>(&body)) on_snapshot_offer(message, *offer);
}

}  // namespace alfheim::raft
