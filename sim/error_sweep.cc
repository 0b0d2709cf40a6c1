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
      if (outcome.failed_operation.empty()) break;  // a checker's own read
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
  std::string text =
      base::format("{} operations, {} runs\n", outcome.operation_count, outcome.run_count);
  for (const auto& [kind, count] : outcome.counts) {
    text += base::format("  {:<24} {:>5} failed, the node stopped in {:>5}\n", kind, count.failed,
                         count.stopped);
  }
  return text;
}

}  // namespace alfheim::sim
