// What is demanded of a cluster after each event, and at its end (sim/cluster.h).
#include <algorithm>

#include "base/format.h"
#include "base/hash.h"
#include "machine/read_context.h"
#include "sim/cluster.h"
#include "sim/run.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kForgetEveryEvents = 512;
constexpr uint64_t kInvariantsEveryEvents = 64;
constexpr uint64_t kLastRequests = 20;
// Without an answer to anybody, where there are no faults.
constexpr uint64_t kLastAnswerMsMax = 15'000;
constexpr uint64_t kLastMsMax = 20'000;
// What was healed commits something new within so many ticks of its nodes. (Who asks may come to
// three nodes first that have no part any more, and let it wait for 3 s each.)
constexpr uint64_t kCommitTicksMax = 200;
// Somebody is elected: five election timeouts of the slowest clock behind the last that starts
// again. It serves when it has committed something, for which a member may need a snapshot first.
constexpr uint64_t kLeadTicksMax = 80;
constexpr uint64_t kTickMs = 100;
// At a time: some ask nothing of the log, or are refused as long as a disk is taken for full.
constexpr uint64_t kProbeRequests = 8;
constexpr uint64_t kMsNs = 1'000'000;

}  // namespace

void Cluster::after_event() {
  // What the world did itself (a fault, a message that arrives, a start) may be anybody's.
  const SimExecutor* owner = scheduler_.last_owner();
  for (Member& member : members_) {
    const bool is_here = member.node != nullptr;
    if (!is_here || (owner != nullptr && owner != &member.node->executor())) continue;
    is_checking_ = true;
    look_at(member);
    is_checking_ = false;
    if (oracle_.has_failed()) return;
  }
  const uint64_t count = scheduler_.event_count();
  if (count % kForgetEveryEvents != 0) return;
  uint64_t floor = oracle_.floor();
  for (const std::unique_ptr<Client>& client : clients_) floor = std::min(floor, client->floor());
  oracle_.forget_before(floor);
}

void Cluster::look_at(Member& member) {
  SimNode& node = *member.node;
  if (!member.disk->is_down()) {
    const raft::SoftState role = node.replica().role();
    if (role.role == raft::RoleKind::kLeader && role.term.value != member.term_led) {
      member.term_led = role.term.value;
      narrate(base::format("node {} leads in term {}", member.id.value, role.term.value));
      oracle_.note_leader(role.term.value, member.id.value, node.life(), node.log());
    }
    node.core().check_invariants();
    safety_.look(node.core(), node.life());
    if (safety_.has_failed()) return oracle_.fail(safety_.failure());
    node.tell_applied();
    if (oracle_.has_failed()) return;
    oracle_.note_applied(node.machine().applied().value, node.machine().is_within_entry());
    compare_state(member);
    note_refusals(member);
    if (scheduler_.event_count() % kInvariantsEveryEvents == 0) node.check_invariants();
  } else {
    return end_life(member, loses_power(member), "the disk went down");
  }
  if (member.stopped) return on_stopped(member);
  if (member.fatal) return on_fatal(member);
  if (member.wants_restart && !member.is_stopping) {
    narrate(base::format("node {} has a snapshot, and stops", member.id.value));
    stop_cleanly(member);
  }
}

// Two logs that hold one entry hold it alike.
void Cluster::note_entries(const net::PeerMessage& message) {
  const auto* raft = std::get_if<raft::Message>(&message);
  const auto* append = raft == nullptr ? nullptr : std::get_if<raft::Append>(&raft->body);
  if (append == nullptr) return;
  for (const raft::Entry& entry : append->entries) {
    safety_.note_content(entry.index, entry.term, base::hash64(entry.bytes()));
  }
}

// Whoever stands at an entry holds what the model holds there, and so what all others held.
void Cluster::compare_state(Member& member) {
  const machine::Machine& machine = member.node->machine();
  const uint64_t applied = machine.applied().value;
  if (applied == member.compared || machine.is_within_entry()) return;
  member.compared = applied;
  const std::optional<uint64_t> expected = oracle_.state_hash_at(applied);
  if (!expected) return;
  expect_state(member, *expected);
  ++outcome_.compared_count;
}

void Cluster::expect_state(const Member& member, uint64_t expected) {
  const base::Result<uint64_t> hash =
      machine::ReadView::open(member.node->machine())->logical_hash();
  if (!hash) return oracle_.fail(hash.error().message);
  if (*hash == expected) return;
  oracle_.fail(base::format("node {} holds another state than the model at entry {}",
                            member.id.value, member.node->machine().applied().value));
}

// Somebody who has asked nothing yet is answered, and the log has grown.
void Cluster::expect_commit() {
  if (oracle_.has_failed()) return;
  WorkloadOptions workload = workload_;
  workload.read_ppm = 0;
  workload.huge_value_ppm = 0;
  workload.has_blocks = workload.has_state_hash = false;
  make_client({.number = static_cast<uint32_t>(clients_.size()),
               .request_count = kProbeRequests,
               .pipeline_max = 1,
               .think_ns_max = kMsNs},
              workload);
  const size_t probe = clients_.size() - 1;
  const uint64_t committed = safety_.committed_count();
  const uint64_t begin_ms = clock_.monotonic_ms();
  run_until(
      [&] {
        if (clock_.monotonic_ms() > begin_ms + kLeadTicksMax * kTickMs) {
          oracle_.fail(base::format("nobody leads within {} ticks of the healing{}", kLeadTicksMax,
                                    waiting()));
        }
        return elected() != nullptr;
      },
      kLeadTicksMax * kTickMs, "until somebody leads");
  if (oracle_.has_failed()) return;
  outcome_.lead_ms_max = clock_.monotonic_ms() - begin_ms;
  hints_[probe] = elected()->id.value - 1;
  clients_[probe]->start();
  run_until(
      [&] {
        if (clock_.monotonic_ms() > begin_ms + kCommitTicksMax * kTickMs) {
          oracle_.fail(base::format("nothing was committed within {} ticks of the healing{}",
                                    kCommitTicksMax, waiting()));
        }
        if (!clients_[probe]->is_done()) return false;
        const bool has_committed = safety_.committed_count() > committed;
        if (!has_committed) clients_[probe]->ask_more(kProbeRequests);
        return has_committed;
      },
      kCommitTicksMax * kTickMs, "after all faults were healed");
  outcome_.commit_ms_max = std::max(outcome_.commit_ms_max, clock_.monotonic_ms() - begin_ms);
}

// ---- the end ----

bool Cluster::are_equal() {
  Member* leader = leading();
  if (leader == nullptr) return false;
  const raft::Configuration& now = leader->node->core().configuration();
  return std::all_of(members_.begin(), members_.end(), [&](const Member& member) {
    if (!has_part(now, member)) return true;
    return member.node != nullptr && member.node->machine().applied().value == oracle_.harvested();
  });
}

void Cluster::final_checks() {
  // A disk that has room must not be taken for a full one for ever.
  const auto has_room = [](const Member& member) {
    if (member.is_wiped) return true;
    return member.node != nullptr && !member.node->is_disk_full();
  };
  run_until([&] { return std::all_of(members_.begin(), members_.end(), has_room); }, kLastMsMax,
            "with disks that have room again");
  oracle_.set_excuses({});
  faults_.excuses_end_ns = 0;
  narrate("the last requests");
  for (const std::unique_ptr<Client>& client : clients_) client->ask_more(kLastRequests);
  run_until([this] { return are_done(); }, kLastAnswerMsMax, "with the last requests");
  for (const std::unique_ptr<Client>& client : clients_) client->ask_no_more();
  run_until([this] { return are_equal(); }, kLastMsMax, "until all nodes hold the same");
  run_until([this] { return are_members_settled(); }, kLastMsMax, "until the members are settled");
  for (Member& member : members_) {
    // Who has no part any more stands where it stood then: compare_state() has seen that.
    if (oracle_.has_failed() || member.node == nullptr) continue;
    const uint64_t applied = member.node->machine().applied().value;
    if (applied != oracle_.harvested()) continue;
    expect_state(member, oracle_.model().logical_hash(oracle_.position_of_entry(applied)));
  }
}

}  // namespace alfheim::sim
