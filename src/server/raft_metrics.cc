// What /metrics tells of the group: terms, indexes, elections, reads, peers, snapshots.
#include "server/metrics.h"
#include "server/raft_text.h"

namespace alfheim::server {
namespace {

using prometheus::MetricType;

void add_log_indexes(Metrics& metrics, const Services& services,
                     const replica::ReplicaStatus& status) {
  const raft::NodeStatus& raft = status.raft;
  metrics.gauge("alfheimdb_serving", "1 while clients are served",
                services.replica.is_serving() ? 1 : 0);
  metrics.gauge("alfheimdb_raft_is_leader", "1 on the leader of the group",
                raft.soft_state.role == raft::RoleKind::kLeader ? 1 : 0);
  metrics.gauge("alfheimdb_raft_term", "Raft term", number(raft.soft_state.term.value));
  metrics.gauge("alfheimdb_raft_members", "Members of the group",
                number(raft.configuration.members.size()));
  metrics.gauge("alfheimdb_raft_log_first_index", "First entry of the log",
                number(raft.log_first.value));
  metrics.gauge("alfheimdb_raft_log_last_index", "Last entry of the log", number(raft.last.value));
  metrics.gauge("alfheimdb_raft_durable_index", "Last entry on the local disk",
                number(raft.durable.value));
  metrics.gauge("alfheimdb_raft_commit_index", "Last committed entry", number(raft.commit.value));
  metrics.gauge("alfheimdb_raft_applied_index", "Last applied entry", number(status.applied.value));
  metrics.gauge("alfheimdb_raft_persisted_index", "Last entry that the stored index reflects",
                number(status.persisted.value));
  metrics.gauge("alfheimdb_raft_uncommitted_bytes", "Of entries not committed yet",
                number(raft.uncommitted_bytes));
  metrics.counter("alfheimdb_entries_proposed_total", "Entries proposed",
                  number(status.entries_proposed));
}

void add_elections_and_reads(Metrics& metrics, const Services& services,
                             const replica::ReplicaStatus& status) {
  const raft::NodeStatus& raft = status.raft;
  metrics.gauge("alfheimdb_raft_has_leader", "1 while this node knows who leads",
                services.replica.leader() != base::NodeId{} ? 1 : 0);
  metrics.counter("alfheimdb_raft_elections_begun_total",
                  "Elections in which this node asked for votes",
                  number(raft.counts.elections_begun));
  metrics.counter("alfheimdb_raft_elections_won_total", "Elections that this node won",
                  number(raft.counts.elections_won));
  metrics.counter("alfheimdb_read_barriers_total",
                  "Barriers asked for by reads; those of a turn share one",
                  number(status.read_barriers));
  metrics.counter("alfheimdb_read_rounds_total",
                  "Rounds of heartbeats that a leader made for reads",
                  number(raft.counts.read_rounds));
  metrics.counter("alfheimdb_lease_reads_total", "Reads by a leader's lease, without a round",
                  number(services.counters.lease_reads));
  metrics.gauge("alfheimdb_lease_left_seconds", "How long the lease lasts from now; 0: none",
                number(lease_left_ms(services)) / 1000);
}

// A family for each figure, a sample for each peer.
class PeerFamilies {
 public:
  PeerFamilies(Metrics& metrics, const Services& services,
               const std::vector<replica::PeerFigures>& peers)
      : metrics_(metrics), services_(services), peers_(peers) {}
  template <typename ValueOf>
  void add(const char* name, const char* help, ValueOf value_of) {
    metrics_.family(name, help, MetricType::Gauge);
    for (const replica::PeerFigures& peer : peers_) {
      prometheus::ClientMetric& metric = metrics_.add(name, help, MetricType::Gauge);
      metric.label.push_back({"peer", peer_name(services_, peer.raft.id)});
      metric.gauge.value = value_of(peer);
    }
  }

 private:
  Metrics& metrics_;
  const Services& services_;
  const std::vector<replica::PeerFigures>& peers_;
};

void add_peers(Metrics& metrics, const Services& services, const replica::ReplicaStatus& status) {
  using Peer = replica::PeerFigures;
  PeerFamilies families(metrics, services, status.peers);
  families.add("alfheimdb_peer_connected", "Of a leader: 1 while it is connected to that member",
               [](const Peer& peer) { return peer.is_connected ? 1.0 : 0.0; });
  families.add("alfheimdb_peer_match_index", "Last entry that the member is known to hold",
               [](const Peer& peer) { return number(peer.raft.match.value); });
  families.add("alfheimdb_peer_next_index", "Next entry to be sent to it",
               [](const Peer& peer) { return number(peer.raft.next.value); });
  families.add("alfheimdb_peer_state", "0 probed, 1 replicates, 2 needs a snapshot",
               [](const Peer& peer) { return static_cast<double>(peer.raft.state); });
  families.add("alfheimdb_peer_inflight_messages", "Sent to it and not acknowledged",
               [](const Peer& peer) { return number(peer.raft.inflight_messages); });
  families.add("alfheimdb_peer_inflight_bytes", "Of entries sent and not acknowledged",
               [](const Peer& peer) { return number(peer.raft.inflight_bytes); });
  families.add("alfheimdb_peer_unsent_bytes", "Given to its link, not yet taken by the kernel",
               [](const Peer& peer) { return number(peer.unsent_bytes); });
  families.add("alfheimdb_peer_lag_entries", "Entries that it lacks",
               [](const Peer& peer) { return number(peer.lag.entries); });
  families.add("alfheimdb_peer_lag_bytes", "Bytes that it lacks, as fine as a tick",
               [](const Peer& peer) { return number(peer.lag.bytes); });
  families.add("alfheimdb_peer_lag_seconds", "Since when it lacks them, as fine as a tick",
               [](const Peer& peer) { return number(peer.lag.ms) / 1000; });
}

void add_snapshots(Metrics& metrics, const Services& services,
                   const replica::SnapshotStatus& snapshots) {
  metrics.counter("alfheimdb_snapshots_made_total", "Snapshots that this node made for others",
                  number(snapshots.made_count));
  metrics.counter("alfheimdb_snapshots_fetched_total", "Snapshots that this node fetched",
                  number(snapshots.fetched_count));
  const auto add = [&](const char* name, const char* help, base::NodeId peer, uint64_t done,
                       uint64_t total) {
    prometheus::ClientMetric& metric = metrics.add(name, help, MetricType::Gauge);
    metric.label.push_back({"peer", peer_name(services, peer)});
    metric.gauge.value = total == 0 ? 0 : number(done) / number(total);
  };
  constexpr const char* kSent = "alfheimdb_snapshot_sent_ratio";
  constexpr const char* kSentHelp = "Of each snapshot that is being sent, how much was asked for";
  metrics.family(kSent, kSentHelp, MetricType::Gauge);
  for (const replica::SnapshotSending& each : snapshots.sending) {
    add(kSent, kSentHelp, each.peer, each.bytes_done, each.bytes_total);
  }
  constexpr const char* kFetched = "alfheimdb_snapshot_fetched_ratio";
  constexpr const char* kFetchedHelp = "Of the snapshot that is being fetched, how much is here";
  metrics.family(kFetched, kFetchedHelp, MetricType::Gauge);
  if (const auto& from = snapshots.fetching) {
    add(kFetched, kFetchedHelp, from->from, from->bytes_done, from->bytes_total);
  }
}

}  // namespace

void add_raft_metrics(Metrics& metrics, const Services& services) {
  const replica::ReplicaStatus status = services.replica.status_snapshot();
  add_log_indexes(metrics, services, status);
  add_elections_and_reads(metrics, services, status);
  add_peers(metrics, services, status);
  add_snapshots(metrics, services, status.snapshots);
}

}  // namespace alfheim::server
