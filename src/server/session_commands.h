// server/session_commands: the handlers of session commands, a file per family.
//
// Each writes its whole reply. Replies and errors are those of Redis 7, byte for byte, where
// Redis has the command. The words were checked against the row's arity before.
//
// Thread: the loop of the session. Lifetime: of one call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "server/services.h"

namespace alfheim::server {

// Names or ids in one command that answers each with much more than it is: a few megabytes of
// request would ask the loop for hundreds. There are fewer commands, and CLIENT LIST lists all.
inline constexpr size_t kNamesMax = 1024;

// session_commands_connection.cc
void ping_command(const SessionCall& call);
void echo_command(const SessionCall& call);
// Sets wants_close.
void quit_command(const SessionCall& call);
void hello_command(const SessionCall& call);
void auth_command(const SessionCall& call);
void select_command(const SessionCall& call);
// What SessionState and ClientInfo hold is as after accept; the session itself drops an open
// MULTI and its watches.
void reset_command(const SessionCall& call);
void readonly_command(const SessionCall& call);
void readwrite_command(const SessionCall& call);
void asking_command(const SessionCall& call);

// session_commands_client.cc
void client_getname_command(const SessionCall& call);
void client_help_command(const SessionCall& call);
void client_id_command(const SessionCall& call);
void client_info_command(const SessionCall& call);
void client_kill_command(const SessionCall& call);
void client_list_command(const SessionCall& call);
void client_no_evict_command(const SessionCall& call);
void client_no_touch_command(const SessionCall& call);
// OFF and SKIP write nothing; SKIP concerns the command after this one.
void client_reply_command(const SessionCall& call);
void client_setinfo_command(const SessionCall& call);
void client_setname_command(const SessionCall& call);

// session_commands_config.cc
void config_get_command(const SessionCall& call);
void config_help_command(const SessionCall& call);
void config_resetstat_command(const SessionCall& call);
void config_rewrite_command(const SessionCall& call);
void config_set_command(const SessionCall& call);

// session_commands_cluster.cc
void cluster_help_command(const SessionCall& call);
void cluster_info_command(const SessionCall& call);
void cluster_keyslot_command(const SessionCall& call);
void cluster_links_command(const SessionCall& call);
void cluster_myid_command(const SessionCall& call);
void cluster_myshardid_command(const SessionCall& call);
void cluster_nodes_command(const SessionCall& call);
void cluster_replicas_command(const SessionCall& call);
void cluster_shards_command(const SessionCall& call);
void cluster_slots_command(const SessionCall& call);

// session_commands_failover.cc: both answer when it has begun, as Redis does.
void cluster_failover_command(const SessionCall& call);
void failover_command(const SessionCall& call);

// session_commands_sentinel.cc
void sentinel_ckquorum_command(const SessionCall& call);
void sentinel_get_master_addr_command(const SessionCall& call);
void sentinel_help_command(const SessionCall& call);
void sentinel_master_command(const SessionCall& call);
void sentinel_masters_command(const SessionCall& call);
void sentinel_myid_command(const SessionCall& call);
void sentinel_replicas_command(const SessionCall& call);
void sentinel_sentinels_command(const SessionCall& call);

// session_commands_server.cc
// COMMAND and all its subcommands.
void command_command(const SessionCall& call);
void debug_help_command(const SessionCall& call);
void info_command(const SessionCall& call);
void lastsave_command(const SessionCall& call);
void module_help_command(const SessionCall& call);
void module_list_command(const SessionCall& call);
void role_command(const SessionCall& call);
// Writes nothing where the node stops; the connection closes.
void shutdown_command(const SessionCall& call);
void slowlog_get_command(const SessionCall& call);
void slowlog_help_command(const SessionCall& call);
void slowlog_len_command(const SessionCall& call);
void slowlog_reset_command(const SessionCall& call);
void time_command(const SessionCall& call);
void wait_command(const SessionCall& call);
// What WAIT and WAITAOF ask for; nothing where an error reply was written.
struct WaitOrder {
  size_t count = 0;         // of other members
  uint64_t timeout_ms = 0;  // 0: for ever
};
std::optional<WaitOrder> parse_wait(const SessionCall& call);
std::optional<WaitOrder> parse_waitaof(const SessionCall& call);
void waitaof_command(const SessionCall& call);

// session_commands_raft.cc
void raft_help_command(const SessionCall& call);
void raft_info_command(const SessionCall& call);
void raft_members_command(const SessionCall& call);
void raft_tunnel_command(const SessionCall& call);

// ---- shared by the families ----
void reply_lines(const SessionCall& call, std::span<const std::string_view> lines);
// Whoever was removed does not hear any more who leads. False: the client was told so.
bool is_member(const SessionCall& call);
// Whether these are the default user's; compares in constant time.
bool is_right_password(const Config& config, std::string_view user, std::string_view password);
// "CLIENT LIST"'s line of one client.
std::string client_line(const ClientInfo& info, uint64_t now_ms);
// As CLIENT SETNAME does; false after it has replied with an error.
bool set_client_name(const SessionCall& call, std::string_view name);

}  // namespace alfheim::server
