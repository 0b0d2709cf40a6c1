#include <algorithm>
#include <optional>
#include <string>

#include "base/format.h"
#include "base/number.h"
#include "base/text.h"
#include "server/session_commands.h"
#include "server/topology.h"

// FAILOVER and CLUSTER FAILOVER: leadership goes to another node, in Redis's words. FORCE and
// TAKEOVER lose no data here: who lacks a committed entry is never elected.
namespace alfheim::server {
namespace {

constexpr std::string_view kSyntaxError = "syntax error";
constexpr std::string_view kNotAnInteger = "value is not an integer or out of range";

struct FailoverWords {
  std::string host;  // empty: to whoever is best
  int64_t port = 0;
  uint64_t timeout_ms = 0;  // 0: not given
  bool is_abort = false;
  bool is_forced = false;
};

// The error for the client, or empty.
std::string_view read_failover(const command::Arguments& args, FailoverWords& words) {
  const auto is = [&args](size_t place, std::string_view word) {
    return base::equals_ignore_case(args[place], word);
  };
  for (size_t i = 1; i < args.count(); ++i) {
    if (is(i, "timeout") && i + 1 < args.count() && words.timeout_ms == 0) {
      const std::optional<int64_t> timeout_ms = base::parse_int64(args[++i]);
      if (!timeout_ms) return kNotAnInteger;
      if (*timeout_ms <= 0) return "FAILOVER timeout must be greater than 0";
      words.timeout_ms = static_cast<uint64_t>(*timeout_ms);
    } else if (is(i, "to") && i + 2 < args.count() && words.host.empty()) {
      const std::optional<int64_t> port = base::parse_int64(args[i + 2]);
      if (!port) return kNotAnInteger;
      words.host = args[i + 1];
      words.port = *port;
      i += 2;
    } else if (is(i, "abort") && args.count() == 2) {
      words.is_abort = true;
    } else if (is(i, "force") && !words.is_forced) {
      words.is_forced = true;
    } else {
      return kSyntaxError;
    }
  }
  return {};
}

void abort_failover(const SessionCall& call) {
  switch (call.services.replica.hand_over_phase()) {
    case replica::HandOverPhase::kNone: return call.reply.error("No failover in progress.");
    case replica::HandOverPhase::kUnderWay:
      return call.reply.error("The failover cannot be aborted any more.");
    case replica::HandOverPhase::kCatchingUp:
    case replica::HandOverPhase::kEnding: break;
  }
  call.services.replica.abort_transfer([](const base::Status&) {});
  call.reply.ok();
}

bool is_replica(const Services& services) {
  const base::NodeId leader = services.replica.leader();
  return services.replica.needs_barrier() && leader != services.replica.id();
}

}  // namespace

void failover_command(const SessionCall& call) {
  const Services& services = call.services;
  FailoverWords words;
  if (const std::string_view problem = read_failover(call.args, words); !problem.empty()) {
    return call.reply.error(problem);
  }
  if (!is_member(call)) return;
  if (words.is_abort) return abort_failover(call);
  if (services.replica.hand_over_phase() != replica::HandOverPhase::kNone) {
    return call.reply.error("FAILOVER already in progress.");
  }
  if (is_replica(services)) {
    return call.reply.error("FAILOVER is not valid when server is a replica.");
  }
  if (!services.replica.needs_barrier()) {
    return call.reply.error("FAILOVER requires connected replicas.");
  }
  if (words.is_forced && (words.timeout_ms == 0 || words.host.empty())) {
    return call.reply.error(
        "FAILOVER with force option requires both a timeout and target HOST and IP.");
  }
  replica::HandOverOrder order{
      .timeout_ms = words.timeout_ms, .goes_unready = words.is_forced, .done = {}};
  if (!words.host.empty()) {
    const Topology topology = topology_of(services, call.session);
    const auto found = std::find_if(
        topology.nodes.begin(), topology.nodes.end(), [&words](const TopologyNode& node) {
          return !node.is_self && node.client.host == words.host && node.client.port == words.port;
        });
    if (found == topology.nodes.end()) {
      return call.reply.error("FAILOVER target HOST and PORT is not a replica.");
    }
    order.to = found->id;
  }
  call.services.replica.transfer(std::move(order));
  call.reply.ok();
}

void cluster_failover_command(const SessionCall& call) {
  const command::Arguments& args = call.args;
  if (args.count() > 3) {
    return call.reply.error(base::format(
        "unknown subcommand or wrong number of arguments for '{}'. Try CLUSTER HELP.", args[1]));
  }
  const bool is_forced = args.count() == 3;
  if (is_forced && !base::equals_ignore_case(args[2], "force") &&
      !base::equals_ignore_case(args[2], "takeover")) {
    return call.reply.error(kSyntaxError);
  }
  if (!is_member(call)) return;
  const Services& services = call.services;
  if (!is_replica(services)) {
    return call.reply.error("You should send CLUSTER FAILOVER to a replica");
  }
  if (services.replica.leader() == base::NodeId{} && !is_forced) {
    return call.reply.error("Master is down or failed, please use CLUSTER FAILOVER FORCE");
  }
  call.services.replica.take_over();
  call.reply.ok();
}

}  // namespace alfheim::server
