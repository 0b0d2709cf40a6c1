#include <string>
#include <utility>
#include <vector>

#include "server/client_memory.h"
#include "server/config.h"
#include "server/session_commands.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kHelp[] = {
    "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
    "HELP",
    "    Prints this help.",
};

}  // namespace

void config_get_command(const SessionCall& call) {
  std::vector<std::string_view> patterns;
  for (size_t i = 2; i < call.args.count(); ++i) patterns.push_back(call.args[i]);
  const std::vector<Config::Pair> pairs = call.services.config.get(patterns);
  call.reply.map_header(pairs.size());
  for (const auto& [name, value] : pairs) {
    call.reply.bulk(name);
    call.reply.bulk(value);
  }
}

void config_help_command(const SessionCall& call) { reply_lines(call, kHelp); }

// What this node counts from zero again; connections and the log's own figures go on.
void config_resetstat_command(const SessionCall& call) {
  Counters& counters = call.services.counters;
  for (std::atomic<uint64_t>* counter :
       {&counters.commands, &counters.reads, &counters.writes, &counters.input_bytes,
        &counters.output_bytes, &counters.rejected_connections, &counters.evicted_clients,
        &counters.query_limit_closings, &counters.output_limit_closings, &counters.error_replies,
        &counters.refused_writes, &counters.pool_reads, &counters.keyspace_hits,
        &counters.keyspace_misses, &counters.lease_reads, &counters.loop_turn_ns_max}) {
    counter->store(0, std::memory_order_relaxed);
  }
  call.services.client_memory.reset_peak();
  call.reply.ok();
}

void config_rewrite_command(const SessionCall& call) {
  if (call.services.config.startup().config_path.empty()) {
    call.reply.error("The server is running without a config file");
  } else {
    call.reply.error("Rewriting config file: this server only reads it; edit it by hand");
  }
}

void config_set_command(const SessionCall& call) {
  const size_t count = call.args.count();
  if (count % 2 != 0) {
    call.reply.error("syntax error");
    return;
  }
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  for (size_t i = 2; i < count; i += 2) pairs.emplace_back(call.args[i], call.args[i + 1]);
  const base::Status status = call.services.config.set(pairs);
  if (status) {
    call.reply.ok();
  } else {
    call.reply.error_with_code(status.error().message);
  }
}

}  // namespace alfheim::server
