#include <algorithm>
#include <iterator>
#include <string>

#include "base/format.h"
#include "base/limits.h"
#include "base/slot.h"
#include "server/options.h"
#include "server/session_commands.h"
#include "server/topology.h"

// CLUSTER as a client of Redis Cluster sees a group: the leader is the master that owns every slot,
// the other members are its replicas (server/topology.h). The epoch is Raft's term.
namespace alfheim::server {
namespace {

constexpr int64_t kSlotLast = int64_t{base::kSlotCount} - 1;

void write_slots_node(const SessionCall& call, const TopologyNode& node) {
  call.reply.array_header(4);
  call.reply.bulk(node.client.host);
  call.reply.integer(node.client.port);
  call.reply.bulk(node.node_id);
  call.reply.map_header(0);
}

void write_shards_node(const SessionCall& call, const TopologyNode& node, bool is_master) {
  resp::ReplyWriter& reply = call.reply;
  reply.map_header(7);
  reply.bulk("id");
  reply.bulk(node.node_id);
  reply.bulk("port");
  reply.integer(node.client.port);
  reply.bulk("ip");
  reply.bulk(node.client.host);
  reply.bulk("endpoint");
  reply.bulk(node.client.host);
  reply.bulk("role");
  reply.bulk(is_master ? "master" : "replica");
  reply.bulk("replication-offset");
  reply.integer(static_cast<int64_t>(node.match));
  reply.bulk("health");
  reply.bulk(node.is_connected ? "online" : "failed");
}

// A line of CLUSTER NODES and CLUSTER REPLICAS. The first node stands for the master.
std::string nodes_line(const Topology& topology, const TopologyNode& node) {
  const TopologyNode& master = topology.nodes.front();
  const bool is_master = &node == &master;
  std::string line =
      base::format("{} {}@{} {}{}{} {} 0 0 {} {}", node.node_id, address_text(node.client),
                   node.raft_port, node.is_self ? "myself," : "", is_master ? "master" : "slave",
                   node.is_connected ? "" : ",fail?", is_master ? std::string("-") : master.node_id,
                   topology.term, node.is_connected ? "connected" : "disconnected");
  if (is_master) line += base::format(" 0-{}", kSlotLast);
  return line;
}

constexpr std::string_view kHelp[] = {
    "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "FAILOVER [FORCE|TAKEOVER]",
    "    Promote current replica node to being a master.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names stored by current node in a slot.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "MYID",
    "    Return the node id.",
    "MYSHARDID",
    "    Return the node's shard id.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "    Output format is an array where each array element is a map containing attributes of a "
    "link",
    "HELP",
    "    Prints this help.",
};

}  // namespace

bool is_member(const SessionCall& call) {
  if (!call.services.replica.is_removed()) return true;
  call.reply.error_with_code(replica::kRemoved);
  return false;
}

void cluster_help_command(const SessionCall& call) { reply_lines(call, kHelp); }

void cluster_info_command(const SessionCall& call) {
  const Topology topology = topology_of(call.services, call.session);
  call.reply.verbatim(
      "txt", base::format("cluster_state:{}\r\n"
                          "cluster_slots_assigned:{}\r\n"
                          "cluster_slots_ok:{}\r\n"
                          "cluster_slots_pfail:0\r\n"
                          "cluster_slots_fail:0\r\n"
                          "cluster_known_nodes:{}\r\n"
                          "cluster_size:1\r\n"
                          "cluster_current_epoch:{}\r\n"
                          "cluster_my_epoch:{}\r\n"
                          "cluster_stats_messages_sent:0\r\n"
                          "cluster_stats_messages_received:0\r\n"
                          "total_cluster_links_buffer_limit_exceeded:0\r\n",
                          topology.has_leader ? "ok" : "fail", base::kSlotCount, base::kSlotCount,
                          topology.nodes.size(), topology.term, topology.term));
}

void cluster_keyslot_command(const SessionCall& call) {
  call.reply.integer(base::key_slot(call.args[2]));
}

// Links of Redis's cluster bus, which does not exist here: RAFT INFO tells of those between nodes.
void cluster_links_command(const SessionCall& call) { call.reply.empty_array(); }

void cluster_myid_command(const SessionCall& call) {
  call.reply.bulk(call.services.identity.node_id);
}

// The shard is the group: one name for it on every node, which is that of no node of several.
void cluster_myshardid_command(const SessionCall& call) {
  const Topology topology = topology_of(call.services, call.session);
  const auto first = std::min_element(
      topology.nodes.begin(), topology.nodes.end(),
      [](const TopologyNode& a, const TopologyNode& b) { return a.node_id < b.node_id; });
  call.reply.bulk(first->node_id);
}

void cluster_nodes_command(const SessionCall& call) {
  if (!is_member(call)) return;
  const Topology topology = topology_of(call.services, call.session);
  std::string text;
  for (const TopologyNode& node : topology.nodes) text += nodes_line(topology, node) + "\n";
  call.reply.verbatim("txt", text);
}

void cluster_replicas_command(const SessionCall& call) {
  if (!is_member(call)) return;
  const Topology topology = topology_of(call.services, call.session);
  const auto found =
      std::find_if(topology.nodes.begin(), topology.nodes.end(),
                   [&](const TopologyNode& node) { return node.node_id == call.args[2]; });
  if (found == topology.nodes.end()) {
    return call.reply.error(base::format("Unknown node {}", call.args[2]));
  }
  if (found != topology.nodes.begin()) {
    return call.reply.error("The specified node is not a master");
  }
  call.reply.array_header(topology.nodes.size() - 1);
  for (auto node = std::next(found); node != topology.nodes.end(); ++node) {
    call.reply.bulk(nodes_line(topology, *node));
  }
}

void cluster_shards_command(const SessionCall& call) {
  if (!is_member(call)) return;
  const Topology topology = topology_of(call.services, call.session);
  resp::ReplyWriter& reply = call.reply;
  reply.array_header(1);
  reply.map_header(2);
  reply.bulk("slots");
  reply.array_header(2);
  reply.integer(0);
  reply.integer(kSlotLast);
  reply.bulk("nodes");
  reply.array_header(topology.nodes.size());
  for (const TopologyNode& node : topology.nodes) {
    write_shards_node(call, node, &node == &topology.nodes.front());
  }
}

void cluster_slots_command(const SessionCall& call) {
  if (!is_member(call)) return;
  const Topology topology = topology_of(call.services, call.session);
  // As Redis, without replicas that are dead; but a client that knows a single address is lost when
  // that one dies.
  const auto dead = std::find_if(topology.nodes.begin(), topology.nodes.end(),
                                 [](const TopologyNode& node) { return !node.is_connected; });
  const auto alive = static_cast<size_t>(dead - topology.nodes.begin());
  const size_t count = alive >= 2 ? alive : topology.nodes.size();
  call.reply.array_header(1);
  call.reply.array_header(2 + count);
  call.reply.integer(0);
  call.reply.integer(kSlotLast);
  for (size_t i = 0; i < count; ++i) write_slots_node(call, topology.nodes[i]);
}

}  // namespace alfheim::server
