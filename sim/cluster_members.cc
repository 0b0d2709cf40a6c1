// Members of a cluster come and go (sim/cluster.h).
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "sim/cluster.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kMsNs = 1'000'000;
constexpr uint64_t kFirstStartNsMax = 3'000 * kMsNs;
constexpr size_t kEverMax = 12;
constexpr size_t kVotersMin = 3;

}  // namespace

void Cluster::put_member() {
  // References to members are kept.
  if (members_.empty()) {
    members_.reserve(kEverMax);
    for (size_t i = 0; i < kEverMax; ++i) everybody_.push_back(base::NodeId{i + 1});
  }
  ALF_CHECK(members_.size() < kEverMax);
  Member& member = members_.emplace_back();
  member.id = base::NodeId{members_.size()};
  member.store_disk = std::make_shared<index::TwinDisk>();
  member.data_uid = random_.next_u64() | 1;
  make_disk(member);
}

bool Cluster::has_link_to(const Member& member, base::NodeId to) {
  const std::vector<raft::Member>& linked = member.node->replica().roster().linked();
  return std::any_of(linked.begin(), linked.end(),
                     [to](const raft::Member& one) { return one.id == to; });
}

// As net/links: the sender names its peers, and the receiver judges who greets it.
bool Cluster::is_linked(base::NodeId from, base::NodeId to) {
  Member& sender = members_.at(from.value - 1);
  if (sender.node == nullptr) return false;
  if (!has_link_to(sender, to)) return false;
  Member& receiver = members_.at(to.value - 1);
  if (receiver.node == nullptr) return false;
  net::Hello hello;
  hello.cluster_uid = kClusterUid;
  hello.from = from;
  hello.to = to;
  hello.data_uid = sender.data_uid;
  hello.name = SimNode::member_of(from).name;
  return receiver.node->replica().roster().admit(hello).is_ok();
}

// Whoever has just been added, or was away, learns from who speaks to it whom it can answer.
void Cluster::tell_book(base::NodeId from, Member& to) {
  Member& sender = members_.at(from.value - 1);
  if (sender.node == nullptr || has_link_to(to, from)) return;
  net::MemberBook book = sender.node->replica().roster().book();
  if (book.configuration.empty()) return;
  to.node->receive(net::PeerNote{base::GroupId{1}, from, to.id, net::NoteBody(std::move(book))});
}

Cluster::Member* Cluster::leading() {
  for (Member& member : members_) {
    if (member.node == nullptr || !member.node->replica().is_serving()) continue;
    note_wiped(member.node->core().configuration());
    return &member;
  }
  return nullptr;
}

// Of several who believe it any one; there must be one.
Cluster::Member* Cluster::anybody_leading() {
  std::vector<Member*> leaders;
  for (Member& member : members_) {
    if (member.node != nullptr && member.node->replica().is_serving()) leaders.push_back(&member);
  }
  return leaders[random_.below(leaders.size())];
}

bool Cluster::has_part(const raft::Configuration& configuration, const Member& member) const {
  return configuration.is_member(member.id) && !member.is_wiped;
}

Cluster::Member* Cluster::elected() {
  for (Member& member : members_) {
    if (member.node != nullptr && member.node->core().is_leader()) return &member;
  }
  return nullptr;
}

// Those that remain must be enough, even where one of them has lost its disk.
bool Cluster::may_lose_voter(const raft::Configuration& configuration, base::NodeId id) const {
  if (!configuration.is_voter(id)) return true;
  const bool is_wiped = std::any_of(members_.begin(), members_.end(), [&](const Member& member) {
    return member.is_wiped && member.id != id && configuration.is_member(member.id);
  });
  const size_t left = configuration.voters.size() - 1;
  return is_wiped ? left > kVotersMin : left + 1 > kVotersMin || members_[id.value - 1].is_wiped;
}

void Cluster::change_members(ClusterFault fault) {
  Member* leader = leading();
  if (leader == nullptr && fault == ClusterFault::kWipe) return wipe_founder();
  if (leader == nullptr) return;
  // Whatever is under way, and to whoever leads; so there may be fewer voters than was judged.
  const bool is_at_once = theme_ == Theme::kMembers;
  if (is_at_once) leader = anybody_leading();
  const raft::Configuration& now = leader->node->core().configuration();
  if (now.is_blank() || (now.is_joint() && !is_at_once)) return;
  if (fault == ClusterFault::kAdd) return add_member(*leader);
  Member& member = any_member();
  switch (fault) {
    case ClusterFault::kPromote:
      return order(*leader, raft::ChangeKind::kPromote,
                   now.learners.empty() ? member.id : now.learners.front());
    case ClusterFault::kDemote:
      if (!may_lose_voter(now, member.id)) return;
      return order(*leader, raft::ChangeKind::kDemote, member.id);
    case ClusterFault::kRemove:
      if (!may_lose_voter(now, member.id)) return;
      return order(*leader, raft::ChangeKind::kRemove, member.id);
    case ClusterFault::kWipe: return wipe(member, now);
    default: ALF_CHECK(false);
  }
}

void Cluster::add_member(Member& leader) {
  const raft::Configuration& now = leader.node->core().configuration();
  // An id that is used up, or in use, is refused.
  if (members_.size() == kEverMax || random_.one_in(8)) {
    return order(leader, raft::ChangeKind::kAddLearner, any_member().id);
  }
  // A blank learner that cannot keep up is no reason to lose the majority of a small group.
  if (now.members.size() > founders_.size() + 1) return;
  put_member();
  Member& member = members_.back();
  member.has_joined = true;
  schedule_start(member, random_.below(kFirstStartNsMax));
  order(leader, raft::ChangeKind::kAddLearner, member.id, random_.one_in(4));
}

void Cluster::order(Member& leader, raft::ChangeKind kind, base::NodeId id, bool stays_learner) {
  raft::Change change{.kind = kind, .member = SimNode::member_of(id)};
  change.member.stays_learner = stays_learner;
  const auto number = static_cast<int>(kind);
  narrate(base::format("order {} of node {} to node {}", number, id.value, leader.id.value));
  leader.node->replica().change_members(change, [this, number, id](const base::Status& status) {
    narrate(base::format("order {} of node {}: {}", number, id.value,
                         status ? "done" : status.error().message));
    if (status) ++outcome_.change_of_members_count;
  });
}

// A founder founds again, as far as it knows; who was added is let in by nobody, and so does not
// start.
void Cluster::wipe(Member& member, const raft::Configuration& configuration) {
  if (!configuration.is_member(member.id) || member.is_wiped) return;
  const bool is_one_wiped = std::any_of(members_.begin(), members_.end(), [&](const Member& each) {
    return each.is_wiped && configuration.is_member(each.id);
  });
  if (is_one_wiped || configuration.voters.size() < kVotersMin) return;
  lose_disk(member);
  member.is_wiped = true;
}

// Before anything is committed one disk may be lost, and it is still a founder's: unless the first
// leader has its vote already, and names the directory that is gone.
void Cluster::wipe_founder() {
  const bool was_one = std::any_of(members_.begin(), members_.end(), [](const Member& member) {
    return member.is_wiped || member.may_be_wiped;
  });
  if (was_one || safety_.committed_count() > 0 || founders_.size() < kVotersMin) return;
  Member& member = any_member();
  lose_disk(member);
  member.may_be_wiped = true;
}

void Cluster::lose_disk(Member& member) {
  if (member.node != nullptr) end_life(member, true, "its disk is lost");
  member.later_stores.clear();
  member.snapshot_id = 0;
  member.was_installing = member.was_killed = false;
  member.store_disk = std::make_shared<index::TwinDisk>();
  make_disk(member);
  member.is_disk_full = false;
  member.data_uid = random_.next_u64() | 1;
}

// By what the leader's configuration says.
void Cluster::note_wiped(const raft::Configuration& configuration) {
  for (Member& member : members_) {
    const raft::Member* named = configuration.find(member.id);
    if (!std::exchange(member.may_be_wiped, false) || named == nullptr) continue;
    member.is_wiped = named->data_uid != member.data_uid;
  }
}

// A joint configuration is left, who was to learn only until it has caught up votes.
bool Cluster::are_members_settled() {
  Member* leader = leading();
  if (leader == nullptr || !leader->node->core().is_configuration_settled()) return false;
  const raft::Configuration& now = leader->node->core().configuration();
  return std::all_of(now.learners.begin(), now.learners.end(), [&](base::NodeId id) {
    const Member& member = members_[id.value - 1];
    return now.find(id)->stays_learner || member.is_wiped;
  });
}

}  // namespace alfheim::sim
