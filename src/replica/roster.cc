#include "replica/roster.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"

namespace alfheim::replica {

using base::Error;
using base::ErrorCode;
using base::NodeId;
using raft::ChangeKind;

namespace {

constexpr uint32_t kFoundingTellTicks = 100;

// Whether `configuration` says what `change` asks for.
bool is_done(const raft::Configuration& configuration, const raft::Change& change) {
  const NodeId id = change.member.id;
  switch (change.kind) {
    case ChangeKind::kAddLearner: return configuration.is_member(id);
    case ChangeKind::kPromote: return raft::holds(configuration.voters, id);
    case ChangeKind::kDemote: return configuration.is_learner(id);
    case ChangeKind::kRemove: return configuration.is_retired(id);
    case ChangeKind::kReplace: {
      const raft::Member* member = configuration.find(id);
      return member != nullptr && *member == change.member;
    }
  }
  ALF_CHECK(false);
  return false;
}

std::string text_of(const raft::Member& member) {
  return member.name.empty() ? base::format("{:016x}", member.id.value) : member.name;
}

}  // namespace

Roster::Roster(const Hands& hands, Events events) : hands_(hands), events_(std::move(events)) {
  version_ = hands_.raft.configuration_version();
  refresh_links();
  note_removed();
}

void Roster::begin(const raft::Change& change, Done done) {
  if (hands_.transport == nullptr) {
    return done(Error{ErrorCode::kUnavailable, "this node has no links to others"});
  }
  if (!hands_.raft.is_leader()) {
    return done(Error{ErrorCode::kUnavailable, "this node does not lead"});
  }
  orders_.push_back({change, hands_.raft.soft_state().term, std::move(done)});
  propose_next();
}

// One change at a time; who asks while one is under way (perhaps of this node's own) waits for it.
void Roster::propose_next() {
  while (!orders_.empty() && !orders_.front().is_proposed && is_free()) {
    // Nobody votes before everybody knows which directory it has.
    if (record_data_uid()) return;
    base::Status begun = check_reachable(orders_.front().change);
    if (begun) {
      const auto index = hands_.raft.propose_configuration_change(orders_.front().change);
      if (!index) begun = index.error();
    }
    if (begun) {
      orders_.front().is_proposed = true;
      return;
    }
    const Order refused = std::move(orders_.front());
    orders_.pop_front();
    refused.done(begun);
  }
}

bool Roster::is_free() const {
  return hands_.raft.is_leader_established() && hands_.raft.is_configuration_settled() &&
         hands_.raft.transferee() == NodeId{};
}

base::Status Roster::check_reachable(const raft::Change& change) const {
  const raft::Configuration& now = hands_.raft.configuration();
  // Raft says what is wrong with the change, or that this is not the time.
  if (!hands_.raft.is_leader() || now.is_joint()) return base::ok();
  const auto next = raft::changed_configuration(now, change);
  if (!next || !next->is_joint() || ALF_MUTANT(ChangeWithoutMajority)) return base::ok();
  const size_t needed = next->voters.size() / 2 + 1;
  const size_t count = answering_count(next->voters);
  if (count >= needed) return base::ok();
  return Error{ErrorCode::kUnavailable,
               base::format("of the {} nodes that would vote then {} answer, and {} are needed: "
                            "bring the others back, or remove those that are dead first",
                            next->voters.size(), count, needed)};
}

// A link that is open says that it takes our calls; that its answers come says only raft.
size_t Roster::answering_count(const std::vector<NodeId>& among) const {
  return static_cast<size_t>(std::count_if(among.begin(), among.end(),
                                           [this](NodeId id) { return hands_.raft.hears(id); }));
}

bool Roster::look() {
  const bool is_new = hands_.raft.configuration_version() != version_;
  if (is_new) {
    version_ = hands_.raft.configuration_version();
    refresh_links();
    if (events_.on_links_changed) events_.on_links_changed();
  }
  if (!orders_.empty()) settle_orders();
  return is_new;
}

void Roster::settle_orders() {
  const raft::SoftState role = hands_.raft.soft_state();
  const bool is_settled = hands_.raft.is_configuration_settled();
  std::deque<Order> waiting;
  for (Order& order : std::exchange(orders_, {})) {
    const bool leads_on = role.role == raft::RoleKind::kLeader && role.term == order.term;
    if (order.is_proposed && is_settled && is_done(hands_.raft.configuration(), order.change)) {
      order.done(base::ok());
    } else if (!leads_on) {
      order.done(Error{ErrorCode::kUnavailable,
                       order.is_proposed
                           ? "leadership was lost before it was committed: RAFT MEMBERS of the "
                             "next leader tells whether it has happened"
                           : "leadership was lost before it was begun"});
    } else {
      waiting.push_back(std::move(order));
    }
  }
  // What `done` has begun meanwhile stands behind.
  for (Order& order : orders_) waiting.push_back(std::move(order));
  orders_ = std::move(waiting);
  propose_next();
}

// The members, and besides them:
// - who was removed: it must hear so, and one that leads must bring its own removal to its end and
//   name who leads next: the links stay for a while;
// - who is a member by what others say: where this node's log is behind, the leader may be one that
//   it does not know yet, and only from there can it hear of it (Raft dissertation §4.1).
void Roster::refresh_links() {
  const raft::Configuration& now = hands_.raft.configuration();
  std::vector<raft::Member> linked = now.members;
  std::erase_if(leaving_, [&now](const auto& one) { return now.is_member(one.first); });
  std::erase_if(told_, [&now](const auto& one) {
    return now.is_member(one.first) || now.is_retired(one.first);
  });
  std::erase_if(said_data_uids_, [&now](const auto& one) { return !now.is_member(one.first); });
  for (const raft::Member& old : linked_) {
    if (now.is_member(old.id) || told_.contains(old.id)) continue;
    if (leaving_.try_emplace(old.id, hands_.leaving_ticks).first->second > 0) linked.push_back(old);
  }
  for (const auto& [id, member] : told_) linked.push_back(member);
  std::erase_if(linked, [this](const raft::Member& member) { return member.id == hands_.self; });
  linked_ = std::move(linked);
}

// From when the removal is committed here.
void Roster::tick_leaving() {
  if (leaving_.empty() || !hands_.raft.is_configuration_settled()) return;
  bool has_gone = false;
  for (auto& [id, ticks] : leaving_) has_gone |= --ticks == 0;
  if (!has_gone) return;
  refresh_links();
  std::erase_if(leaving_, [](const auto& one) { return one.second == 0; });
  if (events_.on_links_changed) events_.on_links_changed();
}

void Roster::on_tick() {
  note_removed();
  tell_who_is_missing();
  tick_leaving();
  propose_next();
  if (!orders_.empty() || !is_free() || record_data_uid()) return;
  advance_learners();
}

// Once a founder waits for longer than one that starts beside it takes, and then every so often.
// Another one is missing where either cannot reach the other.
void Roster::tell_who_is_missing() {
  if (!hands_.raft.is_founding() || ++founding_ticks_ % kFoundingTellTicks != 0) return;
  if (hands_.transport == nullptr || !events_.on_trouble) return;
  std::set<NodeId> reached;
  for (const net::PeerLinkStatus& link : hands_.transport->status()) {
    if (link.is_connected) reached.insert(link.endpoint.id);
  }
  std::string missing;
  for (const raft::Member& member : hands_.raft.configuration().members) {
    const bool has_greeted = said_data_uids_.contains(member.id);
    if (member.id == hands_.self || (has_greeted && reached.contains(member.id))) continue;
    missing += base::format("{}{} ({}{})", missing.empty() ? "" : ", ", text_of(member),
                            member.address, has_greeted ? ", not reached" : "");
  }
  events_.on_trouble(base::format(
      "this cluster is founded when all its founders are up, once; {}. If it was founded before, "
      "this directory is another one than it knows: RAFT REMOVE this id, and RAFT ADD a new one",
      missing.empty() ? "all are, and one does not vote: its log tells" : "missing: " + missing));
}

void Roster::note_removed() {
  if (is_removed() || !hands_.raft.soft_state().is_removed) return;
  is_removed_.store(true, std::memory_order_release);
  if (events_.on_trouble) {
    events_.on_trouble(
        "this node was removed from its cluster: it serves nobody any more, and its id never comes "
        "back; stop it, and start it with an empty directory under another --id to use it again");
  }
}

// The first that has caught up; raft refuses those that have not, and it is asked again.
void Roster::advance_learners() {
  const raft::Configuration& now = hands_.raft.configuration();
  for (const NodeId id : now.learners) {
    if (now.find(id)->stays_learner || !hands_.raft.hears(id)) continue;
    const raft::Change change{.kind = ChangeKind::kPromote, .member = {.id = id}};
    if (!check_reachable(change)) continue;
    if (hands_.raft.propose_configuration_change(change)) return;
  }
}

bool Roster::record_data_uid() {
  for (const raft::Member& member : hands_.raft.configuration().members) {
    if (member.data_uid != 0) continue;
    uint64_t said = member.id == hands_.self ? hands_.data_uid : 0;
    if (const auto found = said_data_uids_.find(member.id); found != said_data_uids_.end()) {
      said = found->second;
    }
    if (said == 0) continue;
    raft::Change change{.kind = ChangeKind::kReplace, .member = member};
    change.member.data_uid = said;
    return hands_.raft.propose_configuration_change(change).is_ok();
  }
  return false;
}

void Roster::give_up() {
  for (Order& order : std::exchange(orders_, {})) {
    order.done(Error{ErrorCode::kUnavailable,
                     "the node stops: RAFT MEMBERS of the next leader "
                     "tells whether it has happened"});
  }
}

base::Status Roster::admit(const net::Hello& hello) {
  const raft::Configuration& now = hands_.raft.configuration();
  // The links have compared the cluster's number, which only who was let in once can know.
  const bool is_of_cluster = hello.cluster_uid != 0;
  const raft::Member* member = now.find(hello.from);
  if (member != nullptr) return admit_member(hello, *member);
  const auto leaving = std::find_if(linked_.begin(), linked_.end(), [&](const raft::Member& one) {
    return one.id == hello.from && leaving_.contains(one.id);
  });
  if (leaving != linked_.end()) return admit_member(hello, *leaving);  // its answers are wanted
  if (now.is_retired(hello.from)) {
    return Error{ErrorCode::kNotFound,
                 base::format("node {} was removed from this cluster, and its id never comes back: "
                              "start it with an empty directory under another --id",
                              hello.name)};
  }
  // This node's log may be behind: a leader that it does not know yet brings it the rest.
  if (is_of_cluster && !ALF_MUTANT(UnknownLeaderRefused)) return base::ok();
  if (now.is_blank()) {
    return Error{ErrorCode::kNotFound, "this node has not joined the cluster yet itself"};
  }
  return Error{ErrorCode::kNotFound,
               base::format("node {} is no member of this cluster; RAFT ADD {} HOST:PORT makes it "
                            "one",
                            hello.name, hello.name)};
}

base::Status Roster::admit_member(const net::Hello& hello, const raft::Member& member) {
  uint64_t known = member.data_uid;
  if (hands_.raft.is_founding()) {
    // Nothing is stored anywhere yet; the first leader writes down whose votes it has.
    known = hello.data_uid;
    if (known != 0) said_data_uids_[hello.from] = known;
  } else if (known == 0 && hello.data_uid != 0) {
    known = said_data_uids_.try_emplace(hello.from, hello.data_uid).first->second;
  }
  // One that only asks to be let in has no directory yet: the id's is another.
  if (known == hello.data_uid || ALF_MUTANT(OtherDataAdmitted)) return base::ok();
  return Error{
      ErrorCode::kAlreadyExists,
      base::format("the id {} belongs to another data directory: what that one has promised and "
                   "stored is not in this one; RAFT REMOVE {}, and RAFT ADD this node under a new "
                   "--id",
                   hello.name, text_of(member))};
}

void Roster::on_book(const net::MemberBook& book) {
  const auto told = raft::decode_configuration(book.configuration);
  if (!told) {
    if (events_.on_trouble) events_.on_trouble(told.error().message);
    return;
  }
  const raft::Configuration& now = hands_.raft.configuration();
  bool is_new = false;
  for (const raft::Member& member : told->members) {
    if (now.is_member(member.id) || now.is_retired(member.id) || member.id == hands_.self) continue;
    if (told_.size() >= raft::kMembersMax) break;
    is_new |= told_.insert_or_assign(member.id, member).second;
  }
  if (!is_new) return;
  refresh_links();
  if (events_.on_links_changed) events_.on_links_changed();
}

net::MemberBook Roster::book() const {
  const raft::Configuration& now = hands_.raft.configuration();
  if (now.is_blank()) return {};
  return {raft::encode_configuration(now)};
}

}  // namespace alfheim::replica
