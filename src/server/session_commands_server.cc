#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/format.h"
#include "base/number.h"
#include "base/text.h"
#include "command/command_info.h"
#include "server/info_text.h"
#include "server/session_commands.h"
#include "server/slow_log.h"
#include "server/topology.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kSyntaxError = "syntax error";
constexpr std::string_view kNotAnInteger = "value is not an integer or out of range";
constexpr int64_t kSlowlogCountDefault = 10;

constexpr std::string_view kDebugHelp[] = {
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "SLEEP <seconds>",
    "    Hold the replies of this connection back for <seconds>. Decimals allowed.",
    "HELP",
    "    Prints this help.",
};

constexpr std::string_view kModuleHelp[] = {
    "MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LIST",
    "    Return a list of loaded modules.",
    "HELP",
    "    Prints this help.",
};

constexpr std::string_view kSlowlogHelp[] = {
    "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET [<count>]",
    "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name",
    "LEN",
    "    Return the length of the slowlog.",
    "RESET",
    "    Reset the slowlog.",
    "HELP",
    "    Prints this help.",
};

// An error reply where it is none.
std::optional<uint64_t> parse_timeout(const SessionCall& call, base::ByteView text) {
  const std::optional<int64_t> timeout_ms = base::parse_int64(text);
  if (!timeout_ms) {
    call.reply.error("timeout is not an integer or out of range");
  } else if (*timeout_ms < 0) {
    call.reply.error("timeout is negative");
  } else {
    return static_cast<uint64_t>(*timeout_ms);
  }
  return std::nullopt;
}

bool is_follower(const Services& services) {
  return services.replica.needs_barrier() && !services.replica.is_serving();
}

// A majority of the voters, without this one.
size_t holders_at_least(const Services& services) {
  return services.replica.status_snapshot().raft.configuration.voters.size() / 2;
}

struct ShutdownFlags {
  bool is_save = false;
  bool is_nosave = false;
  bool is_abort = false;
  bool has_other = false;  // NOW, FORCE
};

// Nullopt: a word that is none, or two that exclude each other.
std::optional<ShutdownFlags> parse_shutdown(const command::Arguments& args) {
  ShutdownFlags flags;
  for (size_t i = 1; i < args.count(); ++i) {
    const base::ByteView word = args[i];
    if (base::equals_ignore_case(word, "save")) {
      flags.is_save = true;
    } else if (base::equals_ignore_case(word, "nosave")) {
      flags.is_nosave = true;
    } else if (base::equals_ignore_case(word, "abort")) {
      flags.is_abort = true;
    } else if (base::equals_ignore_case(word, "now") || base::equals_ignore_case(word, "force")) {
      flags.has_other = true;
    } else {
      return std::nullopt;
    }
  }
  const bool has_any = flags.is_save || flags.is_nosave || flags.has_other;
  if ((flags.is_abort && has_any) || (flags.is_save && flags.is_nosave)) return std::nullopt;
  return flags;
}

}  // namespace

void command_command(const SessionCall& call) {
  const bool tells_of_names =
      call.args.count() > 1 && (base::equals_ignore_case(call.args[1], "docs") ||
                                base::equals_ignore_case(call.args[1], "info"));
  if (tells_of_names && call.args.count() > 2 + kNamesMax) {
    return call.reply.error(base::format("at most {} names in one command", kNamesMax));
  }
  command::reply_command(call.services.table, call.args, call.reply);
}

void debug_help_command(const SessionCall& call) { reply_lines(call, kDebugHelp); }

void info_command(const SessionCall& call) {
  std::vector<std::string_view> sections;
  for (size_t i = 1; i < call.args.count(); ++i) sections.push_back(call.args[i]);
  call.reply.verbatim("txt", info_text(call.services, sections));
}

void lastsave_command(const SessionCall& call) {
  call.reply.integer(static_cast<int64_t>(last_save_seconds(call.services)));
}

void module_help_command(const SessionCall& call) { reply_lines(call, kModuleHelp); }

void module_list_command(const SessionCall& call) { call.reply.empty_array(); }

void role_command(const SessionCall& call) {
  const Topology topology = topology_of(call.services, call.session);
  const TopologyNode& master = topology.nodes.front();
  const auto applied = static_cast<int64_t>(call.services.replica.applied().value);
  if (!call.services.replica.is_serving() && call.services.replica.needs_barrier()) {
    call.reply.array_header(5);
    call.reply.bulk("slave");
    call.reply.bulk(master.client.host);
    call.reply.integer(master.client.port);
    call.reply.bulk(topology.has_leader ? "connected" : "connect");
    return call.reply.integer(topology.has_leader ? applied : -1);
  }
  call.reply.array_header(3);
  call.reply.bulk("master");
  call.reply.integer(applied);
  call.reply.array_header(topology.nodes.size() - 1);
  for (size_t i = 1; i < topology.nodes.size(); ++i) {
    const TopologyNode& node = topology.nodes[i];
    call.reply.array_header(3);
    call.reply.bulk(node.client.host);
    call.reply.bulk(std::to_string(node.client.port));
    call.reply.bulk(std::to_string(node.match));
  }
}

// SAVE, NOSAVE, NOW and FORCE are one here: what was acknowledged is on disk already.
void shutdown_command(const SessionCall& call) {
  const std::optional<ShutdownFlags> flags = parse_shutdown(call.args);
  if (!flags) {
    call.reply.error(kSyntaxError);
  } else if (flags->is_abort) {
    call.reply.error("No shutdown in progress.");
  } else {
    call.session.wants_close = true;
    call.services.request_shutdown();
  }
}

void slowlog_get_command(const SessionCall& call) {
  int64_t count = kSlowlogCountDefault;
  if (call.args.count() > 3) {
    call.reply.error(
        base::format("unknown subcommand or wrong number of arguments for '{}'. Try SLOWLOG HELP.",
                     call.args[1]));
    return;
  }
  if (call.args.count() == 3) {
    const std::optional<int64_t> given = base::parse_int64(call.args[2]);
    if (!given || *given < -1) {
      call.reply.error("count should be greater than or equal to -1");
      return;
    }
    count = *given == -1 ? std::numeric_limits<int64_t>::max() : *given;
  }
  const std::vector<SlowLog::Entry> entries =
      call.services.slow_log.newest(static_cast<size_t>(count));
  call.reply.array_header(entries.size());
  for (const SlowLog::Entry& entry : entries) {
    call.reply.array_header(6);
    call.reply.integer(static_cast<int64_t>(entry.id));
    call.reply.integer(static_cast<int64_t>(entry.time_s));
    call.reply.integer(static_cast<int64_t>(entry.duration_us));
    call.reply.array_header(entry.words.size());
    for (const std::string& word : entry.words) call.reply.bulk(word);
    call.reply.bulk(entry.client_address);
    call.reply.bulk(entry.client_name);
  }
}

void slowlog_help_command(const SessionCall& call) { reply_lines(call, kSlowlogHelp); }

void slowlog_len_command(const SessionCall& call) {
  call.reply.integer(static_cast<int64_t>(call.services.slow_log.count()));
}

void slowlog_reset_command(const SessionCall& call) {
  call.services.slow_log.clear();
  call.reply.ok();
}

void time_command(const SessionCall& call) {
  const uint64_t now_us = call.services.clock.wall_us();
  call.reply.array_header(2);
  call.reply.bulk_integer(static_cast<int64_t>(now_us / 1'000'000));
  call.reply.bulk_integer(static_cast<int64_t>(now_us % 1'000'000));
}

// Where it does not wait (in a block, in a group of one): what is applied is held by a majority, so
// by so many others at least.
void wait_command(const SessionCall& call) {
  if (parse_wait(call)) call.reply.integer(static_cast<int64_t>(holders_at_least(call.services)));
}

// Replies keep their order, so the writes before this one were acknowledged: they are on disk.
void waitaof_command(const SessionCall& call) {
  if (!parse_waitaof(call)) return;
  call.reply.array_header(2);
  call.reply.integer(1);
  call.reply.integer(static_cast<int64_t>(holders_at_least(call.services)));
}

std::optional<WaitOrder> parse_wait(const SessionCall& call) {
  const std::optional<int64_t> count = base::parse_int64(call.args[1]);
  if (is_follower(call.services)) {
    call.reply.error(
        "WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a "
        "replica is configured to be writable (which is not the default) writes to replicas are "
        "just local and are not propagated.");
  } else if (!count) {
    call.reply.error(kNotAnInteger);
  } else if (const std::optional<uint64_t> timeout_ms = parse_timeout(call, call.args[2])) {
    return WaitOrder{.count = static_cast<size_t>(std::max<int64_t>(*count, 0)),
                     .timeout_ms = *timeout_ms};
  }
  return std::nullopt;
}

std::optional<WaitOrder> parse_waitaof(const SessionCall& call) {
  const std::optional<int64_t> local_count = base::parse_int64(call.args[1]);
  const std::optional<int64_t> replica_count = base::parse_int64(call.args[2]);
  if (!local_count) {
    call.reply.error(kNotAnInteger);
  } else if (*local_count < 0 || *local_count > 1) {
    call.reply.error("value is out of range, value must between 0 and 1");
  } else if (!replica_count || *replica_count < 0) {
    call.reply.error("value is out of range, must be positive");
  } else if (const std::optional<uint64_t> timeout_ms = parse_timeout(call, call.args[3])) {
    if (!is_follower(call.services)) {
      return WaitOrder{.count = static_cast<size_t>(*replica_count), .timeout_ms = *timeout_ms};
    }
    call.reply.error(
        "WAITAOF cannot be used with replica instances. Please also note that writes to replicas "
        "are just local and are not propagated.");
  }
  return std::nullopt;
}

}  // namespace alfheim::server
