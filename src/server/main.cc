// server/main: the program alfheimdb: options, signals, log lines, exit status.
//
// Exit status 0: stopped cleanly. 1: could not start, or had to stop; one line says why.
#include <pthread.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/format.h"
#include "server/assemble.h"
#include "server/command_line.h"
#include "server/process_figures.h"
#include "server/version.h"

namespace alfheim::server {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// Descriptors that the node needs for itself, at least: segments, the index's files, listeners.
constexpr uint64_t kOwnFiles = 4096;
// By which the node asks for its own restart.
constexpr int kRestartSignal = SIGUSR1;

int refuse_to_start(const base::Error& error) {
  std::fprintf(stderr, "alfheimdb: %s\n", error.message.c_str());
  return 1;
}

bool is_stop_pending() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

NodeEvents make_events(const std::shared_ptr<spdlog::logger>& log) {
  NodeEvents events;
  events.on_serving = [log](const Identity& identity) {
    const std::string line = base::format(
        "ready: resp={} raft={} http={}", address_text(identity.resp), address_text(identity.raft),
        identity.http.port == 0 ? "off" : address_text(identity.http));
    log->info("{}", line);
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  };
  events.on_fatal = [log](const base::Error& error) {
    // Nothing may be acknowledged any more: no destructor runs, the next start recovers.
    log->critical("stopping: {}: {}", base::error_code_name(error.code), error.message);
    log->flush();
    std::_Exit(1);
  };
  events.on_trouble = [log](const std::string& line) { log->warn("{}", line); };
  events.on_progress = [log](const std::string& line) { log->info("{}", line); };
  events.on_log_level = [log](LogLevel level) { log->set_level(spdlog_level(level)); };
  events.request_shutdown = [] { ::kill(::getpid(), SIGTERM); };
  events.is_shutdown_wanted = is_stop_pending;
  events.request_restart = [] { ::kill(::getpid(), kRestartSignal); };
  return events;
}

// One node after the other: one that has fetched a snapshot stops, and the next starts over it.
int run_nodes(const Options& options, const sigset_t& signals,
              const std::shared_ptr<spdlog::logger>& log) {
  uint64_t snapshot_id = 0;
  for (;;) {
    base::Result<std::unique_ptr<Node>> node = Node::start(options, make_events(log), snapshot_id);
    if (!node && node.error().code == base::ErrorCode::kUnavailable && is_stop_pending()) {
      log->info("{}", node.error().message);
      return 0;  // while it asked to be let in
    }
    if (!node) return refuse_to_start(node.error());
    int signal = 0;
    sigwait(&signals, &signal);
    const bool is_restart = signal == kRestartSignal;
    if (!is_restart) log->info("{}: stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    const base::Status stopped = (*node)->stop();
    if (!stopped) {
      log->critical("stopping: {}", stopped.error().message);
      return 1;
    }
    if (!is_restart) break;
    snapshot_id = (*node)->snapshot_to_install();
    log->info("restarting over the snapshot {:016x}", snapshot_id);
  }
  log->info("stopped");
  return 0;
}

int run(int argc, char** argv) {
  base::Result<ParsedCommandLine> parsed = parse_command_line(argc, argv);
  if (!parsed) return refuse_to_start(parsed.error());
  if (!parsed->print_and_exit.empty()) {
    std::fputs(parsed->print_and_exit.c_str(), stdout);
    return 0;
  }
  const Options& options = parsed->options;
  // Threads inherit the mask: signals come to sigwait below and to nobody else.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, kRestartSignal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return_freed_memory_when_idle();
  const auto log = std::make_shared<spdlog::logger>(
      "alfheimdb", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  log->set_level(spdlog_level(options.observation.log_level));
  log->flush_on(spdlog::level::info);

  if (const base::Status files = allow_open_files(options.client.clients_max + kOwnFiles); !files) {
    log->warn("{}", files.error().message);
  }
  return run_nodes(options, signals, log);
}

}  // namespace
}  // namespace alfheim::server

int main(int argc, char** argv) { return alfheim::server::run(argc, argv); }
