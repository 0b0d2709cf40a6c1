// Which heartbeats a leader sends, and which reads they allow.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"
#include "raft/quorum.h"

namespace alfheim::raft {

using base::LogIndex;
using base::NodeId;

void Node::broadcast_heartbeat(bool is_new_round) {
  auto& leader = std::get<Leader>(role_);
  leader.heartbeat_elapsed_ticks = 0;
  leader.reads.soonest.clear();
  send_heartbeats(is_new_round);
}

// To the soonest where they are known, else to all.
void Node::send_heartbeats(bool is_new_round) {
  auto& leader = std::get<Leader>(role_);
  ReadRounds& reads = leader.reads;
  if (is_new_round) ++reads.round;
  if (!leader.peers.empty()) pending_.heartbeat_round = reads.round;
  for (const auto& [id, progress] : leader.peers) {
    if (!reads.soonest.empty() && !reads.soonest.contains(id)) continue;
    // Never beyond what the peer is known to hold: its log may end in entries that are not ours.
    const LogIndex held = ALF_MUTANT(HeartbeatCommitsUnmatched) ? commit_ : progress.match();
    send(id, Heartbeat{.commit = std::min(commit_, held), .round = reads.round});
  }
}

void Node::on_heartbeat_response(const Message& message, const HeartbeatResponse& response) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  const auto found = leader->peers.find(message.from);
  if (found == leader->peers.end()) return;
  if (response.round > leader->reads.round) {
    ++messages_ignored_;
    return;
  }
  Progress& progress = found->second;
  progress.set_active(true);
  // A shorter promise, by other timers, would end before the lease does.
  const uint64_t wanted_ms = options_.election_ticks * options_.tick_ms;
  progress.set_promised(response.promise_ms >= wanted_ms);
  if (progress.has_promised() || ALF_MUTANT(LeaseWithoutPromise)) {
    progress.promised(ALF_MUTANT(LeaseFromStaleRound) ? leader->reads.round : response.round);
  }
  if (progress.match() < log_.last() || progress.state() == ProgressState::kProbe) {
    progress.heard();
    leader->has_news = true;
  }
  probe_log_start(message.from, progress);
  ReadRounds& reads = leader->reads;
  const bool is_stale = response.round < reads.began && !ALF_MUTANT(StaleRoundConfirms);
  if (!reads.is_under_way || is_stale) return;
  reads.answers.insert(message.from);
  if (!is_quorum(reads.answers)) return;
  reads.is_under_way = false;
  reads.soonest = reads.answers;
  grant_reads(reads.current, reads.index);
  advance_reads();
}

bool Node::is_quorum(const std::set<NodeId>& members) const {
  const VoteResult result = count_votes(membership_.current(), [&](NodeId id) {
    return members.contains(id) ? Vote::kGranted : Vote::kMissing;
  });
  return result == VoteResult::kWon;
}

// A quorum promised at each round: whoever would lead in our place needs one of them to elect it.
// Before TransferNow leaves, the lease is gone, for it asks a voter to break its promise.
uint64_t Node::lease() const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || options_.read_mode != ReadMode::kLease) return 0;
  if (!is_leader_established()) return 0;
  const bool hands_over = leader->transferee != NodeId{} || leader->has_ever_sent_transfer;
  if (hands_over && !ALF_MUTANT(LeaseKeptInTransfer)) return 0;
  return quorum_value(configuration(), [&](NodeId id) {
    return id == options_.id ? leader->reads.round : leader->peers.at(id).promised_round();
  });
}

// A promise of n ticks made between two ticks lasts n - 1 whole ones at least.
uint64_t Node::lease_ms() const {
  const uint64_t drift_permille = ALF_MUTANT(DriftForgotten) ? 0 : options_.clock_drift_permille;
  return (options_.election_ticks - 1) * options_.tick_ms * (1000 - drift_permille) / 1000;
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
  auto& leader = std::get<Leader>(role_);
  leader.reads.waiting.push_back(read);
  const bool is_forwarded = read.from != options_.id && is_leader_established();
  if (is_forwarded && ALF_MUTANT(ForwardedReadNotConfirmed)) {
    grant_reads(leader.reads.waiting, commit_);
  }
  advance_reads();
}

// Begins the next round where reads wait and none is under way.
void Node::advance_reads() {
  ReadRounds& reads = std::get<Leader>(role_).reads;
  // Before an own entry is committed, our commit index may lie below what was acknowledged.
  const bool knows_commit = is_leader_established() || ALF_MUTANT(ReadBeforeOwnTerm);
  if (!knows_commit || reads.is_under_way || reads.waiting.empty()) return;
  if (membership_.current().is_sole_voter(options_.id)) return grant_reads(reads.waiting, commit_);
  reads.is_under_way = true;
  ++counts_.read_rounds;
  reads.index = commit_;
  reads.answers = {options_.id};
  reads.current = std::exchange(reads.waiting, {});
  if (!is_quorum(reads.soonest)) reads.soonest.clear();  // the configuration has changed
  send_heartbeats(true);
  reads.began = reads.round;
}

void Node::unreachable(NodeId peer) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || !leader->reads.soonest.contains(peer)) return;
  leader->reads.soonest.clear();
  if (leader->reads.is_under_way) send_heartbeats(false);
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

}  // namespace alfheim::raft
