#include "server/option_table.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/format.h"
#include "base/number.h"
#include "server/founders.h"
#include "server/option_text.h"

namespace alfheim::server {
namespace {

using base::Error;
using base::ErrorCode;
using base::Status;
using Text = std::string_view;

constexpr uint64_t kSegmentBytesMin = 4 * base::kMiB;
constexpr uint64_t kSegmentBytesMax = 1 * base::kGiB;
constexpr uint64_t kSegmentBlockBytes = 4096;
constexpr uint64_t kBudgetBytesMin = 1 * base::kMiB;
constexpr uint64_t kBudgetBytesMax = 1024 * base::kGiB;
constexpr uint64_t kSecondsMax = std::numeric_limits<int32_t>::max();
constexpr uint64_t kClockDriftPermilleMax = 500;
constexpr uint64_t kSnapshotMbpsMax = 1'000'000;

template <typename Integer>
Status put_count(Text text, uint64_t min, uint64_t max, Integer& field) {
  ALF_TRY(const uint64_t value, parse_count(text, min, max));
  field = static_cast<Integer>(value);
  return base::ok();
}

Status put_size(Text text, uint64_t min, uint64_t max, uint64_t& field) {
  ALF_TRY(const uint64_t value, parse_size(text));
  if (value < min || value > max) {
    return Error{ErrorCode::kInvalidArgument, base::format("found \"{}\", expected {} to {}", text,
                                                           size_text(min), size_text(max))};
  }
  field = value;
  return base::ok();
}

// None, or enough for a few requests of ordinary size.
Status put_client_memory(Text text, uint64_t& field) {
  ALF_TRY(const uint64_t value, parse_size(text));
  if (value != 0) return put_size(text, kClientMemoryBytesMin, kBudgetBytesMax, field);
  field = 0;
  return base::ok();
}

Status put_address(Text text, env::PeerAddress& field) {
  ALF_TRY(field, parse_address(text));
  return base::ok();
}

Status put_id(Text text, std::string& field) {
  if (Status status = check_node_name(text); !status) return status;
  field = text;
  return base::ok();
}

Status put_slowlog_threshold(Text text, int64_t& field) {
  const std::optional<int64_t> value = base::parse_int64(text);
  if (!value || *value < -1) {
    return Error{ErrorCode::kInvalidArgument,
                 base::format("found \"{}\", expected microseconds, or -1 for never", text)};
  }
  field = *value;
  return base::ok();
}

Status put_switch(Text text, bool& field) {
  if (text != "on" && text != "off") {
    return Error{ErrorCode::kInvalidArgument,
                 base::format("found \"{}\", expected on or off", text)};
  }
  field = text == "on";
  return base::ok();
}

Status put_read_mode(Text text, raft::ReadMode& field) {
  if (text != "index" && text != "lease") {
    return Error{ErrorCode::kInvalidArgument,
                 base::format("found \"{}\", expected index or lease", text)};
  }
  field = text == "lease" ? raft::ReadMode::kLease : raft::ReadMode::kReadIndex;
  return base::ok();
}

Status put_follower_reads(Text text, bool& reads_stale) {
  if (text != "linearizable" && text != "stale") {
    return Error{ErrorCode::kInvalidArgument,
                 base::format("found \"{}\", expected linearizable or stale", text)};
  }
  reads_stale = text == "stale";
  return base::ok();
}

template <typename Integer>
std::string number(Integer value) {
  return base::format("{}", value);
}

// --- where the node is, and with whom ---
constexpr OptionRow kPlaceRows[] = {
    {"id", "NAME", "name of this node within its cluster",
     [](Options& o, Text text) { return put_id(text, o.group.id); },
     [](const Options& o) { return o.group.id; }},
    {"dir", "DIRECTORY", "where the data lie; made where it is missing",
     [](Options& o, Text text) {
       if (text.empty()) {
         return Status(Error{ErrorCode::kInvalidArgument, "found \"\", expected a directory"});
       }
       o.storage.dir = text;
       return base::ok();
     },
     [](const Options& o) { return o.storage.dir; }},
    {"resp-addr", "HOST:PORT", "where clients connect (Redis protocol)",
     [](Options& o, Text text) { return put_address(text, o.address.resp); },
     [](const Options& o) { return address_text(o.address.resp); }},
    {"raft-addr", "HOST:PORT", "where other nodes connect",
     [](Options& o, Text text) { return put_address(text, o.address.raft); },
     [](const Options& o) { return address_text(o.address.raft); }},
    {"http-addr", "HOST:PORT", "metrics, health and console; \"\" disables them",
     [](Options& o, Text text) {
       if (!text.empty()) return put_address(text, o.address.http.emplace());
       o.address.http.reset();
       return base::ok();
     },
     [](const Options& o) { return o.address.http ? address_text(*o.address.http) : ""; }},
    {"cluster", "ID=HOST:PORT,...", "founding members, while the directory is empty",
     [](Options& o, Text text) {
       o.group.cluster = text;
       return base::ok();
     },
     [](const Options& o) { return o.group.cluster; }},
    {"sentinel-master-name", "NAME", "what clients of SENTINEL call this group",
     [](Options& o, Text text) { return put_id(text, o.group.sentinel_master_name); },
     [](const Options& o) { return o.group.sentinel_master_name; }},
    {"proxy", "on|off",
     "a node that follows carries plain clients' commands to the leader and back",
     [](Options& o, Text text) { return put_switch(text, o.group.serves_for_leader); },
     [](const Options& o) { return std::string(o.group.serves_for_leader ? "on" : "off"); }},
    {"raft-tls-cert", "FILE",
     "this node's certificate (PEM): connections between nodes go under TLS",
     [](Options& o, Text text) {
       o.group.tls.certificate = text;
       return base::ok();
     },
     [](const Options& o) { return o.group.tls.certificate; }},
    {"raft-tls-key", "FILE", "the key of --raft-tls-cert (PEM, not encrypted)",
     [](Options& o, Text text) {
       o.group.tls.key = text;
       return base::ok();
     },
     [](const Options& o) { return o.group.tls.key; }},
    {"raft-tls-ca", "FILE", "the authority that signs all nodes' certificates (PEM)",
     [](Options& o, Text text) {
       o.group.tls.authority = text;
       return base::ok();
     },
     [](const Options& o) { return o.group.tls.authority; }},
    {"read-mode", "index|lease",
     "what proves to a leader that it may read: a round of heartbeats, or its members' promise to "
     "elect nobody meanwhile, which trusts clocks (see --clock-drift-permille)",
     [](Options& o, Text text) { return put_read_mode(text, o.group.read_mode); },
     [](const Options& o) { return std::string(read_mode_name(o.group.read_mode)); }},
    {"clock-drift-permille", "N",
     "how much faster, in thousandths, one member's clock may run than another's: as much shorter "
     "is a lease",
     [](Options& o, Text text) {
       return put_count(text, 0, kClockDriftPermilleMax, o.group.clock_drift_permille);
     },
     [](const Options& o) { return number(o.group.clock_drift_permille); }},
    {"follower-reads", "linearizable|stale",
     "what READONLY permits on a member that follows: to ask its leader first, or to read what is "
     "here, however old",
     [](Options& o, Text text) { return put_follower_reads(text, o.group.reads_stale); },
     [](const Options& o) { return std::string(o.group.reads_stale ? "stale" : "linearizable"); }},
    {"join", "HOST:PORT", "a member of the cluster to join, while the directory is empty",
     [](Options& o, Text text) {
       o.group.join = text;
       return base::ok();
     },
     [](const Options& o) { return o.group.join; }},
};

// --- threads, memory, disk ---
constexpr OptionRow kResourceRows[] = {
    {"loops", "N", "event loops, each a thread that serves connections",
     [](Options& o, Text text) { return put_count(text, 1, 64, o.thread.loop_count); },
     [](const Options& o) { return number(o.thread.loop_count); }},
    {"pool-threads", "N", "threads for reads that need the disk, at most",
     [](Options& o, Text text) { return put_count(text, 1, 256, o.thread.pool_thread_count); },
     [](const Options& o) { return number(o.thread.pool_thread_count); }},
    {"value-threshold", "SIZE", "values from this size on are written once, in the log",
     [](Options& o, Text text) {
       return put_size(text, 64, base::kFragmentBytes, o.storage.value_threshold_bytes);
     },
     [](const Options& o) { return number(o.storage.value_threshold_bytes); }},
    {"memory-budget", "SIZE",
     "records kept in memory before the store; unset: a quarter of the machine's memory",
     [](Options& o, Text text) {
       return put_size(text, 2 * kBudgetBytesMin, kBudgetBytesMax, o.storage.memory_budget_bytes);
     },
     [](const Options& o) { return size_text(o.storage.memory_budget_bytes); }},
    {"dirty-budget", "SIZE",
     "of the memory budget, what may wait to be stored; unset: a quarter of a --memory-budget that "
     "is given, else at most 64mb",
     [](Options& o, Text text) {
       return put_size(text, kBudgetBytesMin, kBudgetBytesMax, o.storage.dirty_budget_bytes);
     },
     [](const Options& o) { return size_text(o.storage.dirty_budget_bytes); }},
    {"warm-up", "on|off", "after a start the memory budget is filled with what the store has",
     [](Options& o, Text text) { return put_switch(text, o.storage.warms_up); },
     [](const Options& o) { return std::string(o.storage.warms_up ? "on" : "off"); }},
    {"block-cache", "SIZE",
     "of the store, for records that left the memory budget; unset: a sixteenth of the machine's "
     "memory",
     [](Options& o, Text text) {
       return put_size(text, kBudgetBytesMin, kBudgetBytesMax, o.storage.block_cache_bytes);
     },
     [](const Options& o) { return size_text(o.storage.block_cache_bytes); }},
    {"segment-size", "SIZE", "of one file of the log",
     [](Options& o, Text text) {
       return put_size(text, kSegmentBytesMin, kSegmentBytesMax, o.storage.segment_bytes);
     },
     [](const Options& o) { return size_text(o.storage.segment_bytes); }},
    {"log-memory", "SIZE", "newest entries of the log that are kept in memory",
     [](Options& o, Text text) {
       return put_size(text, kBudgetBytesMin, kBudgetBytesMax, o.storage.log_memory_bytes);
     },
     [](const Options& o) { return size_text(o.storage.log_memory_bytes); }},
    {"log-bytes-per-freeze", "SIZE", "log after which the index is stored: bounds the replay",
     [](Options& o, Text text) {
       return put_size(text, kBudgetBytesMin, kBudgetBytesMax, o.storage.log_bytes_per_freeze);
     },
     [](const Options& o) { return size_text(o.storage.log_bytes_per_freeze); }},
    {"log-retain-bytes", "SIZE", "log that is kept for members of a group that lag behind",
     [](Options& o, Text text) {
       return put_size(text, 0, kBudgetBytesMax, o.storage.log_retain_bytes);
     },
     [](const Options& o) { return size_text(o.storage.log_retain_bytes); }},
    {"snapshot-mbps", "N",
     "megabytes a second that are sent of snapshots, to all members together; before, for their "
     "sums, they are read at four times that; 0: no limit",
     [](Options& o, Text text) {
       return put_count(text, 0, kSnapshotMbpsMax, o.storage.snapshot_mbps);
     },
     [](const Options& o) { return number(o.storage.snapshot_mbps); }},
    {"disk-reserve", "SIZE",
     "free room on the disk below which writes are refused, deletes not; 0: none is kept",
     [](Options& o, Text text) {
       return put_size(text, 0, kBudgetBytesMax, o.storage.disk_reserve_bytes);
     },
     [](const Options& o) { return size_text(o.storage.disk_reserve_bytes); }},
    {"request-memory", "SIZE",
     "request bodies being read, of all clients together; unset: an eighth of the machine's "
     "memory, "
     "at most 1gb",
     [](Options& o, Text text) {
       return put_size(text, kBudgetBytesMin, kBudgetBytesMax, o.client.request_memory_bytes);
     },
     [](const Options& o) { return size_text(o.client.request_memory_bytes); }},
    {"client-memory", "SIZE",
     "all that clients hold (requests, queues, replies): above it the largest is closed; 0: no "
     "limit; unset: a quarter of the machine's memory, at most 2gb",
     [](Options& o, Text text) { return put_client_memory(text, o.client.client_memory_bytes); },
     [](const Options& o) { return number(o.client.client_memory_bytes); }},
    {"request-body-timeout", "SECONDS",
     "closes a client whose announced body hardly comes while others wait for room; 0: never",
     [](Options& o, Text text) { return put_count(text, 0, kSecondsMax, o.client.body_timeout_s); },
     [](const Options& o) { return number(o.client.body_timeout_s); }},
    {"tick-ms", "MS", "unit of Raft's timeouts",
     [](Options& o, Text text) { return put_count(text, 1, 10000, o.group.tick_ms); },
     [](const Options& o) { return number(o.group.tick_ms); }},
    {"election-ticks", "N", "ticks without a leader before an election",
     [](Options& o, Text text) { return put_count(text, 3, 1000, o.group.election_ticks); },
     [](const Options& o) { return number(o.group.election_ticks); }},
};

// --- clients, and what is told about them ---
constexpr OptionRow kClientRows[] = {
    {"requirepass", "PASSWORD", "clients must AUTH with it; empty: nobody must",
     [](Options& o, Text text) {
       o.client.requirepass = text;
       return base::ok();
     },
     [](const Options& o) { return o.client.requirepass; }},
    {"maxclients", "N", "connections at once",
     [](Options& o, Text text) {
       return put_count(text, 1, std::numeric_limits<uint32_t>::max(), o.client.clients_max);
     },
     [](const Options& o) { return number(o.client.clients_max); }},
    {"proto-max-bulk-len", "SIZE", "longest string of a request",
     [](Options& o, Text text) {
       return put_size(text, base::kMiB, base::kBulkBytesMax, o.client.bulk_bytes_max);
     },
     [](const Options& o) { return number(o.client.bulk_bytes_max); }},
    {"client-query-buffer-limit", "SIZE", "longest request that is not complete",
     [](Options& o, Text text) {
       return put_size(text, base::kMiB, kBudgetBytesMax, o.client.query_buffer_bytes_max);
     },
     [](const Options& o) { return number(o.client.query_buffer_bytes_max); }},
    {"client-output-buffer-limit", "\"HARD SOFT SECONDS\"",
     "replies that a client does not read: closes it; 0: no limit",
     [](Options& o, Text text) -> Status {
       ALF_TRY(o.client.output_limit, parse_output_limit(text));
       return base::ok();
     },
     [](const Options& o) {
       const OutputLimit& limit = o.client.output_limit;
       return base::format("{} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds);
     }},
    {"timeout", "SECONDS", "closes idle clients; 0: never",
     [](Options& o, Text text) { return put_count(text, 0, kSecondsMax, o.client.timeout_s); },
     [](const Options& o) { return number(o.client.timeout_s); }},
    {"tcp-keepalive", "SECONDS", "between probes of silent connections; 0: none",
     [](Options& o, Text text) { return put_count(text, 0, kSecondsMax, o.client.keepalive_s); },
     [](const Options& o) { return number(o.client.keepalive_s); }},
    {"slowlog-log-slower-than", "US",
     "commands that SLOWLOG keeps, from this duration on; -1: none",
     [](Options& o, Text text) {
       return put_slowlog_threshold(text, o.observation.slowlog_threshold_us);
     },
     [](const Options& o) { return number(o.observation.slowlog_threshold_us); }},
    {"slowlog-max-len", "N", "commands that SLOWLOG keeps, at most",
     [](Options& o, Text text) {
       return put_count(text, 0, kSlowlogLengthMax, o.observation.slowlog_length_max);
     },
     [](const Options& o) { return number(o.observation.slowlog_length_max); }},
    {"log-level", "LEVEL", "debug, info, warning or error: what goes to stderr",
     [](Options& o, Text text) -> Status {
       ALF_TRY(o.observation.log_level, parse_log_level(text));
       return base::ok();
     },
     [](const Options& o) { return std::string(log_level_name(o.observation.log_level)); }},
};

template <typename Rows>
constexpr auto joined(const Rows& place, const auto& resource, const auto& client) {
  std::array<OptionRow, std::size(kPlaceRows) + std::size(kResourceRows) + std::size(kClientRows)>
      all{};
  auto end = std::copy(std::begin(place), std::end(place), all.begin());
  end = std::copy(std::begin(resource), std::end(resource), end);
  std::copy(std::begin(client), std::end(client), end);
  return all;
}
constexpr auto kRows = joined(kPlaceRows, kResourceRows, kClientRows);

}  // namespace

std::span<const OptionRow> option_rows() { return kRows; }

const OptionRow* find_option_row(std::string_view name) {
  const auto found = std::find_if(kRows.begin(), kRows.end(),
                                  [name](const OptionRow& row) { return row.name == name; });
  return found == kRows.end() ? nullptr : &*found;
}

Status check_options(const Options& options) {
  const auto refuse = [](std::string message) {
    return Status(Error{ErrorCode::kInvalidArgument, std::move(message)});
  };
  if (options.storage.memory_budget_bytes < 2 * options.storage.dirty_budget_bytes) {
    return refuse(base::format("--memory-budget {} must be at least twice --dirty-budget {}",
                               size_text(options.storage.memory_budget_bytes),
                               size_text(options.storage.dirty_budget_bytes)));
  }
  if (options.storage.segment_bytes % kSegmentBlockBytes != 0) {
    return refuse(base::format("--segment-size {} must be a multiple of {}",
                               options.storage.segment_bytes, kSegmentBlockBytes));
  }
  const TlsOptions& tls = options.group.tls;
  const bool has_tls = !tls.certificate.empty() || !tls.key.empty() || !tls.authority.empty();
  if (has_tls && (tls.certificate.empty() || tls.key.empty() || tls.authority.empty())) {
    return refuse("--raft-tls-cert, --raft-tls-key and --raft-tls-ca go together: one is missing");
  }
  if (!options.group.join.empty() && !parse_address(options.group.join)) {
    return refuse(base::format("--join: found \"{}\", expected HOST:PORT", options.group.join));
  }
  if (!options.group.join.empty() && !options.group.cluster.empty()) {
    return refuse("--join and --cluster exclude each other: a node founds a cluster, or joins one");
  }
  if (options.group.cluster.empty()) return base::ok();
  const base::Result<std::vector<Founder>> founders = parse_founders(options.group.cluster);
  if (!founders) return refuse(founders.error().message);
  const bool is_member = std::any_of(founders->begin(), founders->end(), [&](const Founder& one) {
    return one.name == options.group.id;
  });
  if (!is_member) {
    return refuse(base::format("--cluster: found \"{}\", which does not name this node, --id {}",
                               options.group.cluster, options.group.id));
  }
  return base::ok();
}

}  // namespace alfheim::server
