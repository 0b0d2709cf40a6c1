#include <string_view>
#include <utility>

#include "command/cluster_commands.h"
#include "command/family.h"
#include "command/session_row.h"

// What the server room executes, as the table describes it. Names, arities, flags, categories,
// hints and documentation are those that Redis 7 prints; RAFT is ours.
namespace alfheim::command {
namespace {

void add_connection(std::vector<Row>& rows) {
  rows.push_back(session_row("ping", -1, kFast, "@fast @connection",
                             {"request_policy:all_shards", "response_policy:all_succeeded"},
                             {"Ping the server", "1.0.0", "connection", "O(1)"}));
  rows.push_back(session_row("echo", 2, kLoading | kStale | kFast, "@fast @connection", {},
                             {"Echo the given string", "1.0.0", "connection", "O(1)"}));
  rows.push_back(session_row(
      "quit", -1, kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy, "@fast @connection",
      {}, {"Close the connection", "1.0.0", "connection", "O(1)"}));
  rows.push_back(session_row(
      "hello", -1, kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
      "@fast @connection", {}, {"Handshake with Redis", "6.0.0", "connection", "O(1)"}));
  rows.push_back(session_row("auth", -2,
                             kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
                             "@fast @connection", {},
                             {"Authenticate to the server", "1.0.0", "connection",
                              "O(N) where N is the number of passwords defined for the user"}));
  rows.push_back(session_row(
      "select", 2, kLoading | kStale | kFast, "@fast @connection", {},
      {"Change the selected database for the current connection", "1.0.0", "connection", "O(1)"}));
  rows.push_back(session_row(
      "reset", 1, kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy, "@fast @connection",
      {}, {"Reset the connection", "6.2.0", "connection", "O(1)"}));
  rows.push_back(session_row("readonly", 1, kLoading | kStale | kFast, "@fast @connection", {},
                             {"Enables read queries for a connection to a cluster replica node",
                              "3.0.0", "cluster", "O(1)"}));
  rows.push_back(session_row("readwrite", 1, kLoading | kStale | kFast, "@fast @connection", {},
                             {"Disables read queries for a connection to a cluster replica node",
                              "3.0.0", "cluster", "O(1)"}));
  rows.push_back(
      session_row("asking", 1, kFast, "@fast @connection", {},
                  {"Sent by cluster clients after an -ASK redirect", "3.0.0", "cluster", "O(1)"}));
}

void add_client(std::vector<Row>& rows) {
  Row container = container_row("client", -2, 0, "@slow", {},
                                {"A container for client connection commands", "2.4.0",
                                 "connection", "Depends on subcommand."});
  container.subcommands.push_back(
      session_row("client|getname", 2, kNoScript | kLoading | kStale, "@slow @connection", {},
                  {"Get the current connection name", "2.6.9", "connection", "O(1)"}));
  container.subcommands.push_back(session_row(
      "client|help", 2, kLoading | kStale, "@slow @connection", {},
      {"Show helpful text about the different subcommands", "5.0.0", "connection", "O(1)"}));
  container.subcommands.push_back(session_row(
      "client|id", 2, kNoScript | kLoading | kStale, "@slow @connection", {},
      {"Returns the client ID for the current connection", "5.0.0", "connection", "O(1)"}));
  container.subcommands.push_back(session_row(
      "client|info", 2, kNoScript | kLoading | kStale, "@slow @connection",
      {"nondeterministic_output"},
      {"Returns information about the current client connection.", "6.2.0", "connection", "O(1)"}));
  container.subcommands.push_back(
      session_row("client|kill", -3, kAdmin | kNoScript | kLoading | kStale,
                  "@admin @slow @dangerous @connection", {},
                  {"Kill the connection of a client", "2.4.0", "connection",
                   "O(N) where N is the number of client connections"}));
  container.subcommands.push_back(
      session_row("client|list", -2, kAdmin | kNoScript | kLoading | kStale,
                  "@admin @slow @dangerous @connection", {"nondeterministic_output"},
                  {"Get the list of client connections", "2.4.0", "connection",
                   "O(N) where N is the number of client connections"}));
  container.subcommands.push_back(session_row(
      "client|no-evict", 3, kAdmin | kNoScript | kLoading | kStale,
      "@admin @slow @dangerous @connection", {},
      {"Set client eviction mode for the current connection", "7.0.0", "connection", "O(1)"}));
  container.subcommands.push_back(session_row(
      "client|reply", 3, kNoScript | kLoading | kStale, "@slow @connection", {},
      {"Instruct the server whether to reply to commands", "3.2.0", "connection", "O(1)"}));
  container.subcommands.push_back(
      session_row("client|setname", 3, kNoScript | kLoading | kStale, "@slow @connection", {},
                  {"Set the current connection name", "2.6.9", "connection", "O(1)"}));
  container.subcommands.push_back(session_row(
      "client|no-touch", 3, kNoScript | kLoading | kStale, "@slow @connection", {},
      {"Controls whether commands sent by the client affect the LRU/LFU of accessed keys", "7.2.0",
       "connection", "O(1)"}));
  container.subcommands.push_back(session_row(
      "client|setinfo", 4, kNoScript | kLoading | kStale, "@slow @connection",
      {"request_policy:all_nodes", "response_policy:all_succeeded"},
      {"Sets information specific to the client or connection", "7.2.0", "connection", "O(1)"}));
  rows.push_back(std::move(container));
}

// COMMAND alone is a command too.
void add_command(std::vector<Row>& rows) {
  Row container = session_row("command", -1, kLoading | kStale, "@slow @connection",
                              {"nondeterministic_output_order"},
                              {"Get array of Redis command details", "2.8.13", "server",
                               "O(N) where N is the total number of Redis commands"});
  container.subcommands.push_back(
      session_row("command|count", 2, kLoading | kStale, "@slow @connection", {},
                  {"Get total number of Redis commands", "2.8.13", "server", "O(1)"}));
  container.subcommands.push_back(session_row(
      "command|docs", -2, kLoading | kStale, "@slow @connection", {"nondeterministic_output_order"},
      {"Get array of specific Redis command documentation", "7.0.0", "server",
       "O(N) where N is the number of commands to look up"}));
  container.subcommands.push_back(
      session_row("command|getkeys", -4, kLoading | kStale, "@slow @connection", {},
                  {"Extract keys given a full Redis command", "2.8.13", "server",
                   "O(N) where N is the number of arguments to the command"}));
  container.subcommands.push_back(
      session_row("command|getkeysandflags", -4, kLoading | kStale, "@slow @connection", {},
                  {"Extract keys and access flags given a full Redis command", "7.0.0", "server",
                   "O(N) where N is the number of arguments to the command"}));
  container.subcommands.push_back(session_row(
      "command|help", 2, kLoading | kStale, "@slow @connection", {},
      {"Show helpful text about the different subcommands", "5.0.0", "server", "O(1)"}));
  container.subcommands.push_back(session_row(
      "command|info", -2, kLoading | kStale, "@slow @connection", {"nondeterministic_output_order"},
      {"Get array of specific Redis command details, or all when no argument is given.", "2.8.13",
       "server", "O(N) where N is the number of commands to look up"}));
  container.subcommands.push_back(session_row(
      "command|list", -2, kLoading | kStale, "@slow @connection", {"nondeterministic_output_order"},
      {"Get an array of Redis command names", "7.0.0", "server",
       "O(N) where N is the total number of Redis commands"}));
  rows.push_back(std::move(container));
}

void add_config(std::vector<Row>& rows) {
  Row container = container_row("config", -2, 0, "@slow", {},
                                {"A container for server configuration commands", "2.0.0", "server",
                                 "Depends on subcommand."});
  container.subcommands.push_back(session_row(
      "config|get", -3, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous", {},
      {"Get the values of configuration parameters", "2.0.0", "server",
       "O(N) when N is the number of configuration parameters provided"}));
  container.subcommands.push_back(session_row(
      "config|help", 2, kLoading | kStale, "@slow", {},
      {"Show helpful text about the different subcommands", "5.0.0", "server", "O(1)"}));
  container.subcommands.push_back(session_row(
      "config|resetstat", 2, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous", {},
      {"Reset the stats returned by INFO", "2.0.0", "server", "O(1)"}));
  container.subcommands.push_back(session_row(
      "config|rewrite", 2, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous", {},
      {"Rewrite the configuration file with the in memory configuration", "2.8.0", "server",
       "O(1)"}));
  container.subcommands.push_back(session_row(
      "config|set", -4, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous",
      {"request_policy:all_nodes", "response_policy:all_succeeded"},
      {"Set configuration parameters to the given values", "2.0.0", "server",
       "O(N) when N is the number of configuration parameters provided"}));
  rows.push_back(std::move(container));
}

void add_slowlog(std::vector<Row>& rows) {
  Row container = container_row(
      "slowlog", -2, 0, "@slow", {},
      {"A container for slow log commands", "2.2.12", "server", "Depends on subcommand."});
  container.subcommands.push_back(
      session_row("slowlog|get", -2, kAdmin | kLoading | kStale, "@admin @slow @dangerous",
                  {"request_policy:all_nodes", "nondeterministic_output"},
                  {"Get the slow log's entries", "2.2.12", "server",
                   "O(N) where N is the number of entries returned"}));
  container.subcommands.push_back(session_row(
      "slowlog|help", 2, kLoading | kStale, "@slow", {},
      {"Show helpful text about the different subcommands", "6.2.0", "server", "O(1)"}));
  container.subcommands.push_back(session_row(
      "slowlog|len", 2, kAdmin | kLoading | kStale, "@admin @slow @dangerous",
      {"request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"},
      {"Get the slow log's length", "2.2.12", "server", "O(1)"}));
  container.subcommands.push_back(
      session_row("slowlog|reset", 2, kAdmin | kLoading | kStale, "@admin @slow @dangerous",
                  {"request_policy:all_nodes", "response_policy:all_succeeded"},
                  {"Clear all entries from the slow log", "2.2.12", "server",
                   "O(N) where N is the number of entries in the slowlog"}));
  rows.push_back(std::move(container));
}

void add_module(std::vector<Row>& rows) {
  Row container = container_row(
      "module", -2, 0, "@slow", {},
      {"A container for module commands", "4.0.0", "server", "Depends on subcommand."});
  container.subcommands.push_back(session_row(
      "module|help", 2, kLoading | kStale, "@slow", {},
      {"Show helpful text about the different subcommands", "5.0.0", "server", "O(1)"}));
  container.subcommands.push_back(
      session_row("module|list", 2, kAdmin | kNoScript, "@admin @slow @dangerous",
                  {"nondeterministic_output_order"},
                  {"List all modules loaded by the server", "4.0.0", "server",
                   "O(N) where N is the number of loaded modules."}));
  rows.push_back(std::move(container));
}

void add_server(std::vector<Row>& rows) {
  rows.push_back(session_row(
      "info", -1, kLoading | kStale, "@slow @dangerous",
      {"nondeterministic_output", "request_policy:all_shards", "response_policy:special"},
      {"Get information and statistics about the server", "1.0.0", "server", "O(1)"}));
  rows.push_back(session_row("time", 1, kLoading | kStale | kFast, "@fast",
                             {"nondeterministic_output"},
                             {"Return the current server time", "2.6.0", "server", "O(1)"}));
  rows.push_back(session_row("role", 1, kNoScript | kLoading | kStale | kFast,
                             "@admin @fast @dangerous", {},
                             {"Return the role of the instance in the context of replication",
                              "2.8.12", "server", "O(1)"}));
  rows.push_back(session_row(
      "shutdown", -1, kAdmin | kNoScript | kLoading | kStale | kNoMulti | kAllowBusy,
      "@admin @slow @dangerous", {},
      {"Synchronously save the dataset to disk and then shut down the server", "1.0.0", "server",
       "O(N) when saving, where N is the total number of keys in all databases when saving data, "
       "otherwise O(1)"}));
  rows.push_back(
      session_row("failover", -1, kAdmin | kNoScript | kStale, "@admin @slow @dangerous", {},
                  {"Start a coordinated failover between this server and one of its replicas.",
                   "6.2.0", "server", "O(1)"}));
  rows.push_back(session_row(
      "lastsave", 1, kLoading | kStale | kFast, "@admin @fast @dangerous",
      {"nondeterministic_output"},
      {"Get the UNIX time stamp of the last successful save to disk", "1.0.0", "server", "O(1)"}));
  rows.push_back(session_row("wait", 3, kNoScript, "@slow @connection",
                             {"request_policy:all_shards", "response_policy:agg_min"},
                             {"Wait for the synchronous replication of all the write commands sent "
                              "in the context of the current connection",
                              "3.0.0", "generic", "O(1)"}));
  rows.push_back(
      session_row("waitaof", 4, kNoScript, "@slow @connection",
                  {"request_policy:all_shards", "response_policy:agg_min"},
                  {"Wait for the commands sent before by this connection to be on stable storage",
                   "7.2.0", "generic", "O(1)"}));
}

void add_debug(std::vector<Row>& rows) {
  Row container = container_row(
      "debug", -2, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous", {},
      {"A container for debugging commands", "1.0.0", "server", "Depends on subcommand."});
  container.subcommands.push_back(session_row(
      "debug|help", 2, kLoading | kStale, "@slow", {},
      {"Show helpful text about the different subcommands", "1.0.0", "server", "O(1)"}));
  container.subcommands.push_back(session_row(
      "debug|sleep", 3, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous", {},
      {"Hold this connection back for a time", "1.0.0", "server", "O(1)"}));
  rows.push_back(std::move(container));
}

void add_transaction(std::vector<Row>& rows) {
  rows.push_back(session_row(
      "multi", 1, kNoScript | kLoading | kStale | kFast | kAllowBusy, "@fast @transaction", {},
      {"Mark the start of a transaction block", "1.2.0", "transactions", "O(1)"}));
  rows.push_back(session_row("exec", 1, kNoScript | kLoading | kStale | kSkipSlowlog,
                             "@slow @transaction", {},
                             {"Execute all commands issued after MULTI", "1.2.0", "transactions",
                              "Depends on commands in the transaction"}));
  rows.push_back(session_row("discard", 1, kNoScript | kLoading | kStale | kFast | kAllowBusy,
                             "@fast @transaction", {},
                             {"Discard all commands issued after MULTI", "2.0.0", "transactions",
                              "O(N), when N is the number of queued commands"}));
  rows.push_back(session_row("unwatch", 1, kNoScript | kLoading | kStale | kFast | kAllowBusy,
                             "@fast @transaction", {},
                             {"Forget about all watched keys", "2.2.0", "transactions", "O(1)"}));
  Row watch = session_row("watch", -2, kNoScript | kLoading | kStale | kFast | kAllowBusy,
                          "@fast @transaction", {},
                          {"Watch the given keys to determine execution of the MULTI/EXEC block",
                           "2.2.0", "transactions", "O(1) for every key."});
  watch.keys = {{.flags = kKeyRO, .begin_index = 1, .last_key = -1}};
  rows.push_back(std::move(watch));
}

void add_raft(std::vector<Row>& rows) {
  Row container = container_row(
      "raft", -2, 0, "@slow", {},
      {"A container for commands about the Raft group", "0.1.0", "raft", "Depends on subcommand."});
  container.subcommands.push_back(session_row(
      "raft|add", -4, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous", {},
      {"Add a node to the Raft group, which votes once it has caught up", "0.1.0", "raft",
       "O(1)"}));
  container.subcommands.push_back(
      session_row("raft|hash", 2, kAdmin | kNoScript, "@admin @slow @dangerous", {},
                  {"Hash of this group's logical content at one place of the log", "0.1.0", "raft",
                   "O(N) where N is the number of bytes stored"}));
  container.subcommands.push_back(
      session_row("raft|help", 2, kLoading | kStale, "@slow", {},
                  {"Show helpful text about the different subcommands", "0.1.0", "raft", "O(1)"}));
  container.subcommands.push_back(
      session_row("raft|info", 2, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous",
                  {"nondeterministic_output"},
                  {"State of the Raft group as this node sees it", "0.1.0", "raft", "O(1)"}));
  container.subcommands.push_back(session_row(
      "raft|members", 2, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous",
      {"nondeterministic_output"},
      {"Members of the Raft group", "0.1.0", "raft", "O(N) where N is the number of members"}));
  container.subcommands.push_back(session_row(
      "raft|promote", 3, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous", {},
      {"Make a voter of a learner that has caught up", "0.1.0", "raft", "O(1)"}));
  container.subcommands.push_back(session_row(
      "raft|remove", 3, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous", {},
      {"Remove a member from the Raft group for ever", "0.1.0", "raft", "O(1)"}));
  container.subcommands.push_back(
      session_row("raft|snapshot", 2, kAdmin | kNoScript, "@admin @slow @dangerous",
                  {"nondeterministic_output"},
                  {"Make a snapshot for members that lag behind", "0.1.0", "raft",
                   "O(N) where N is the number of bytes stored"}));
  container.subcommands.push_back(session_row(
      "raft|transfer", -2, kAdmin | kNoScript | kLoading | kStale, "@admin @slow @dangerous", {},
      {"Hand leadership over to another voter", "0.1.0", "raft", "O(1)"}));
  container.subcommands.push_back(
      session_row("raft|tunnel", 3, kAdmin | kNoScript | kNoMulti | kLoading | kStale,
                  "@admin @slow @dangerous", {},
                  {"An internal command: a node carries a client of its own to the leader", "0.1.0",
                   "raft", "O(1)"}));
  rows.push_back(std::move(container));
}

void add_sentinel(std::vector<Row>& rows) {
  Row container = container_row(
      "sentinel", -2, kAdmin, "@admin @slow @dangerous", {},
      {"A container for Sentinel commands", "2.8.4", "sentinel", "Depends on subcommand."});
  const auto add = [&container](std::string_view name, int arity, const RowDocs& docs) {
    container.subcommands.push_back(
        session_row(name, arity, kAdmin, "@admin @slow @dangerous", {}, docs));
  };
  add("sentinel|ckquorum", 3, {"Check for a Sentinel quorum", "2.8.4", "sentinel", ""});
  add("sentinel|get-master-addr-by-name", 3,
      {"Get port and address of a master", "2.8.4", "sentinel", "O(1)"});
  add("sentinel|master", 3, {"Shows the state of a master", "2.8.4", "sentinel", "O(1)"});
  add("sentinel|masters", 2,
      {"List the monitored masters", "2.8.4", "sentinel", "O(N) where N is the number of masters"});
  add("sentinel|myid", 2, {"Get the Sentinel instance ID", "6.2.0", "sentinel", "O(1)"});
  add("sentinel|replicas", 3,
      {"List the monitored replicas", "5.0.0", "sentinel",
       "O(N) where N is the number of replicas"});
  add("sentinel|sentinels", 3,
      {"List the Sentinel instances", "2.8.4", "sentinel",
       "O(N) where N is the number of Sentinels"});
  add("sentinel|slaves", 3,
      {"List the monitored slaves", "2.8.0", "sentinel", "O(N) where N is the number of slaves"});
  container.subcommands.push_back(session_row(
      "sentinel|help", 2, kLoading | kStale, "@slow", {},
      {"Show helpful text about the different subcommands", "6.2.0", "sentinel", "O(1)"}));
  rows.push_back(std::move(container));
}

}  // namespace

void add_session_rows(std::vector<Row>& rows) {
  add_connection(rows);
  add_client(rows);
  add_cluster_rows(rows);
  add_command(rows);
  add_config(rows);
  add_debug(rows);
  add_module(rows);
  add_raft(rows);
  add_sentinel(rows);
  add_server(rows);
  add_slowlog(rows);
  add_transaction(rows);
  set_usages(rows, session_usages());
}

}  // namespace alfheim::command
