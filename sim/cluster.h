// sim/cluster: one run of a group of three or five whole nodes from one seed.
//
// The same clients, workload and oracle as sim/world, but the truth is what the group commits, and
// clients go where they are sent. Draws from the seed how bad the network is, and lets nodes be
// crashed, killed, paused, cut off one way or both, all at once; at last heals everything, and
// demands that every client is answered within bounded time and that each node holds what the
// model holds at its own applied entry.
//
// Checked at every event: Raft's safety properties (sim/raft_safety), no two nodes apply different
// entries, whoever stands at an entry holds the model's state, and every answer is the model's at a
// place of the committed log that is not before what anybody had been told when it was asked:
// linearizability of the whole state, MULTI included (docs/simulator.md says why that is so).
//
// Thread: one. Lifetime: of one run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/client.h"
#include "sim/node.h"
#include "sim/peer_network.h"
#include "sim/raft_safety.h"
#include "sim/world.h"

namespace alfheim::sim {

enum class ClusterFault : uint8_t {
  kPowerLoss,
  kKill,
  kAllDown,
  kSomeDown,  // any of them at once, each its own way
  kCleanStop,
  kCrashAtWrite,
  kDiskError,    // one write, sync or name operation fails with EIO: the node stops
  kReadError,    // one read fails with EIO: a reader is told, or the node stops
  kDiskFull,     // for a while, of one node or of all: no node stops
  kIngestError,  // the index cannot be persisted
  kStoreFull,    // level 0 is full for a while: freezes wait
  kPause,
  kHangingDisk,
  kWallJump,
  kDisconnect,
  kCutOff,     // one node, both ways
  kCutOneWay,  // of two nodes
  kSplit,      // two parts
  kHealNetwork,
  kTransfer,  // the leader is told to hand over; whoever does not lead refuses
  kTakeOver,  // a follower asks for leadership, or stands for it
  kSnapshot,  // RAFT SNAPSHOT; whoever does not lead refuses
  kLag,       // who follows is cut off while the others go on
  kAdd,       // a machine that was never there joins, blank; sometimes to learn only
  kPromote,   // a learner votes
  kDemote,    // a voter learns
  kRemove,    // for ever
  kWipe,      // a disk is lost, and its node comes back under the old id: nobody takes it
};

class Cluster {
 public:
  using Narrate = std::function<void(const std::string&)>;
  Cluster(uint64_t seed, const command::Table& table, Narrate narrate, bool tells_operations);
  ~Cluster();

  Outcome run();

 private:
  // What outlives a node's lives.
  struct Member {
    base::NodeId id;
    std::unique_ptr<SimDisk> disk;
    std::shared_ptr<index::TwinDisk> store_disk;  // shared with the store of each life
    std::unique_ptr<SimNode> node;                // null: down
    std::optional<base::Error> fatal;
    uint64_t term_led = 0;
    uint64_t compared = 0;         // the entry at which its state was looked at last
    uint64_t crash_at_change = 0;  // 0: not ordered
    uint64_t read_to_fail = 0;     // counted down by what the node reads; 0: not ordered
    int64_t wall_offset_us = 0;
    int32_t drift_permille = 0;
    bool has_joined = false;  // it was added, and founded nothing
    uint64_t data_uid = 0;
    bool is_wiped = false;      // it has another disk than the group knows
    bool may_be_wiped = false;  // where the group knew it already
    bool is_excused = false;    // a fault of its disk may stop it
    bool is_disk_full = false;
    bool is_stopping = false;
    bool is_start_scheduled = false;
    bool is_installing = false;   // what it starts with is a snapshot
    bool was_installing = false;  // and died of it, the last time
    bool was_killed = false;      // by the last strike, and not without power
    // A snapshot is here: the node stops, and its next life begins over it.
    bool wants_restart = false;
    std::optional<base::Status> stopped;
    uint64_t snapshot_id = 0;
    std::map<uint64_t, std::shared_ptr<index::TwinDisk>> later_stores;  // by generation
  };
  // What a seed looks at longest (cluster_theme.cc).
  enum class Theme : uint8_t { kNone, kSnapshots, kMembers, kReads, kTerms };
  static Theme theme_of(uint64_t seed);
  void draw_options();
  void draw_drift();
  void draw_faults();
  void draw_clients();
  void draw_theme();
  void draw_snapshots_theme();
  void draw_members_theme();
  void draw_reads_theme();
  void draw_terms_theme();
  void draw_theme_of_clients(uint64_t& request_count);
  bool is_struck_at_install(const Member& member, const DiskOperation& operation);
  bool loses_power(Member& member);
  void end_disk(Member& member, bool is_power_loss);
  void make_client(const Client::Options& options, const WorkloadOptions& workload);
  void make_disk(Member& member);
  std::shared_ptr<SimConnection> connect(size_t client, SimPeer& peer,
                                         std::shared_ptr<Trace> trace);

  bool step();
  void run_until(const std::function<bool()>& is_reached, uint64_t virtual_ms_max,
                 const char* what);
  std::string waiting() const;
  void after_event();
  void note_entries(const net::PeerMessage& message);
  void compare_state(Member& member);
  void expect_commit();
  static std::string told(const Member& member);  // how far it is
  void look_at(Member& member);
  void start_life(Member& member);
  void end_life(Member& member, bool is_power_loss, const std::string& why);
  void schedule_start(Member& member, uint64_t delay_ns);

  void schedule_fault();
  void strike(ClusterFault fault);
  void split();
  void cut_off(const Member& member);
  void let_one_lag();
  void expect_hand_over(const Member& member);
  void fail_disk(Member& member);
  void fail_read(Member& member);
  DiskOrder on_disk_operation(Member& member, const DiskOperation& operation);
  void fill_disk(Member& member);
  void end_disk_full(Member& member);
  void fill_store(Member& member);
  void note_refusals(const Member& member);
  void stop_cleanly(Member& member);
  void on_stopped(Member& member);
  void on_fatal(Member& member);
  void suspend(Member& member, void (*set)(SimNode& node, bool is_on));
  void transfer(Member& member);
  void make_snapshot(Member& member);
  void heal_network_later();
  void heal();
  Member& a_member();
  Member& any_member() { return members_[random_.below(members_.size())]; }

  void final_checks();
  void expect_state(const Member& member, uint64_t expected);
  // ---- cluster_members.cc: who belongs to the group ----
  void put_member();
  static bool has_link_to(const Member& member, base::NodeId to);
  bool is_linked(base::NodeId from, base::NodeId to);
  void tell_book(base::NodeId from, Member& to);
  void change_members(ClusterFault fault);
  void add_member(Member& leader);
  void wipe(Member& member, const raft::Configuration& configuration);
  void wipe_founder();
  void lose_disk(Member& member);
  void note_wiped(const raft::Configuration& configuration);
  bool may_lose_voter(const raft::Configuration& configuration, base::NodeId id) const;
  void order(Member& leader, raft::ChangeKind kind, base::NodeId id, bool stays_learner = false);
  Member* leading();
  Member* anybody_leading();
  Member* elected();  // it may not serve yet
  // Whether the group's configuration is settled, and has it; a wiped one has no part.
  bool has_part(const raft::Configuration& configuration, const Member& member) const;
  bool are_members_settled();
  bool are_equal();
  bool are_done() const;
  void narrate(const std::string& line);

  const command::Table& table_;
  const Narrate narrate_;
  const Theme theme_;
  SimClock clock_;
  SimScheduler scheduler_;
  SimRandom random_;
  NodeOptions node_options_;
  WorkloadOptions workload_;
  SimConnection::Options client_network_;
  Oracle oracle_;
  RaftSafety safety_;
  PeerNetwork network_;
  std::vector<Member> members_;
  std::vector<base::NodeId> founders_;
  std::vector<base::NodeId> everybody_;  // who may ever be
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::optional<size_t>> hints_;  // by client: which member leads, as it was told
  struct Faults {
    std::vector<ClusterFault> kinds;
    uint32_t left = 0;
    uint64_t gap_ns_max = 0;
    uint64_t excuses_end_ns = 0;  // until then a node may take its disk for full
  } faults_;
  bool is_checking_ = false;  // what is read meanwhile is no node's
  uint64_t life_count_ = 0;
  Outcome outcome_;
};

}  // namespace alfheim::sim
