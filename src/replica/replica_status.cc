// What a replica tells of itself: figures of the last tick, that anybody may read.
#include <utility>

#include "replica/replica.h"

namespace alfheim::replica {

ReplicaStatus Replica::status_snapshot() const {
  const std::lock_guard lock(snapshot_mutex_);
  return snapshot_;
}

// Of a leader; of others it is empty.
std::vector<PeerFigures> Replica::peer_figures(const raft::NodeStatus& status) const {
  std::vector<PeerFigures> figures;
  const std::vector<net::PeerLinkStatus> links =
      hands_.transport != nullptr ? hands_.transport->status() : std::vector<net::PeerLinkStatus>();
  for (const raft::PeerStatus& peer : status.peers) {
    PeerFigures& one = figures.emplace_back();
    one.raft = peer;
    one.lag = lag_.of(peer.match);
    for (const net::PeerLinkStatus& link : links) {
      if (link.endpoint.id != peer.id) continue;
      one.is_connected = link.is_connected;
      one.unsent_bytes = link.unsent_bytes;
    }
  }
  return figures;
}

void Replica::take_snapshot() {
  ReplicaStatus status = counters_;
  status.writes = writes_.write_count();
  status.read_barriers = barriers_.round_count();
  status.raft = raft_.status();
  status.peers = peer_figures(status.raft);
  status.applied = hands_.machine.applied();
  status.persisted = base::LogIndex{hands_.machine.index().persisted_applied()};
  if (snapshots_ != nullptr) status.snapshots = snapshots_->status();
  const std::lock_guard lock(snapshot_mutex_);
  snapshot_ = std::move(status);
}

void Replica::note_lag() {
  lag_.note(raft_.log_last(), counters_.appended_bytes, hands_.clock.monotonic_ms());
}

}  // namespace alfheim::replica
