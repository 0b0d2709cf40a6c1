// The leader: it replicates, counts, and answers when reads are safe.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"
#include "raft/quorum.h"

namespace alfheim::raft {

using base::LogIndex;
using base::NodeId;

namespace {

// The most entries that one message names where their sizes are not known any more.
constexpr uint64_t kUnmeasuredEntriesMax = 1024;

}  // namespace

void Node::become_leader() {
  ALF_CHECK(std::holds_alternative<Candidate>(role_));
  ALF_CHECK_MSG(durability_.hard_state() == hard_state_, "led before the term was durable");
  const Configuration founded = founded_configuration();
  role_ = Leader{};
  ++counts_.elections_won;
  update_peers();
  auto& leader = std::get<Leader>(role_);
  leader.own_first = log_.last().next();
  leader.has_news = !leader.peers.empty();
  reset_timer();
  if (founded != membership_.current()) append_configuration(founded);
  // Entries of earlier terms are committed only below one of our own (Raft §5.4.2).
  append(EntryKind::kNoop, base::Stamp{}, 0, nullptr);
}

// The founders, each with the directory that has voted: whoever holds an entry at all knows what
// the group's directories are, and takes no other one for a founder.
Configuration Node::founded_configuration() const {
  Configuration founded = membership_.current();
  if (!is_founding() || ALF_MUTANT(FoundersUnrecorded)) return founded;
  for (const auto& [id, vote] : std::get<Candidate>(role_).votes) {
    for (Member& member : founded.members) {
      if (member.id == id) member.data_uid = vote.data_uid;
    }
  }
  return founded;
}

void Node::tick_leader() {
  auto& leader = std::get<Leader>(role_);
  if (timer_.elapsed_ticks >= options_.election_ticks) {
    timer_.elapsed_ticks = 0;
    if (options_.has_check_quorum && !has_active_quorum()) {
      return become_follower(hard_state_.term, NodeId{});
    }
    if (leader.transferee != NodeId{}) end_transfer();  // it did not take over in time
    if (!is_leader()) return;
  }
  tick_leaving();
  for (auto& [id, progress] : leader.peers) progress.tick();
  if (++leader.heartbeat_elapsed_ticks < options_.heartbeat_ticks) return;
  broadcast_heartbeat(options_.read_mode == ReadMode::kLease);
  send_offers();
}

// Whether a majority was heard since the last call; begins the next count.
bool Node::has_active_quorum() {
  auto& leader = std::get<Leader>(role_);
  const VoteResult result = count_votes(membership_.current(), [&](NodeId id) {
    if (id == options_.id) return Vote::kGranted;
    return leader.peers.at(id).is_active() ? Vote::kGranted : Vote::kRefused;
  });
  for (auto& [id, progress] : leader.peers) progress.set_active(false);
  return result == VoteResult::kWon;
}

void Node::advance_commit() {
  auto& leader = std::get<Leader>(role_);
  const Configuration& counted =
      ALF_MUTANT(RemovedStillCounted) ? membership_.applied() : membership_.current();
  const LogIndex index = quorum_index(counted, [&](NodeId id) {
    if (id == options_.id && ALF_MUTANT(LeaderCountsUnsynced)) return log_.last();
    return id == options_.id ? durability_.last() : leader.peers.at(id).match();
  });
  ALF_CHECK(index <= log_.last());
  // Counting proves nothing about entries of earlier terms (Raft §5.4.2, figure 8).
  const bool is_own = log_.term_at(index) == hard_state_.term || ALF_MUTANT(OldTermsCounted);
  if (index <= commit_ || !is_own) return;
  commit_to(index);
  ALF_CHECK(is_leader_established() || ALF_MUTANT(OldTermsCounted));
  leader.has_news = !leader.peers.empty();
  advance_reads();
  settle_membership();
}

size_t Node::holder_count(LogIndex index) const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return 0;
  return static_cast<size_t>(
      std::count_if(leader->peers.begin(), leader->peers.end(), [&](const auto& peer) {
        return peer.second.match() >= index && !leader->leaving_ticks.contains(peer.first);
      }));
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
    want_snapshot(to, progress);
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
  advance_commit();
  if (is_leader()) continue_transfer();
}

}  // namespace alfheim::raft
