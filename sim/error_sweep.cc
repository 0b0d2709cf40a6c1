#include "sim/error_sweep.h"

#include "base/format.h"
#include "sim/world.h"

namespace alfheim::sim {
namespace {

struct Injection {
  DiskOrder order;
  std::string_view name;
};
constexpr Injection kInjections[] = {{DiskOrder::kFailIo, "EIO"},
                                     {DiskOrder::kFailNoSpace, "ENOSPC"}};

// The checkers' own reads: of an operation of every few at most.
constexpr uint64_t kOneSkippedOf = 5;

// "read", "open": what takes no room.
bool takes_no_room(const std::string& operation) {
  for (const DiskOperationKind kind :
       {DiskOperationKind::kRead, DiskOperationKind::kInspect, DiskOperationKind::kOpen}) {
    if (operation.starts_with(base::format("{} ", disk_operation_name(kind)))) return true;
  }
  return false;
}

std::string kind_of(const std::string& operation) {
  return operation.substr(0, operation.find(" /"));
}

// One line: what was tried, on what, what was found.
bool is_clear(const std::string& words) {
  const size_t path = words.find(" /");
  const size_t found = words.find("was ordered");
  return path != std::string::npos && found != std::string::npos && path < found &&
         words.find('\n') == std::string::npos;
}

}  // namespace

SweepOutcome sweep_errors(const command::Table& table, const SweepOptions& options) {
  SweepOutcome sweep;
  const Outcome whole =
      World(options.seed, table, nullptr, {.failing_operation = UINT64_MAX}).run();
  sweep.operation_count = whole.disk_operation_count;
  if (!whole.failure.empty()) {
    sweep.problem = "undisturbed: " + whole.failure;
    return sweep;
  }
  for (uint64_t number = options.first; number <= sweep.operation_count; number += options.step) {
    for (const Injection& injection : kInjections) {
      const Outcome outcome = World(options.seed, table, nullptr,
                                    {.failing_operation = number, .failure = injection.order})
                                  .run();
      ++sweep.run_count;
      const std::string where =
          base::format("seed {}, operation {} ({}) fails with {}", options.seed, number,
                       outcome.failed_operation, injection.name);
      const bool has_stopped = !outcome.last_words.empty();
      if (!outcome.failure.empty()) {
        sweep.problem = base::format("{}: {}", where, outcome.failure);
      } else if (has_stopped && !is_clear(outcome.last_words)) {
        sweep.problem =
            base::format("{}: the last words do not tell: {}", where, outcome.last_words);
      }
      if (!sweep.problem.empty()) return sweep;
      if (outcome.failed_operation.empty()) {
        ++sweep.skipped_count;
        break;
      }
      SweepCount& count =
          sweep.counts[base::format("{} {}", kind_of(outcome.failed_operation), injection.name)];
      ++count.failed;
      count.stopped += has_stopped ? 1 : 0;
      if (takes_no_room(outcome.failed_operation)) break;
    }
  }
  return sweep;
}

std::string sweep_text(const SweepOutcome& outcome) {
  std::string text = base::format("{} operations, {} skipped, {} runs\n", outcome.operation_count,
                                  outcome.skipped_count, outcome.run_count);
  for (const auto& [kind, count] : outcome.counts) {
    text += base::format("  {:<24} {:>5} failed, the node stopped in {:>5}\n", kind, count.failed,
                         count.stopped);
  }
  return text;
}

void add_up(const SweepOutcome& outcome, SweepOutcome& sum) {
  sum.operation_count += outcome.operation_count;
  sum.run_count += outcome.run_count;
  sum.skipped_count += outcome.skipped_count;
  for (const auto& [kind, count] : outcome.counts) {
    sum.counts[kind].failed += count.failed;
    sum.counts[kind].stopped += count.stopped;
  }
}

std::string missing_in(const SweepOutcome& sum) {
  using Kind = DiskOperationKind;
  for (const Kind kind :
       {Kind::kWrite, Kind::kWriteDurable, Kind::kSync, Kind::kAllocate, Kind::kCreate,
        Kind::kRename, Kind::kUnlink, Kind::kSyncDir, Kind::kOpen, Kind::kRead, Kind::kInspect}) {
    for (const Injection& injection : kInjections) {
      const std::string name = base::format("{} {}", disk_operation_name(kind), injection.name);
      const bool is_possible = injection.order == DiskOrder::kFailIo ||
                               !takes_no_room(base::format("{} ", disk_operation_name(kind)));
      if (is_possible && !sum.counts.contains(name)) return "no such operation failed: " + name;
    }
  }
  if (sum.skipped_count * kOneSkippedOf <= sum.operation_count) return {};
  return base::format("{} of {} operations were skipped", sum.skipped_count, sum.operation_count);
}

}  // namespace alfheim::sim
