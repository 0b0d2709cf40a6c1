// server/options: everything that a node can be told at its start, with its default.
//
// Plain values, filled in by command_line.cc from the command line and the TOML file. What
// may change while the node runs is copied into Config (config.h), which others then read.
//
// Thread: a value. Lifetime: owns its strings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "env/network.h"
#include "raft/read_mode.h"

namespace alfheim::server {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

inline constexpr uint64_t kSlowlogLengthMax = 1'000'000;
inline constexpr uint64_t kClientMemoryBytesMin = 4 * base::kMiB;

// 0 means no limit.
struct OutputLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  uint64_t soft_seconds = 0;
  friend bool operator==(const OutputLimit&, const OutputLimit&) = default;
};

struct AddressOptions {
  env::PeerAddress resp{"127.0.0.1", 6379};
  env::PeerAddress raft{"127.0.0.1", 7379};
  std::optional<env::PeerAddress> http = env::PeerAddress{"127.0.0.1", 8379};  // none: disabled
};

struct StorageOptions {
  std::string dir = "./data";
  uint64_t value_threshold_bytes = base::kValueThresholdBytesDefault;
  // The three of a machine that is not known; see defaults_for().
  uint64_t memory_budget_bytes = 256 * base::kMiB;  // the index's write-back memory
  uint64_t dirty_budget_bytes = 64 * base::kMiB;    // of it, not yet in the store
  uint64_t block_cache_bytes = 64 * base::kMiB;     // of the store
  bool warms_up = true;  // after a start the memory is filled with what the store has
  uint64_t segment_bytes = 64 * base::kMiB;
  uint64_t log_memory_bytes = 64 * base::kMiB;  // the tail of the log
  uint64_t log_bytes_per_freeze = 512 * base::kMiB;
  uint64_t log_retain_bytes = 256 * base::kMiB;  // for members that lag
  uint64_t snapshot_mbps = 32;  // 10^6 bytes a second, for all who fetch one; 0: no limit
  uint64_t disk_reserve_bytes = 256 * base::kMiB;  // fewer free: writes that grow are refused
};

// Of connections between nodes: all three files, or none (net/tls_context.h).
struct TlsOptions {
  std::string certificate;
  std::string key;
  std::string authority;
};

struct GroupOptions {
  std::string id = "n1";
  std::string cluster;  // "n1=127.0.0.1:7379,n2=...": who founds it (server/founders.h)
  std::string join;     // "127.0.0.1:7379": a member that lets it in (server/join.h)
  std::string sentinel_master_name = "mymaster";  // as SENTINEL's clients call the group
  bool serves_for_leader = false;  // proxy: plain clients of a follower are served by the leader
  TlsOptions tls;
  uint64_t tick_ms = 100;
  uint32_t election_ticks = 10;
  raft::ReadMode read_mode = raft::ReadMode::kReadIndex;
  uint32_t clock_drift_permille = raft::kClockDriftPermilleDefault;  // of any member to another
  bool reads_stale = false;  // --follower-reads stale: after READONLY without asking the leader
};

struct ThreadOptions {
  uint32_t loop_count = 1;
  uint32_t pool_thread_count = 8;
};

// All of these but `request_memory_bytes` can be changed by CONFIG SET.
struct ClientOptions {
  std::string requirepass;
  uint32_t clients_max = 10000;
  uint64_t bulk_bytes_max = base::kBulkBytesMax;   // proto-max-bulk-len
  uint64_t query_buffer_bytes_max = base::kGiB;    // client-query-buffer-limit
  uint64_t request_memory_bytes = 1 * base::kGiB;  // bodies being read, of all clients
  uint64_t client_memory_bytes = 2 * base::kGiB;   // all that clients hold; 0: no limit
  uint64_t body_timeout_s = 10;                    // request-body-timeout; 0: never
  OutputLimit output_limit;                        // client-output-buffer-limit normal
  uint64_t timeout_s = 0;                          // idle; 0: never
  uint64_t keepalive_s = 300;                      // 0: off
};

struct ObservationOptions {
  int64_t slowlog_threshold_us = 10000;  // negative: nothing is logged
  uint64_t slowlog_length_max = 128;
  LogLevel log_level = LogLevel::kInfo;
};

struct Options {
  std::string config_path;  // --config, empty without
  AddressOptions address;
  StorageOptions storage;
  GroupOptions group;
  ThreadOptions thread;
  ClientOptions client;
  ObservationOptions observation;
};

// What a machine with so much memory gives unasked: a quarter for records, a sixteenth for the
// store's blocks, and, up to the defaults above, a quarter for what clients hold, of which half for
// bodies being read. The rest is the log's, and the kernel's cache of values.
Options defaults_for(uint64_t machine_memory_bytes);

// "host:port", "[v6]:port".
std::string address_text(const env::PeerAddress& address);
std::string_view log_level_name(LogLevel level);
// "index", "lease".
std::string_view read_mode_name(raft::ReadMode mode);

}  // namespace alfheim::server
