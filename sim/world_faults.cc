// The faults of a world (sim/world.h).
#include <utility>

#include "base/format.h"
#include "sim/world.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kMsNs = 1'000'000;
constexpr uint64_t kPauseNsMax = 3'000 * kMsNs;
constexpr uint64_t kShortageNsMax = 300 * kMsNs;
constexpr uint64_t kDiskFullNsMax = 4'000 * kMsNs;
constexpr uint64_t kScarceSegmentsMax = 4;
constexpr int64_t kWallJumpUsMax = 3'600'000'000;
constexpr uint64_t kCrashChangesMax = 60;
constexpr uint64_t kErrorOccurrencesMax = 20;
// Within which a node sees that the disk has room again, paused and started anew in between.
constexpr uint64_t kRefusesAfterwardsNsMax = 10'000 * kMsNs;
constexpr uint64_t kPlentyBytes = uint64_t{1} << 40;

}  // namespace

void World::schedule_fault() {
  scheduler_.post_world(random_.between(1, faults_.gap_ns_max), [this] {
    if (faults_left_ == 0) return;
    --faults_left_;
    strike(faults_.kinds[random_.below(faults_.kinds.size())]);
    if (faults_left_ > 0) schedule_fault();
  });
}

void World::arm_crash(uint64_t changes_max) {
  crash_at_change_ = disk_->change_count() + random_.between(1, changes_max);
}

// Runs under the disk's mutex: it may not touch the disk.
DiskOrder World::on_disk_operation(const DiskOperation& operation) {
  if (planned_.plan && !planned_.crash && operation.change_number != 0) {
    planned_.crash = planned_.plan(operation);
    if (!planned_.crash) return DiskOrder::kProceed;
    narrate(base::format("the planned crash: change {}, {} {} at {}, {} bytes",
                         operation.change_number, disk_operation_name(operation.kind),
                         operation.path, operation.offset_bytes, operation.length));
    faults_left_ = 0;
    disk_->reseed(planned_.crash->seed);
    return planned_.crash->order;
  }
  const bool is_checkers = is_checking_ || oracle_.is_reading();
  if (operation.number == options_.failing_operation && !is_checkers) {
    outcome_.failed_operation =
        base::format("{} {}", disk_operation_name(operation.kind), operation.path);
    narrate("the disk fails: " + outcome_.failed_operation);
    // Only what was said to be full may be taken for full, and not for long.
    oracle_.set_excuses(
        {.may_refuse = options_.failure == DiskOrder::kFailNoSpace, .may_fail_reads = true});
    excuses_end_ns_ = clock_.monotonic_ns() + kRefusesAfterwardsNsMax;
    return options_.failure;
  }
  if (crash_at_change_ == 0 || operation.change_number != crash_at_change_) {
    return DiskOrder::kProceed;
  }
  static constexpr DiskOrder kOrders[] = {DiskOrder::kCrashBefore, DiskOrder::kCrashDuring,
                                          DiskOrder::kCrashAfter};
  const uint64_t choice = random_.below(std::size(kOrders));
  narrate(base::format("the disk goes down {} {} {}",
                       choice == 0   ? "before"
                       : choice == 1 ? "during"
                                     : "after",
                       disk_operation_name(operation.kind), operation.path));
  return kOrders[choice];
}

void World::strike(Fault fault) {
  ++outcome_.fault_counts[std::string(fault_name(fault))];
  narrate(base::format("fault: {}", fault_name(fault)));
  switch (fault) {
    case Fault::kPowerLoss:
      if (node_ != nullptr) end_life(true, "power loss");
      return;
    case Fault::kKill:
      if (node_ != nullptr) end_life(false, "kill -9");
      return;
    case Fault::kCrashAtWrite: return arm_crash(kCrashChangesMax);
    case Fault::kCleanStop: return stop_cleanly();
    case Fault::kDiskError:
      is_excused_ = true;
      return disk_->fail_operation(draw_failing_kind(random_),
                                   random_.between(1, kErrorOccurrencesMax), base::ErrorCode::kIo);
    case Fault::kDiskFull: return fill_disk();
    case Fault::kIngestError:
      if (node_ == nullptr) return;
      is_excused_ = true;
      return node_->store().set_fails_ingest(true);
    case Fault::kStoreFull:
      if (node_ == nullptr) return;
      node_->store().set_full(true);
      return scheduler_.post_world(random_.below(kShortageNsMax), [this] {
        if (node_ != nullptr) node_->store().set_full(false);
      });
    case Fault::kPause:
      if (node_ == nullptr) return;
      node_->executor().set_paused(true);
      return scheduler_.post_world(random_.below(kPauseNsMax), [this] {
        if (node_ != nullptr) node_->executor().set_paused(false);
      });
    case Fault::kWallJump: {
      const int64_t jump_us =
          static_cast<int64_t>(random_.below(2 * kWallJumpUsMax)) - kWallJumpUsMax;
      wall_offset_us_ += jump_us;
      if (node_ != nullptr) node_->clock().jump_wall_us(jump_us);
      return;
    }
    case Fault::kDisconnect: return clients_[random_.below(clients_.size())]->disconnect();
  }
}

// Nothing or little is free. The node must live with it: that is no excuse to stop.
void World::fill_disk() {
  Oracle::Excuses excuses = oracle_.excuses();
  excuses.may_refuse = true;
  oracle_.set_excuses(excuses);
  excuses_end_ns_ = UINT64_MAX;
  is_disk_full_ = true;
  const base::Result<uint64_t> free_bytes = disk_->free_bytes("/");
  const uint64_t scarce_bytes =
      random_.coin() ? 0 : random_.below(kScarceSegmentsMax * node_options_.segment_bytes);
  const uint64_t used_bytes = free_bytes ? capacity_bytes_ - *free_bytes : 0;
  capacity_bytes_ = random_.below(4) == 0 ? 0 : used_bytes + scarce_bytes;
  disk_->set_capacity_bytes(capacity_bytes_);
  if (node_ != nullptr) node_->store().set_lacks_room(true);
  scheduler_.post_world(random_.below(kDiskFullNsMax), [this] { end_disk_full(); });
}

void World::end_disk_full() {
  if (std::exchange(is_disk_full_, false)) {
    excuses_end_ns_ = clock_.monotonic_ns() + kRefusesAfterwardsNsMax;
  }
  capacity_bytes_ = kPlentyBytes;
  disk_->set_capacity_bytes(capacity_bytes_);
  if (node_ != nullptr) node_->store().set_lacks_room(false);
}

// That the node refuses is told by its own state, while a fault explains that state.
void World::note_refusals() {
  const uint64_t now_ns = clock_.monotonic_ns();
  if (now_ns > excuses_end_ns_) {
    oracle_.set_excuses({});
    excuses_end_ns_ = UINT64_MAX;
  }
  if (node_ == nullptr) return;
  oracle_.note_refusing(now_ns, node_->is_disk_full(), node_->replica().refuses_writes());
}

void World::heal() {
  if (has_failed()) return;
  narrate("all faults are healed");
  faults_left_ = 0;
  if (planned_.changes_min > 0) {
    for (const std::unique_ptr<Client>& client : clients_) client->ask_no_more();
  }
  crash_at_change_ = 0;
  end_disk_full();
  // An error of the disk that was ordered and has not come yet: a restart forgets it.
  if (node_ == nullptr) {
    disk_->kill_process();
    if (options_.failing_operation == 0) is_excused_ = false;
    return;
  }
  // The one operation that is to fail may come as late as in the last checks.
  if (is_excused_ && options_.failing_operation == 0) {
    return end_life(false, "healed by a restart");
  }
  node_->store().set_full(false);
  node_->store().set_fails_ingest(false);
  node_->executor().set_paused(false);
}

}  // namespace alfheim::sim
