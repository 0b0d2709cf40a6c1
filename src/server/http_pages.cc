#include "server/http_pages.h"

#include <utility>
#include <vector>

#include "base/format.h"
#include "server/body_budget.h"
#include "server/client_memory.h"
#include "server/config.h"
#include "server/info_text.h"
#include "server/metrics.h"
#include "server/process_figures.h"
#include "server/raft_text.h"
#include "server/version.h"

namespace alfheim::server {
namespace {

constexpr const char* kJson = "application/json";

void add_process(Metrics& metrics, const Services& services) {
  const CpuFigures cpu = cpu_figures();
  const MemoryFigures memory = memory_figures();
  prometheus::ClientMetric& build =
      metrics.add("alfheimdb_build_info", "Version of this program", prometheus::MetricType::Gauge);
  build.label.push_back({"version", std::string(kVersion)});
  build.label.push_back({"node", services.identity.name});
  build.gauge.value = 1;
  metrics.counter("process_cpu_seconds_total", "CPU time of the process",
                  cpu.user_seconds + cpu.system_seconds);
  metrics.gauge("process_resident_memory_bytes", "Resident memory of the process",
                number(memory.resident_bytes));
  metrics.gauge("process_open_fds", "Open files of the process", number(open_file_count()));
  metrics.gauge("process_threads", "Threads of the process", number(thread_count()));
  metrics.gauge("alfheimdb_allocated_bytes", "Memory that the program asked for",
                number(memory.allocated_bytes));
  metrics.gauge("alfheimdb_uptime_seconds", "Since the start of the node",
                number(services.clock.monotonic_ms() - services.identity.started_ms) / 1000);
}

void add_clients(Metrics& metrics, const Services& services) {
  const Counters& counters = services.counters;
  metrics.gauge("alfheimdb_connected_clients", "Client connections now",
                number(services.clients.count()));
  metrics.counter("alfheimdb_connections_total", "Client connections since the start",
                  number(services.clients.accepted_count()));
  metrics.counter("alfheimdb_rejected_connections_total", "Connections refused by maxclients",
                  number(counters.rejected_connections));
  metrics.counter("alfheimdb_evicted_clients_total", "Connections closed for want of memory",
                  number(counters.evicted_clients));
  metrics.counter("alfheimdb_query_limit_closings_total",
                  "Connections closed for the size of a request or of a block",
                  number(counters.query_limit_closings));
  metrics.counter("alfheimdb_output_limit_closings_total",
                  "Connections closed for replies that were not taken",
                  number(counters.output_limit_closings));
  metrics.gauge("alfheimdb_client_memory_bytes", "Held by client connections",
                number(services.client_memory.used_bytes()));
  metrics.gauge("alfheimdb_client_memory_budget_bytes", "What they may hold; 0: no limit",
                number(services.client_memory.budget_bytes()));
  metrics.gauge("alfheimdb_request_memory_bytes", "Taken by bodies that are being read",
                number(services.bodies.taken_bytes()));
  metrics.gauge("alfheimdb_request_memory_budget_bytes", "What they may take",
                number(services.bodies.bytes_max()));
  metrics.gauge("alfheimdb_loop_turn_max_seconds",
                "CPU time of the longest turn of an event loop; everybody else of it waits",
                number(counters.loop_turn_ns_max) / 1e9);
  metrics.counter("alfheimdb_commands_total", "Commands executed", number(counters.commands));
  metrics.counter("alfheimdb_reads_total", "Data commands that read", number(counters.reads));
  metrics.counter("alfheimdb_writes_total", "Data commands that write", number(counters.writes));
  metrics.counter("alfheimdb_pool_reads_total", "Reads that did not find all in memory",
                  number(counters.pool_reads));
  metrics.counter("alfheimdb_keyspace_hits_total", "Keys that reads found",
                  number(counters.keyspace_hits));
  metrics.counter("alfheimdb_keyspace_misses_total", "Keys that reads did not find",
                  number(counters.keyspace_misses));
  metrics.counter("alfheimdb_error_replies_total", "Error replies", number(counters.error_replies));
  metrics.counter("alfheimdb_input_bytes_total", "Bytes read from clients",
                  number(counters.input_bytes));
  metrics.counter("alfheimdb_output_bytes_total", "Bytes sent to clients",
                  number(counters.output_bytes));
}

void add_log(Metrics& metrics, const Services& services) {
  const vlog::LogStats log = services.log.stats();
  metrics.counter("alfheimdb_log_batches_total", "Batches, each one write and one sync",
                  number(log.batch_count));
  metrics.counter("alfheimdb_log_entries_total", "Entries appended", number(log.entry_count));
  metrics.counter("alfheimdb_log_syncs_total", "Durable writes", number(log.sync_count));
  metrics.counter("alfheimdb_log_written_bytes_total", "Bytes written to the log, padding too",
                  number(log.written_bytes));
  metrics.counter("alfheimdb_log_payload_bytes_total", "Bytes of entries",
                  number(log.payload_bytes));
  metrics.gauge("alfheimdb_log_segments", "Segment files", number(log.segment_count));
  metrics.gauge("alfheimdb_log_spare_segments", "Spare files", number(log.spare_count));
  metrics.gauge("alfheimdb_log_reserved_segments", "Files kept for a full disk",
                number(log.reserved_count));
  metrics.gauge("alfheimdb_log_memory_bytes", "Entries kept in memory", number(log.tail_bytes));
  metrics.gauge("alfheimdb_log_memory_budget_bytes", "What they may take",
                number(services.config.startup().storage.log_memory_bytes));
}

void add_disk(Metrics& metrics, const Services& services) {
  const replica::DiskStatus disk = services.replica.disk_status();
  metrics.gauge("alfheimdb_disk_full", "1 while writes are refused for want of room",
                disk.is_full ? 1 : 0);
  metrics.gauge("alfheimdb_disk_free_bytes", "Free on the disk, when last asked",
                number(disk.free_bytes));
  metrics.gauge("alfheimdb_disk_reserve_bytes", "Free room below which writes are refused",
                number(disk.reserve_bytes));
  metrics.counter("alfheimdb_disk_refused_writes_total", "Writes refused for want of room",
                  number(services.counters.refused_writes));
}

void add_index(Metrics& metrics, const Services& services) {
  const index::Stats index = services.machine.index().stats();
  metrics.gauge("alfheimdb_index_memory_bytes", "Memory of the index", number(index.memory_bytes));
  metrics.gauge("alfheimdb_index_memory_budget_bytes", "What it may take",
                number(services.config.startup().storage.memory_budget_bytes));
  metrics.gauge("alfheimdb_index_records_in_memory", "Records in memory",
                number(index.record_count));
  metrics.gauge("alfheimdb_index_dirty_bytes", "Not yet stored", number(index.dirty_bytes));
  metrics.gauge("alfheimdb_index_frozen_bytes", "Being stored", number(index.frozen_bytes));
  metrics.counter("alfheimdb_index_freezes_total", "Times the dirty part was stored",
                  number(index.freeze_count));
  metrics.counter("alfheimdb_index_evictions_total", "Records evicted from memory",
                  number(index.eviction_count));
  metrics.counter("alfheimdb_index_warmed_records_total", "Records that the warm-up brought",
                  number(index.warmed_count));
  metrics.counter("alfheimdb_index_store_reads_total", "Writes that had to ask the store",
                  number(index.store_read_count));
  metrics.gauge("alfheimdb_index_views", "Open views", number(index.view_count));
  metrics.gauge("alfheimdb_index_oldest_view_seconds", "Age of the oldest view",
                number(index.oldest_view_ms) / 1000);
}

void add_keys(Metrics& metrics, const Services& services) {
  const types::DatabaseTable table = databases(services);
  const auto add = [&](const char* name, const char* help, auto count_of) {
    for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
      prometheus::ClientMetric& metric = metrics.add(name, help, prometheus::MetricType::Gauge);
      metric.label.push_back({"db", base::format("{}", i)});
      metric.gauge.value = number(count_of(table.at(base::DatabaseIndex{i})));
    }
  };
  add("alfheimdb_keys", "Keys", [](const auto& entry) { return entry.key_count; });
  add("alfheimdb_keys_with_deadline", "Keys that will expire",
      [](const auto& entry) { return entry.deadline_count; });
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    switch (letter) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += letter;
    }
  }
  return out;
}

std::string json_escaped(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    out += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return out;
}

constexpr std::string_view kConsoleHead =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta http-equiv=\"refresh\" content=\"2\"><title>AlfheimDB</title><style>"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%}"
    "td{border-bottom:1px solid #8884;padding:.25em 0}"
    "td+td{text-align:right;font-variant-numeric:tabular-nums}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}"
    "</style></head><body>";

using Rows = std::vector<std::pair<std::string_view, std::string>>;

Rows console_rows(const Services& services) {
  const replica::ReplicaStatus status = services.replica.status_snapshot();
  const types::DatabaseTable table = databases(services);
  uint64_t key_count = 0;
  for (const types::DatabaseEntry& entry : table.databases) key_count += entry.key_count;
  const auto count = [](uint64_t value) { return base::format("{}", value); };
  const index::Stats index = services.machine.index().stats();
  const vlog::LogStats log = services.log.stats();
  return {
      {"State", std::string(state_name(services.replica))},
      {"Role", std::string(role_name(status.raft.soft_state.role))},
      {"Term", count(status.raft.soft_state.term.value)},
      {"Commit", count(status.raft.commit.value)},
      {"Applied", count(status.applied.value)},
      {"Stored", count(status.persisted.value)},
      {"Keys", count(key_count)},
      {"Clients", count(services.clients.count())},
      {"Commands", count(services.counters.commands)},
      {"Memory of the process", human_size(memory_figures().resident_bytes)},
      {"Memory of the index", human_size(index.memory_bytes)},
      {"Not yet stored", human_size(index.dirty_bytes)},
      {"Segments of the log", count(log.segment_count)},
      {"Written to the log", human_size(log.written_bytes)},
      {"Room on the disk", services.replica.disk_status().is_full ? "full" : "enough"},
  };
}

}  // namespace

HttpPage metrics_page(const Services& services) {
  Metrics metrics;
  add_process(metrics, services);
  add_clients(metrics, services);
  add_raft_metrics(metrics, services);
  add_log(metrics, services);
  add_disk(metrics, services);
  add_index(metrics, services);
  add_keys(metrics, services);
  return {.status = 200,
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = metrics.text()};
}

HttpPage health_page(const Services& services) {
  if (services.replica.is_ready()) {
    return {.status = 200, .content_type = kJson, .body = "{\"status\":\"ok\"}\n"};
  }
  return {.status = 503, .content_type = kJson, .body = "{\"status\":\"not serving\"}\n"};
}

HttpPage leader_page(const Services& services) {
  const replica::ReplicaStatus status = services.replica.status_snapshot();
  const bool is_leader = status.raft.soft_state.role == raft::RoleKind::kLeader;
  if (!is_leader || !services.replica.is_serving()) {
    return {.status = 503, .content_type = kJson, .body = "{\"leader\":null}\n"};
  }
  return {.status = 200,
          .content_type = kJson,
          .body = base::format("{{\"leader\":\"{}\",\"address\":\"{}\"}}\n",
                               json_escaped(services.identity.name),
                               json_escaped(address_text(services.identity.resp)))};
}

HttpPage console_page(const Services& services) {
  std::string body(kConsoleHead);
  body +=
      base::format("<h1>AlfheimDB {}</h1><p>{} at {}</p><table>", kVersion,
                   escaped(services.identity.name), escaped(address_text(services.identity.resp)));
  for (const auto& [name, value] : console_rows(services)) {
    body += base::format("<tr><td>{}</td><td>{}</td></tr>", name, escaped(value));
  }
  body +=
      "</table><p><a href=\"/metrics\">metrics</a> <a href=\"/health\">health</a> "
      "<a href=\"/leader\">leader</a></p></body></html>\n";
  return {.status = 200, .content_type = "text/html; charset=utf-8", .body = std::move(body)};
}

}  // namespace alfheim::server
