// tools/alfctl: the offline program's command line; what it does stands in the other files.
//
// Exit status: 0 all is well; 1 problems were found, or the command line is wrong; 2 the
// directory could not be read. Thread: one.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "env/posix/posix_clock.h"
#include "env/posix/posix_disk.h"
#include "server/version.h"
#include "tools/check.h"
#include "tools/print_log.h"

namespace alfheim::tools {
namespace {

constexpr int kExitProblems = 1;
constexpr int kExitUnreadable = 2;

void print_line(std::FILE* file, const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), file);
  std::fputc('\n', file);
}

int fail(const base::Error& error) {
  print_line(stderr, "alfctl: " + error.message);
  return kExitUnreadable;
}

int run_check(const std::string& dir) {
  env::PosixDisk disk;
  env::PosixClock clock;
  CheckReport report(
      clock, {.problem = [](const std::string& line) { print_line(stdout, line); },
              .progress = [](const std::string& line) { print_line(stderr, "alfctl: " + line); }});
  const base::Result<CheckSummary> summary = check_directory(disk, dir, report);
  if (!summary.is_ok()) return fail(summary.error());
  print_line(stdout, summary->to_text());
  return summary->problem_count == 0 ? 0 : kExitProblems;
}

int run_log(const std::string& dir, const PrintOptions& options) {
  env::PosixDisk disk;
  const base::Result<uint64_t> bad_count =
      print_log(disk, dir, options, [](const std::string& line) { print_line(stdout, line); });
  if (!bad_count.is_ok()) return fail(bad_count.error());
  return *bad_count == 0 ? 0 : kExitProblems;
}

int run(int argument_count, char** arguments) {
  CLI::App app{"Looks at the data directory of a stopped alfheimdb node. Changes nothing.",
               "alfctl"};
  app.set_version_flag("--version", "alfctl " + std::string(server::kVersion));
  app.require_subcommand(1);
  std::string dir;
  PrintOptions options;
  CLI::App* check = app.add_subcommand(
      "check",
      "Reads everything in DIR and says what is wrong (exit status 1) or that all is well");
  check->add_option("DIR", dir, "the node's --dir")->required();
  CLI::App* log = app.add_subcommand("log", "Prints the entries of the log in DIR, one a line");
  log->add_option("DIR", dir, "the node's --dir")->required();
  log->add_option("--from", options.from, "first log index");
  log->add_option("--to", options.to, "last log index");
  log->add_option("--limit", options.limit, "at most so many lines of entries");
  log->add_flag("--values", options.has_values, "print all words whole");
  // CLI11's own words for this say only that a subcommand is missing.
  const std::string first = argument_count > 1 ? arguments[1] : "";
  if (!first.empty() && first.front() != '-' && first != "check" && first != "log") {
    print_line(stderr, "alfctl: no such subcommand: " + first + " (see alfctl --help)");
    return kExitProblems;
  }
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    print_line(stderr, std::string("alfctl: ") + error.what() + " (see alfctl --help)");
    return kExitProblems;
  }
  return check->parsed() ? run_check(dir) : run_log(dir, options);
}

}  // namespace
}  // namespace alfheim::tools

int main(int argument_count, char** arguments) {
  return alfheim::tools::run(argument_count, arguments);
}
