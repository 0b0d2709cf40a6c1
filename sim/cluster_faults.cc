// The faults of a cluster (sim/cluster.h).
#include <algorithm>
#include <utility>

#include "base/format.h"
#include "sim/cluster.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kMsNs = 1'000'000;
constexpr uint64_t kPauseNsMax = 8'000 * kMsNs;
constexpr uint64_t kLongPauseNsMax = 60'000 * kMsNs;
constexpr uint64_t kCutNsMax = 10'000 * kMsNs;
constexpr uint64_t kLagNsMax = 1'500 * kMsNs;
constexpr uint64_t kNoticeNs = 500 * kMsNs;
constexpr uint64_t kHandOverNsMax = 3'000 * kMsNs;
constexpr int64_t kWallJumpUsMax = 3'600'000'000;
constexpr uint64_t kCrashChangesMax = 60;
constexpr uint64_t kErrorOccurrencesMax = 20;
constexpr uint64_t kShortageNsMax = 300 * kMsNs;
constexpr uint64_t kDiskFullNsMax = 8'000 * kMsNs;
constexpr uint64_t kScarceSegmentsMax = 4;
constexpr uint64_t kPlentyBytes = uint64_t{1} << 40;
// Within which a node sees that its disk has room again, paused and started anew in between.
constexpr uint64_t kRefusesAfterwardsNsMax = 10'000 * kMsNs;
constexpr uint64_t kHealedDelayNsMax = 20 * kMsNs;

const char* name_of(ClusterFault fault) {
  switch (fault) {
    case ClusterFault::kPowerLoss: return "power loss";
    case ClusterFault::kKill: return "kill -9";
    case ClusterFault::kAllDown: return "all down";
    case ClusterFault::kSomeDown: return "some down";
    case ClusterFault::kCleanStop: return "clean stop";
    case ClusterFault::kCrashAtWrite: return "crash at a write";
    case ClusterFault::kDiskError: return "disk error";
    case ClusterFault::kReadError: return "read error";
    case ClusterFault::kDiskFull: return "disk full";
    case ClusterFault::kIngestError: return "ingest error";
    case ClusterFault::kStoreFull: return "store full";
    case ClusterFault::kPause: return "pause";
    case ClusterFault::kHangingDisk: return "disk hangs";
    case ClusterFault::kWallJump: return "wall clock jump";
    case ClusterFault::kDisconnect: return "disconnect";
    case ClusterFault::kCutOff: return "cut off";
    case ClusterFault::kCutOneWay: return "cut one way";
    case ClusterFault::kSplit: return "split";
    case ClusterFault::kHealNetwork: return "network heals";
    case ClusterFault::kTransfer: return "transfer";
    case ClusterFault::kTakeOver: return "take-over";
    case ClusterFault::kSnapshot: return "snapshot by hand";
    case ClusterFault::kLag: return "lag";
    case ClusterFault::kAdd: return "add";
    case ClusterFault::kPromote: return "promote";
    case ClusterFault::kDemote: return "demote";
    case ClusterFault::kRemove: return "remove";
    case ClusterFault::kWipe: return "wipe";
  }
  return "?";
}

}  // namespace

void Cluster::schedule_fault() {
  scheduler_.post_world(random_.between(1, faults_.gap_ns_max), [this] {
    if (faults_.left == 0) return;
    --faults_.left;
    strike(faults_.kinds[random_.below(faults_.kinds.size())]);
    if (faults_.left > 0) schedule_fault();
  });
}

// Each second time whoever leads: what befalls it is what matters most.
Cluster::Member& Cluster::a_member() {
  Member& drawn = any_member();
  if (random_.coin()) return drawn;
  for (Member& member : members_) {
    if (member.node != nullptr && member.node->replica().is_serving()) return member;
  }
  return drawn;
}

void Cluster::strike(ClusterFault fault) {
  ++outcome_.fault_counts[name_of(fault)];
  narrate(base::format("fault: {}", name_of(fault)));
  Member& member = a_member();
  switch (fault) {
    case ClusterFault::kPowerLoss:
    case ClusterFault::kKill:
      if (member.node != nullptr) {
        end_life(member, fault == ClusterFault::kPowerLoss, name_of(fault));
      }
      return;
    case ClusterFault::kAllDown:
      for (Member& each : members_) {
        if (each.node != nullptr) end_life(each, true, "power loss of all");
      }
      return;
    case ClusterFault::kSomeDown:
      for (Member& each : members_) {
        if (each.node != nullptr && random_.coin()) end_life(each, random_.coin(), "some down");
      }
      return;
    case ClusterFault::kCleanStop: return stop_cleanly(member);
    case ClusterFault::kDiskError: return fail_disk(member);
    case ClusterFault::kReadError: return fail_read(member);
    case ClusterFault::kDiskFull:
      if (!random_.one_in(3)) return fill_disk(member);
      for (Member& each : members_) fill_disk(each);
      return;
    case ClusterFault::kIngestError:
      if (member.node == nullptr) return;
      member.is_excused = true;
      return member.node->store().set_fails_ingest(true);
    case ClusterFault::kStoreFull: return fill_store(member);
    case ClusterFault::kCrashAtWrite:
      member.crash_at_change = member.disk->change_count() + random_.between(1, kCrashChangesMax);
      return;
    case ClusterFault::kPause:
      return suspend(member, [](SimNode& node, bool is_on) { node.executor().set_paused(is_on); });
    case ClusterFault::kHangingDisk:
      expect_hand_over(member);
      return suspend(member, [](SimNode& node, bool is_on) { node.set_disk_hanging(is_on); });
    case ClusterFault::kWallJump: {
      const int64_t jump_us =
          static_cast<int64_t>(random_.below(2 * kWallJumpUsMax)) - kWallJumpUsMax;
      member.wall_offset_us += jump_us;
      if (member.node != nullptr) member.node->clock().jump_wall_us(jump_us);
      return;
    }
    case ClusterFault::kDisconnect: return clients_[random_.below(clients_.size())]->disconnect();
    case ClusterFault::kCutOff: cut_off(member); return heal_network_later();
    case ClusterFault::kCutOneWay:
      network_.cut(member.id, any_member().id);
      return heal_network_later();
    case ClusterFault::kSplit: split(); return heal_network_later();
    case ClusterFault::kHealNetwork: return network_.heal();
    case ClusterFault::kTransfer:
      for (Member& each : members_) transfer(each);
      return;
    case ClusterFault::kTakeOver:
      if (member.node != nullptr) member.node->replica().take_over();
      return;
    case ClusterFault::kSnapshot:
      for (Member& each : members_) make_snapshot(each);
      return;
    case ClusterFault::kLag: return let_one_lag();
    case ClusterFault::kAdd:
    case ClusterFault::kPromote:
    case ClusterFault::kDemote:
    case ClusterFault::kRemove:
    case ClusterFault::kWipe: return change_members(fault);
  }
}

void Cluster::fail_disk(Member& member) {
  member.is_excused = true;
  member.disk->fail_operation(draw_failing_kind(random_), random_.between(1, kErrorOccurrencesMax),
                              base::ErrorCode::kIo);
}

void Cluster::fail_read(Member& member) {
  member.is_excused = true;
  member.read_to_fail = random_.between(1, kErrorOccurrencesMax);
  Oracle::Excuses excuses = oracle_.excuses();
  excuses.may_fail_reads = true;
  oracle_.set_excuses(excuses);
}

// Nothing or little is free. The node must live with it: that is no excuse to stop.
void Cluster::fill_disk(Member& member) {
  if (member.is_disk_full) return;
  Oracle::Excuses excuses = oracle_.excuses();
  excuses.may_refuse = true;
  oracle_.set_excuses(excuses);
  faults_.excuses_end_ns = UINT64_MAX;
  member.is_disk_full = true;
  const base::Result<uint64_t> free_bytes = member.disk->free_bytes("/");
  const uint64_t used_bytes = free_bytes ? kPlentyBytes - *free_bytes : 0;
  const uint64_t scarce_bytes =
      random_.coin() ? 0 : random_.below(kScarceSegmentsMax * node_options_.segment_bytes);
  member.disk->set_capacity_bytes(random_.one_in(4) ? 0 : used_bytes + scarce_bytes);
  if (member.node != nullptr) member.node->store().set_lacks_room(true);
  scheduler_.post_world(random_.below(kDiskFullNsMax), [this, &member] { end_disk_full(member); });
}

void Cluster::end_disk_full(Member& member) {
  if (!std::exchange(member.is_disk_full, false)) return;
  const bool is_one_full = std::any_of(members_.begin(), members_.end(),
                                       [](const Member& each) { return each.is_disk_full; });
  if (!is_one_full) faults_.excuses_end_ns = clock_.monotonic_ns() + kRefusesAfterwardsNsMax;
  member.disk->set_capacity_bytes(kPlentyBytes);
  if (member.node != nullptr) member.node->store().set_lacks_room(false);
}

void Cluster::fill_store(Member& member) {
  if (member.node == nullptr) return;
  member.node->store().set_full(true);
  const uint64_t life = member.node->life();
  scheduler_.post_world(random_.below(kShortageNsMax), [&member, life] {
    if (member.node != nullptr && member.node->life() == life) {
      member.node->store().set_full(false);
    }
  });
}

// That a node refuses is told by its own state, while a fault explains that state.
void Cluster::note_refusals(const Member& member) {
  if (!oracle_.excuses().may_refuse) return;
  const uint64_t now_ns = clock_.monotonic_ns();
  if (now_ns > faults_.excuses_end_ns) {
    return oracle_.set_excuses({.may_fail_reads = oracle_.excuses().may_fail_reads});
  }
  oracle_.note_refusing(now_ns, member.node->is_disk_full(),
                        member.node->replica().refuses_writes());
}

// Else one cut after the other would leave nobody to lead for the rest of the run.
void Cluster::heal_network_later() {
  scheduler_.post_world(random_.between(kMsNs, kCutNsMax), [this] { network_.heal(); });
}

// A leader whose disk hangs gives up leadership, where nothing else is wrong meanwhile.
void Cluster::expect_hand_over(const Member& member) {
  const PeerNetworkOptions& network = network_.options();
  const bool is_network_sound =
      network.loss_per_1000 == 0 && network.late_per_1000 == 0 && !network_.has_cuts();
  const auto is_well = [](const Member& each) {
    return each.node != nullptr && !each.node->executor().is_disturbed() && !each.is_excused &&
           !each.is_stopping && !each.is_disk_full && !each.has_joined;
  };
  if (!is_network_sound || !std::all_of(members_.begin(), members_.end(), is_well)) return;
  if (!member.node->replica().is_serving()) return;
  const auto still_leads = [this, &member, life_count = life_count_, faults_left = faults_.left,
                            term = member.node->replica().role().term] {
    // Another fault may have come between, or the disk have gone on.
    const bool is_same = life_count == life_count_ && faults_left == faults_.left &&
                         member.node != nullptr && member.node->executor().is_disturbed();
    if (!is_same) return false;
    const raft::SoftState& role = member.node->replica().role();
    return role.role == raft::RoleKind::kLeader && role.term == term;
  };
  scheduler_.post_world(kNoticeNs, [this, &member, still_leads] {
    if (!still_leads()) return;
    const raft::NodeStatus raft = member.node->replica().status_snapshot().raft;
    if (raft.durable == raft.last) return;  // nothing is asked of the disk
    // By its own clock.
    const auto rate = static_cast<uint64_t>(1000 + member.drift_permille);
    scheduler_.post_world(kHandOverNsMax * 1000 / rate, [this, &member, still_leads] {
      if (!still_leads()) return;
      oracle_.fail(base::format("node {} still leads with a disk that hangs", member.id.value));
    });
  });
}

// For a while, or as long as this life of the node lasts.
void Cluster::suspend(Member& member, void (*set)(SimNode& node, bool is_on)) {
  if (member.node == nullptr) return;
  set(*member.node, true);
  const uint64_t life = member.node->life();
  const uint64_t most_ns = random_.one_in(4) ? kLongPauseNsMax : kPauseNsMax;
  scheduler_.post_world(random_.below(most_ns), [&member, life, set] {
    if (member.node != nullptr && member.node->life() == life) set(*member.node, false);
  });
}

void Cluster::transfer(Member& member) {
  if (member.node == nullptr || !member.node->replica().is_serving()) return;
  replica::HandOverOrder order{.to = any_member().id,
                               .timeout_ms = random_.below(2'000),
                               .goes_unready = random_.coin(),
                               .done = {}};
  member.node->replica().transfer(std::move(order));
}

// What it says that it holds is committed, and nobody but a leader says so.
void Cluster::make_snapshot(Member& member) {
  if (member.node == nullptr) return;
  const bool is_excused = member.is_excused || member.is_disk_full;
  member.node->replica().make_snapshot(
      [this, &member, is_excused](const base::Result<replica::SnapshotSender::Made>& made) {
        if (made) {
          ++outcome_.snapshot_count;
          if (made->mark.index.value <= oracle_.harvested()) return;
          return oracle_.fail(base::format("node {} made a snapshot up to entry {}, of {} applied",
                                           member.id.value, made->mark.index.value,
                                           oracle_.harvested()));
        }
        const bool is_kept_waiting = made.error().code == base::ErrorCode::kUnavailable;
        if (is_kept_waiting || is_excused || member.is_excused || member.is_disk_full) return;
        if (member.disk->is_down()) return;
        oracle_.fail(
            base::format("node {} makes no snapshot: {}", member.id.value, made.error().message));
      });
}

void Cluster::cut_off(const Member& member) {
  for (const Member& other : members_) {
    network_.cut(member.id, other.id);
    network_.cut(other.id, member.id);
  }
}

void Cluster::let_one_lag() {
  const Member& member = any_member();
  const bool is_leading = member.node != nullptr && member.node->replica().is_serving();
  cut_off(is_leading ? members_[member.id.value % members_.size()] : member);
  scheduler_.post_world(random_.below(kLagNsMax), [this] { network_.heal(); });
}

void Cluster::split() {
  std::vector<bool> is_left;
  for (size_t i = 0; i < members_.size(); ++i) is_left.push_back(random_.coin());
  for (size_t i = 0; i < members_.size(); ++i) {
    for (size_t j = 0; j < members_.size(); ++j) {
      if (is_left[i] != is_left[j]) network_.cut(members_[i].id, members_[j].id);
    }
  }
}

void Cluster::heal() {
  narrate("all faults are healed");
  faults_.left = 0;
  network_.heal();
  PeerNetworkOptions network = network_.options();
  network.loss_per_1000 = 0;
  network.late_per_1000 = 0;
  network.delay_ns_max = std::min(network.delay_ns_max, kHealedDelayNsMax);
  network_.set_options(network);
  for (Member& member : members_) {
    member.crash_at_change = member.read_to_fail = 0;
    end_disk_full(member);
    // An error of the disk that was ordered and has not come yet: a restart forgets it.
    if (member.is_excused && member.node != nullptr) {
      end_life(member, false, "healed by a restart");
    } else if (member.is_excused) {
      member.disk->kill_process();
      member.is_excused = false;
    }
    if (member.node == nullptr) continue;
    member.node->store().set_full(false);
    member.node->executor().set_paused(false);
    member.node->set_disk_hanging(false);
  }
  for (const std::unique_ptr<Client>& client : clients_) client->become_patient();
}

}  // namespace alfheim::sim
