// alfsim: runs the simulator: alfsim --seed N [--count M] [--verbose] [--operations]
// [--double-run]...
//
// Prints what did not hold, and the one command that replays it. docs/simulator.md.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "base/format.h"
#include "base/number.h"
#include "sim/world.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kDoubleRunEvery = 10;

struct Arguments {
  uint64_t seed = 1;
  uint64_t count = 1;
  uint64_t seconds_max = 0;  // 0: no limit
  bool is_verbose = false;
  bool tells_operations = false;
  bool runs_all_twice = false;
  bool goes_on = false;  // after a failure
};

// What an abort prints: the seed that was running.
char seed_text[64];
void on_abort(int) {
  const ssize_t ignored = write(STDERR_FILENO, seed_text, strlen(seed_text));
  static_cast<void>(ignored);
  _exit(1);
}

bool parse(int count, char** texts, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string name = texts[i];
    const auto number = [&](uint64_t& value) {
      if (i + 1 >= count) return false;
      const std::optional<int64_t> parsed = base::parse_int64(texts[++i]);
      if (!parsed || *parsed < 0) return false;
      value = static_cast<uint64_t>(*parsed);
      return true;
    };
    bool is_known = true;
    if (name == "--seed") {
      is_known = number(arguments.seed);
    } else if (name == "--count") {
      is_known = number(arguments.count);
    } else if (name == "--seconds") {
      is_known = number(arguments.seconds_max);
    } else if (name == "--verbose") {
      arguments.is_verbose = true;
    } else if (name == "--operations") {
      arguments.is_verbose = arguments.tells_operations = true;
    } else if (name == "--double-run") {
      arguments.runs_all_twice = true;
    } else if (name == "--keep-going") {
      arguments.goes_on = true;
    } else {
      is_known = false;
    }
    if (!is_known) return false;
  }
  return true;
}

int run(const Arguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  const std::unique_ptr<const command::Table> table = command::Table::make();
  const auto elapsed_s = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  World::Narrate narrate;
  if (arguments.is_verbose) {
    narrate = [](const std::string& line) { std::printf("%s\n", line.c_str()); };
  }
  uint64_t runs = 0;
  uint64_t failures = 0;
  Outcome sum;
  for (uint64_t i = 0; i < arguments.count; ++i) {
    if (arguments.seconds_max > 0 && elapsed_s() > static_cast<double>(arguments.seconds_max))
      break;
    const uint64_t seed = arguments.seed + i;
    std::snprintf(seed_text, sizeof seed_text, "aborted; replay: alfsim --seed %llu --verbose\n",
                  static_cast<unsigned long long>(seed));
    Outcome outcome =
        World(seed, *table, narrate, {.tells_operations = arguments.tells_operations}).run();
    if (outcome.failure.empty() && (arguments.runs_all_twice || seed % kDoubleRunEvery == 0)) {
      const Outcome second = World(seed, *table, nullptr, {}).run();
      if (second.event_hash != outcome.event_hash) {
        outcome.failure = "a second run of the same seed went another way";
      }
    }
    ++runs;
    sum.event_count += outcome.event_count;
    sum.answer_count += outcome.answer_count;
    sum.operation_count += outcome.operation_count;
    sum.life_count += outcome.life_count;
    sum.virtual_ms += outcome.virtual_ms;
    for (const auto& [name, count] : outcome.fault_counts) sum.fault_counts[name] += count;
    if (outcome.failure.empty()) continue;
    ++failures;
    std::printf("seed %llu failed: %s\n  replay: alfsim --seed %llu --verbose\n",
                static_cast<unsigned long long>(seed), outcome.failure.c_str(),
                static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    if (!arguments.goes_on) break;
  }
  const double seconds = elapsed_s();
  std::printf(
      "%s\n",
      base::format("{} seeds, {} failed, in {:.1f} s: {:.0f} seeds/min, {:.0f} "
                   "events/s; {} answers, {} operations in the log, {} lives, "
                   "{:.1f} virtual s",
                   runs, failures, seconds, static_cast<double>(runs) * 60 / seconds,
                   static_cast<double>(sum.event_count) / seconds, sum.answer_count,
                   sum.operation_count, sum.life_count, static_cast<double>(sum.virtual_ms) / 1000)
          .c_str());
  std::string faults;
  for (const auto& [name, count] : sum.fault_counts) {
    faults += base::format("{}{} {}", faults.empty() ? "" : ", ", name, count);
  }
  std::printf("faults: %s\n", faults.empty() ? "none" : faults.c_str());
  // No seed at all proves nothing.
  return failures == 0 && runs > 0 ? 0 : 1;
}

}  // namespace
}  // namespace alfheim::sim

int main(int count, char** texts) {
  alfheim::sim::Arguments arguments;
  if (!alfheim::sim::parse(count, texts, arguments)) {
    std::fprintf(stderr,
                 "usage: alfsim --seed N [--count M] [--seconds S] [--verbose] [--operations] "
                 "[--double-run] "
                 "[--keep-going]\n");
    return 2;
  }
  std::signal(SIGABRT, alfheim::sim::on_abort);
  std::signal(SIGSEGV, alfheim::sim::on_abort);
  return alfheim::sim::run(arguments);
}
