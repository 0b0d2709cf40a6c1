#include <string>
#include <utility>
#include <vector>

#include "base/format.h"
#include "server/config.h"
#include "server/session_commands.h"
#include "server/topology.h"

// SENTINEL as Redis Sentinel answers it: every node is a sentinel, the group is the one master that
// it watches, and who leads is what the group itself decided. A request that comes while nobody
// leads waits for a leader (server/session_leader.cc), so no client is told that there is none.
namespace alfheim::server {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string>>;

constexpr std::string_view kHelp[] = {
    "SENTINEL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CKQUORUM <master-name>",
    "    Check if the current Sentinel configuration is able to reach the quorum",
    "    needed to failover a master and the majority needed to authorize the",
    "    failover.",
    "GET-MASTER-ADDR-BY-NAME <master-name>",
    "    Return the ip and port number of the master with that name.",
    "MASTER <master-name>",
    "    Show the state and info of the specified master.",
    "MASTERS",
    "    Show a list of monitored masters and their state.",
    "MYID",
    "    Return the ID of the Sentinel instance.",
    "REPLICAS <master-name>",
    "    Show a list of replicas for this master and their state.",
    "SENTINELS <master-name>",
    "    Show a list of Sentinel instances for this master and their state.",
    "HELP",
    "    Prints this help.",
};

std::string text_of(uint64_t number) { return std::to_string(number); }

std::string_view master_name(const SessionCall& call) {
  return call.services.config.startup().group.sentinel_master_name;
}

// Whoever was removed from the group does not hear any more who leads: it watches no master.
bool watches(const SessionCall& call, std::string_view name) {
  return name == master_name(call) && !call.services.replica.is_removed();
}

// False: the client was told that there is no such master.
bool is_our_master(const SessionCall& call) {
  if (watches(call, call.args[2])) return true;
  call.reply.error("No such master with that name");
  return false;
}

size_t majority_of(const Topology& topology) { return topology.voter_count / 2 + 1; }

void write_fields(const SessionCall& call, const Fields& fields) {
  call.reply.map_header(fields.size());
  for (const auto& [name, value] : fields) {
    call.reply.bulk(name);
    call.reply.bulk(value);
  }
}

// What a sentinel knows of each instance. There are no pings of its own, so their times are 0.
void add_instance(Fields& fields, const TopologyNode& node, std::string_view kind) {
  const std::string flags = node.is_connected ? std::string(kind) : base::format("s_down,{}", kind);
  fields.insert(fields.end(), {{"ip", node.client.host},
                               {"port", text_of(node.client.port)},
                               {"runid", node.node_id},
                               {"flags", flags},
                               {"link-pending-commands", "0"},
                               {"link-refcount", "1"},
                               {"last-ping-sent", "0"},
                               {"last-ok-ping-reply", "0"},
                               {"last-ping-reply", "0"}});
}

void add_role(const SessionCall& call, Fields& fields, std::string_view role) {
  const uint64_t timeout_ms = call.services.replica.election_timeout_ms();
  fields.insert(fields.end(), {{"down-after-milliseconds", text_of(timeout_ms)},
                               {"info-refresh", "0"},
                               {"role-reported", std::string(role)},
                               {"role-reported-time", "0"}});
}

void write_master(const SessionCall& call, const Topology& topology) {
  const uint64_t timeout_ms = call.services.replica.election_timeout_ms();
  Fields fields = {{"name", std::string(master_name(call))}};
  add_instance(fields, topology.nodes.front(),
               topology.has_leader ? "master" : "s_down,o_down,master");
  add_role(call, fields, "master");
  fields.insert(fields.end(), {{"config-epoch", text_of(topology.term)},
                               {"num-slaves", text_of(topology.nodes.size() - 1)},
                               {"num-other-sentinels", text_of(topology.nodes.size() - 1)},
                               {"quorum", text_of(majority_of(topology))},
                               {"failover-timeout", text_of(2 * timeout_ms)},
                               {"parallel-syncs", text_of(topology.nodes.size() - 1)}});
  write_fields(call, fields);
}

void write_replica(const SessionCall& call, const Topology& topology, const TopologyNode& node) {
  const TopologyNode& master = topology.nodes.front();
  Fields fields = {
      {"name", base::format("{}:{}", node.client.host, node.client.port)},
  };
  add_instance(fields, node, "slave");
  add_role(call, fields, "slave");
  const bool is_linked = node.is_connected && topology.has_leader;
  fields.insert(fields.end(), {{"master-link-down-time", "0"},
                               {"master-link-status", is_linked ? "ok" : "err"},
                               {"master-host", master.client.host},
                               {"master-port", text_of(master.client.port)},
                               {"slave-priority", "100"},
                               {"slave-repl-offset", text_of(node.match)},
                               {"replica-announced", "1"}});
  write_fields(call, fields);
}

void write_sentinel(const SessionCall& call, const Topology& topology, const TopologyNode& node) {
  Fields fields = {{"name", node.node_id}};
  add_instance(fields, node, "sentinel");
  fields.insert(fields.end(),
                {{"down-after-milliseconds", text_of(call.services.replica.election_timeout_ms())},
                 {"last-hello-message", "0"},
                 {"voted-leader", topology.has_leader ? topology.nodes.front().node_id : "?"},
                 {"voted-leader-epoch", text_of(topology.has_leader ? topology.term : 0)}});
  write_fields(call, fields);
}

}  // namespace

void sentinel_help_command(const SessionCall& call) { reply_lines(call, kHelp); }

void sentinel_myid_command(const SessionCall& call) {
  call.reply.bulk(call.services.identity.node_id);
}

void sentinel_get_master_addr_command(const SessionCall& call) {
  if (!watches(call, call.args[2])) return call.reply.null_array();
  const Topology topology = topology_of(call.services, call.session);
  const TopologyNode& master = topology.nodes.front();
  call.reply.array_header(2);
  call.reply.bulk(master.client.host);
  call.reply.bulk(text_of(master.client.port));
}

void sentinel_masters_command(const SessionCall& call) {
  if (call.services.replica.is_removed()) return call.reply.empty_array();
  call.reply.array_header(1);
  write_master(call, topology_of(call.services, call.session));
}

void sentinel_master_command(const SessionCall& call) {
  if (is_our_master(call)) write_master(call, topology_of(call.services, call.session));
}

void sentinel_replicas_command(const SessionCall& call) {
  if (!is_our_master(call)) return;
  const Topology topology = topology_of(call.services, call.session);
  call.reply.array_header(topology.nodes.size() - 1);
  for (size_t i = 1; i < topology.nodes.size(); ++i) {
    write_replica(call, topology, topology.nodes[i]);
  }
}

void sentinel_sentinels_command(const SessionCall& call) {
  if (!is_our_master(call)) return;
  const Topology topology = topology_of(call.services, call.session);
  call.reply.array_header(topology.nodes.size() - 1);
  for (const TopologyNode& node : topology.nodes) {
    if (!node.is_self) write_sentinel(call, topology, node);
  }
}

// Who is connected to this node counts; a leader is one that a majority has answered of late.
void sentinel_ckquorum_command(const SessionCall& call) {
  if (!is_our_master(call)) return;
  const Topology topology = topology_of(call.services, call.session);
  size_t usable = 0;
  for (const TopologyNode& node : topology.nodes) usable += node.is_connected ? 1 : 0;
  if (topology.has_leader && usable >= majority_of(topology)) {
    return call.reply.simple_string(base::format(
        "OK {} usable Sentinels. Quorum and failover authorization can be reached", usable));
  }
  call.reply.error_with_code(base::format(
      "NOQUORUM {} usable Sentinels. Not enough available Sentinels to reach the specified quorum "
      "for this master. Not enough available Sentinels to reach the majority and authorize a "
      "failover",
      usable));
}

}  // namespace alfheim::server
