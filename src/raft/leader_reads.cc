// Which heartbeats a leader sends, and which reads they allow.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/node.h"
#include "raft/quorum.h"

namespace alfheim::raft {

using base::LogIndex;
using base::NodeId;

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
  probe_offered(message.from, progress);
  ReadRounds& reads = leader->reads;
  if (!reads.is_under_way || response.round != reads.round) return;
  reads.answers.insert(message.from);
  const VoteResult result = count_votes(membership_.current(), [&](NodeId id) {
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
  if (membership_.current().is_sole_voter(options_.id)) return grant_reads(reads.waiting, commit_);
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

}  // namespace alfheim::raft
