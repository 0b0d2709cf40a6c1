// Seeds that look long at one place (sim/cluster.h).
//
// A run that draws from all faults meets each pair of them seldom. So six of sixteen seeds have a
// theme: the faults that one part of the group must live with, close together and in great number,
// and options that bring that part to work all the time.
#include <utility>

#include "sim/cluster.h"
#include "sim/faults.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kMsNs = 1'000'000;
constexpr uint64_t kThemesPeriod = 16;  // of seeds
// Of the changes of a disk so many are the last: while a node installs, and of what it fetches.
constexpr uint64_t kStrikesInstallEvery = 40;
constexpr uint64_t kStrikesNamesEvery = 8;
constexpr uint64_t kStrikesFetchEvery = 200;

}  // namespace

Cluster::Theme Cluster::theme_of(uint64_t seed) {
  switch (seed % kThemesPeriod) {
    case 3:
    case 5:
    case 13: return Theme::kSnapshots;
    case 7: return Theme::kMembers;
    case 11: return Theme::kReads;
    case 15: return Theme::kTerms;
    default: return Theme::kNone;
  }
}

// What was drawn for any seed is drawn again for the theme's.
void Cluster::draw_theme() {
  switch (theme_) {
    case Theme::kNone: return;
    case Theme::kSnapshots: return draw_snapshots_theme();
    case Theme::kMembers: return draw_members_theme();
    case Theme::kReads: return draw_reads_theme();
    case Theme::kTerms: return draw_terms_theme();
  }
}

// Whoever is away for a moment needs a snapshot; nodes die while they make, fetch and install one.
void Cluster::draw_snapshots_theme() {
  node_options_.segment_bytes = 4096 * random_.between(6, 8);
  node_options_.log_retain_bytes = random_.below(8 * 1024);
  node_options_.log_bytes_per_freeze = uint64_t{1} << random_.between(10, 12);
  node_options_.dirty_budget_bytes = uint64_t{1} << random_.between(11, 13);
  node_options_.memory_budget_bytes = 4 * node_options_.dirty_budget_bytes;
  node_options_.snapshot_piece_bytes = 4096 * random_.between(2, 8);
  node_options_.snapshot_bytes_per_second =
      random_.coin() ? 0 : random_.between(500'000, 2'000'000);
  // A freeze and a move of the log's start may come between any two steps of a snapshot.
  node_options_.executor.pool_delay_ns_max = random_.between(1, 30) * kMsNs;
  if (random_.coin()) node_options_.executor.post_delay_ns_max = random_.between(1, 10) * kMsNs;
  PeerNetworkOptions network = network_.options();
  network.loss_per_1000 = random_.coin() ? 0 : static_cast<uint32_t>(random_.below(50));
  network.delay_ns_max = random_.between(1, 20) * kMsNs;
  network_.set_options(network);
  faults_.kinds.assign(8, ClusterFault::kLag);
  faults_.kinds.insert(faults_.kinds.end(),
                       {ClusterFault::kKill, ClusterFault::kPowerLoss, ClusterFault::kSnapshot,
                        ClusterFault::kSnapshot, ClusterFault::kTransfer, ClusterFault::kAdd});
  faults_.left = static_cast<uint32_t>(random_.between(20, 40));
}

// Orders come whatever is under way, to whoever believes that it leads, while the group is split.
void Cluster::draw_members_theme() {
  PeerNetworkOptions network = network_.options();
  network.loss_per_1000 = random_.coin() ? 0 : static_cast<uint32_t>(random_.below(100));
  network_.set_options(network);
  faults_.kinds = {ClusterFault::kAdd,     ClusterFault::kAdd,       ClusterFault::kPromote,
                   ClusterFault::kDemote,  ClusterFault::kDemote,    ClusterFault::kRemove,
                   ClusterFault::kSplit,   ClusterFault::kCutOff,    ClusterFault::kCutOneWay,
                   ClusterFault::kPause,   ClusterFault::kPowerLoss, ClusterFault::kTakeOver,
                   ClusterFault::kSomeDown};
  faults_.left = static_cast<uint32_t>(random_.between(20, 40));
}

// Leaders are cut off under readers, and what was under way then still arrives.
void Cluster::draw_reads_theme() {
  PeerNetworkOptions network = network_.options();
  network.loss_per_1000 = 0;
  network.doubled_per_1000 = static_cast<uint32_t>(random_.below(500));
  network.late_per_1000 = static_cast<uint32_t>(random_.between(50, 300));
  network.late_ns_max = random_.between(500, 4'000) * kMsNs;
  network.delay_ns_max = random_.between(1, 20) * kMsNs;
  network.cuts_what_is_under_way = random_.coin();
  network_.set_options(network);
  faults_.kinds = {ClusterFault::kCutOff,   ClusterFault::kCutOff,   ClusterFault::kSplit,
                   ClusterFault::kSplit,    ClusterFault::kSplit,    ClusterFault::kCutOneWay,
                   ClusterFault::kTransfer, ClusterFault::kTakeOver, ClusterFault::kPause};
  faults_.left = static_cast<uint32_t>(random_.between(20, 40));
}

// Terms are short: leaders come and go with entries that only some have.
void Cluster::draw_terms_theme() {
  PeerNetworkOptions network = network_.options();
  network.loss_per_1000 = static_cast<uint32_t>(random_.below(300));
  network.delay_ns_max = random_.between(1, 50) * kMsNs;
  network.cuts_what_is_under_way = random_.coin();
  network_.set_options(network);
  faults_.kinds = {ClusterFault::kKill,     ClusterFault::kPowerLoss,  ClusterFault::kSomeDown,
                   ClusterFault::kTakeOver, ClusterFault::kTakeOver,   ClusterFault::kTakeOver,
                   ClusterFault::kTransfer, ClusterFault::kSplit,      ClusterFault::kCutOneWay,
                   ClusterFault::kCutOff,   ClusterFault::kHangingDisk};
  faults_.left = static_cast<uint32_t>(random_.between(30, 60));
}

// How what is asked goes with it.
void Cluster::draw_theme_of_clients(uint64_t& request_count) {
  switch (theme_) {
    case Theme::kNone: return;
    case Theme::kSnapshots:
      workload_.read_ppm = 100'000;
      workload_.large_value_ppm = 400'000;
      faults_.gap_ns_max = random_.between(1'000, 3'000) * kMsNs;
      request_count *= 12;  // the log must move on while somebody is away
      return;
    case Theme::kMembers: faults_.gap_ns_max = random_.between(300, 2'000) * kMsNs; return;
    case Theme::kReads:
      workload_.has_flushes = false;
      workload_.keys_per_family = 2;
      faults_.gap_ns_max = random_.between(1'000, 4'000) * kMsNs;
      return;
    case Theme::kTerms: faults_.gap_ns_max = random_.between(100, 1'500) * kMsNs; return;
  }
}

// While a snapshot is installed, and what it replaced removed; and while one is fetched.
bool Cluster::is_struck_at_install(const Member& member, const DiskOperation& operation) {
  if (theme_ != Theme::kSnapshots || faults_.left == 0) return false;
  if (operation.change_number == 0) return false;
  if (!member.is_installing) {
    const bool is_fetched = operation.path.find("/incoming/") != std::string_view::npos;
    return is_fetched && random_.one_in(kStrikesFetchEvery);
  }
  // What is switched hinges on names.
  const bool is_of_names =
      operation.kind == DiskOperationKind::kRename || operation.kind == DiskOperationKind::kSyncDir;
  return random_.one_in(is_of_names ? kStrikesNamesEvery : kStrikesInstallEvery);
}

// The machine has lost its power; or, where installs are what it is about, the process died alone,
// first: what it left that is not durable may then go behind what was done over it.
bool Cluster::loses_power(Member& member) {
  const bool is_first = theme_ == Theme::kSnapshots && !member.was_killed;
  member.was_killed = is_first && random_.coin();
  return !member.was_killed;
}

}  // namespace alfheim::sim
