// sim/node: one node of the real objects, with simulated hands.
//
// Builds what server/assemble builds, in the same order, over a disk, a store and a clock that
// the world owns and that outlive its crashes: the log over SimDisk, the index over TwinStore,
// machine, upkeep, replica, and sessions. One object is one life of the process.
//
// Thread: the scheduler's. Lifetime: the world's parts outlive it. Destroying it is the end of
// the process, not a clean stop: the disk must be down by then (SimDisk::go_down).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "index/twin_store.h"
#include "server/body_budget.h"
#include "server/client_memory.h"
#include "server/config.h"
#include "server/directory.h"
#include "server/generation.h"
#include "server/sentinel_hosts.h"
#include "server/services.h"
#include "server/session_host.h"
#include "server/slow_log.h"
#include "server/write_shares.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_executor.h"
#include "sim/oracle.h"
#include "sim/sim_connection.h"
#include "upkeep/segment_keeper.h"
#include "upkeep/snapshots.h"

namespace alfheim::sim {

// What the world drew from the seed, for all lives of a run.
struct NodeOptions {
  uint64_t segment_bytes = 16 * 1024;
  uint64_t log_memory_bytes = 1 << 20;
  uint32_t prewritten_segment_count = 1;
  uint32_t reserved_segment_count = 2;
  uint64_t disk_reserve_bytes = 0;
  uint64_t dirty_budget_bytes = 8 * 1024;
  uint64_t memory_budget_bytes = 64 * 1024;
  uint64_t log_bytes_per_freeze = 1 << 20;
  uint64_t log_retain_bytes = 1 << 30;
  uint64_t snapshot_bytes_per_second = 0;
  uint64_t snapshot_piece_bytes = 8 * 1024;
  uint64_t value_threshold_bytes = 64;
  uint64_t request_memory_bytes = 1 << 20;
  // More than one would hide the order in which replies leave apply from the oracle.
  uint32_t loop_count = 1;
  bool applies_near_loop = false;
  size_t near_changes_max = 512;
  uint32_t cold_index_per_1000 = 0;
  raft::ReadMode read_mode = raft::ReadMode::kReadIndex;
  bool reads_stale = false;                                          // --follower-reads stale
  uint32_t clock_drift_permille = raft::kClockDriftPermilleDefault;  // what a lease trusts
  SimExecutor::Options executor;
};

// What outlives a crash, and what is new in each life.
struct NodeHands {
  SimScheduler& scheduler;
  SimDisk& disk;
  std::shared_ptr<index::TwinDisk> store_disk;  // shared with the store of each life
  const command::Table& table;
  Oracle& oracle;
  uint64_t seed = 0;            // of this life
  uint64_t boot_offset_ns = 0;  // monotonic time begins anew with each boot
  int64_t wall_offset_us = 0;
  int32_t drift_permille = 0;  // of its monotonic clock, and of its timers
  // Of a group of several; a group of one has its life's number from the oracle.
  base::NodeId id{1};
  std::vector<base::NodeId> founders = {};
  std::vector<base::NodeId> everybody = {};  // whose clients' address is known, ever
  bool has_joined = false;                   // it was added to a group, and founded none
  uint64_t data_uid = 0;                     // of its disk; 0: not known
  net::PeerTransport* transport = nullptr;
  uint64_t life = 0;
  // The stores of generations that began with a snapshot; null: there are none.
  std::map<uint64_t, std::shared_ptr<index::TwinDisk>>* later_stores = nullptr;
  uint64_t snapshot_id = 0;  // to be installed first; 0: none
};

struct SimNodeEvents {
  std::function<void()> on_serving;
  std::function<void(const base::Error&)> on_fatal;
  std::function<void(const std::string&)> on_disk;
  std::function<void()> on_snapshot_ready;
};

// Of every simulated node.
inline constexpr uint64_t kClusterUid = 0x5eed;

class SimNode {
 public:
  static constexpr char kDirectory[] = "/node";  // on its disk
  static base::Result<std::unique_ptr<SimNode>> start(const NodeHands& hands,
                                                      const NodeOptions& options,
                                                      SimNodeEvents events);
  ~SimNode();

  // A client connects; null where the node does not accept yet, or any more. What apply
  // answers to its session goes into `trace`.
  std::shared_ptr<SimConnection> connect(SimPeer& client, uint64_t seed,
                                         const SimConnection::Options& options,
                                         std::shared_ptr<Trace> trace);
  // A message of a peer arrives.
  void receive(net::PeerMessage message);
  // When it has stopped: what is to be installed before the next life; 0: nothing.
  uint64_t snapshot_to_install() const { return replica_->snapshot_to_install(); }
  // Generation of its log and index.
  uint64_t generation() const { return generation_.number; }
  static env::PeerAddress client_address(base::NodeId id);
  // As an operator names it.
  static raft::Member member_of(base::NodeId id);
  // As SIGTERM; `done` comes on the core strand.
  void stop(std::function<void(base::Status)> done);

  const vlog::Log& log() const { return *log_; }
  machine::Machine& machine() { return *machine_; }
  const index::Index& index() const { return *index_; }
  SimNodeClock& clock() { return clock_; }
  SimExecutor& executor() { return executor_; }
  // Its disk finishes nothing that the log asks for, until this is over.
  void set_disk_hanging(bool is_hanging) {
    executor_.set_hanging(is_hanging ? log_strand_ : nullptr);
  }
  index::TwinStore& store() { return *store_; }
  bool is_disk_full() const { return replica_->refuses_growth(); }
  const replica::Replica& replica() const { return *replica_; }
  replica::Replica& replica() { return *replica_; }
  // Of log and machine; and of the core, which is cheap enough for each event.
  void check_invariants() const;
  const raft::Node& core() const { return replica_->core(); }
  uint64_t life() const { return hands_.life; }
  // Tells the oracle what was applied since the last time, of a group of several.
  void tell_applied();

 private:
  class Router;
  SimNode(const NodeHands& hands, const NodeOptions& options, SimNodeEvents events);
  base::Status open_storage();
  base::Result<std::shared_ptr<index::TwinDisk>> store_disk();
  base::Status open_replica();
  void make_sessions();
  bool is_member_of_many() const { return hands_.transport != nullptr; }
  void hash_state(std::shared_ptr<index::View> view, const replica::ReplyTo& to);
  void drain(uint32_t loop);
  void stop_replica();

  NodeHands hands_;
  const NodeOptions options_;
  SimNodeEvents events_;
  SimNodeClock clock_;
  SimRandom random_;
  server::Config config_;
  SimExecutor executor_;
  std::vector<env::Strand*> loops_;
  env::Strand* log_strand_ = nullptr;
  env::Strand* apply_strand_ = nullptr;
  server::Identity identity_;
  server::Directory directory_;
  server::SentinelHosts sentinel_hosts_;
  // Storage, in the order of server/storage.
  std::unique_ptr<env::FileLock> lock_;
  server::Generation generation_;
  std::unique_ptr<vlog::Log> log_;
  std::unique_ptr<index::TwinStore> store_;
  std::unique_ptr<index::Index> index_;
  std::unique_ptr<machine::Machine> machine_;
  std::unique_ptr<upkeep::SegmentKeeper> keeper_;
  std::unique_ptr<upkeep::Snapshots> snapshots_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<replica::Replica> replica_;
  struct Clients {
    server::ClientRegistry registry;
    server::Counters counters;
    server::WatchTable watches;
    std::unique_ptr<server::SlowLog> slow_log;
    server::WriteShares write_shares;
    std::unique_ptr<server::ClientMemory> memory;
    std::unique_ptr<server::BodyBudget> bodies;
    std::unique_ptr<server::Services> services;
    std::vector<std::unique_ptr<server::SessionHost>> hosts;  // by loop
  } clients_;
  std::vector<std::shared_ptr<SimConnection>> connections_;
  std::function<void(base::Status)> on_stopped_;  // until the replica is asked to stop
  uint64_t told_applied_ = 0;
  uint32_t next_loop_ = 0;
  bool is_accepting_ = false;
};

}  // namespace alfheim::sim
