// raft/node_testing: a group of Nodes in one test, with a network and disks that obey it.
//
// Carries out each Ready as raft/ready.h demands. Messages stand in one queue, first in first
// out, and may be cut off one way; a disk may be held, so that Readies pile up unfinished; a
// crash loses what was not durable. After every step the invariants of all nodes are checked,
// and that no two nodes ever apply different entries at one index or lead in one term.
//
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/node.h"

namespace alfheim::raft {

std::string describe(const Message& message);
std::string describe(const NodeStatus& status);
std::string describe(const Configuration& configuration);

// Which seeds the chaos runs; `raft_tests --chaos FIRST COUNT` sets it, and has each one told
// before its run, so that the last one told is the one that ended the process.
struct ChaosSeeds {
  uint64_t first = 1;
  uint64_t count = 300;
  bool are_told = false;
};
extern ChaosSeeds chaos_seeds;

class TestGroup {
 public:
  struct Options {
    uint64_t node_count = 1;
    bool has_pre_vote = true;
    bool has_check_quorum = true;
    std::set<uint64_t> learners = {};
    uint64_t uncommitted_bytes_max = 1 << 20;
    uint32_t inflight_messages_max = 4;
    uint64_t append_bytes_max = 4 << 20;  // 1: each entry goes alone
    uint64_t seed = 1;
    // The nodes keep leases, by clocks that run up to so much apart; ticks come by these clocks.
    bool has_leases = false;
    uint32_t clock_drift_permille = 50;
    bool mixes_modes = false;    // of them some lives keep none
    bool has_data_uids = false;  // they know their directories: node 2's first is 201, then 202
    uint64_t chaos_seed = 0;     // not 0: messages are lost, doubled and reordered by it
  };
  explicit TestGroup(Options options);

  Node& node(uint64_t id) { return *members_.at(id).node; }
  const NodeStatus status(uint64_t id) const { return members_.at(id).node->status(); }
  const std::vector<std::string>& trace() const { return trace_; }
  void clear_trace() { trace_.clear(); }
  std::vector<uint64_t> nodes() const;
  // The commands that a node has applied.
  std::vector<std::string> applied(uint64_t id) const;
  uint64_t history_end() const { return history_.empty() ? 0 : history_.rbegin()->first; }
  // How often a leader could have answered by its lease. Each time it was checked.
  uint64_t leased_count() const { return leased_count_; }
  bool is_idle() const { return network_.empty(); }
  std::string read_result(uint64_t read) const;  // pending, refused, or "index N"

  // Each runs until nobody has anything to do.
  void campaign(uint64_t id);
  void tick(uint64_t id, int count = 1);
  void tick_all(int count = 1);
  base::Result<base::LogIndex> propose(uint64_t id, const std::string& payload);
  base::Status read(uint64_t id, uint64_t read);
  // Under the next number of the node's life, as a replica numbers them.
  base::Status read_next(uint64_t id) { return read(id, ++members_.at(id).reads); }
  base::Status transfer(uint64_t id, uint64_t target);
  // kAddLearner of a node that is not there starts it, blank.
  // The leader `id` takes a snapshot of what it has applied, and offers it.
  base::Status offer(uint64_t id, uint64_t peer);
  // The node starts again from what was offered to it last: "ok", or why not.
  std::string install(uint64_t id);
  void fail_snapshot(uint64_t id, uint64_t peer);
  std::set<uint64_t> snapshots_wanted(uint64_t id) const { return members_.at(id).wanted; }
  // "snapshot 1 of 5@2 from 1", or "none".
  std::string snapshot_offered(uint64_t id) const;
  void start_blank(uint64_t id) { start(id); }
  base::Status change(uint64_t id, ChangeKind kind, uint64_t target);
  void deliver(const Message& message);
  void settle();

  void cut(uint64_t from, uint64_t to) { cuts_.insert({from, to}); }
  void isolate(uint64_t id);
  void split(const std::set<uint64_t>& side);  // from all others
  void heal() {
    cuts_.clear();
    loses_entries_ = false;
  }
  // As where the links' lane for them is broken: votes and heartbeats come through.
  void lose_entries() { loses_entries_ = true; }
  void hold_disk(uint64_t id) { members_.at(id).is_disk_held = true; }
  void release_disk(uint64_t id);
  void finish_writes(uint64_t id, size_t count);
  void crash(uint64_t id);
  // Its directory is lost: it starts as it did first, with another.
  void wipe(uint64_t id);
  base::LogIndex log_first(uint64_t id) const { return members_.at(id).log_first; }
  // Empties the log below `first`, as if all of it were in the persisted index.
  void start_log_at(uint64_t id, uint64_t first);

 private:
  struct Seat {
    std::unique_ptr<Node> node;
    std::map<uint64_t, Entry> log;      // as the node believes it
    std::map<uint64_t, Entry> durable;  // as the disk has it
    HardState hard_state;
    base::LogIndex log_first{1};
    base::Term previous_term;
    base::LogIndex applied;
    Configuration configuration;  // before the log's start; blank where it joins
    bool is_disk_held = false;
    std::set<uint64_t> wanted;  // peers that want a snapshot of it
    std::optional<OfferedSnapshot> offered;
    std::deque<Ready> writes;
    uint64_t lives = 0;
    uint64_t reads = 0;  // of this life
    uint64_t directories = 1;
    uint64_t clock_us = 0;  // its own, which runs `rate_permille` as fast as time
    uint64_t rate_permille = 1000;
    std::map<uint64_t, uint64_t> round_us;  // of this leadership: when a round was stamped
    uint64_t led_term = 0;
  };
  struct Event {
    uint64_t term;
    EntryKind kind;
    std::string payload;
    friend bool operator==(const Event&, const Event&) = default;
  };
  struct Snapshot {
    SnapshotMark mark;
    Configuration configuration;
  };
  Configuration founders() const;
  void start(uint64_t id);
  void restore_configurations(const Seat& member, RestoredState& state) const;
  void carry_out(uint64_t id, Ready ready);
  void finish_write(uint64_t id);
  void apply(uint64_t id);
  void post(uint64_t id, Message message);
  bool settle_nodes();
  void pass_time(uint64_t us);
  void stamp_round(Seat& member, const Ready& ready);
  void check_leases();

  Options options_;
  std::map<uint64_t, Seat> members_;
  std::deque<Message> network_;
  std::deque<Message> delayed_;
  std::set<std::pair<uint64_t, uint64_t>> cuts_;
  std::map<uint64_t, Event> history_;       // by index
  std::map<uint64_t, Snapshot> snapshots_;  // by id
  std::map<uint64_t, uint64_t> leader_of_term_;
  std::map<uint64_t, std::string> reads_;
  // By node and read: what was applied somewhere when the read began.
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> read_floors_;
  bool loses_entries_ = false;
  uint64_t leased_count_ = 0;
  std::mt19937_64 chaos_;
  std::vector<std::string> trace_;
};

}  // namespace alfheim::raft
