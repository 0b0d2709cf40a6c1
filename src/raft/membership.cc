#include "raft/membership.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace alfheim::raft {
namespace {

using base::LogIndex;
using base::NodeId;

void insert(std::vector<NodeId>& sorted, NodeId id) {
  sorted.insert(std::lower_bound(sorted.begin(), sorted.end(), id), id);
}

void erase(std::vector<NodeId>& sorted, NodeId id) { std::erase(sorted, id); }

void retire(Configuration& configuration, NodeId id) {
  std::erase_if(configuration.members, [id](const Member& member) { return member.id == id; });
  insert(configuration.retired, id);
}

void put_member(Configuration& configuration, const Member& member) {
  const auto place =
      std::lower_bound(configuration.members.begin(), configuration.members.end(), member.id,
                       [](const Member& one, NodeId id) { return one.id < id; });
  if (place != configuration.members.end() && place->id == member.id) {
    *place = member;
  } else {
    configuration.members.insert(place, member);
  }
}

Member& member_of(Configuration& configuration, NodeId id) {
  const auto found = std::find_if(configuration.members.begin(), configuration.members.end(),
                                  [id](const Member& member) { return member.id == id; });
  ALF_CHECK(found != configuration.members.end());
  return *found;
}

// Why the change cannot be made; null where it can.
const char* trouble_of(const Configuration& from, const Change& change) {
  const NodeId id = change.member.id;
  const bool votes = holds(from.voters, id);
  if (id == NodeId{}) return "0 is nobody";
  if (change.kind == ChangeKind::kAddLearner) {
    if (from.is_retired(id) && !ALF_MUTANT(RetiredIdTaken)) {
      return "it was removed, and an id never comes back: use another";
    }
    return from.is_member(id) ? "it is a member already" : nullptr;
  }
  if (!from.is_member(id)) return "it is no member";
  if (change.kind == ChangeKind::kPromote && votes) return "it votes already";
  if (change.kind == ChangeKind::kDemote && !votes) return "it does not vote";
  const bool ceases = change.kind == ChangeKind::kDemote || change.kind == ChangeKind::kRemove;
  if (ceases && votes && from.voters.size() == 1) return "nobody else votes";
  if (change.kind == ChangeKind::kRemove && from.retired.size() >= kRetiredMax) {
    return "too many were removed already";
  }
  const uint64_t known = change.kind == ChangeKind::kReplace ? from.find(id)->data_uid : 0;
  if (known != 0 && change.member.data_uid != known) {
    return "it belongs to another data directory: add that under an id of its own";
  }
  return nullptr;
}

}  // namespace

base::Result<Configuration> changed_configuration(const Configuration& from, const Change& change) {
  ALF_CHECK(!from.is_joint());
  const NodeId id = change.member.id;
  const auto refuse = [&](std::string_view what) {
    const Member* known = from.find(id);
    const std::string& name = known != nullptr ? known->name : change.member.name;
    return base::Error{
        base::ErrorCode::kInvalidArgument,
        fmt::format("change the membership for node {:016x} (\"{}\"): {}", id.value, name, what)};
  };
  if (const char* what = trouble_of(from, change)) return refuse(what);
  Configuration next = from;
  const bool voted = holds(from.voters, id);
  if (voted && change.kind != ChangeKind::kReplace) {
    erase(next.voters, id);
    next.outgoing = from.voters;
  }
  switch (change.kind) {
    case ChangeKind::kAddLearner:
      insert(next.learners, id);
      put_member(next, change.member);
      break;
    case ChangeKind::kPromote:
      erase(next.learners, id);
      insert(next.voters, id);
      member_of(next, id).stays_learner = false;
      next.outgoing = from.voters;
      break;
    case ChangeKind::kDemote:
      insert(next.learners_next, id);
      // Or its leader would promote it at once.
      member_of(next, id).stays_learner = true;
      break;
    case ChangeKind::kRemove:
      if (!voted) {
        erase(next.learners, id);
        retire(next, id);
      }
      break;
    case ChangeKind::kReplace: put_member(next, change.member); break;
  }
  if (const base::Status status = check_configuration(next); !status.is_ok()) {
    return refuse(status.error().message);
  }
  return next;
}

Configuration left_joint(const Configuration& joint) {
  ALF_CHECK(joint.is_joint());
  Configuration next = joint;
  next.outgoing.clear();
  next.learners_next.clear();
  for (const NodeId id : joint.outgoing) {
    if (holds(joint.voters, id)) continue;
    if (holds(joint.learners_next, id)) {
      insert(next.learners, id);
    } else {
      retire(next, id);
    }
  }
  ALF_CHECK(check_configuration(next).is_ok());
  return next;
}

Membership::Membership(Configuration applied, std::vector<ConfigurationAt> behind)
    : applied_(std::move(applied)), behind_(std::move(behind)) {}

bool Membership::may_be_needed(NodeId id) const {
  return applied_.is_voter(id) ||
         std::any_of(behind_.begin(), behind_.end(),
                     [id](const ConfigurationAt& each) { return each.configuration.is_voter(id); });
}

void Membership::append(LogIndex index, Configuration configuration) {
  ALF_CHECK(behind_.empty() || behind_.back().index < index);
  ALF_CHECK(!configuration.is_blank());
  behind_.push_back({index, std::move(configuration)});
  ++version_;
}

void Membership::truncate_after(LogIndex index) {
  if (ALF_MUTANT(ConfigurationNotRolledBack)) return;
  while (!behind_.empty() && behind_.back().index > index) {
    behind_.pop_back();
    ++version_;
  }
}

void Membership::applied_to(LogIndex index) {
  while (!behind_.empty() && behind_.front().index <= index) {
    applied_ = std::move(behind_.front().configuration);
    behind_.erase(behind_.begin());
  }
}

void Membership::check_invariants(LogIndex applied, LogIndex last) const {
  LogIndex before = applied;
  for (const ConfigurationAt& each : behind_) {
    ALF_CHECK(each.index > before);
    before = each.index;
  }
  ALF_CHECK(before <= std::max(last, applied));
}

}  // namespace alfheim::raft
