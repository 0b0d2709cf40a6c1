#include "server/info_text.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/text.h"
#include "server/body_budget.h"
#include "server/client_memory.h"
#include "server/config.h"
#include "server/directory.h"
#include "server/process_figures.h"
#include "server/options.h"
#include "server/raft_text.h"
#include "server/version.h"

namespace alfheim::server {
namespace {

constexpr uint64_t kSecondsPerDay = 24 * 60 * 60;
constexpr std::string_view kNoReplicationId = "0000000000000000000000000000000000000000";

class Lines {
 public:
  template <typename Value>
  void add(std::string_view name, const Value& value) {
    text_ += base::format("{}:{}\r\n", name, value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

uint64_t uptime_seconds(const Services& services) {
  return (services.clock.monotonic_ms() - services.identity.started_ms) / 1000;
}

std::string server_section(const Services& services) {
  const Identity& identity = services.identity;
  const uint64_t uptime_s = uptime_seconds(services);
  Lines lines;
  lines.add("redis_version", kRedisVersion);
  lines.add("alfheimdb_version", kVersion);
  lines.add("redis_git_sha1", "00000000");
  lines.add("redis_git_dirty", 0);
  lines.add("redis_mode", "cluster");
  lines.add("os", operating_system());
  lines.add("arch_bits", 8 * sizeof(void*));
  lines.add("monotonic_clock", "POSIX clock_gettime");
  lines.add("multiplexing_api", "epoll");
  lines.add("gcc_version", base::format("{}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__));
  lines.add("process_id", getpid());
  lines.add("run_id", identity.run_id);
  lines.add("tcp_port", identity.resp.port);
  lines.add("server_time_usec", services.clock.wall_us());
  lines.add("uptime_in_seconds", uptime_s);
  lines.add("uptime_in_days", uptime_s / kSecondsPerDay);
  lines.add("executable", executable_path());
  lines.add("config_file", services.config.startup().config_path);
  lines.add("io_threads_active", 0);
  return lines.take();
}

struct ClientSums {
  uint64_t input_bytes_max = 0;
  uint64_t output_bytes_max = 0;
};

ClientSums sum_clients(const Services& services) {
  ClientSums sums;
  for (const auto& info : services.clients.list()) {
    const uint64_t input_bytes = info->input_bytes + info->input_free_bytes;
    const uint64_t output_bytes = info->output_bytes;
    sums.input_bytes_max = std::max(sums.input_bytes_max, input_bytes);
    sums.output_bytes_max = std::max(sums.output_bytes_max, output_bytes);
  }
  return sums;
}

std::string clients_section(const Services& services) {
  const ClientSums sums = sum_clients(services);
  Lines lines;
  lines.add("connected_clients", services.clients.count());
  lines.add("cluster_connections", 0);
  lines.add("maxclients", services.config.clients_max());
  lines.add("client_recent_max_input_buffer", sums.input_bytes_max);
  lines.add("client_recent_max_output_buffer", sums.output_bytes_max);
  lines.add("blocked_clients", 0);
  lines.add("tracking_clients", 0);
  return lines.take();
}

// Everything of this node that grows with use, what it takes, and what it may take.
void add_memory_budgets(Lines& lines, const Services& services) {
  const StorageOptions& storage = services.config.startup().storage;
  lines.add("client_memory_used", services.client_memory.used_bytes());
  lines.add("client_memory_peak", services.client_memory.peak_bytes());
  lines.add("client_memory_budget", services.client_memory.budget_bytes());
  lines.add("request_memory_used", services.bodies.taken_bytes());
  lines.add("request_memory_budget", services.bodies.bytes_max());
  lines.add("index_memory_used", services.machine.index().stats().memory_bytes);
  lines.add("index_memory_budget", storage.memory_budget_bytes);
  lines.add("log_memory_used", services.log.stats().tail_bytes);
  lines.add("log_memory_budget", storage.log_memory_bytes);
  lines.add("block_cache_budget", storage.block_cache_bytes);
  lines.add("write_queue_used", services.replica.batcher().queued_bytes());
  lines.add("write_queue_budget", replica::kQueuedBytesMax);
}

std::string memory_section(const Services& services) {
  const MemoryFigures memory = memory_figures();
  const double used = static_cast<double>(std::max<uint64_t>(memory.allocated_bytes, 1));
  Lines lines;
  lines.add("used_memory", memory.allocated_bytes);
  lines.add("used_memory_human", human_size(memory.allocated_bytes));
  lines.add("used_memory_rss", memory.resident_bytes);
  lines.add("used_memory_rss_human", human_size(memory.resident_bytes));
  lines.add("used_memory_rss_peak", peak_resident_bytes());
  lines.add("allocator_allocated", memory.allocated_bytes);
  lines.add("allocator_active", memory.active_bytes);
  lines.add("total_system_memory", memory.total_system_bytes);
  lines.add("total_system_memory_human", human_size(memory.total_system_bytes));
  lines.add("maxmemory", 0);
  lines.add("maxmemory_human", "0B");
  lines.add("maxmemory_policy", "noeviction");
  lines.add("mem_fragmentation_ratio",
            base::format("{:.2f}", static_cast<double>(memory.resident_bytes) / used));
  lines.add("mem_clients_slaves", 0);
  lines.add("mem_clients_normal", services.client_memory.used_bytes());
  lines.add("mem_allocator", memory.allocator);
  add_memory_budgets(lines, services);
  lines.add("active_defrag_running", 0);
  lines.add("lazyfree_pending_objects", 0);
  return lines.take();
}

std::string persistence_section(const Services& services) {
  const replica::ReplicaStatus status = services.replica.status_snapshot();
  const index::Stats index = services.machine.index().stats();
  Lines lines;
  lines.add("loading", services.replica.is_serving() || services.replica.needs_barrier() ? 0 : 1);
  lines.add("async_loading", 0);
  lines.add("rdb_changes_since_last_save", status.applied.value - status.persisted.value);
  lines.add("rdb_bgsave_in_progress", index.frozen_bytes > 0 ? 1 : 0);
  lines.add("rdb_last_save_time", last_save_seconds(services));
  const replica::DiskStatus disk = services.replica.disk_status();
  lines.add("rdb_last_bgsave_status", disk.lacks_index ? "err" : "ok");
  lines.add("rdb_saves", index.freeze_count);
  // The log is the append-only file: every acknowledged write is on disk.
  lines.add("aof_enabled", 1);
  lines.add("aof_rewrite_in_progress", 0);
  lines.add("aof_rewrite_scheduled", 0);
  lines.add("aof_last_bgrewrite_status", "ok");
  lines.add("aof_last_write_status", disk.lacks_log ? "err" : "ok");
  return lines.take();
}

std::string stats_section(const Services& services) {
  const Counters& counters = services.counters;
  Lines lines;
  lines.add("total_connections_received", services.clients.accepted_count());
  lines.add("total_commands_processed", counters.commands.load());
  lines.add("total_net_input_bytes", counters.input_bytes.load());
  lines.add("total_net_output_bytes", counters.output_bytes.load());
  lines.add("rejected_connections", counters.rejected_connections.load());
  lines.add("sync_full", 0);
  lines.add("sync_partial_ok", 0);
  lines.add("sync_partial_err", 0);
  lines.add("evicted_keys", 0);
  lines.add("evicted_clients", counters.evicted_clients.load());
  lines.add("client_query_buffer_limit_disconnections", counters.query_limit_closings.load());
  lines.add("client_output_buffer_limit_disconnections", counters.output_limit_closings.load());
  lines.add("keyspace_hits", counters.keyspace_hits.load());
  lines.add("keyspace_misses", counters.keyspace_misses.load());
  lines.add("pubsub_channels", 0);
  lines.add("pubsub_patterns", 0);
  lines.add("total_error_replies", counters.error_replies.load());
  lines.add("loop_turn_max_us", counters.loop_turn_ns_max.load() / 1000);
  return lines.take();
}

std::string_view failover_state(replica::HandOverPhase phase) {
  switch (phase) {
    case replica::HandOverPhase::kNone: return "no-failover";
    case replica::HandOverPhase::kCatchingUp: return "waiting-for-sync";
    case replica::HandOverPhase::kEnding:
    case replica::HandOverPhase::kUnderWay: return "failover-in-progress";
  }
  ALF_CHECK(false);
  return {};
}

// As Redis calls what a replica is about.
std::string_view slave_state(const replica::PeerFigures& peer,
                             const replica::SnapshotStatus& snapshots) {
  if (peer.raft.state != raft::ProgressState::kSnapshot) return "online";
  const bool is_sent =
      std::any_of(snapshots.sending.begin(), snapshots.sending.end(),
                  [&](const replica::SnapshotSending& each) { return each.peer == peer.raft.id; });
  return is_sent ? "send_bulk" : "wait_bgsave";
}

// As Redis, only those that are connected.
void add_slaves(Lines& lines, const Services& services, const replica::ReplicaStatus& status) {
  std::vector<std::string> slaves;
  for (const replica::PeerFigures& peer : status.peers) {
    const std::optional<NodeAddresses> node = services.directory.find(peer.raft.id);
    if (!node || node->resp.port == 0 || !node->is_connected) continue;
    slaves.push_back(base::format("ip={},port={},state={},offset={},lag={}", node->resp.host,
                                  node->resp.port, slave_state(peer, status.snapshots),
                                  peer.raft.match.value, peer.lag.ms / 1000));
  }
  lines.add("connected_slaves", slaves.size());
  for (size_t i = 0; i < slaves.size(); ++i) lines.add(base::format("slave{}", i), slaves[i]);
}

void add_master(Lines& lines, const Services& services, const replica::ReplicaStatus& status,
                base::NodeId leader) {
  const std::optional<NodeAddresses> master = services.directory.find(leader);
  lines.add("master_host", master ? master->resp.host : std::string());
  lines.add("master_port", master ? master->resp.port : 0);
  lines.add("master_link_status", services.directory.is_reachable(leader) ? "up" : "down");
  lines.add("master_sync_in_progress", status.snapshots.fetching ? 1 : 0);
  lines.add("slave_read_repl_offset", status.raft.last.value);
  lines.add("slave_repl_offset", status.raft.durable.value);
  lines.add("slave_priority", 100);
  lines.add("slave_read_only", 1);
  lines.add("replica_announced", 1);
}

void add_snapshots(Lines& lines, const Services& services,
                   const replica::SnapshotStatus& snapshots) {
  lines.add("snapshots_made", snapshots.made_count);
  lines.add("snapshots_fetched", snapshots.fetched_count);
  lines.add("snapshot_in_progress", snapshots.is_making ? 1 : 0);
  const auto add = [&](std::string_view name, base::NodeId peer, uint64_t done, uint64_t total) {
    lines.add(name, base::format("peer={},bytes_done={},bytes_total={},percent={}",
                                 peer_name(services, peer), done, total, percent_of(done, total)));
  };
  for (const replica::SnapshotSending& each : snapshots.sending) {
    add("snapshot_sending", each.peer, each.bytes_done, each.bytes_total);
  }
  if (const auto& from = snapshots.fetching) {
    add("snapshot_fetching", from->from, from->bytes_done, from->bytes_total);
  }
}

// Offsets are indexes of the log: `offset` is what a member holds durably of what its leader has.
std::string replication_section(const Services& services) {
  const replica::ReplicaStatus status = services.replica.status_snapshot();
  const base::NodeId leader = services.replica.leader();
  const bool leads = leader == services.replica.id() || !services.replica.needs_barrier();
  Lines lines;
  lines.add("role", leads ? "master" : "slave");
  if (!leads) add_master(lines, services, status, leader);
  add_slaves(lines, services, status);
  add_snapshots(lines, services, status.snapshots);
  lines.add("master_failover_state", failover_state(services.replica.hand_over_phase()));
  // The group's, whoever leads.
  lines.add("master_replid", base::format("{:040x}", services.log.identity().cluster_uid));
  lines.add("master_replid2", kNoReplicationId);
  lines.add("master_repl_offset", leads ? status.raft.last.value : status.raft.durable.value);
  lines.add("second_repl_offset", -1);
  lines.add("repl_backlog_active", 0);
  return lines.take();
}

std::string cpu_section(const Services&) {
  const CpuFigures cpu = cpu_figures();
  Lines lines;
  lines.add("used_cpu_sys", base::format("{:.6f}", cpu.system_seconds));
  lines.add("used_cpu_user", base::format("{:.6f}", cpu.user_seconds));
  return lines.take();
}

std::string modules_section(const Services&) { return {}; }

std::string cluster_section(const Services&) {
  Lines lines;
  lines.add("cluster_enabled", 1);
  return lines.take();
}

std::string keyspace_section(const Services& services) {
  const types::DatabaseTable table = databases(services);
  Lines lines;
  for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
    const types::DatabaseEntry& entry = table.at(base::DatabaseIndex{i});
    if (entry.key_count == 0) continue;
    lines.add(base::format("db{}", i),
              base::format("keys={},expires={},avg_ttl=0", entry.key_count, entry.deadline_count));
  }
  return lines.take();
}

void add_index_and_log(Lines& lines, const Services& services) {
  const index::Stats index = services.machine.index().stats();
  lines.add("index_records_in_memory", index.record_count);
  lines.add("index_dirty_bytes", index.dirty_bytes);
  lines.add("index_frozen_bytes", index.frozen_bytes);
  lines.add("index_freezes", index.freeze_count);
  lines.add("index_evictions", index.eviction_count);
  lines.add("index_warmed_records", index.warmed_count);
  lines.add("index_store_reads", index.store_read_count);
  lines.add("index_views", index.view_count);
  lines.add("index_oldest_view_ms", index.oldest_view_ms);
  const vlog::LogStats log = services.log.stats();
  lines.add("log_segments", log.segment_count);
  lines.add("log_spare_segments", log.spare_count);
  lines.add("log_reserved_segments", log.reserved_count);
  lines.add("log_batches", log.batch_count);
  lines.add("log_entries", log.entry_count);
  lines.add("log_syncs", log.sync_count);
  lines.add("log_written_bytes", log.written_bytes);
  lines.add("log_payload_bytes", log.payload_bytes);
}

std::string alfheimdb_section(const Services& services) {
  const replica::ReplicaStatus status = services.replica.status_snapshot();
  const raft::NodeStatus& raft = status.raft;
  Lines lines;
  lines.add("node_name", services.identity.name);
  lines.add("node_id", services.identity.node_id);
  lines.add("raft_role", role_name(raft.soft_state.role));
  lines.add("raft_serving", services.replica.is_serving() ? 1 : 0);
  lines.add("raft_term", raft.soft_state.term.value);
  lines.add("raft_leader", node_text(raft.soft_state.leader));
  lines.add("raft_members", raft.configuration.members.size());
  lines.add("raft_log_first", raft.log_first.value);
  lines.add("raft_log_last", raft.last.value);
  lines.add("raft_durable", raft.durable.value);
  lines.add("raft_commit", raft.commit.value);
  lines.add("raft_applied", status.applied.value);
  lines.add("raft_persisted", status.persisted.value);
  lines.add("raft_elections_begun", raft.counts.elections_begun);
  lines.add("raft_elections_won", raft.counts.elections_won);
  lines.add("read_mode", read_mode_name(services.replica.read_mode()));
  lines.add("read_barriers", status.read_barriers);
  lines.add("read_rounds", raft.counts.read_rounds);
  lines.add("lease_reads", services.counters.lease_reads.load());
  lines.add("lease_left_ms", lease_left_ms(services));
  lines.add("entries_proposed", status.entries_proposed);
  lines.add("log_writes", status.writes);
  add_index_and_log(lines, services);
  const replica::DiskStatus disk = services.replica.disk_status();
  lines.add("disk_full", disk.is_full ? 1 : 0);
  lines.add("disk_free_bytes", disk.free_bytes);
  lines.add("disk_reserve_bytes", disk.reserve_bytes);
  lines.add("disk_refused_writes", services.counters.refused_writes.load());
  lines.add("reads", services.counters.reads.load());
  lines.add("reads_from_disk", services.counters.pool_reads.load());
  lines.add("writes", services.counters.writes.load());
  lines.add("threads", thread_count());
  return lines.take();
}

struct Section {
  std::string_view name;
  std::string_view title;
  std::string (*write)(const Services& services);
};

constexpr std::array<Section, 11> kSections = {{
    {"server", "Server", server_section},
    {"clients", "Clients", clients_section},
    {"memory", "Memory", memory_section},
    {"persistence", "Persistence", persistence_section},
    {"stats", "Stats", stats_section},
    {"replication", "Replication", replication_section},
    {"cpu", "CPU", cpu_section},
    {"modules", "Modules", modules_section},
    {"cluster", "Cluster", cluster_section},
    {"keyspace", "Keyspace", keyspace_section},
    {"alfheimdb", "AlfheimDB", alfheimdb_section},
}};

bool is_asked_for(const Section& section, std::span<const std::string_view> names) {
  if (names.empty()) return true;
  return std::any_of(names.begin(), names.end(), [&section](std::string_view name) {
    return base::equals_ignore_case(name, section.name) ||
           base::equals_ignore_case(name, "default") ||
           base::equals_ignore_case(name, "everything") ||
           (base::equals_ignore_case(name, "all") && section.name != "modules");
  });
}

}  // namespace

types::DatabaseTable databases(const Services& services) {
  const index::ReadGuard guard = services.machine.index().read();
  return services.machine.published(guard).databases;
}

uint64_t last_save_seconds(const Services& services) {
  const uint64_t persisted_ms = services.replica.status_snapshot().persisted_wall_ms;
  return (persisted_ms > 0 ? persisted_ms : services.identity.started_wall_ms) / 1000;
}

std::string human_size(uint64_t bytes) {
  constexpr std::string_view kUnits = "BKMGTPE";
  if (bytes < 1024) return base::format("{}B", bytes);
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return base::format("{:.2f}{}", value, kUnits[unit]);
}

std::string info_text(const Services& services, std::span<const std::string_view> sections) {
  std::string text;
  for (const Section& section : kSections) {
    if (!is_asked_for(section, sections)) continue;
    if (!text.empty()) text += "\r\n";
    text += base::format("# {}\r\n", section.title);
    text += section.write(services);
  }
  return text;
}

}  // namespace alfheim::server
