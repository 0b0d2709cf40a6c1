#include <algorithm>
#include <iterator>

#include "server/session_commands.h"

namespace alfheim::server {
namespace {

struct NamedHandler {
  std::string_view name;
  SessionHandler handler;
};

constexpr bool operator<(const NamedHandler& left, const NamedHandler& right) {
  return left.name < right.name;
}

// Sorted by name. MULTI, EXEC, DISCARD, WATCH, UNWATCH, DEBUG SLEEP, RAFT HASH, RAFT SNAPSHOT and
// RAFT TRANSFER are the session's own.
constexpr NamedHandler kHandlers[] = {
    {"asking", asking_command},
    {"auth", auth_command},
    {"client|getname", client_getname_command},
    {"client|help", client_help_command},
    {"client|id", client_id_command},
    {"client|info", client_info_command},
    {"client|kill", client_kill_command},
    {"client|list", client_list_command},
    {"client|no-evict", client_no_evict_command},
    {"client|no-touch", client_no_touch_command},
    {"client|reply", client_reply_command},
    {"client|setinfo", client_setinfo_command},
    {"client|setname", client_setname_command},
    {"cluster|failover", cluster_failover_command},
    {"cluster|help", cluster_help_command},
    {"cluster|info", cluster_info_command},
    {"cluster|keyslot", cluster_keyslot_command},
    {"cluster|links", cluster_links_command},
    {"cluster|myid", cluster_myid_command},
    {"cluster|myshardid", cluster_myshardid_command},
    {"cluster|nodes", cluster_nodes_command},
    {"cluster|replicas", cluster_replicas_command},
    {"cluster|shards", cluster_shards_command},
    {"cluster|slaves", cluster_replicas_command},
    {"cluster|slots", cluster_slots_command},
    {"command", command_command},
    {"command|count", command_command},
    {"command|docs", command_command},
    {"command|getkeys", command_command},
    {"command|getkeysandflags", command_command},
    {"command|help", command_command},
    {"command|info", command_command},
    {"command|list", command_command},
    {"config|get", config_get_command},
    {"config|help", config_help_command},
    {"config|resetstat", config_resetstat_command},
    {"config|rewrite", config_rewrite_command},
    {"config|set", config_set_command},
    {"debug|help", debug_help_command},
    {"echo", echo_command},
    {"failover", failover_command},
    {"hello", hello_command},
    {"info", info_command},
    {"lastsave", lastsave_command},
    {"module|help", module_help_command},
    {"module|list", module_list_command},
    {"ping", ping_command},
    {"quit", quit_command},
    {"raft|help", raft_help_command},
    {"raft|info", raft_info_command},
    {"raft|members", raft_members_command},
    {"raft|tunnel", raft_tunnel_command},
    {"readonly", readonly_command},
    {"readwrite", readwrite_command},
    {"reset", reset_command},
    {"role", role_command},
    {"select", select_command},
    {"sentinel|ckquorum", sentinel_ckquorum_command},
    {"sentinel|get-master-addr-by-name", sentinel_get_master_addr_command},
    {"sentinel|help", sentinel_help_command},
    {"sentinel|master", sentinel_master_command},
    {"sentinel|masters", sentinel_masters_command},
    {"sentinel|myid", sentinel_myid_command},
    {"sentinel|replicas", sentinel_replicas_command},
    {"sentinel|sentinels", sentinel_sentinels_command},
    {"sentinel|slaves", sentinel_replicas_command},
    {"shutdown", shutdown_command},
    {"slowlog|get", slowlog_get_command},
    {"slowlog|help", slowlog_help_command},
    {"slowlog|len", slowlog_len_command},
    {"slowlog|reset", slowlog_reset_command},
    {"time", time_command},
    {"wait", wait_command},
    {"waitaof", waitaof_command},
};
static_assert(std::is_sorted(std::begin(kHandlers), std::end(kHandlers)));

}  // namespace

SessionHandler find_session_handler(std::string_view row_name) {
  const auto found =
      std::lower_bound(std::begin(kHandlers), std::end(kHandlers), NamedHandler{row_name, nullptr});
  return found != std::end(kHandlers) && found->name == row_name ? found->handler : nullptr;
}

void reply_lines(const SessionCall& call, std::span<const std::string_view> lines) {
  call.reply.array_header(lines.size());
  for (const std::string_view line : lines) call.reply.simple_string(line);
}

}  // namespace alfheim::server
