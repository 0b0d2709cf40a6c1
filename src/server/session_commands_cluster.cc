#include <string>

#include "base/format.h"
#include "base/limits.h"
#include "base/slot.h"
#include "server/options.h"
#include "server/session_commands.h"

// CLUSTER as a client of Redis Cluster sees a group of one: one master that owns every slot.
// The epoch is Raft's term.
namespace alfheim::server {
namespace {

constexpr int64_t kSlotLast = int64_t{base::kSlotCount} - 1;

// The host that this client reaches us by: the one it connected to, where we listen on all.
std::string endpoint_host(const SessionCall& call) {
  const std::string& host = call.services.identity.resp.host;
  const bool is_any = host == "0.0.0.0" || host == "::" || host == "*";
  return is_any ? call.session.info->local.host : host;
}

bool has_leader(const replica::ReplicaStatus& status) {
  return status.raft.soft_state.leader.value != 0;
}

constexpr std::string_view kHelp[] = {
    "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
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

void cluster_help_command(const SessionCall& call) { reply_lines(call, kHelp); }

void cluster_info_command(const SessionCall& call) {
  const replica::ReplicaStatus status = call.services.replica.status_snapshot();
  const uint64_t epoch = status.raft.soft_state.term.value;
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
                          has_leader(status) ? "ok" : "fail", base::kSlotCount, base::kSlotCount,
                          status.raft.configuration.members().size(), epoch, epoch));
}

void cluster_keyslot_command(const SessionCall& call) {
  call.reply.integer(base::key_slot(call.args[2]));
}

// There is nobody to be linked with.
void cluster_links_command(const SessionCall& call) { call.reply.empty_array(); }

void cluster_myid_command(const SessionCall& call) {
  call.reply.bulk(call.services.identity.node_id);
}

// The shard is the group, and the group is this node.
void cluster_myshardid_command(const SessionCall& call) {
  call.reply.bulk(call.services.identity.node_id);
}

void cluster_nodes_command(const SessionCall& call) {
  const Identity& identity = call.services.identity;
  const replica::ReplicaStatus status = call.services.replica.status_snapshot();
  const env::PeerAddress endpoint{endpoint_host(call), identity.resp.port};
  call.reply.verbatim(
      "txt", base::format("{} {}@{} myself,master - 0 0 {} connected 0-{}\n", identity.node_id,
                          address_text(endpoint), identity.raft.port,
                          status.raft.soft_state.term.value, kSlotLast));
}

void cluster_replicas_command(const SessionCall& call) {
  if (call.args[2] != call.services.identity.node_id) {
    call.reply.error(base::format("Unknown node {}", call.args[2]));
  } else {
    call.reply.empty_array();
  }
}

void cluster_shards_command(const SessionCall& call) {
  const replica::ReplicaStatus status = call.services.replica.status_snapshot();
  const std::string host = endpoint_host(call);
  resp::ReplyWriter& reply = call.reply;
  reply.array_header(1);
  reply.map_header(2);
  reply.bulk("slots");
  reply.array_header(2);
  reply.integer(0);
  reply.integer(kSlotLast);
  reply.bulk("nodes");
  reply.array_header(1);
  reply.map_header(7);
  reply.bulk("id");
  reply.bulk(call.services.identity.node_id);
  reply.bulk("port");
  reply.integer(call.services.identity.resp.port);
  reply.bulk("ip");
  reply.bulk(host);
  reply.bulk("endpoint");
  reply.bulk(host);
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("replication-offset");
  reply.integer(static_cast<int64_t>(status.applied.value));
  reply.bulk("health");
  reply.bulk("online");
}

void cluster_slots_command(const SessionCall& call) {
  resp::ReplyWriter& reply = call.reply;
  reply.array_header(1);
  reply.array_header(3);
  reply.integer(0);
  reply.integer(kSlotLast);
  reply.array_header(4);
  reply.bulk(endpoint_host(call));
  reply.integer(call.services.identity.resp.port);
  reply.bulk(call.services.identity.node_id);
  reply.map_header(0);
}

}  // namespace alfheim::server
