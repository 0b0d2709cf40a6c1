// server/services: what a session command may ask of its node.
//
// A bundle of references, filled in by assemble (and by the simulator with other hands). A
// session command is one that is executed by the node that received it and changes no
// replicated state: PING, CLIENT, CONFIG, INFO, CLUSTER, ... Its handler answers at once and
// never blocks.
//
// Thread: handlers run on the loop of their session; what they reach is safe from any thread.
// Lifetime: of the node.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "command/table.h"
#include "env/clock.h"
#include "env/random.h"
#include "index/index.h"
#include "machine/machine.h"
#include "replica/replica.h"
#include "server/client_info.h"
#include "vlog/log.h"

namespace alfheim::server {

class BodyBudget;     // server/body_budget.h
class ClientMemory;   // server/client_memory.h
class Directory;      // server/directory.h: where clients reach the nodes
class SentinelHosts;  // server/sentinel_hosts.h
class Config;         // server/config.h: options, CONFIG GET/SET
class SlowLog;        // server/slow_log.h
class WriteShares;    // server/write_shares.h

// Counted by sessions, shown by INFO and /metrics.
struct Counters {
  std::atomic<uint64_t> commands{0};
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> lease_reads{0};  // of these, by a leader's lease
  std::atomic<uint64_t> writes{0};
  std::atomic<uint64_t> input_bytes{0};
  std::atomic<uint64_t> output_bytes{0};
  std::atomic<uint64_t> rejected_connections{0};
  std::atomic<uint64_t> evicted_clients{0};       // closed, for want of memory
  std::atomic<uint64_t> query_limit_closings{0};  // and of what MULTI queues
  std::atomic<uint64_t> output_limit_closings{0};
  std::atomic<uint64_t> error_replies{0};
  std::atomic<uint64_t> refused_writes{0};  // for want of room on the disk
  std::atomic<uint64_t> pool_reads{0};      // reads that did not find all in memory
  std::atomic<uint64_t> keyspace_hits{0};
  std::atomic<uint64_t> keyspace_misses{0};
  std::atomic<uint64_t> loop_turn_ns_max{0};  // CPU time of the longest turn of a loop
};

struct Identity {
  std::string name;       // --id
  std::string run_id;     // 40 hex digits, new at each start
  std::string node_id;    // 40 hex digits, stable: CLUSTER MYID
  env::PeerAddress resp;  // as clients reach it
  env::PeerAddress raft;
  env::PeerAddress http;
  uint64_t started_ms = 0;  // monotonic
  uint64_t started_wall_ms = 0;
};

struct Services {
  const env::Clock& clock;
  env::Random& random;
  Config& config;
  const command::Table& table;
  ClientRegistry& clients;
  Counters& counters;
  ClientMemory& client_memory;
  BodyBudget& bodies;
  SlowLog& slow_log;
  WriteShares& write_shares;
  replica::Replica& replica;
  machine::Machine& machine;
  const vlog::Log& log;
  const Identity& identity;
  const Directory& directory;
  SentinelHosts& sentinel_hosts;
  // SHUTDOWN and SIGTERM: stops the node cleanly; any thread.
  std::function<void()> request_shutdown;
};

// The state of a session that session commands may read and change. Owned by the session.
struct SessionState {
  std::shared_ptr<ClientInfo> info;
  resp::ProtocolVersion protocol = resp::ProtocolVersion::kResp2;
  base::DatabaseIndex database;
  bool is_authenticated = true;
  bool is_readonly = false;   // READONLY was sent
  bool is_tunnelled = false;  // RAFT TUNNEL was sent: another node's client
  // What it said it is: a cluster's client follows MOVED, one of SENTINEL does not.
  enum class Door : uint8_t { kUnknown, kCluster, kSentinel } door = Door::kUnknown;
  bool wants_close = false;  // set by QUIT, CLIENT KILL of itself: after this reply
  enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext } reply_mode = ReplyMode::kOn;
};

struct SessionCall {
  Services& services;
  SessionState& session;
  const command::Arguments& args;
  resp::ReplyWriter& reply;
};
using SessionHandler = void (*)(const SessionCall& call);

// The handler of a session command by the name of its row ("client|id"); null where the
// session itself executes it (MULTI, EXEC, DISCARD, WATCH, UNWATCH, DEBUG SLEEP, RAFT HASH,
// RAFT SNAPSHOT, RAFT TRANSFER).
SessionHandler find_session_handler(std::string_view row_name);

}  // namespace alfheim::server
