// alfsim: runs the simulator. docs/simulator.md tells each mode.
//
//   alfsim --seed N [--count M] ...      worlds, each from a seed
//   alfsim --cluster --seed N ...        groups of three and five nodes
//   alfsim --exhaustive [--every N] ...  one world, crashed at each change of its disk
//   alfsim --store-crash [--every N] ... the real index store, crashed at each change of its disk
//   alfsim --rot-log | --rot-store ...   bits flipped in the files of the log, and of that store
//
// Prints what did not hold, and the one command that replays it.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "base/format.h"
#include "base/number.h"
#include "sim/cluster.h"
#include "sim/error_sweep.h"
#include "sim/exhaustive.h"
#include "sim/rot.h"
#include "sim/store_crash.h"
#include "sim/world.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kDoubleRunEvery = 10;
// From so many seeds on a sweep of all operations must have met each kind of them.
constexpr uint64_t kSweepSeedsMin = 4;
constexpr char kUsage[] =
    "usage: alfsim [--cluster] --seed N [--count M] [--seconds S] [--verbose] [--operations]\n"
    "              [--double-run] [--keep-going]\n"
    "       alfsim --fail-each [--seed N] [--count M] [--every N]\n"
    "       alfsim --exhaustive [--seed N] [--changes M] [--every N] [--offset K] [--jobs J]\n"
    "              [--at CHANGE --place 0..2 --subset 0..6 [--verbose]]\n"
    "       alfsim --store-crash [--seed N] [--every N] [--offset K]\n"
    "              [--at CHANGE --place 0..2 --subset 0..6 | --at OPERATION --place 3|4 --subset "
    "0|1]\n"
    "       alfsim --rot-log | --rot-store [--seed N] [--every N] [--offset K] [--jobs J]\n"
    "              [--file PATH --bit B]\n";

// Each option is a word, most with a number behind it.
struct Arguments {
  std::map<std::string, uint64_t> numbers;
  std::map<std::string, bool> flags;
  std::string file;

  uint64_t number(const std::string& name, uint64_t otherwise) const {
    const auto found = numbers.find(name);
    return found == numbers.end() ? otherwise : found->second;
  }
  bool has(const std::string& name) const { return flags.contains(name); }
};

// What an abort prints: the seed that was running.
char seed_text[256];
void on_abort(int) {
  const ssize_t ignored = write(STDERR_FILENO, seed_text, strlen(seed_text));
  static_cast<void>(ignored);
  _exit(1);
}

bool parse(int count, char** texts, Arguments& arguments) {
  static constexpr const char* kFlags[] = {
      "--verbose",    "--operations",  "--double-run", "--keep-going", "--fail-each",
      "--exhaustive", "--store-crash", "--rot-log",    "--rot-store",  "--cluster"};
  static constexpr const char* kNumbers[] = {"--seed",  "--count",  "--seconds", "--changes",
                                             "--every", "--offset", "--jobs",    "--at",
                                             "--place", "--subset", "--bit"};
  for (int i = 1; i < count; ++i) {
    const std::string name = texts[i];
    const auto is_name = [&](const char* known) { return name == known; };
    if (std::any_of(std::begin(kFlags), std::end(kFlags), is_name)) {
      arguments.flags[name] = true;
      continue;
    }
    if (name == "--file" && i + 1 < count) {
      arguments.file = texts[++i];
      continue;
    }
    if (std::none_of(std::begin(kNumbers), std::end(kNumbers), is_name)) return false;
    if (i + 1 >= count) return false;
    const std::optional<int64_t> parsed = base::parse_int64(texts[++i]);
    if (!parsed || *parsed < 0) return false;
    arguments.numbers[name] = static_cast<uint64_t>(*parsed);
  }
  return true;
}

World::Narrate narrate_of(const Arguments& arguments) {
  if (!arguments.has("--verbose") && !arguments.has("--operations")) return nullptr;
  return [](const std::string& line) { std::printf("%s\n", line.c_str()); };
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void add_up(const Outcome& outcome, Outcome& sum) {
  sum.event_count += outcome.event_count;
  sum.answer_count += outcome.answer_count;
  sum.operation_count += outcome.operation_count;
  sum.life_count += outcome.life_count;
  sum.install_count += outcome.install_count;
  sum.snapshot_count += outcome.snapshot_count;
  sum.compared_count += outcome.compared_count;
  sum.change_of_members_count += outcome.change_of_members_count;
  sum.lead_ms_max = std::max(sum.lead_ms_max, outcome.lead_ms_max);
  sum.commit_ms_max = std::max(sum.commit_ms_max, outcome.commit_ms_max);
  sum.virtual_ms += outcome.virtual_ms;
  for (const auto& [name, count] : outcome.fault_counts) sum.fault_counts[name] += count;
}

void print_sum(const Outcome& sum, uint64_t runs, uint64_t failures, double seconds) {
  std::printf(
      "%s\n",
      base::format("{} seeds, {} failed, in {:.1f} s: {:.0f} seeds/min, {:.0f} "
                   "events/s; {} answers, {} operations in the log, {} lives ({} over a snapshot), "
                   "{:.1f} virtual s",
                   runs, failures, seconds, static_cast<double>(runs) * 60 / seconds,
                   static_cast<double>(sum.event_count) / seconds, sum.answer_count,
                   sum.operation_count, sum.life_count, sum.install_count,
                   static_cast<double>(sum.virtual_ms) / 1000)
          .c_str());
  if (sum.compared_count > 0) {
    std::printf("groups: %s\n",
                base::format("{} states compared, {} changes of members, {} snapshots by hand; "
                             "healed, {} ms at most until somebody leads, {} to the next commits",
                             sum.compared_count, sum.change_of_members_count, sum.snapshot_count,
                             sum.lead_ms_max, sum.commit_ms_max)
                    .c_str());
  }
  std::string faults;
  for (const auto& [name, count] : sum.fault_counts) {
    faults += base::format("{}{} {}", faults.empty() ? "" : ", ", name, count);
  }
  std::printf("faults: %s\n", faults.empty() ? "none" : faults.c_str());
}

Outcome run_seed(const Arguments& arguments, const command::Table& table, uint64_t seed,
                 const World::Narrate& narrate) {
  const bool tells_operations = narrate && arguments.has("--operations");
  if (arguments.has("--cluster")) return Cluster(seed, table, narrate, tells_operations).run();
  World::Options options;
  options.tells_operations = tells_operations;
  return World(seed, table, narrate, options).run();
}

int run_seeds(const Arguments& arguments, const command::Table& table) {
  const auto begin = std::chrono::steady_clock::now();
  const World::Narrate narrate = narrate_of(arguments);
  const uint64_t seconds_max = arguments.number("--seconds", 0);  // 0: no limit
  uint64_t runs = 0;
  uint64_t failures = 0;
  Outcome sum;
  for (uint64_t i = 0; i < arguments.number("--count", 1); ++i) {
    if (seconds_max > 0 && seconds_since(begin) > static_cast<double>(seconds_max)) break;
    const uint64_t seed = arguments.number("--seed", 1) + i;
    std::snprintf(seed_text, sizeof seed_text, "aborted; replay: alfsim %s--seed %llu --verbose\n",
                  arguments.has("--cluster") ? "--cluster " : "",
                  static_cast<unsigned long long>(seed));
    Outcome outcome = run_seed(arguments, table, seed, narrate);
    if (outcome.failure.empty() && (arguments.has("--double-run") || seed % kDoubleRunEvery == 0)) {
      const Outcome second = run_seed(arguments, table, seed, nullptr);
      if (second.event_hash != outcome.event_hash) {
        outcome.failure = "a second run of the same seed went another way";
      }
    }
    ++runs;
    add_up(outcome, sum);
    if (outcome.failure.empty()) continue;
    ++failures;
    std::printf("seed %llu failed: %s\n  replay: alfsim %s--seed %llu --verbose\n",
                static_cast<unsigned long long>(seed), outcome.failure.c_str(),
                arguments.has("--cluster") ? "--cluster " : "",
                static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    if (!arguments.has("--keep-going")) break;
  }
  print_sum(sum, runs, failures, seconds_since(begin));
  // No seed at all proves nothing.
  return failures == 0 && runs > 0 ? 0 : 1;
}

// --fail-each: seed by seed.
int run_error_sweep(const Arguments& arguments, const command::Table& table) {
  SweepOutcome sum;
  const uint64_t count = arguments.number("--count", 1);
  for (uint64_t i = 0; i < count; ++i) {
    SweepOptions options;
    options.seed = arguments.number("--seed", 1) + i;
    options.step = std::max<uint64_t>(1, arguments.number("--every", 1));
    const SweepOutcome outcome = sweep_errors(table, options);
    std::printf("seed %llu: %s", static_cast<unsigned long long>(options.seed),
                sweep_text(outcome).c_str());
    std::fflush(stdout);
    add_up(outcome, sum);
    if (outcome.problem.empty()) continue;
    std::printf("FAILED: %s\n", outcome.problem.c_str());
    return 1;
  }
  std::printf("all seeds: %s", sweep_text(sum).c_str());
  const bool is_whole = count >= kSweepSeedsMin && arguments.number("--every", 1) <= 1;
  const std::string missing = is_whole ? missing_in(sum) : "";
  if (!missing.empty()) std::printf("FAILED: %s\n", missing.c_str());
  return sum.run_count > 0 && missing.empty() ? 0 : 1;
}

// What is out of range would run another point than the one that was asked for.
bool is_point_in_range(const Arguments& arguments) {
  const bool has_errors = arguments.has("--store-crash");
  const uint32_t places = kCrashPlaces + (has_errors ? kFailPlaces : 0);
  return arguments.number("--place", 0) < places && arguments.number("--subset", 0) < kCrashSubsets;
}

std::optional<CrashPoint> point_of(const Arguments& arguments) {
  const uint64_t change = arguments.number("--at", 0);
  if (change == 0) return std::nullopt;
  return CrashPoint{change, static_cast<uint32_t>(arguments.number("--place", 0)),
                    static_cast<uint32_t>(arguments.number("--subset", 0))};
}

int run_store_crash(const Arguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  StoreCrash::Options options;
  options.seed = arguments.number("--seed", options.seed);
  options.every = std::max<uint64_t>(1, arguments.number("--every", options.every));
  options.offset = arguments.number("--offset", options.seed);
  options.only = point_of(arguments);
  const StoreCrash::Result result = StoreCrash(options).run();
  std::printf("%s\n",
              base::format(
                  "store crash: {} changes of the disk among {} operations, {} points ({} "
                  "found the old state, {} the new one), {} ended by an assertion of RocksDB, {} "
                  "failed, in {:.1f} s",
                  result.change_count, result.operation_count, result.point_count, result.old_count,
                  result.new_count, result.death_count, result.failure_count, seconds_since(begin))
                  .c_str());
  return result.failure_count == 0 && result.point_count > 0 ? 0 : 1;
}

int run_rot(const Arguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  RotOptions options;
  options.seed = arguments.number("--seed", options.seed);
  options.every = std::max<uint64_t>(1, arguments.number("--every", options.every));
  options.offset = arguments.number("--offset", options.seed);
  options.jobs = std::max<uint64_t>(1, arguments.number("--jobs", options.jobs));
  options.file = arguments.file;
  options.bit = arguments.number("--bit", 0);
  const bool is_log = arguments.has("--rot-log");
  const RotResult result = is_log ? rot_log(options) : rot_store(options);
  std::printf(
      "%s\n",
      base::format(
          "rot of the {}: {} bits flipped; {} found at open, {} by a read or the "
          "check, {} by an assertion of RocksDB, {} taken for torn, {} harmless, {} failed, in "
          "{:.1f} s",
          is_log ? "log" : "store", result.flip_count, result.open_count, result.read_count,
          result.death_count, result.torn_count, result.harmless_count, result.failure_count,
          seconds_since(begin))
          .c_str());
  return result.failure_count == 0 && result.flip_count > 0 ? 0 : 1;
}

int run_exhaustive(const Arguments& arguments, const command::Table& table) {
  const auto begin = std::chrono::steady_clock::now();
  Exhaustive::Options options;
  options.seed = arguments.number("--seed", options.seed);
  options.changes = arguments.number("--changes", options.changes);
  options.every = std::max<uint64_t>(1, arguments.number("--every", options.every));
  options.offset = arguments.number("--offset", options.seed);
  options.jobs = std::max<uint64_t>(1, arguments.number("--jobs", options.jobs));
  options.only = point_of(arguments);
  const Exhaustive::Result result =
      Exhaustive(table, narrate_of(arguments), std::move(options)).run();
  std::printf("%s\n", base::format("exhaustive crash: {} changes of the disk (in {} lives), {} "
                                   "points crashed at and recovered from, {} failed, in {:.1f} s",
                                   result.change_count, result.life_count, result.point_count,
                                   result.failure_count, seconds_since(begin))
                          .c_str());
  return result.failure_count == 0 && result.point_count > 0 ? 0 : 1;
}

}  // namespace
}  // namespace alfheim::sim

int main(int count, char** texts) {
  using namespace alfheim::sim;  // NOLINT
  Arguments arguments;
  if (!parse(count, texts, arguments) || !is_point_in_range(arguments)) {
    std::fprintf(stderr, "%s", kUsage);
    return 2;
  }
  std::signal(SIGABRT, on_abort);
  std::signal(SIGSEGV, on_abort);
  const std::unique_ptr<const alfheim::command::Table> table = alfheim::command::Table::make();
  if (arguments.has("--fail-each")) return run_error_sweep(arguments, *table);
  if (arguments.has("--exhaustive")) return run_exhaustive(arguments, *table);
  if (arguments.has("--rot-log") || arguments.has("--rot-store")) return run_rot(arguments);
  if (arguments.has("--store-crash")) return run_store_crash(arguments);
  return run_seeds(arguments, *table);
}
