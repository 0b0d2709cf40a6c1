// The candidate, and the pre-candidate that asks first whether it would win: an election is
// begun only by a node that a majority would elect, so a node that was cut off disturbs nobody.
//
// The group's first leader is elected by all founders, not by a majority: an empty log may also be
// what is left of a founder that lost its disk. Two of those would else found the group again
// beside the one that there is; like this, whoever has its log refuses (docs/decisions/015).
#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"
#include "raft/quorum.h"

namespace alfheim::raft {

using base::LogIndex;
using base::NodeId;
using base::Term;

// A node without a vote stands only while the configuration that takes it may not be committed: by
// the one before, the others may need its vote, and get it from nobody whose log is shorter than
// its own (dissertation §4.2.2). Nor does one stand that has not applied a configuration that it
// knows to be committed: only then it is known whether there is still one before. And none whose
// entries are another directory's: a late message may have brought it the group's first ones.
bool Node::may_campaign() const {
  if (ALF_MUTANT(BlankNodeCampaigns) && configuration().is_blank()) return true;
  const Member* self = configuration().find(options_.id);
  const bool is_known = self != nullptr && self->data_uid != 0 && options_.data_uid != 0;
  if (is_known && self->data_uid != options_.data_uid) return false;
  return membership_.may_be_needed(options_.id) && !membership_.has_unapplied(commit_);
}

// (Who does not know its own directory, one that an older version made, is founded by a majority.)
bool Node::is_founding() const {
  return log_.last() == LogIndex{} && !configuration().is_blank() && options_.data_uid != 0;
}

void Node::start_election(bool is_pre_vote, bool is_transfer) {
  ALF_CHECK(!is_leader());
  ALF_CHECK(may_campaign());
  leave_role();
  role_ = Candidate{.is_pre_vote = is_pre_vote, .votes = {}};
  reset_timer();
  const Term next_term{hard_state_.term.value + 1};
  const VoteRequest request{.is_pre_vote = is_pre_vote,
                            .is_transfer = is_transfer,
                            .last = log_.last(),
                            .last_term = log_.last_term()};
  if (!is_pre_vote) {
    set_hard_state({next_term, options_.id});
    ++counts_.elections_begun;
  }
  for (const NodeId id : membership_.current().everybody()) {
    if (id == options_.id || !membership_.current().is_voter(id)) continue;
    if (is_pre_vote) {
      send_in_term(id, next_term, request);  // promises nothing, so nothing must be durable
    } else {
      send_after_persist(id, request);
    }
  }
  // A real vote of our own counts when it is durable: count_own_vote().
  if (is_pre_vote) count_vote(options_.id, vote_response(true, true));
}

void Node::tick_candidate() {
  if (timer_.elapsed_ticks >= timer_.timeout_ticks) campaign();
}

void Node::on_vote_response(const Message& message, const VoteResponse& response) {
  const auto* candidate = std::get_if<Candidate>(&role_);
  if (candidate == nullptr || candidate->is_pre_vote != response.is_pre_vote) return;
  // A granted pre-vote is for the term we would campaign in; an older one is stale.
  const bool is_granted_early = response.is_pre_vote && response.is_granted;
  const uint64_t wanted_term = hard_state_.term.value + (is_granted_early ? 1 : 0);
  if (message.term.value != wanted_term) return;
  if (!membership_.current().is_voter(message.from)) return;
  const uint64_t known = membership_.current().find(message.from)->data_uid;
  if (known != 0 && response.data_uid != 0 && known != response.data_uid) return;  // another's
  count_vote(message.from, response);
}

VoteResponse Node::vote_response(bool is_pre_vote, bool is_granted) const {
  return {.is_pre_vote = is_pre_vote, .is_granted = is_granted, .data_uid = options_.data_uid};
}

void Node::count_own_vote() {
  const auto& candidate = std::get<Candidate>(role_);
  if (candidate.is_pre_vote || candidate.votes.contains(options_.id)) return;
  if (durability_.hard_state() != hard_state_) return;
  ALF_CHECK(hard_state_.vote == options_.id);
  count_vote(options_.id, vote_response(false, true));
}

void Node::count_vote(NodeId from, const VoteResponse& response) {
  auto& candidate = std::get<Candidate>(role_);
  candidate.votes.emplace(from, response);  // the first answer stands
  const auto vote_of = [&candidate](NodeId id) {
    const auto found = candidate.votes.find(id);
    if (found == candidate.votes.end()) return Vote::kMissing;
    return found->second.is_granted ? Vote::kGranted : Vote::kRefused;
  };
  const bool needs_all = is_founding() && !ALF_MUTANT(FoundedByMajority);
  const VoteResult result = needs_all ? count_all_votes(membership_.current(), vote_of)
                                      : count_votes(membership_.current(), vote_of);
  if (result == VoteResult::kPending) return;
  if (result == VoteResult::kLost) return become_follower(hard_state_.term, NodeId{});
  if (candidate.is_pre_vote) return start_election(false, false);
  // Nobody leads a term that it could forget; the own vote will come and count again.
  if (candidate.votes.contains(options_.id)) become_leader();
}

}  // namespace alfheim::raft
