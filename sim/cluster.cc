#include "sim/cluster.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "sim/run.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kMsNs = 1'000'000;
constexpr uint64_t kDowntimeNsMax = 2'000 * kMsNs;
constexpr uint64_t kEventCountMax = 20'000'000;
// Without an answer to anybody: under faults, and where there are none.
constexpr uint64_t kWholeRunMsMax = 600'000;
constexpr uint64_t kHealedMsMax = 15'000;
constexpr uint64_t kStrayEvery = 8;
constexpr uint64_t kLeaseSeedEvery = 3;
constexpr uint64_t kStaleSeedEvery = 5;
constexpr uint64_t kClientsMax = 20;
constexpr int32_t kDriftPermilleMax = 100;
// The slowest clock runs at 900 / 1100 of the fastest: rounded up.
constexpr uint32_t kApartPermilleMax =
    (2000 * kDriftPermilleMax + 1000 + kDriftPermilleMax - 1) / (1000 + kDriftPermilleMax);
static_assert(kApartPermilleMax == 182);
constexpr uint64_t kThinkNsMax = 400 * kMsNs;
constexpr uint64_t kReaderThinkNsMax = 40 * kMsNs;
constexpr uint64_t kReaderRequestsMax = 1000;

}  // namespace

Cluster::Cluster(uint64_t seed, const command::Table& table, Narrate narrate, bool tells_operations)
    : table_(table),
      narrate_(std::move(narrate)),
      theme_(theme_of(seed)),
      scheduler_(clock_, seed),
      random_(seed),
      network_(scheduler_, random_.fork_seed("network"),
               [this](base::NodeId to, const net::PeerMessage& message) {
                 Member& member = members_.at(to.value - 1);
                 if (member.node == nullptr) return;
                 note_entries(message);
                 tell_book(net::sender_of(message), member);
                 member.node->receive(message);
               }) {
  oracle_.set_cluster();
  network_.set_admit([this](base::NodeId from, base::NodeId to) { return is_linked(from, to); });
  if (tells_operations)
    oracle_.set_narrate([this](const std::string& line) { this->narrate(line); });
  draw_options();
  if (seed % kLeaseSeedEvery == 0) node_options_.read_mode = raft::ReadMode::kLease;
  node_options_.reads_stale = seed % kStaleSeedEvery == 0;
  draw_faults();
  draw_theme();
  draw_clients();
}

Cluster::~Cluster() {
  for (Member& member : members_) {
    member.disk->go_down();
    member.node.reset();
  }
}

void Cluster::narrate(const std::string& line) {
  if (!narrate_) return;
  narrate_(
      base::format("[{:>9.3f} ms] {}", static_cast<double>(clock_.monotonic_ns()) / 1e6, line));
}

void Cluster::draw_options() {
  SimRandom& random = random_;
  const size_t count = random.one_in(3) ? 5 : 3;
  for (size_t i = 0; i < count; ++i) {
    put_member();
    founders_.push_back(members_.back().id);
  }
  node_options_.segment_bytes = 4096 * random.between(6, 16);
  node_options_.log_memory_bytes = random.one_in(3) ? 4096 : 1 << 20;
  node_options_.prewritten_segment_count = static_cast<uint32_t>(random.below(3));
  node_options_.reserved_segment_count = static_cast<uint32_t>(random.below(3));
  node_options_.dirty_budget_bytes = uint64_t{1} << random.between(12, 18);
  node_options_.memory_budget_bytes = node_options_.dirty_budget_bytes * random.between(2, 8);
  node_options_.log_bytes_per_freeze = uint64_t{1} << random.between(13, 20);
  node_options_.value_threshold_bytes = random.one_in(4) ? 1 : 1u << random.between(4, 11);
  node_options_.applies_near_loop = random.coin();
  node_options_.near_changes_max = random.between(1, 60);
  if (random.coin()) node_options_.cold_index_per_1000 = static_cast<uint32_t>(random.below(500));
  if (random.one_in(3)) {
    // So little log is kept that whoever was away needs a snapshot.
    node_options_.log_retain_bytes = random.below(64 * 1024);
    node_options_.log_bytes_per_freeze = uint64_t{1} << random.between(11, 14);
    node_options_.snapshot_piece_bytes = 4096 * random.between(1, 16);
    if (random.coin()) node_options_.snapshot_bytes_per_second = random.between(50'000, 1'000'000);
  }
  client_network_.latency_ns_max = random.coin() ? 50'000 : 2 * kMsNs;
  client_network_.cuts_bytes = random.coin();
  PeerNetworkOptions network;
  if (random.coin()) network.loss_per_1000 = static_cast<uint32_t>(random.below(300));
  if (random.coin()) network.doubled_per_1000 = static_cast<uint32_t>(random.below(500));
  network.delay_ns_max = random.coin() ? 500'000 : random.one_in(8) ? 200 * kMsNs : 20 * kMsNs;
  if (random.coin()) {
    network.late_per_1000 = static_cast<uint32_t>(random.below(50));
    network.late_ns_max = 5'000 * kMsNs;
  }
  network_.set_options(network);
  draw_drift();
}

// Clocks that run up to a tenth fast or slow; and the nodes are told how far apart two may be.
void Cluster::draw_drift() {
  if (random_.coin()) return;
  node_options_.clock_drift_permille = kApartPermilleMax;
  for (Member& member : members_) {
    member.drift_permille =
        static_cast<int32_t>(random_.below(2 * kDriftPermilleMax + 1)) - kDriftPermilleMax;
  }
}

void Cluster::make_disk(Member& member) {
  member.disk = std::make_unique<SimDisk>(SimDisk::Options{.seed = random_.fork_seed("disk")});
  const size_t number = member.id.value - 1;
  member.disk->set_operation_hook([this, number](const DiskOperation& operation) {
    return on_disk_operation(members_[number], operation);
  });
}

// Runs under the disk's mutex: it may not touch the disk.
DiskOrder Cluster::on_disk_operation(Member& member, const DiskOperation& operation) {
  const bool is_nodes = !is_checking_ && !oracle_.is_reading();
  if (operation.kind == DiskOperationKind::kRead && is_nodes && member.read_to_fail > 0) {
    return --member.read_to_fail == 0 ? DiskOrder::kFailIo : DiskOrder::kProceed;
  }
  const bool is_ordered =
      member.crash_at_change != 0 && operation.change_number == member.crash_at_change;
  if (!is_ordered && !is_struck_at_install(member, operation)) return DiskOrder::kProceed;
  static constexpr DiskOrder kOrders[] = {DiskOrder::kCrashBefore, DiskOrder::kCrashDuring,
                                          DiskOrder::kCrashAfter};
  return kOrders[operation.change_number % std::size(kOrders)];
}

void Cluster::draw_faults() {
  static constexpr ClusterFault kAll[] = {
      ClusterFault::kPowerLoss,   ClusterFault::kKill,      ClusterFault::kAllDown,
      ClusterFault::kSomeDown,    ClusterFault::kCleanStop, ClusterFault::kCrashAtWrite,
      ClusterFault::kDiskError,   ClusterFault::kReadError, ClusterFault::kDiskFull,
      ClusterFault::kIngestError, ClusterFault::kStoreFull, ClusterFault::kPause,
      ClusterFault::kHangingDisk, ClusterFault::kWallJump,  ClusterFault::kDisconnect,
      ClusterFault::kCutOff,      ClusterFault::kCutOneWay, ClusterFault::kSplit,
      ClusterFault::kHealNetwork, ClusterFault::kTransfer,  ClusterFault::kTakeOver,
      ClusterFault::kSnapshot};
  for (const ClusterFault fault : kAll) {
    if (random_.coin()) faults_.kinds.push_back(fault);
  }
  static constexpr ClusterFault kOfMembers[] = {ClusterFault::kAdd, ClusterFault::kPromote,
                                                ClusterFault::kDemote, ClusterFault::kRemove,
                                                ClusterFault::kWipe};
  if (random_.coin()) {
    for (const ClusterFault fault : kOfMembers) {
      if (!random_.one_in(4)) faults_.kinds.push_back(fault);
    }
  }
  faults_.left = faults_.kinds.empty() ? 0 : static_cast<uint32_t>(random_.below(25));
}

void Cluster::draw_clients() {
  SimRandom& random = random_;
  workload_.keys_per_family = static_cast<uint32_t>(random.between(2, 12));
  workload_.read_ppm = static_cast<uint32_t>(random.between(50'000, 800'000));
  workload_.large_value_ppm = static_cast<uint32_t>(random.below(400'000));
  if (random.one_in(20)) workload_.huge_value_ppm = 10'000;
  workload_.ttl_ms_max = random.one_in(2) ? 50 : 3000;
  for (bool* feature : {&workload_.has_expiry, &workload_.has_numbers, &workload_.has_bits,
                        &workload_.has_edits, &workload_.has_renames, &workload_.has_databases,
                        &workload_.has_flushes, &workload_.has_blocks, &workload_.has_watches,
                        &workload_.has_walks, &workload_.has_state_hash}) {
    *feature = random.below(4) != 0;
  }
  const uint64_t count = random.between(1, kClientsMax);
  uint64_t request_count = random.between(100, 500) / count + 1;
  // Faults close together, or with time between them to elect somebody; what is asked spans them.
  faults_.gap_ns_max = random.coin() ? random.between(50, 500) * kMsNs : 4'000 * kMsNs;
  draw_theme_of_clients(request_count);
  const uint64_t span_ns = (faults_.left + 1) * faults_.gap_ns_max / 2;
  const uint64_t think_ns_max =
      std::clamp(2 * span_ns / request_count, random.between(1, 20) * kMsNs, kThinkNsMax);
  for (size_t i = 0; i < count; ++i) {
    Client::Options options;
    options.number = static_cast<uint32_t>(i);
    options.request_count = request_count;
    options.pipeline_max = static_cast<uint32_t>(random.coin() ? random.between(1, 4) : 16);
    options.think_ns_max = think_ns_max;
    if (!random.one_in(4)) options.patience_ns = random.between(100, 1500) * kMsNs;
    WorkloadOptions workload = workload_;
    if (i > 0 && random.coin()) {
      // Who only reads is answered on by a leader that was cut off, as long as it thinks it leads:
      // the place where stale reads would come from.
      workload.read_ppm = 1'000'000;
      workload.has_blocks = workload.has_state_hash = false;
      options.think_ns_max = kReaderThinkNsMax;
      options.request_count = std::clamp<uint64_t>(2 * span_ns / kReaderThinkNsMax, request_count,
                                                   std::max(request_count, kReaderRequestsMax));
      options.pipeline_max = 1;
      options.reads_followers = random.coin();
      options.reads_stale = options.reads_followers && node_options_.reads_stale;
    }
    make_client(options, workload);
  }
}

void Cluster::make_client(const Client::Options& options, const WorkloadOptions& workload) {
  const size_t i = clients_.size();
  hints_.emplace_back();
  clients_.push_back(std::make_unique<Client>(
      scheduler_, oracle_,
      [this, i](SimPeer& peer, std::shared_ptr<Trace> trace) {
        return connect(i, peer, std::move(trace));
      },
      random_.fork_seed("client"), options, workload));
  clients_.back()->set_on_redirect([this, i](base::ByteView address) {
    hints_[i].reset();
    for (size_t member = 0; member < members_.size(); ++member) {
      const env::PeerAddress known = SimNode::client_address(members_[member].id);
      if (address == base::format("{}:{}", known.host, known.port)) hints_[i] = member;
    }
  });
}

std::shared_ptr<SimConnection> Cluster::connect(size_t client, SimPeer& peer,
                                                std::shared_ptr<Trace> trace) {
  // Now and then somebody else: a leader that was deposed, and does not know, is still asked.
  // Whoever reads from followers asks anybody, always.
  const bool is_guided = hints_[client].has_value() && !random_.one_in(kStrayEvery) &&
                         !clients_[client]->reads_followers();
  const size_t number = is_guided ? *hints_[client] : random_.below(members_.size());
  hints_[client].reset();  // the next time it looks elsewhere
  Member& member = members_[number];
  if (member.node == nullptr) return nullptr;
  return member.node->connect(peer, random_.next_u64(), client_network_, std::move(trace));
}

bool Cluster::are_done() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const std::unique_ptr<Client>& client) { return client->is_done(); });
}

Outcome Cluster::run() {
  for (Member& member : members_) start_life(member);
  for (const std::unique_ptr<Client>& client : clients_) client->start();
  if (faults_.left > 0) schedule_fault();
  run_until([this] { return are_done() || faults_.left == 0; }, kWholeRunMsMax, "under faults");
  heal();
  expect_commit();
  run_until([this] { return are_done(); }, kHealedMsMax, "after all faults were healed");
  if (!oracle_.has_failed()) final_checks();
  outcome_.failure = oracle_.failure();
  outcome_.event_count = scheduler_.event_count();
  outcome_.event_hash = scheduler_.event_hash();
  outcome_.virtual_ms = clock_.monotonic_ms();
  outcome_.operation_count = oracle_.operation_count();
  outcome_.answer_count = answered_count(clients_);
  outcome_.life_count = life_count_;
  return outcome_;
}

bool Cluster::step() {
  if (!run_next_event(scheduler_, oracle_, kEventCountMax)) return false;
  after_event();
  return !oracle_.has_failed();
}

void Cluster::run_until(const std::function<bool()>& is_reached, uint64_t virtual_ms_max,
                        const char* what) {
  uint64_t seen = answered_count(clients_);
  uint64_t seen_ms = clock_.monotonic_ms();
  while (!oracle_.has_failed() && !is_reached()) {
    if (!step()) return;
    if (answered_count(clients_) != seen) {
      seen = answered_count(clients_);
      seen_ms = clock_.monotonic_ms();
    }
    if (clock_.monotonic_ms() <= seen_ms + virtual_ms_max) continue;
    return oracle_.fail(
        base::format("no progress {} for {} virtual ms{}", what, virtual_ms_max, waiting()));
  }
}

// How far each node is, and who waits for what.
std::string Cluster::waiting() const {
  std::string text;
  for (const Member& member : members_) text += "; " + told(member);
  for (const std::unique_ptr<Client>& client : clients_) {
    if (!client->is_done()) text += "; " + client->waiting_for();
  }
  return text;
}

std::string Cluster::told(const Member& member) {
  if (member.node == nullptr) return base::format("node {} down", member.id.value);
  const raft::NodeStatus raft = member.node->replica().status_snapshot().raft;
  std::string text =
      base::format("node {} {} in term {}, log {}..{}, commit {}, durable {}, applied {}",
                   member.id.value, member.node->replica().is_serving() ? "leads" : "follows",
                   raft.soft_state.term.value, raft.log_first.value, raft.last.value,
                   raft.commit.value, raft.durable.value, member.node->machine().applied().value);
  for (const raft::PeerStatus& peer : raft.peers) {
    text += base::format(" (peer {}: match {}, next {}, state {})", peer.id.value, peer.match.value,
                         peer.next.value, static_cast<int>(peer.state));
  }
  return text;
}

// ---- lives ----

void Cluster::start_life(Member& member) {
  if (oracle_.has_failed()) return;
  member.is_start_scheduled = false;
  if (member.is_wiped && member.has_joined) return;
  member.wants_restart = false;
  member.is_stopping = false;
  member.stopped.reset();
  member.fatal.reset();
  const uint64_t snapshot_id = member.snapshot_id;
  // Once more behind a start that was struck: what it left is taken up, or taken away, then.
  member.is_installing = snapshot_id != 0 || std::exchange(member.was_installing, false);
  const uint64_t life = ++life_count_;
  SimNodeEvents events;
  events.on_serving = [] {};
  const size_t number = member.id.value - 1;
  events.on_fatal = [this, number](const base::Error& error) { members_[number].fatal = error; };
  events.on_disk = [this](const std::string& line) { narrate(line); };
  events.on_snapshot_ready = [this, number] { members_[number].wants_restart = true; };
  base::Result<std::unique_ptr<SimNode>> node =
      SimNode::start(NodeHands{.scheduler = scheduler_,
                               .disk = *member.disk,
                               .store_disk = member.store_disk,
                               .table = table_,
                               .oracle = oracle_,
                               .seed = random_.next_u64(),
                               .boot_offset_ns = random_.below(1'000'000'000'000),
                               .wall_offset_us = member.wall_offset_us,
                               .drift_permille = member.drift_permille,
                               .id = member.id,
                               .founders = founders_,
                               .everybody = everybody_,
                               .has_joined = member.has_joined,
                               .data_uid = member.data_uid,
                               .transport = &network_.transport(member.id),
                               .life = life,
                               .later_stores = &member.later_stores,
                               .snapshot_id = std::exchange(member.snapshot_id, 0)},
                     node_options_, std::move(events));
  const bool was_installing = std::exchange(member.is_installing, false);
  narrate(base::format("node {} starts{}", member.id.value,
                       node ? base::format(" at {}", (*node)->machine().applied().value)
                            : ": " + node.error().message));
  if (node) {
    if (snapshot_id != 0) ++outcome_.install_count;
    member.node = std::move(node).value();
    member.node->store().set_lacks_room(member.is_disk_full);
    // No earlier one is ever opened again.
    member.later_stores.erase(member.later_stores.begin(),
                              member.later_stores.lower_bound(member.node->generation()));
    return;
  }
  const bool is_without_room = member.is_disk_full &&
                               node.error().code == base::ErrorCode::kNoSpace &&
                               !has_kept_room(*member.disk);
  if (!member.disk->is_down() && !member.is_excused && !is_without_room) {
    return oracle_.fail(
        base::format("node {} cannot start: {}", member.id.value, node.error().message));
  }
  member.crash_at_change = member.read_to_fail = 0;
  member.is_excused = false;
  member.was_installing = was_installing;
  member.disk->go_down();
  end_disk(member, loses_power(member));
  schedule_start(member, random_.below(kDowntimeNsMax));
}

void Cluster::end_life(Member& member, bool is_power_loss, const std::string& why) {
  narrate(base::format("node {} ends: {}", member.id.value, why));
  member.disk->go_down();
  oracle_.end_life(member.node->life());
  member.node.reset();
  member.crash_at_change = member.read_to_fail = 0;
  member.term_led = 0;
  member.is_excused = false;  // the disk has forgotten what else was ordered
  member.is_stopping = false;
  end_disk(member, is_power_loss);
  schedule_start(member, random_.below(kDowntimeNsMax));
}

void Cluster::end_disk(Member& member, bool is_power_loss) {
  if (!is_power_loss) return member.disk->kill_process();
  member.disk->crash(draw_crash(random_));
}

// As SIGTERM; and what the program does over a snapshot: the next node in the same process.
void Cluster::stop_cleanly(Member& member) {
  if (member.node == nullptr || std::exchange(member.is_stopping, true)) return;
  const uint64_t life = member.node->life();
  member.node->stop([&member, life](base::Status status) {
    if (member.node != nullptr && member.node->life() == life) member.stopped = std::move(status);
  });
}

void Cluster::on_stopped(Member& member) {
  const base::Status stopped = *std::exchange(member.stopped, std::nullopt);
  if (!stopped && !member.is_excused) {
    return oracle_.fail(
        base::format("node {} cannot stop: {}", member.id.value, stopped.error().message));
  }
  const uint64_t snapshot_id = stopped ? member.node->snapshot_to_install() : 0;
  end_life(member, false, base::format("stopped, to install {:016x}", snapshot_id));
  member.snapshot_id = snapshot_id;
}

void Cluster::on_fatal(Member& member) {
  const base::Error& error = *member.fatal;
  if (!member.is_excused) {
    return oracle_.fail(base::format("node {} stopped without a reason: {}: {}", member.id.value,
                                     base::error_code_name(error.code), error.message));
  }
  end_life(member, random_.coin(), "fatal: " + error.message);
}

void Cluster::schedule_start(Member& member, uint64_t delay_ns) {
  if (std::exchange(member.is_start_scheduled, true)) return;
  scheduler_.post_world(delay_ns, [this, &member] { start_life(member); });
}

}  // namespace alfheim::sim
