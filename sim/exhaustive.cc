#include "sim/exhaustive.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::sim {
namespace {

// A child that takes longer hangs: one restart is a matter of milliseconds.
constexpr unsigned kChildSecondsMax = 120;
constexpr int kChildFailed = 3;
constexpr uint64_t kShownFailuresMax = 20;
constexpr uint64_t kRecoveryChanges = 24;  // a recovery has about so many

constexpr const char* kPlaceNames[kCrashPlaces] = {"before", "during", "after"};

uint64_t number_of(const CrashPoint& point) {
  return ((point.change - 1) * kCrashPlaces + point.place) * kCrashSubsets + point.subset;
}

}  // namespace

PlannedCrash crash_of(const CrashPoint& point) {
  static constexpr DiskOrder kOrders[kCrashPlaces] = {
      DiskOrder::kCrashBefore, DiskOrder::kCrashDuring, DiskOrder::kCrashAfter};
  PlannedCrash crash;
  crash.order = kOrders[point.place];
  crash.seed = number_of(point) * 0x9e3779b97f4a7c15u + 1;
  switch (point.subset) {
    case 0: crash.options = CrashOptions::lose_all_unsynced(); break;
    case 1: crash.is_kill = true; break;
    case 2:
    case 5: break;  // the default is a fair mess
    case 6:
      crash.options = CrashOptions::keep_all_unsynced();
      crash.options.keeps_newest_name = true;
      break;
    case 4:
      crash.is_kill = true;
      crash.recovery_change = 1 + point.change % kRecoveryChanges;
      crash.options = CrashOptions::lose_all_unsynced();
      // Recovery sees the whole of it, and must not lean on that before it has made it durable.
      if (point.place == 1) crash.order = DiskOrder::kCrashUnsynced;
      break;
    default:
      crash.options.keep_sector_ppm = 800'000;
      crash.options.keep_name_ppm = 300'000;
      crash.options.block_damage_ppm = 200'000;
  }
  return crash;
}

bool is_distinct(const CrashPoint& point, DiskOperationKind kind) {
  using Kind = DiskOperationKind;
  const bool is_during = point.place == 1;
  const bool is_write = kind == Kind::kWrite || kind == Kind::kWriteDurable;
  const bool is_name = kind == Kind::kCreate || kind == Kind::kRename || kind == Kind::kUnlink ||
                       kind == Kind::kLink;
  switch (point.subset) {
    case 0: return !is_during || !is_write;
    case 5: return is_during && (is_write || kind == Kind::kSync || kind == Kind::kSyncDir);
    case 6: return point.place == 2 && is_name;
    default: return true;
  }
}

Exhaustive::Exhaustive(const command::Table& table, World::Narrate narrate, Options options)
    : table_(table), narrate_(std::move(narrate)), options_(std::move(options)) {
  ALF_CHECK(options_.every > 0);
  ALF_CHECK(options_.jobs > 0);
}

Exhaustive::Result Exhaustive::run() {
  World::Options world;
  world.changes_min = options_.changes;
  world.plan = [this](const DiskOperation& operation) { return plan(operation); };
  // Only the one point that is run again is told; the run up to it would drown it otherwise.
  const Outcome outcome = World(options_.seed, table_, narrate_, std::move(world)).run();
  if (own_point_ && !outcome.failure.empty()) fail(*own_point_, outcome.failure);
  if (is_child_) {
    std::fflush(stdout);
    _exit(outcome.failure.empty() ? 0 : kChildFailed);
  }
  while (!children_.empty()) wait_for_one();
  if (!own_point_ && !outcome.failure.empty()) {
    ++result_.failure_count;
    std::printf("the run without a planned crash failed: %s\n", outcome.failure.c_str());
  }
  result_.change_count = outcome.change_count;
  result_.life_count = outcome.life_count;
  return result_;
}

std::optional<PlannedCrash> Exhaustive::plan(const DiskOperation& operation) {
  if (operation.change_number > options_.changes) return std::nullopt;
  if (options_.only) {
    if (options_.only->change != operation.change_number) return std::nullopt;
    own_point_ = options_.only;
    ++result_.point_count;
    return crash_of(*own_point_);
  }
  for (uint32_t place = 0; place < kCrashPlaces; ++place) {
    for (uint32_t subset = 0; subset < kCrashSubsets; ++subset) {
      const CrashPoint point{operation.change_number, place, subset};
      if (!is_distinct(point, operation.kind)) continue;
      if ((number_of(point) + options_.offset) % options_.every != 0) continue;
      if (auto crash = fork_at(point)) return crash;
    }
  }
  return std::nullopt;
}

// In the child, what is to strike it.
std::optional<PlannedCrash> Exhaustive::fork_at(const CrashPoint& point) {
  while (children_.size() >= options_.jobs) wait_for_one();
  std::fflush(stdout);
  const pid_t child = fork();
  ALF_CHECK_MSG(child >= 0, "fork");
  if (child > 0) {
    ++result_.point_count;
    children_.emplace(child, point);
    return std::nullopt;
  }
  is_child_ = true;
  own_point_ = point;
  std::signal(SIGABRT, SIG_DFL);  // the parent says what died and how to run it again
  std::signal(SIGSEGV, SIG_DFL);
  alarm(kChildSecondsMax);
  return crash_of(point);
}

void Exhaustive::wait_for_one() {
  int status = 0;
  const pid_t child = wait(&status);
  ALF_CHECK_MSG(child > 0, "wait");
  const auto found = children_.find(child);
  ALF_CHECK(found != children_.end());
  const CrashPoint point = found->second;
  children_.erase(found);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kChildFailed) {
    ++result_.failure_count;  // it has said why
    return;
  }
  fail(point, WIFSIGNALED(status)
                  ? base::format("the process died of signal {}", WTERMSIG(status))
                  : base::format("the process ended with status {}", WEXITSTATUS(status)));
}

void Exhaustive::fail(const CrashPoint& point, const std::string& what) {
  ++result_.failure_count;
  if (result_.failure_count > kShownFailuresMax) return;
  std::printf("crash %s change %llu, subset %u: %s\n  replay: %s\n", kPlaceNames[point.place],
              static_cast<unsigned long long>(point.change), point.subset, what.c_str(),
              replay_command(point).c_str());
}

std::string Exhaustive::replay_command(const CrashPoint& point) const {
  return base::format(
      "alfsim --exhaustive --seed {} --changes {} --at {} --place {} --subset {} --verbose",
      options_.seed, options_.changes, point.change, point.place, point.subset);
}

}  // namespace alfheim::sim
