// Snapshots, as far as the core knows them: who needs one, what is offered, whether it is there.
// The files go another way. A running node never swaps its log: whoever takes a snapshot stops, and
// starts again with a log that begins behind it.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"

namespace alfheim::raft {

using base::Error;
using base::ErrorCode;
using base::LogIndex;
using base::NodeId;

// Of a peer that lives: whoever is dead would cost the leader one after the other. Its next word
// asks again.
void Node::want_snapshot(NodeId peer, Progress& progress) {
  if (!hears(peer)) return;
  progress.become_snapshot();
  const auto& leader = std::get<Leader>(role_);
  if (leader.leaving_ticks.contains(peer)) return;  // it would never use it
  pending_.snapshots_wanted.push_back(peer);
}

base::Status Node::offer_snapshot(NodeId peer, const SnapshotMark& mark) {
  const auto refuse = [&](ErrorCode code, const char* what) {
    return Error{code, fmt::format("offer node {} a snapshot of entry {} of term {}: {}",
                                   peer.value, mark.index.value, mark.term.value, what)};
  };
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return refuse(ErrorCode::kUnavailable, "this node does not lead");
  if (mark.index > applied_) return refuse(ErrorCode::kInvalidArgument, "it is not applied here");
  if (mark.index.next() < log_.first()) {
    return refuse(ErrorCode::kUnavailable, "the log does not go on from there");
  }
  if (log_.term_at(mark.index) != mark.term) {
    return refuse(ErrorCode::kInvalidArgument, "that entry is of another term");
  }
  const auto found = leader->peers.find(peer);
  const bool is_wanted = found != leader->peers.end() && !leader->leaving_ticks.contains(peer) &&
                         found->second.state() == ProgressState::kSnapshot &&
                         found->second.match() < mark.index;
  if (!is_wanted) return refuse(ErrorCode::kUnavailable, "it does not want it");
  found->second.offer(mark);
  return base::ok();
}

void Node::snapshot_failed(NodeId peer) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  const auto found = leader->peers.find(peer);
  if (found == leader->peers.end()) return;
  if (found->second.state() != ProgressState::kSnapshot) return;  // it needs none any more
  found->second.become_probe();
  leader->has_news = true;
}

// With each heartbeat, so that a lost offer does no harm.
void Node::send_offers() {
  for (const auto& [id, progress] : std::get<Leader>(role_).peers) {
    if (progress.offered()) send(id, SnapshotOffer{*progress.offered()});
  }
}

// The peer lives: does its log reach to where ours begins by now? Then it goes on from ours,
// however it came there: from our snapshot, or from one that an earlier leader had offered. Its
// answer ends the offer. A refusal changes nothing.
void Node::probe_log_start(NodeId peer, const Progress& progress) {
  if (progress.state() != ProgressState::kSnapshot) return;
  const LogIndex before{log_.first().value - 1};
  send(peer, Append{.previous = before,
                    .previous_term = *log_.term_at(before),
                    .last = before,
                    .commit = commit_,
                    .entries = {}});
}

bool Node::needs_snapshot(const SnapshotMark& mark) const {
  if (ALF_MUTANT(OfferTakenOverNewerLog)) return true;
  return mark.index > commit_ && log_.term_at(mark.index) != mark.term;
}

void Node::on_snapshot_offer(const Message& message, const SnapshotOffer& offer) {
  const SnapshotMark& mark = offer.mark;
  if (mark.index == LogIndex{} || mark.term.value == 0 || mark.term > message.term) {
    ++messages_ignored_;
    return;
  }
  follow(message.from);
  if (!needs_snapshot(mark)) {
    // A snapshot holds committed entries only.
    commit_to(mark.index);
    send_after_persist(message.from, AppendResponse{.match = std::max(commit_, mark.index)});
    return;
  }
  auto& follower = std::get<Follower>(role_);
  if (follower.offer_told == mark.id) return;
  follower.offer_told = mark.id;
  pending_.snapshot_offered = {message.from, mark};
}

}  // namespace alfheim::raft
