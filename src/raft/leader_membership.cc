// What a leader does about the membership: one change at a time, each to its end; and how it hands
// over, also because a change has taken its vote.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"

namespace alfheim::raft {

using base::Error;
using base::ErrorCode;
using base::LogIndex;
using base::NodeId;

namespace {

// How long a removed member is still told, in election timeouts.
constexpr uint32_t kLeavingTimeouts = 2;

}  // namespace

base::Result<LogIndex> Node::propose_configuration_change(const Change& change) {
  const auto refuse = [&](const char* what) {
    return Error{ErrorCode::kUnavailable,
                 fmt::format("change the membership for node {:016x} in term {}: {}",
                             change.member.id.value, hard_state_.term.value, what)};
  };
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return refuse("this node does not lead");
  if (leader->transferee != NodeId{}) return refuse("leadership is being handed over");
  // An earlier leader's change that we do not have yet could else be counted beside ours: two
  // majorities that do not meet (Ongaro's bug of single-server changes; it holds for joint ones).
  if (!is_leader_established() && !ALF_MUTANT(ChangeBeforeOwnTermCommitted)) {
    return refuse("no entry of this term is committed yet");
  }
  const bool is_under_way = membership_.current().is_joint() || membership_.index() > commit_;
  if (is_under_way && !(ALF_MUTANT(TwoChangesAtOnce) && !membership_.current().is_joint())) {
    return refuse("another change is under way");
  }
  ALF_TRY(const Configuration next, changed_configuration(membership_.current(), change));
  ALF_TRY_STATUS(check_promotion(change));
  return append_configuration(next);
}

// A voter that lacks much of the log would make the group wait for it at the next failure. And
// nobody votes before everybody knows its directory: another one may come under its id.
base::Status Node::check_promotion(const Change& change) const {
  if (change.kind != ChangeKind::kPromote) return base::ok();
  const Progress& progress = std::get<Leader>(role_).peers.at(change.member.id);
  const uint64_t lag = log_.last().value - progress.match().value;
  if (options_.data_uid != 0 && membership_.current().find(change.member.id)->data_uid == 0) {
    return Error{
        ErrorCode::kUnavailable,
        fmt::format("promote node {:016x}: it has not said yet which data directory it has",
                    change.member.id.value)};
  }
  const bool has_log = progress.state() == ProgressState::kReplicate;
  if (has_log && lag <= options_.promotion_lag_entries_max) return base::ok();
  return Error{
      ErrorCode::kUnavailable,
      fmt::format("promote node {:016x}: it is {} entries behind{}", change.member.id.value, lag,
                  has_log ? "" : ", and not yet known to hold the log so far")};
}

LogIndex Node::append_configuration(const Configuration& configuration) {
  const LogIndex index =
      append(EntryKind::kConfiguration, base::Stamp{}, 0,
             std::make_shared<const base::Bytes>(encode_configuration(configuration)));
  membership_.append(index, configuration);
  update_peers();
  auto& leader = std::get<Leader>(role_);
  leader.has_news = !leader.peers.empty();
  return index;
}

void Node::update_peers() {
  auto& leader = std::get<Leader>(role_);
  const std::vector<NodeId> everybody = membership_.current().everybody();
  for (const NodeId id : everybody) {
    if (id == options_.id) continue;
    leader.peers.try_emplace(id, log_.last().next(), options_.inflight_messages_max,
                             options_.inflight_bytes_max);
  }
  for (auto& [id, progress] : leader.peers) {
    if (holds(everybody, id)) continue;
    progress.withdraw_offer();
    leader.leaving_ticks.emplace(id, kLeavingTimeouts * options_.election_ticks);
  }
}

void Node::tick_leaving() {
  auto& leader = std::get<Leader>(role_);
  for (auto each = leader.leaving_ticks.begin(); each != leader.leaving_ticks.end();) {
    if (--each->second > 0) {
      ++each;
      continue;
    }
    leader.peers.erase(each->first);
    each = leader.leaving_ticks.erase(each);
  }
}

bool Node::hears(NodeId id) const {
  if (id == options_.id) return true;
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return false;
  const auto peer = leader->peers.find(id);
  return peer != leader->peers.end() && peer->second.silent_ticks() <= options_.election_ticks;
}

// The newest configuration may be committed: what follows from it. A new leader comes here, too,
// when its own term's first entry is committed, and so ends what an earlier one began.
void Node::settle_membership() {
  auto& leader = std::get<Leader>(role_);
  if (!is_leader_established() || membership_.index() > commit_) return;
  if (leader.transferee != NodeId{}) return;  // whoever leads next does it
  if (membership_.current().is_joint()) {
    if (!ALF_MUTANT(AutoLeaveForgotten)) append_configuration(left_joint(membership_.current()));
    return;
  }
  if (!has_left()) return;
  NodeId best;
  for (const NodeId id : membership_.current().voters) {
    const auto match_of = [&](NodeId voter) { return leader.peers.at(voter).match(); };
    if (best == NodeId{} || match_of(id) > match_of(best)) best = id;
  }
  begin_transfer(best);
}

// Whether this leader has led the group to where it has no vote: it hands over, and steps down.
bool Node::has_left() const {
  const Configuration& current = membership_.current();
  return !current.is_joint() && membership_.index() <= commit_ && !current.is_voter(options_.id);
}

base::NodeId Node::transferee() const {
  const auto* leader = std::get_if<Leader>(&role_);
  return leader == nullptr ? NodeId{} : leader->transferee;
}

base::Status Node::transfer_leadership(NodeId target) {
  const auto refuse = [&](ErrorCode code, const char* what) {
    return Error{code, fmt::format("hand leadership to node {:016x}: {}", target.value, what)};
  };
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return refuse(ErrorCode::kUnavailable, "this node does not lead");
  if (!holds(membership_.current().voters, target)) {
    return refuse(ErrorCode::kInvalidArgument, "it does not vote, or will not for long");
  }
  if (target == options_.id) return base::ok();         // it leads already
  if (leader->transferee == target) return base::ok();  // on its way
  begin_transfer(target);
  return base::ok();
}

void Node::begin_transfer(NodeId target) {
  auto& leader = std::get<Leader>(role_);
  leader.transferee = target;
  leader.is_transfer_sent = false;
  timer_.elapsed_ticks = 0;  // the time that it has
  continue_transfer();
}

void Node::continue_transfer() {
  auto& leader = std::get<Leader>(role_);
  if (leader.transferee == NodeId{} || leader.is_transfer_sent) return;
  if (leader.peers.at(leader.transferee).match() != log_.last()) return;
  leader.is_transfer_sent = true;
  leader.has_ever_sent_transfer = true;
  send(leader.transferee, TransferNow{});
  if (has_left()) become_follower(hard_state_.term, NodeId{});
}

// The target did not take over: go on leading, unless this node has no vote any more.
void Node::end_transfer() {
  auto& leader = std::get<Leader>(role_);
  leader.transferee = NodeId{};
  leader.is_transfer_sent = false;
  if (has_left()) return become_follower(hard_state_.term, NodeId{});
  settle_membership();
}

}  // namespace alfheim::raft
