// The leader: it replicates, counts, and answers when reads are safe.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/node.h"
#include "raft/quorum.h"

namespace alfheim::raft {

using base::Error;
using base::ErrorCode;
using base::LogIndex;
using base::NodeId;

namespace {

// The most entries that one message names where their sizes are not known any more.
constexpr uint64_t kUnmeasuredEntriesMax = 1024;

}  // namespace

void Node::become_leader() {
  ALF_CHECK(std::holds_alternative<Candidate>(role_));
  ALF_CHECK_MSG(durability_.hard_state() == hard_state_, "led before the term was durable");
  Leader leader;
  for (const NodeId id : configuration_.everybody()) {
    if (id == options_.id) continue;
    leader.peers.emplace(id, Progress(log_.last().next(), options_.inflight_messages_max,
                                      options_.inflight_bytes_max));
  }
  leader.own_first = log_.last().next();
  leader.has_news = !leader.peers.empty();
  role_ = std::move(leader);
  reset_timer();
  // Entries of earlier terms are committed only below one of our own (Raft §5.4.2).
  const LogIndex first = append(EntryKind::kNoop, base::Stamp{}, 0, nullptr);
  ALF_CHECK(first == std::get<Leader>(role_).own_first);
}

void Node::tick_leader() {
  auto& leader = std::get<Leader>(role_);
  if (elapsed_ticks_ >= options_.election_ticks) {
    elapsed_ticks_ = 0;
    if (options_.has_check_quorum && !has_active_quorum()) {
      return become_follower(hard_state_.term, NodeId{});
    }
    leader.transferee = NodeId{};  // it did not take over in time: go on leading
    leader.is_transfer_sent = false;
  }
  if (++leader.heartbeat_elapsed_ticks >= options_.heartbeat_ticks) broadcast_heartbeat();
}

// Whether a majority was heard since the last call; begins the next count.
bool Node::has_active_quorum() {
  auto& leader = std::get<Leader>(role_);
  const VoteResult result = count_votes(configuration_, [&](NodeId id) {
    if (id == options_.id) return Vote::kGranted;
    return leader.peers.at(id).is_active() ? Vote::kGranted : Vote::kRefused;
  });
  for (auto& [id, progress] : leader.peers) progress.set_active(false);
  return result == VoteResult::kWon;
}

void Node::advance_commit() {
  auto& leader = std::get<Leader>(role_);
  const LogIndex index = quorum_index(configuration_, [&](NodeId id) {
    return id == options_.id ? durability_.last() : leader.peers.at(id).match();
  });
  ALF_CHECK(index <= log_.last());
  // Counting proves nothing about entries of earlier terms (Raft §5.4.2, figure 8).
  if (index <= commit_ || log_.term_at(index) != hard_state_.term) return;
  commit_to(index);
  ALF_CHECK(is_leader_established());
  leader.has_news = !leader.peers.empty();
  advance_reads();
}

// --- Replication ----------------------------------------------------------------------------

void Node::send_appends() {
  auto& leader = std::get<Leader>(role_);
  leader.has_news = false;
  for (auto& [id, progress] : leader.peers) {
    while (send_append(id, progress)) {
    }
  }
}

// Sends the next Append to the peer; false where there is nothing more to send for now.
bool Node::send_append(NodeId to, Progress& progress) {
  if (progress.is_paused()) return false;
  const bool is_measured = progress.next() > log_.last() || log_.bytes_at(progress.next());
  if (!is_measured && progress.state() == ProgressState::kReplicate && !progress.has_free_try()) {
    // Such a message may be cut on its way, so nothing may follow it unseen.
    if (progress.next() != progress.match().next()) return false;
    progress.become_probe();
  }
  const LogIndex previous{progress.next().value - 1};
  const auto previous_term = log_.term_at(previous);
  if (!previous_term) {
    progress.become_snapshot();
    return false;
  }
  LogIndex last = previous;
  uint64_t bytes = 0;
  if (!is_measured) {
    if (!progress.has_free_try())
      last = std::min(log_.last(), previous.plus(kUnmeasuredEntriesMax));
  } else {
    while (last < log_.last() && !progress.is_window_full()) {
      const uint64_t size = log_.bytes_at(last.next()).value_or(0);
      if (last > previous && bytes + size > options_.append_bytes_max) break;
      bytes += size;
      last = last.next();
    }
  }
  const bool has_commit_news = std::min(commit_, last) > progress.commit_sent();
  const bool must_send = progress.state() == ProgressState::kProbe || progress.has_free_try();
  if (last == previous && !has_commit_news && !must_send) return false;
  send(to, Append{.previous = previous,
                  .previous_term = *previous_term,
                  .last = last,
                  .commit = commit_,
                  .bytes_max = is_measured ? 0 : options_.append_bytes_max,
                  .entries = {}});
  progress.sent(last, bytes, commit_);
  return true;
}

void Node::on_append_response(const Message& message, const AppendResponse& response) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  const auto found = leader->peers.find(message.from);
  if (found == leader->peers.end() || response.match > log_.last()) {
    ++messages_ignored_;
    return;
  }
  Progress& progress = found->second;
  progress.set_active(true);
  leader->has_news = true;
  if (response.is_rejected) {
    // Where terms differ at the hint, all of our entries above its term differ too (Raft §5.3).
    LogIndex hint = response.hint;
    if (hint.next() >= log_.first()) {
      hint = log_.last_with_term_at_most(hint, response.hint_term);
    }
    progress.rejected(response.rejected_previous, hint);
    return;
  }
  const bool is_news = progress.acknowledged(response.match);
  const bool does_agree = is_news || response.match == progress.match();
  if (does_agree && progress.state() != ProgressState::kReplicate &&
      log_.term_at(progress.match())) {
    progress.become_replicate();
  }
  if (!is_news) return;
  continue_transfer();
  advance_commit();
}

// --- Heartbeats and reads ---------------------------------------------------------------------

void Node::broadcast_heartbeat() {
  auto& leader = std::get<Leader>(role_);
  leader.heartbeat_elapsed_ticks = 0;
  for (const auto& [id, progress] : leader.peers) {
    // Never beyond what the peer is known to hold: its log may end in entries that are not ours.
    send(id, Heartbeat{.commit = std::min(commit_, progress.match()), .round = leader.reads.round});
  }
}

void Node::on_heartbeat_response(const Message& message, const HeartbeatResponse& response) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  const auto found = leader->peers.find(message.from);
  if (found == leader->peers.end()) return;
  Progress& progress = found->second;
  progress.set_active(true);
  if (progress.match() < log_.last() || progress.state() == ProgressState::kProbe) {
    progress.heard();
    leader->has_news = true;
  }
  ReadRounds& reads = leader->reads;
  if (!reads.is_under_way || response.round != reads.round) return;
  reads.answers.insert(message.from);
  const VoteResult result = count_votes(configuration_, [&](NodeId id) {
    return reads.answers.contains(id) ? Vote::kGranted : Vote::kMissing;
  });
  if (result != VoteResult::kWon) return;
  reads.is_under_way = false;
  grant_reads(reads.current, reads.index);
  advance_reads();
}

void Node::on_read_request(const Message& message, const ReadRequest& request) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || leader->reads.waiting.size() >= options_.reads_waiting_max) {
    send(message.from,
         ReadResponse{.incarnation = request.incarnation, .id = request.id, .is_granted = false});
    return;
  }
  add_read({.id = request.id, .from = message.from, .incarnation = request.incarnation});
}

void Node::add_read(const PendingRead& read) {
  std::get<Leader>(role_).reads.waiting.push_back(read);
  advance_reads();
}

// Begins the next round where reads wait and none is under way.
void Node::advance_reads() {
  ReadRounds& reads = std::get<Leader>(role_).reads;
  // Before an own entry is committed, our commit index may lie below what was acknowledged.
  if (!is_leader_established() || reads.is_under_way || reads.waiting.empty()) return;
  if (configuration_.is_sole_voter(options_.id)) return grant_reads(reads.waiting, commit_);
  ++reads.round;
  reads.is_under_way = true;
  reads.index = commit_;
  reads.answers = {options_.id};
  reads.current = std::exchange(reads.waiting, {});
  broadcast_heartbeat();
}

void Node::grant_reads(std::vector<PendingRead>& reads, LogIndex index) {
  ALF_CHECK(index <= commit_);
  for (const PendingRead& read : reads) {
    if (read.from == options_.id) {
      pending_.reads.push_back({read.id, index});
    } else {
      send(read.from,
           ReadResponse{
               .incarnation = read.incarnation, .id = read.id, .is_granted = true, .index = index});
    }
  }
  reads.clear();
}

// Followers that asked need no word: they see a new term, or time out.
void Node::refuse_reads(Leader& leader) {
  for (auto* reads : {&leader.reads.current, &leader.reads.waiting}) {
    for (const PendingRead& read : *reads) {
      if (read.from == options_.id) pending_.reads_refused.push_back(read.id);
    }
    reads->clear();
  }
}

// --- Handing over -----------------------------------------------------------------------------

base::Status Node::transfer_leadership(NodeId target) {
  const auto refuse = [&](ErrorCode code, const char* what) {
    return Error{code, fmt::format("hand leadership to node {}: {}", target.value, what)};
  };
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return refuse(ErrorCode::kUnavailable, "this node does not lead");
  if (!configuration_.is_voter(target))
    return refuse(ErrorCode::kInvalidArgument, "it is no voter");
  if (target == options_.id) return base::ok();         // it leads already
  if (leader->transferee == target) return base::ok();  // on its way
  leader->transferee = target;
  leader->is_transfer_sent = false;
  elapsed_ticks_ = 0;  // the time that it has
  continue_transfer();
  return base::ok();
}

void Node::continue_transfer() {
  auto& leader = std::get<Leader>(role_);
  if (leader.transferee == NodeId{} || leader.is_transfer_sent) return;
  if (leader.peers.at(leader.transferee).match() != log_.last()) return;
  leader.is_transfer_sent = true;
  send(leader.transferee, TransferNow{});
}

}  // namespace alfheim::raft
