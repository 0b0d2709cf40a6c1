// replica/snapshot_sender: snapshots for peers that need entries which the log no longer has.
//
// Makes one on the node that leads (upkeep/snapshot_maker), and says so when all its entries are
// applied here, and so committed: whoever gets them then holds nothing that could be taken back.
// Several peers share it. The peer asks for the list of files and for one piece after the other;
// pieces are read on the pool, one a peer at a time, and paced for all peers together, as are those
// read for the sums. Peers go on fetching where the leadership moves away; what nobody asks for
// goes. Nothing of it is durable.
//
// Thread: the core strand. Lifetime: hands outlive it, and it outlives what it posted.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "env/clock.h"
#include "env/executor.h"
#include "env/random.h"
#include "net/peer_transport.h"
#include "raft/message.h"
#include "raft/node.h"
#include "upkeep/snapshot_maker.h"
#include "vlog/log.h"

namespace alfheim::replica {

// A peer that gets a snapshot, or got one and is not back yet.
struct SnapshotSending {
  base::NodeId peer;
  uint64_t snapshot_id = 0;
  uint64_t bytes_done = 0;  // sent, also twice
  uint64_t bytes_total = 0;
};

class SnapshotSender {
 public:
  struct Hands {
    const env::Clock& clock;
    env::Random& random;
    env::Executor& executor;
    env::Strand& core;
    env::Strand& log_strand;
    vlog::Log& log;
    upkeep::SnapshotMaker& maker;
    net::PeerTransport* transport = nullptr;  // null: a group of one
  };
  struct Options {
    base::NodeId id;
    base::GroupId group;
    uint64_t bytes_per_second = 0;  // 0: as fast as it goes
    // Of log that is held for peers which fetch a snapshot; but always as much as that has bytes.
    uint64_t held_log_bytes_max = UINT64_MAX;
  };
  struct Made {
    raft::SnapshotMark mark;
    base::LogIndex applied;  // by the index in it
    uint64_t bytes = 0;
  };
  struct Events {
    // Raft offers it; an error: the peer wants none any more, or not this one.
    std::function<base::Status(base::NodeId, const raft::SnapshotMark&)> on_offer;
    // It was given up: by the peer, or because that asks for nothing, or the files are gone.
    std::function<void(base::NodeId)> on_failed;
    std::function<void(base::Error)> on_fatal;
    std::function<void(const std::string&)> on_trouble;  // one line
  };
  SnapshotSender(const Hands& hands, const Options& options, Events events)
      : hands_(hands), options_(options), events_(std::move(events)) {}

  // These need a snapshot: on_offer names one to each, once there is one, for as long as `status`
  // of on_tick shows that they do.
  void want(const std::vector<base::NodeId>& peers) { wanted_.insert(peers.begin(), peers.end()); }
  // Makes one by hand, which is offered to whoever needs one in the next ten minutes while the log
  // goes on from it. kUnavailable: this node does not lead, or one is being made.
  void make(std::function<void(base::Result<Made>)> done);
  // After every Ready, and when entries were applied: only what is applied can be offered.
  void note(const raft::SoftState& role, base::LogIndex applied);
  // What a peer says of snapshots that are sent; else nothing happens.
  void on_note(base::NodeId from, const net::NoteBody& body);
  void on_tick(const raft::NodeStatus& status);
  // The log's start must not pass this entry: a snapshot is being made of what is before it, or,
  // where the disk is not full, a peer that fetches one goes on behind it.
  base::LogIndex log_needed_from(bool is_disk_full) const;
  void stop();

  std::vector<SnapshotSending> sending() const;
  bool is_making() const { return making_.has_value(); }
  uint64_t made_count() const { return made_count_; }

 private:
  struct Making {
    uint64_t id = 0;
    base::Term term;
    upkeep::SnapshotManifest manifest;
    upkeep::SnapshotFile manifest_file;
    std::shared_ptr<upkeep::SnapshotSums> sums;  // the pool's while it reads
    base::LogIndex log_last;                     // of the log when it was sealed
    uint64_t log_bytes = 0;                      // of the segments in it
    std::function<void(base::Result<Made>)> done;
    bool is_linked = false;
    bool is_summed = false;
    bool is_abandoned = false;
  };
  // A peer did not take its last one.
  struct Refusal {
    uint64_t id = 0;
    uint64_t retry_ms = 0;  // when another may be made for it
    uint64_t wait_ms = 0;   // what the last time was; 0: the peer did not say so itself
  };
  struct Snapshot {
    Made made;
    std::vector<upkeep::SnapshotFile> files;  // MANIFEST first
    base::LogIndex log_last;                  // what is behind it came meanwhile
    uint64_t used_ms = 0;
    uint64_t kept_until_ms = 0;  // also where nobody asks for it
  };
  struct Peer {
    uint64_t snapshot_id = 0;
    uint64_t heard_ms = 0;
    uint64_t sent_bytes = 0;
    bool is_offered = false;  // by this node as the leader, and not known to be back
    std::optional<net::SnapshotRead> reading;
    std::deque<net::SnapshotRead> questions;  // behind it, each once
  };

  void begin(std::function<void(base::Result<Made>)> done);
  void seal(vlog::Pin pin, base::LogIndex last,
            base::Result<base::LogIndex> applied);  // log strand
  void on_sealed(base::LogIndex applied, base::Result<vlog::SealedLog> sealed);
  void on_linked(base::Status linked);
  void sum_on();
  void on_piece_summed(base::Result<std::optional<uint64_t>> bytes);
  void on_summed(base::Result<upkeep::SnapshotFile> itself);
  void finish_if_applied();
  void fail_making(base::Error error);
  const Snapshot* newest() const;
  void offer_newest(base::NodeId peer);
  void offer(base::NodeId peer, const Snapshot& snapshot);
  void on_question(base::NodeId from, const net::SnapshotRead& question);
  void on_done(base::NodeId from, const net::SnapshotDone& over);
  void end_offer(base::NodeId id, Peer& peer);
  void back_off(base::NodeId id);
  void look_at(base::NodeId id, Peer& peer, bool is_lagging, uint64_t now_ms);
  void answer_list(base::NodeId from, uint64_t snapshot_id);
  void pump(base::NodeId id);
  void on_read(base::NodeId to, const net::SnapshotRead& question, base::Result<base::Bytes> bytes,
               uint32_t crc);
  uint64_t delay_ms(uint64_t bytes);
  bool has_offer(base::NodeId peer) const;
  bool is_offered(uint64_t id) const;
  void remove(uint64_t id);
  void remove_outrun();
  std::string why_outrun(std::span<const vlog::SegmentInfo> segments, base::LogIndex mark,
                         base::LogIndex log_last, uint64_t bytes) const;
  bool tells_outrun(uint64_t id, const std::string& why) const;
  void remove_unused(uint64_t now_ms);
  void send(base::NodeId to, net::NoteBody body);

  Hands hands_;
  Options options_;
  Events events_;
  raft::SoftState role_;
  base::LogIndex applied_;
  std::optional<Making> making_;
  std::map<uint64_t, Snapshot> snapshots_;
  std::map<base::NodeId, Peer> peers_;
  std::set<base::NodeId> wanted_;
  std::map<base::NodeId, Refusal> refused_;
  uint64_t retry_ms_ = 0;    // when one may be begun again
  uint64_t free_at_ns_ = 0;  // when the pace allows the next piece
  uint64_t made_count_ = 0;
  bool is_stopping_ = false;
};

}  // namespace alfheim::replica
