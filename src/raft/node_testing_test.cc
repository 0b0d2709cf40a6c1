// The body of raft/node_testing: only tests link it.
#include "raft/node_testing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace alfheim::raft {

using base::LogIndex;
using base::NodeId;
using base::Term;

namespace {

constexpr uint64_t kTickUs = 1000;

struct Describe {
  std::string operator()(const VoteRequest& request) const {
    return fmt::format("{} last={}@{}{}", request.is_pre_vote ? "PreVote?" : "Vote?",
                       request.last.value, request.last_term.value,
                       request.is_transfer ? " transfer" : "");
  }
  std::string operator()(const VoteResponse& response) const {
    return fmt::format("{} {}", response.is_pre_vote ? "PreVote" : "Vote",
                       response.is_granted ? "granted" : "refused");
  }
  std::string operator()(const Append& append) const {
    return fmt::format("Append {}@{}..{} commit={}", append.previous.value,
                       append.previous_term.value, append.previous.value + append.entries.size(),
                       append.commit.value);
  }
  std::string operator()(const AppendResponse& response) const {
    if (!response.is_rejected) return fmt::format("Appended {}", response.match.value);
    return fmt::format("Rejected {} hint={}@{}", response.rejected_previous.value,
                       response.hint.value, response.hint_term.value);
  }
  std::string operator()(const Heartbeat& heartbeat) const {
    return fmt::format("Heartbeat commit={} round={}", heartbeat.commit.value, heartbeat.round);
  }
  std::string operator()(const HeartbeatResponse& response) const {
    return fmt::format("Alive round={}", response.round);
  }
  std::string operator()(const ReadRequest& request) const {
    return fmt::format("Read? {}", request.id.value);
  }
  std::string operator()(const ReadResponse& response) const {
    if (!response.is_granted) return fmt::format("Read {} refused", response.id.value);
    return fmt::format("Read {} index={}", response.id.value, response.index.value);
  }
  std::string operator()(const TransferNow&) const { return "TransferNow"; }
  std::string operator()(const SnapshotOffer& offer) const {
    return fmt::format("Snapshot {} of {}@{}", offer.mark.id, offer.mark.index.value,
                       offer.mark.term.value);
  }
};

std::string role_name(RoleKind role) {
  switch (role) {
    case RoleKind::kFollower: return "follower";
    case RoleKind::kPreCandidate: return "pre-candidate";
    case RoleKind::kCandidate: return "candidate";
    case RoleKind::kLeader: return "leader";
  }
  return "?";
}

}  // namespace

std::string describe(const Message& message) {
  return fmt::format("{}->{} term={} {}", message.from.value, message.to.value, message.term.value,
                     std::visit(Describe{}, message.body));
}

std::string describe(const NodeStatus& status) {
  return fmt::format("{}{} term={} leader={} last={} commit={} durable={} applied={}",
                     status.soft_state.is_removed ? "removed " : "",
                     role_name(status.soft_state.role), status.soft_state.term.value,
                     status.soft_state.leader.value, status.last.value, status.commit.value,
                     status.durable.value, status.applied.value);
}

std::string describe(const Configuration& configuration) {
  const auto list = [](const std::vector<NodeId>& ids) {
    std::vector<uint64_t> values;
    for (const NodeId id : ids) values.push_back(id.value);
    return fmt::format("{}", fmt::join(values, ","));
  };
  std::string text = fmt::format("voters={}", list(configuration.voters));
  const auto add = [&](const char* name, const std::vector<NodeId>& ids) {
    if (!ids.empty()) text += fmt::format(" {}={}", name, list(ids));
  };
  add("outgoing", configuration.outgoing);
  add("learners", configuration.learners);
  add("learners_next", configuration.learners_next);
  add("retired", configuration.retired);
  return text;
}

TestGroup::TestGroup(Options options) : options_(std::move(options)), chaos_(options_.chaos_seed) {
  for (uint64_t id = 1; id <= options_.node_count; ++id) {
    members_[id].configuration = founders();
    start(id);
  }
}

Configuration TestGroup::founders() const {
  Configuration founders;
  for (uint64_t id = 1; id <= options_.node_count; ++id) {
    (options_.learners.contains(id) ? founders.learners : founders.voters).push_back(NodeId{id});
  }
  return with_unnamed_members(founders);
}

std::vector<uint64_t> TestGroup::nodes() const {
  std::vector<uint64_t> ids;
  for (const auto& [id, member] : members_) ids.push_back(id);
  return ids;
}

void TestGroup::restore_configurations(const Seat& member, RestoredState& state) const {
  state.configuration = member.configuration;
  for (const auto& [index, entry] : member.durable) {
    if (entry.kind != EntryKind::kConfiguration) continue;
    auto configuration = decode_configuration(entry.bytes());
    ASSERT_TRUE(configuration.is_ok());
    if (entry.index <= member.applied) {
      state.configuration = *configuration;
    } else {
      state.configurations_behind.push_back({entry.index, *configuration});
    }
  }
}

void TestGroup::start(uint64_t id) {
  Seat& member = members_[id];
  if (options_.has_leases && member.lives == 0) {
    member.clock_us = chaos_() % kTickUs;
    member.rate_permille = 1000 - chaos_() % (options_.clock_drift_permille + 1);
  }
  member.round_us.clear();
  member.reads = 0;
  std::erase_if(read_floors_, [id](const auto& floor) { return floor.first.first == id; });
  const bool keeps_leases = options_.has_leases && !(options_.mixes_modes && chaos_() % 4 == 0);
  RestoredState state{.hard_state = member.hard_state,
                      .log_first = member.log_first,
                      .previous_term = member.previous_term,
                      .last = LogIndex{member.log_first.value - 1},
                      .runs = {},
                      .applied = member.applied,
                      .configuration = {},
                      .configurations_behind = {}};
  for (const auto& [index, entry] : member.durable) {
    if (index < member.log_first.value) continue;
    state.last = entry.index;
    if (state.runs.empty() || state.runs.back().term != entry.term) {
      state.runs.push_back({entry.index, entry.term});
    }
  }
  restore_configurations(member, state);
  ASSERT_TRUE(check_restored(state).is_ok()) << check_restored(state).error().message;
  member.log = member.durable;
  member.node = std::make_unique<Node>(
      Node::Options{.id = NodeId{id},
                    .group = base::GroupId{7},
                    .data_uid = options_.has_data_uids ? 100 * id + member.directories : 0,
                    .seed = options_.seed + 1000 * member.lives++,
                    .has_pre_vote = options_.has_pre_vote,
                    .has_check_quorum = options_.has_check_quorum,
                    .inflight_messages_max = options_.inflight_messages_max,
                    .append_bytes_max = options_.append_bytes_max,
                    .uncommitted_bytes_max = options_.uncommitted_bytes_max,
                    .read_mode = keeps_leases ? ReadMode::kLease : ReadMode::kReadIndex,
                    .tick_ms = kTickUs,  // all times of these nodes are in us
                    .promised_ms = options_.mixes_modes ? 10 * kTickUs : 0,
                    .clock_drift_permille = options_.clock_drift_permille},
      state);
}

std::vector<std::string> TestGroup::applied(uint64_t id) const {
  std::vector<std::string> payloads;
  for (const auto& [index, event] : history_) {
    if (index <= members_.at(id).applied.value && event.kind == EntryKind::kCommands) {
      payloads.push_back(event.payload);
    }
  }
  return payloads;
}

std::string TestGroup::read_result(uint64_t read) const { return reads_.at(read); }

void TestGroup::campaign(uint64_t id) {
  node(id).campaign();
  settle();
}

void TestGroup::tick(uint64_t id, int count) {
  for (int i = 0; i < count; ++i) {
    node(id).tick();
    settle();
  }
}

void TestGroup::tick_all(int count) {
  for (int i = 0; i < count; ++i) {
    if (!delayed_.empty() && chaos_() % 4 == 0) {
      network_.push_back(delayed_.front());
      delayed_.pop_front();
    }
    if (options_.has_leases) {
      for (int part = 0; part < 5; ++part) pass_time(kTickUs / 5);
      continue;
    }
    for (const uint64_t id : nodes()) tick(id);
  }
}

void TestGroup::pass_time(uint64_t us) {
  for (const uint64_t id : nodes()) {
    Seat& member = members_.at(id);
    const uint64_t before_us = member.clock_us;
    member.clock_us += us * member.rate_permille / 1000;
    if (before_us / kTickUs != member.clock_us / kTickUs) tick(id);
  }
  settle();
}

// As a replica does it: the time is noted before the heartbeats leave.
void TestGroup::stamp_round(Seat& member, const Ready& ready) {
  const uint64_t term = ready.soft_state.term.value;
  if (ready.soft_state.role != RoleKind::kLeader || member.led_term != term) {
    member.round_us.clear();
    member.led_term = term;
  }
  if (ready.heartbeat_round > 0) member.round_us.emplace(ready.heartbeat_round, member.clock_us);
}

// Whoever could answer by its lease now must hold all that was ever applied anywhere.
void TestGroup::check_leases() {
  if (!options_.has_leases) return;
  for (auto& [id, member] : members_) {
    const uint64_t round = member.node->lease();
    if (round == 0) continue;
    const auto stamp = member.round_us.lower_bound(round);
    if (stamp == member.round_us.end()) continue;
    const uint64_t end_us = stamp->second + member.node->lease_ms();
    if (member.clock_us >= end_us) continue;
    ++leased_count_;
    EXPECT_GE(member.node->status().commit.value, history_end())
        << "a stale read by lease on " << id;
  }
}

base::Result<LogIndex> TestGroup::propose(uint64_t id, const std::string& payload) {
  const Proposal proposal{.payload = std::make_shared<const base::Bytes>(payload)};
  auto result = node(id).propose({&proposal, 1});
  settle();
  return result;
}

base::Status TestGroup::read(uint64_t id, uint64_t read) {
  base::Status status = node(id).read_index(ReadId{read});
  if (status.is_ok()) reads_.emplace(read, "pending");
  read_floors_[{id, read}] = history_end();
  settle();
  return status;
}

base::Status TestGroup::transfer(uint64_t id, uint64_t target) {
  base::Status status = node(id).transfer_leadership(NodeId{target});
  settle();
  return status;
}

base::Status TestGroup::change(uint64_t id, ChangeKind kind, uint64_t target) {
  const Member member{.id = NodeId{target},
                      .name = fmt::format("n{}", target),
                      .address = fmt::format("10.0.0.{}:7379", target)};
  const base::Result<LogIndex> result =
      node(id).propose_configuration_change({.kind = kind, .member = member});
  if (result.is_ok() && kind == ChangeKind::kAddLearner && !members_.contains(target)) {
    start(target);
  }
  settle();
  return result.is_ok() ? base::ok() : base::Status(result.error());
}

base::Status TestGroup::offer(uint64_t id, uint64_t peer) {
  const Seat& member = members_.at(id);
  RestoredState state;
  state.applied = member.applied;
  restore_configurations(member, state);
  const uint64_t term = history_.contains(member.applied.value)
                            ? history_.at(member.applied.value).term
                            : member.previous_term.value;
  const SnapshotMark mark{.id = snapshots_.size() + 1, .index = member.applied, .term = Term{term}};
  const base::Status status = member.node->offer_snapshot(NodeId{peer}, mark);
  if (status.is_ok()) {
    snapshots_.emplace(mark.id, Snapshot{mark, state.configuration});
    members_.at(id).wanted.erase(peer);
  }
  settle();
  return status;
}

void TestGroup::fail_snapshot(uint64_t id, uint64_t peer) {
  node(id).snapshot_failed(NodeId{peer});
  settle();
}

std::string TestGroup::snapshot_offered(uint64_t id) const {
  const auto& offered = members_.at(id).offered;
  if (!offered) return "none";
  return fmt::format("snapshot {} of {}@{} from {}", offered->mark.id, offered->mark.index.value,
                     offered->mark.term.value, offered->from.value);
}

std::string TestGroup::install(uint64_t id) {
  Seat& member = members_.at(id);
  if (!member.offered) return "nothing is offered";
  const Snapshot& snapshot = snapshots_.at(member.offered->mark.id);
  member.offered.reset();
  if (!member.node->needs_snapshot(snapshot.mark)) return "not needed any more";
  EXPECT_EQ(history_.at(snapshot.mark.index.value).term, snapshot.mark.term.value);
  member.durable.clear();
  member.log_first = snapshot.mark.index.next();
  member.previous_term = snapshot.mark.term;
  member.applied = snapshot.mark.index;
  member.configuration = snapshot.configuration;
  crash(id);
  return "ok";
}

void TestGroup::deliver(const Message& message) {
  node(message.to.value).step(message);
  settle();
}

void TestGroup::settle() {
  check_leases();
  while (settle_nodes() || !network_.empty()) {
    if (network_.empty()) continue;
    if (options_.chaos_seed != 0) std::swap(network_.front(), network_[chaos_() % network_.size()]);
    const Message message = network_.front();
    const uint64_t fate = options_.chaos_seed == 0 ? 1 : chaos_() % 16;
    if (fate != 2) network_.pop_front();  // else it comes twice
    if (fate == 0) continue;              // lost
    if (fate == 3) {                      // comes much later
      delayed_.push_back(message);
      continue;
    }
    if (!members_.contains(message.to.value)) continue;
    trace_.push_back(describe(message));
    node(message.to.value).step(message);
    check_leases();
  }
}

// Carries out what all nodes want; false where nobody wanted anything.
bool TestGroup::settle_nodes() {
  bool did_anything = false;
  for (auto& [id, member] : members_) {
    member.node->check_invariants();
    while (member.node->has_ready()) {
      carry_out(id, member.node->take_ready());
      member.node->check_invariants();
      did_anything = true;
    }
  }
  return did_anything;
}

void TestGroup::carry_out(uint64_t id, Ready ready) {
  Seat& member = members_.at(id);
  if (ready.soft_state.role == RoleKind::kLeader) {
    const auto [known, is_new] = leader_of_term_.emplace(ready.soft_state.term.value, id);
    EXPECT_EQ(known->second, id) << "two leaders in term " << ready.soft_state.term.value;
  }
  for (const Entry& entry : ready.entries) {
    member.log.erase(member.log.lower_bound(entry.index.value), member.log.end());
    member.log.emplace(entry.index.value, entry);
  }
  stamp_round(member, ready);
  for (const Message& message : ready.messages) post(id, message);
  for (const ReadState& read : ready.reads) {
    reads_[read.id.value] = fmt::format("index {}", read.index.value);
    const auto floor = read_floors_.find({id, read.id.value});
    ASSERT_NE(floor, read_floors_.end()) << "an answer to what nobody asked";
    EXPECT_GE(read.index.value, floor->second) << "a stale read";
  }
  for (const NodeId peer : ready.snapshots_wanted) member.wanted.insert(peer.value);
  if (ready.snapshot_offered) {
    EXPECT_GT(ready.snapshot_offered->mark.index, member.node->status().commit);
    member.offered = ready.snapshot_offered;
  }
  for (const ReadId& read : ready.reads_refused) reads_[read.value] = "refused";
  member.writes.push_back(std::move(ready));
  while (!member.is_disk_held && !member.writes.empty()) finish_write(id);
  apply(id);
}

void TestGroup::finish_write(uint64_t id) {
  Seat& member = members_.at(id);
  const Ready ready = std::move(member.writes.front());
  member.writes.pop_front();
  if (ready.hard_state) member.hard_state = *ready.hard_state;
  for (const Entry& entry : ready.entries) {
    member.durable.erase(member.durable.lower_bound(entry.index.value), member.durable.end());
    member.durable.emplace(entry.index.value, entry);
  }
  member.node->persisted(ready.number);
  for (const Message& message : ready.messages_after_persist) post(id, message);
}

void TestGroup::apply(uint64_t id) {
  Seat& member = members_.at(id);
  const NodeStatus status = member.node->status();
  const LogIndex end = std::min(status.commit, status.durable);
  for (uint64_t index = member.applied.value + 1; index <= end.value; ++index) {
    ASSERT_TRUE(member.durable.contains(index)) << "applied what is not on disk";
    const Entry& entry = member.durable.at(index);
    const Event is{entry.term.value, entry.kind, std::string(entry.bytes())};
    const auto [was, is_new] = history_.emplace(index, is);
    EXPECT_TRUE(was->second == is) << "two nodes applied different entries at " << index;
  }
  member.applied = std::max(member.applied, end);
  member.node->applied(member.applied);
}

void TestGroup::post(uint64_t id, Message message) {
  if (cuts_.contains({id, message.to.value})) return;
  if (auto* append = std::get_if<Append>(&message.body)) {
    if (loses_entries_ && append->last > append->previous) return;
    uint64_t bytes = 0;
    for (LogIndex index = append->previous.next(); index <= append->last; index = index.next()) {
      const auto found = members_.at(id).log.find(index.value);
      if (found == members_.at(id).log.end()) return;
      bytes += found->second.bytes().size();
      // A small limit, so that ranges of unknown size are really cut.
      if (append->bytes_max > 0 && bytes > 8 && !append->entries.empty()) break;
      append->entries.push_back(found->second);
    }
  }
  network_.push_back(std::move(message));
}

void TestGroup::isolate(uint64_t id) { split({id}); }

void TestGroup::split(const std::set<uint64_t>& side) {
  for (const uint64_t id : side) {
    for (const auto& [other, member] : members_) {
      if (side.contains(other)) continue;
      cut(id, other);
      cut(other, id);
    }
  }
}

void TestGroup::release_disk(uint64_t id) {
  members_.at(id).is_disk_held = false;
  finish_writes(id, members_.at(id).writes.size());
}

void TestGroup::finish_writes(uint64_t id, size_t count) {
  ASSERT_LE(count, members_.at(id).writes.size());
  for (size_t i = 0; i < count; ++i) finish_write(id);
  apply(id);
  settle();
}

void TestGroup::crash(uint64_t id) {
  Seat& member = members_.at(id);
  member.writes.clear();
  member.is_disk_held = false;
  member.wanted.clear();
  // Connections end with the process, and what was on its way with them; what is late is another's.
  std::erase_if(network_, [&](const Message& message) { return message.to == NodeId{id}; });
  start(id);
  settle();
}

void TestGroup::wipe(uint64_t id) {
  Seat& member = members_.at(id);
  Seat empty;
  empty.configuration = founders();
  empty.lives = member.lives;
  empty.directories = member.directories + 1;
  member = std::move(empty);
  crash(id);
}

void TestGroup::start_log_at(uint64_t id, uint64_t first) {
  Seat& member = members_.at(id);
  member.previous_term = member.log.at(first - 1).term;
  for (uint64_t index = member.log_first.value; index < first; ++index) {
    const Entry& entry = member.durable.at(index);
    if (entry.kind != EntryKind::kConfiguration) continue;
    member.configuration = *decode_configuration(entry.bytes());
  }
  member.log_first = LogIndex{first};
  member.log.erase(member.log.begin(), member.log.lower_bound(first));
  member.durable.erase(member.durable.begin(), member.durable.lower_bound(first));
  member.node->log_starts_at(LogIndex{first});
  settle();
}

}  // namespace alfheim::raft
