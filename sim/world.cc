#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "sim/run.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kMsNs = 1'000'000;
constexpr uint64_t kDowntimeNsMax = 200 * kMsNs;
constexpr uint64_t kPauseNsMax = 3'000 * kMsNs;
constexpr uint64_t kShortageNsMax = 300 * kMsNs;
constexpr int64_t kWallJumpUsMax = 3'600'000'000;
constexpr uint64_t kCrashChangesMax = 60;
constexpr uint64_t kRecoveryChangesMax = 40;
constexpr uint64_t kInvariantsEveryEvents = 128;
constexpr uint64_t kForgetEveryEvents = 64;
// Virtual time within which the node must have answered everything, once all is well.
constexpr uint64_t kHealedMsMax = 60'000;
constexpr uint64_t kWholeRunMsMax = 3'600'000;
constexpr uint64_t kEventCountMax = 3'000'000;

}  // namespace

World::World(uint64_t seed, const command::Table& table, Narrate narrate, Options options)
    : seed_(seed),
      table_(table),
      narrate_(std::move(narrate)),
      options_(options),
      scheduler_(clock_, SimRandom(seed).fork_seed("scheduler")),
      random_(SimRandom(seed ^ 0x9e3779b97f4a7c15u).fork_seed("world")),
      store_disk_(std::make_shared<index::TwinDisk>()),
      planned_{options_.changes_min, options_.plan, std::nullopt} {
  if (options.tells_operations) oracle_.set_narrate(narrate_);
  if (planned_.changes_min > 0) {
    set_fixed_options();
  } else {
    draw_options();
    draw_clients();
  }
  if (options_.failing_operation == 0) return;
  // One kill, so that the operations of a recovery are among those that fail.
  faults_.kinds = {Fault::kKill};
  faults_.count = faults_left_ = 1;
  faults_.crashes_in_recovery = false;
  is_excused_ = true;
}

World::~World() {
  if (node_ != nullptr) disk_->go_down();
  disk_->set_operation_hook(nullptr);
  node_.reset();
}

void World::narrate(const std::string& line) {
  if (narrate_)
    narrate_(
        base::format("[{:>9.3f} ms] {}", static_cast<double>(clock_.monotonic_ns()) / 1e6, line));
}

void World::draw_options() {
  SimRandom& random = random_;
  node_options_.segment_bytes = 4096 * random.between(6, 16);
  if (random.one_in(4)) node_options_.segment_bytes = 256 * 1024;
  node_options_.log_memory_bytes = random.one_in(3) ? 4096 : 1 << 20;
  node_options_.prewritten_segment_count = static_cast<uint32_t>(random.below(3));
  node_options_.reserved_segment_count = static_cast<uint32_t>(random.below(3));
  node_options_.disk_reserve_bytes = random.one_in(3) ? 0 : random.below(1 << 20);
  node_options_.dirty_budget_bytes = uint64_t{1} << random.between(12, 18);
  node_options_.memory_budget_bytes = node_options_.dirty_budget_bytes * random.between(2, 8);
  node_options_.log_bytes_per_freeze = uint64_t{1} << random.between(13, 20);
  node_options_.value_threshold_bytes = random.one_in(4) ? 1 : 1u << random.between(4, 11);
  node_options_.request_memory_bytes = 1 << 20;
  node_options_.applies_near_loop = random.coin();
  node_options_.near_changes_max = random.between(1, 60);
  if (random.coin()) node_options_.cold_index_per_1000 = static_cast<uint32_t>(random.below(500));
  node_options_.executor.post_delay_ns_max = random.one_in(3) ? 500'000 : random.below(50'000);
  node_options_.executor.pool_delay_ns_max = random.one_in(3) ? 20 * kMsNs : kMsNs;

  SimDisk::Options disk;
  disk.seed = random.fork_seed("disk");
  if (random.coin()) disk.cold_read_ppm = static_cast<uint32_t>(random.below(500'000));
  make_disk(disk);

  network_.latency_ns_max = random.coin() ? 50'000 : 2 * kMsNs;
  network_.cuts_bytes = random.coin();
  faults_ = draw_faults(random);
  faults_left_ = faults_.count;
}

void World::make_disk(const SimDisk::Options& options) {
  disk_ = std::make_unique<SimDisk>(options);
  disk_->set_operation_hook(
      [this](const DiskOperation& operation) { return on_disk_operation(operation); });
}

// Everything as small as it goes, so that each kind of change of the disk comes often and a
// restart costs little.
void World::set_fixed_options() {
  constexpr uint32_t kClientCount = 3;
  node_options_.segment_bytes = 8 * env::kBlockBytes;
  node_options_.log_memory_bytes = 4096;
  node_options_.prewritten_segment_count = 1;
  node_options_.dirty_budget_bytes = 4096;
  node_options_.memory_budget_bytes = 16 * 1024;
  node_options_.log_bytes_per_freeze = 16 * 1024;
  node_options_.value_threshold_bytes = 64;
  make_disk({.seed = random_.fork_seed("disk")});
  workload_.read_ppm = 150'000;
  workload_.large_value_ppm = 150'000;
  workload_.long_string_ppm = 20'000;
  workload_.huge_value_ppm = 500;
  faults_.kinds = {Fault::kPowerLoss, Fault::kKill, Fault::kCleanStop, Fault::kDisconnect};
  faults_.count = faults_left_ = UINT32_MAX;
  faults_.gap_ns_max = 30 * kMsNs;
  for (uint32_t i = 0; i < kClientCount; ++i) {
    make_client(
        {.number = i, .request_count = UINT64_MAX, .pipeline_max = 1 + i, .think_ns_max = kMsNs});
  }
}

void World::draw_clients() {
  draw_workload();
  SimRandom& random = random_;
  const uint64_t client_count = random.between(1, 6);
  const uint64_t requests_max = random.one_in(8) ? 4000 : 600;
  const uint64_t request_count = random.between(150, requests_max) / client_count;
  const uint64_t think_ns_max = random.one_in(3) ? 20 * kMsNs : random.between(1000, 2 * kMsNs);
  for (uint32_t i = 0; i < client_count; ++i) {
    Client::Options options;
    options.number = i;
    options.request_count = request_count;
    options.pipeline_max = static_cast<uint32_t>(random.coin() ? random.between(1, 4) : 32);
    options.think_ns_max = think_ns_max;
    make_client(options);
  }
  // Spread over the time that the clients will take, more or less.
  faults_.gap_ns_max =
      std::max<uint64_t>(kMsNs, 2 * think_ns_max * request_count / (faults_.count + 1) / 4);
}

void World::make_client(const Client::Options& options) {
  clients_.push_back(std::make_unique<Client>(
      scheduler_, oracle_,
      [this](SimPeer& client, std::shared_ptr<Trace> trace) -> std::shared_ptr<SimConnection> {
        if (node_ == nullptr) return nullptr;
        return node_->connect(client, random_.next_u64(), network_, std::move(trace));
      },
      random_.fork_seed("client"), options, workload_));
}

void World::draw_workload() {
  SimRandom& random = random_;
  WorkloadOptions& workload = workload_;
  workload.keys_per_family = static_cast<uint32_t>(random.between(2, 24));
  workload.read_ppm = static_cast<uint32_t>(random.between(50'000, 800'000));
  workload.large_value_ppm = static_cast<uint32_t>(random.below(600'000));
  if (random.one_in(4)) workload.long_string_ppm = 100'000;
  if (random.one_in(12)) workload.huge_value_ppm = 20'000;
  workload.ttl_ms_max = random.one_in(2) ? 50 : 3000;
  for (bool* feature :
       {&workload.has_expiry, &workload.has_numbers, &workload.has_bits, &workload.has_edits,
        &workload.has_renames, &workload.has_databases, &workload.has_flushes, &workload.has_blocks,
        &workload.has_watches, &workload.has_walks, &workload.has_state_hash}) {
    *feature = random.below(4) != 0;
  }
}

Outcome World::run() {
  start_life();
  for (const std::unique_ptr<Client>& client : clients_) client->start();
  if (faults_left_ > 0 && !faults_.kinds.empty()) schedule_fault();
  const auto are_done = [this] {
    return std::all_of(clients_.begin(), clients_.end(),
                       [](const std::unique_ptr<Client>& client) { return client->is_done(); });
  };
  const bool has_late_fault = options_.failing_operation != 0;
  const auto is_long_enough = [&] {
    if (planned_.changes_min == 0) return are_done() || (faults_left_ == 0 && !has_late_fault);
    return planned_.crash || disk_->change_count() >= planned_.changes_min;
  };
  run_until(is_long_enough, kWholeRunMsMax, "under faults");
  if (planned_.crash) {
    judge_planned_crash();
  } else {
    heal();
    run_until([&] { return are_done() && life_.is_serving && !life_.is_stopping; }, kHealedMsMax,
              "after all faults were healed");
    if (!has_failed()) final_checks();
  }
  outcome_.failure = oracle_.failure();
  outcome_.disk_operation_count = disk_->operation_count();
  outcome_.event_count = scheduler_.event_count();
  outcome_.event_hash = scheduler_.event_hash();
  outcome_.virtual_ms = clock_.monotonic_ms();
  outcome_.operation_count = oracle_.operation_count();
  outcome_.answer_count = answered_count(clients_);
  outcome_.change_count = disk_->change_count();
  return outcome_;
}

bool World::step() {
  if (has_failed()) return false;
  if (!run_next_event(scheduler_, oracle_, kEventCountMax)) return false;
  after_event();
  return !has_failed();
}

void World::run_until(const std::function<bool()>& is_reached, uint64_t virtual_ms_max,
                      const char* what) {
  const uint64_t end_ms = clock_.monotonic_ms() + virtual_ms_max;
  while (!is_reached()) {
    if (!step()) return;
    if (clock_.monotonic_ms() <= end_ms) continue;
    std::string waiting;
    for (const std::unique_ptr<Client>& client : clients_) {
      if (!client->is_done()) waiting += "; " + client->waiting_for();
    }
    return oracle_.fail(base::format("no progress {} for {} virtual ms (node {}){}", what,
                                     virtual_ms_max,
                                     node_ == nullptr   ? "down"
                                     : life_.is_serving ? "serving"
                                                        : "starting",
                                     waiting));
  }
}

void World::after_event() {
  note_refusals();
  if (node_ != nullptr) {
    if (!disk_->is_down()) oracle_.harvest(node_->log());
    if (!has_failed() && oracle_.harvested() >= node_->machine().applied().value) {
      oracle_.note_applied(node_->machine().applied().value, node_->machine().is_within_entry());
    } else if (!has_failed() && !disk_->is_down()) {
      oracle_.fail("an entry was applied that is not durable");
    }
    if (disk_->is_down()) {
      end_life(true, "the disk went down");
    } else if (life_.fatal) {
      const base::Error error = *life_.fatal;
      outcome_.last_words = error.message;
      if (!is_excused_) {
        return oracle_.fail(base::format("the node stopped without a reason: {}: {}",
                                         base::error_code_name(error.code), error.message));
      }
      end_life(random_.one_in(2), "fatal: " + error.message);
    } else if (life_.stopped) {
      const base::Status status = *life_.stopped;
      if (!status && !is_excused_) {
        return oracle_.fail("a clean stop failed: " + status.error().message);
      }
      end_life(random_.one_in(2), "stopped");
    }
  }
  const uint64_t count = scheduler_.event_count();
  if (node_ != nullptr && count % kInvariantsEveryEvents == 0) node_->check_invariants();
  if (count % kForgetEveryEvents == 0) {
    uint64_t floor = oracle_.floor();
    for (const std::unique_ptr<Client>& client : clients_) {
      floor = std::min(floor, client->floor());
    }
    oracle_.forget_before(floor);
  }
}

// ---- lives ----

void World::start_life() {
  if (has_failed()) return;
  ++outcome_.life_count;
  life_ = Life();
  SimNodeEvents events;
  events.on_serving = [this] { on_serving(); };
  events.on_fatal = [this](const base::Error& error) { on_fatal(error); };
  events.on_disk = [this](const std::string& line) { narrate(line); };
  base::Result<std::unique_ptr<SimNode>> node =
      SimNode::start(NodeHands{.scheduler = scheduler_,
                               .disk = *disk_,
                               .store_disk = store_disk_,
                               .table = table_,
                               .oracle = oracle_,
                               .seed = random_.next_u64(),
                               .boot_offset_ns = random_.below(1'000'000'000'000),
                               .wall_offset_us = wall_offset_us_},
                     node_options_, std::move(events));
  narrate(base::format("life {} starts{}", outcome_.life_count,
                       node ? "" : ": " + node.error().message));
  if (node) {
    node_ = std::move(node).value();
    node_->store().set_lacks_room(is_disk_full_);
    return;
  }
  outcome_.last_words = node.error().message;
  const bool is_without_room =
      is_disk_full_ && node.error().code == base::ErrorCode::kNoSpace && !is_room_kept();
  if (!disk_->is_down() && !is_excused_ && !is_without_room) {
    return oracle_.fail("the node cannot start: " + node.error().message + told_files());
  }
  if (options_.failing_operation != 0) is_excused_ = is_failure_to_come();
  if (disk_->is_down()) crash_at_change_ = 0;
  disk_->go_down();
  lose(true);
  schedule_start(random_.below(kDowntimeNsMax));
}

// What the log's directory holds, with sizes: for whoever looks for the reason.
std::string World::told_files() {
  is_checking_ = true;
  std::string text = "; files:";
  const auto names = disk_->list("/node/log");
  if (names) {
    for (const std::string& name : *names) {
      const auto file = disk_->open("/node/log/" + name, {});
      const auto bytes = file ? (*file)->size_bytes() : base::Result<uint64_t>(file.error());
      text += base::format(" {} ({})", name, bytes ? std::to_string(*bytes) : "?");
    }
  }
  is_checking_ = false;
  return text;
}

bool World::is_room_kept() {
  is_checking_ = true;
  const bool is_kept = has_kept_room(*disk_);
  is_checking_ = false;
  return is_kept;
}

void World::end_life(bool is_power_loss, const std::string& why) {
  narrate(base::format("life {} ends ({}): {}", outcome_.life_count,
                       is_power_loss ? "power loss" : "process", why));
  disk_->go_down();
  node_.reset();
  life_.is_serving = false;
  crash_at_change_ = 0;
  lose(is_power_loss);
  is_excused_ = is_failure_to_come();  // the disk has forgotten what else was ordered
  if (faults_.crashes_in_recovery && faults_left_ > 0 && random_.coin()) {
    arm_crash(kRecoveryChangesMax);
  }
  schedule_start(random_.below(kDowntimeNsMax));
}

void World::lose(bool is_power_loss) {
  const bool is_kill = planned_.crash ? planned_.crash->is_kill : !is_power_loss;
  if (!is_kill) {
    return disk_->crash(planned_.crash ? planned_.crash->options : draw_crash(random_));
  }
  disk_->kill_process();
  if (!planned_.crash || planned_.crash->recovery_change == 0) return;
  crash_at_change_ = disk_->change_count() + planned_.crash->recovery_change;
  planned_.crash->is_kill = false;
}

void World::schedule_start(uint64_t delay_ns) {
  if (std::exchange(life_.is_start_scheduled, true)) return;
  scheduler_.post_world(delay_ns, [this] { start_life(); });
}

void World::on_serving() {
  life_.is_serving = true;
  oracle_.harvest(node_->log());
  narrate(base::format("serving, applied {}", node_->machine().applied().value));
  verify_state("when the node serves");
}

void World::on_fatal(const base::Error& error) {
  life_.fatal = error;
  life_.is_serving = false;
}

void World::stop_cleanly() {
  if (node_ == nullptr || !life_.is_serving || life_.is_stopping) return;
  life_.is_stopping = true;
  node_->stop([this](base::Status status) { life_.stopped = std::move(status); });
}

}  // namespace alfheim::sim
