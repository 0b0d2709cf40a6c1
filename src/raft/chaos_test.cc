// Everything at once, from a seed: the network loses, doubles, delays and reorders, disks lag,
// nodes crash, join and leave. TestGroup checks what must hold after each step: one leader a term,
// one history, no stale read. At the end, healed, the group must work again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <set>
#include <string>

#include "raft/node_testing.h"

namespace alfheim::raft {
namespace {

constexpr uint64_t kNodesMax = 8;

}  // namespace

ChaosSeeds chaos_seeds;

namespace {

class Chaos {
 public:
  Chaos(uint64_t seed, bool has_leases)
      : random_(seed),
        count_(draw(3) == 0 ? 5 : 3),
        group_({.node_count = count_,
                .has_pre_vote = draw(4) != 0,
                .has_check_quorum = has_leases || draw(4) != 0,
                .inflight_messages_max = 1 + static_cast<uint32_t>(draw(4)),
                .append_bytes_max = draw(2) == 0 ? 1 : uint64_t{4} << 20,
                .seed = seed,
                .has_leases = has_leases,
                .clock_drift_permille = draw(2) == 0 ? 50u : 200u,
                .mixes_modes = draw(2) == 0,
                .chaos_seed = seed + 1}) {}

  void live() {
    for (int step = 0; step < 800 && !testing::Test::HasFailure(); ++step) {
      act(step);
    }
  }

  uint64_t leased_count() const { return group_.leased_count(); }

  void recover() {
    group_.heal();
    for (const uint64_t id : group_.nodes()) group_.release_disk(id);
    group_.tick_all(120);
    // Without pre-vote, one that was removed and never told may still disturb: so several tries.
    bool works = false;
    for (int tries = 0; !works && tries < 40; ++tries) {
      pass_all_snapshots();
      works = is_whole();
    }
    EXPECT_TRUE(works) << "after healing:\n" << everything();
  }

 private:
  // Somebody leads and takes a proposal, and all members of the newest configuration apply it.
  bool is_whole() {
    uint64_t leader = 0;
    for (const uint64_t id : group_.nodes()) {
      if (group_.propose(id, "end").is_ok()) leader = id;
    }
    group_.tick_all(10);
    if (leader == 0) return false;
    const Configuration last = group_.node(leader).configuration();
    if (last.is_joint()) return false;
    const std::vector<base::NodeId> everybody = last.everybody();
    return std::all_of(everybody.begin(), everybody.end(), [&](base::NodeId id) {
      const NodeStatus status = group_.status(id.value);
      return status.applied.value == group_.history_end() && status.configuration == last &&
             !status.soft_state.is_removed && group_.applied(id.value).back() == "end";
    });
  }

  std::string everything() const {
    std::string text;
    for (const uint64_t id : group_.nodes()) {
      const NodeStatus status = group_.status(id);
      text += std::to_string(id) + ": " + describe(status) + ", " + describe(status.configuration) +
              "\n";
    }
    return text;
  }
  uint64_t draw(uint64_t below) { return random_() % below; }
  uint64_t any() {
    const std::vector<uint64_t> ids = group_.nodes();
    return ids[draw(ids.size())];
  }

  void act(int step) {
    const uint64_t id = any();
    switch (draw(24)) {
      case 0: return group_.crash(id);
      case 1: return group_.isolate(id);
      case 2: return group_.cut(id, any());
      case 3: return group_.heal();
      case 4: return group_.hold_disk(id);
      case 5: return group_.release_disk(id);
      case 6: return group_.campaign(id);
      case 7: (void)group_.transfer(id, any()).is_ok(); return;
      case 8:
      case 9: return read_everywhere();
      case 10:
      case 11: return propose_everywhere(step);
      case 12: return change();
      case 13: return compact(id);
      case 14: return pass_snapshots(id);
      case 15: return depose(step);
      case 16: return group_.split({id, any()});
      case 17: return group_.lose_entries();
      default: group_.tick_all(1 + static_cast<int>(draw(4)));
    }
  }

  void propose_everywhere(int step) {
    for (const uint64_t each : group_.nodes()) {
      (void)group_.propose(each, std::to_string(step)).is_ok();
    }
  }

  void read_everywhere() {
    for (const uint64_t each : group_.nodes()) (void)group_.read_next(each).is_ok();
  }

  // Who leads is cut off, alone or with somebody, and does not know: others elect, now or later,
  // and what they commit the former leader must not hide from its readers.
  void depose(int step) {
    const bool is_alone = draw(2) == 0;
    const bool is_deaf = draw(4) == 0;
    const bool crashes = draw(3) == 0;
    for (const uint64_t id : group_.nodes()) {
      if (!group_.node(id).is_leader()) continue;
      for (const uint64_t other : group_.nodes()) {
        if (is_deaf) group_.cut(other, id);
        if (other != id && crashes && draw(2) == 0) group_.crash(other);
      }
      if (is_deaf) (void)group_.transfer(id, any()).is_ok();
      if (!is_deaf) group_.split(is_alone ? std::set{id} : std::set{id, any()});
    }
    group_.tick_all(static_cast<int>(draw(14)));
    group_.campaign(any());
    propose_everywhere(step);
    read_everywhere();
    group_.tick_all(1 + static_cast<int>(draw(3)));
    read_everywhere();
  }

  // Asked of every node, for mostly one leads: grow, shrink, or nonsense.
  void change() {
    const auto kind = static_cast<ChangeKind>(draw(5));
    uint64_t target = any();
    if (kind == ChangeKind::kAddLearner) {
      target = group_.nodes().size() + 1;
      if (target > kNodesMax) return;
    }
    for (const uint64_t id : group_.nodes()) (void)group_.change(id, kind, target).is_ok();
  }

  void pass_all_snapshots() {
    for (int round = 0; round < 4; ++round) {
      for (const uint64_t id : group_.nodes()) {
        // What was offered in vain before may never come to an end by itself.
        for (const uint64_t peer : group_.nodes()) group_.fail_snapshot(id, peer);
        for (const uint64_t peer : group_.snapshots_wanted(id)) {
          (void)group_.offer(id, peer).is_ok();
        }
      }
      group_.tick_all(2);
      for (const uint64_t id : group_.nodes()) (void)group_.install(id);
      group_.tick_all(5);
    }
  }

  void compact(uint64_t id) {
    const NodeStatus status = group_.status(id);
    const uint64_t most = status.applied.value + 1 - group_.log_first(id).value;
    if (most > 0) group_.start_log_at(id, group_.log_first(id).value + 1 + draw(most));
  }

  // What the replicas do around the core: offer, fetch and restart, or give up.
  void pass_snapshots(uint64_t id) {
    for (const uint64_t peer : group_.snapshots_wanted(id)) (void)group_.offer(id, peer).is_ok();
    (void)group_.install(any());
    if (draw(4) == 0) group_.fail_snapshot(id, any());
  }

  std::mt19937_64 random_;
  uint64_t count_;
  TestGroup group_;
};

uint64_t live_through(uint64_t seed, bool has_leases) {
  SCOPED_TRACE(seed);
  if (chaos_seeds.are_told) {
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
  }
  Chaos chaos(seed, has_leases);
  chaos.live();
  if (!testing::Test::HasFailure()) chaos.recover();
  return chaos.leased_count();
}

TEST(Group, SurvivesEverythingAtOnce) {
  const uint64_t end = chaos_seeds.first + chaos_seeds.count;
  for (uint64_t seed = chaos_seeds.first; seed < end && !HasFailure(); ++seed)
    live_through(seed, false);
}

// The same by drifting clocks, and whoever holds a lease must hold everything.
TEST(Group, LeasesHoldWhateverHappens) {
  uint64_t leased_count = 0;
  const uint64_t end = chaos_seeds.first + chaos_seeds.count;
  for (uint64_t seed = chaos_seeds.first; seed < end && !HasFailure(); ++seed) {
    leased_count += live_through(seed, true);
  }
  // Leases were really held; of single seeds nobody can say how often.
  if (!chaos_seeds.are_told) EXPECT_GT(leased_count, chaos_seeds.count * 100);
}

}  // namespace
}  // namespace alfheim::raft
