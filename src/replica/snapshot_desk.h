// replica/snapshot_desk: both sides of a replica's snapshots, and what they share.
//
// Between raft, which says who needs one and what is offered, the peers' notes, and the replica.
//
// Thread: the core strand; ready() also where the node has stopped. Lifetime: hands outlive it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "replica/snapshot_fetcher.h"
#include "replica/snapshot_sender.h"
#include "upkeep/snapshots.h"

namespace alfheim::replica {

// As INFO and RAFT INFO show it.
struct SnapshotStatus {
  std::vector<SnapshotSending> sending;
  std::optional<SnapshotFetching> fetching;
  bool is_making = false;
  uint64_t made_count = 0;
  uint64_t fetched_count = 0;
};

class SnapshotDesk {
 public:
  struct Hands {
    const env::Clock& clock;
    env::Random& random;
    env::Executor& executor;
    env::Strand& core;
    env::Strand& log_strand;
    vlog::Log& log;
    upkeep::Snapshots& snapshots;
    net::PeerTransport* transport = nullptr;  // null: a group of one, which fetches none
  };
  struct Options {
    uint64_t bytes_per_second = 0;  // for all peers together; 0: as fast as it goes
    uint64_t piece_bytes = net::kChunkBytesMax;
    uint64_t kept_free_bytes = 0;              // of the disk, beside what is fetched
    uint64_t held_log_bytes_max = UINT64_MAX;  // SnapshotSender::Options
  };
  struct Events {
    std::function<base::Status(base::NodeId, const raft::SnapshotMark&)> on_offer;
    std::function<void(base::NodeId)> on_failed;
    std::function<void()> on_ready;  // once: ready() tells what is to be installed
    std::function<void(base::Error)> on_fatal;
    std::function<void(const std::string&)> on_trouble;
  };
  SnapshotDesk(const Hands& hands, const Options& options, const Events& events);

  // After every Ready.
  void take_up(const raft::Ready& ready, base::LogIndex applied);
  void note_applied(base::LogIndex applied) { sender_.note(role_, applied); }
  void on_note(base::NodeId from, const net::NoteBody& body);
  void on_tick(const raft::NodeStatus& status);
  void make(std::function<void(base::Result<SnapshotSender::Made>)> done) {
    sender_.make(std::move(done));
  }
  base::LogIndex log_needed_from(bool is_disk_full) const {
    return sender_.log_needed_from(is_disk_full);
  }
  // The snapshot to be installed before the node starts again; 0: none.
  uint64_t ready() const { return fetcher_ ? fetcher_->ready() : 0; }
  // Nothing long goes on, nothing new begins.
  void stop();
  SnapshotStatus status() const;

 private:
  raft::SoftState role_;
  SnapshotSender sender_;
  std::optional<SnapshotFetcher> fetcher_;
};

}  // namespace alfheim::replica
