// raft/ready: what a node wants done, and the state that it is built from.
//
// The order in which a Ready is carried out is the safety of the whole system:
//   1. `messages` may leave at once.
//   2. `hard_state`, then `entries`, are made durable. An entry at an index that the log
//      already has removes that entry and all after it.
//   3. When this Ready and all before it are durable: Node::persisted(number), and only then
//      `messages_after_persist` leave (also where this Ready itself had nothing to persist).
//   4. Committed entries are applied up to `applicable`, which is min(commit, durable).
// Steps 2 and 3 may run behind: any number of Readies may be under way, in order.
//
// Thread: values.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "raft/configuration.h"
#include "raft/entry.h"
#include "raft/message.h"

namespace alfheim::raft {

// What a node must never forget: the term it has seen, and whom it voted for in it (0: nobody).
struct HardState {
  base::Term term;
  base::NodeId vote;
  friend bool operator==(const HardState&, const HardState&) = default;
};

enum class RoleKind : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

// May change without being durable; for the sessions, metrics and the console.
struct SoftState {
  RoleKind role = RoleKind::kFollower;
  base::NodeId leader;  // 0: none known
  base::Term term;
  // A committed configuration that is applied here has removed this node, for ever.
  bool is_removed = false;
  friend bool operator==(const SoftState&, const SoftState&) = default;
};

// The read may be served once the entries up to `index` are applied.
struct ReadState {
  ReadId id;
  base::LogIndex index;
  friend bool operator==(const ReadState&, const ReadState&) = default;
};

struct OfferedSnapshot {
  base::NodeId from;  // the leader that offers it
  SnapshotMark mark;
  friend bool operator==(const OfferedSnapshot&, const OfferedSnapshot&) = default;
};

struct Ready {
  uint64_t number = 0;  // counts up by one; what Node::persisted() is told
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;
  std::vector<Message> messages;
  std::vector<Message> messages_after_persist;
  base::LogIndex commit;
  base::LogIndex applicable;
  std::vector<ReadState> reads;
  std::vector<ReadId> reads_refused;  // leadership was lost before they were confirmed: ask again
  // Not 0: `messages` holds the heartbeats of the leader's rounds up to this one. Whoever keeps
  // leases notes the time before they leave.
  uint64_t heartbeat_round = 0;
  // Of a leader: peers that need entries which the log no longer has; each is named once whenever
  // it comes to that. Node::offer_snapshot() is the answer.
  std::vector<base::NodeId> snapshots_wanted;
  // Of a follower: fetch it, and start again from it (RestoredState); named once for each
  // snapshot and leader.
  std::optional<OfferedSnapshot> snapshot_offered;
  SoftState soft_state;

  bool needs_persist() const { return hard_state.has_value() || !entries.empty(); }
};

// Entries from `first` on have `term`, up to the next run's first.
struct TermRun {
  base::LogIndex first;
  base::Term term;
  friend bool operator==(const TermRun&, const TermRun&) = default;
};

// A configuration, and the entry that brought it.
struct ConfigurationAt {
  base::LogIndex index;
  Configuration configuration;
  friend bool operator==(const ConfigurationAt&, const ConfigurationAt&) = default;
};

// What recovery found, all of it durable. An empty log is last == log_first - 1.
struct RestoredState {
  HardState hard_state;
  base::LogIndex log_first{1};  // the log's start ...
  base::Term previous_term;     // ... and the term of the entry before it
  base::LogIndex last;
  std::vector<TermRun> runs;
  base::LogIndex applied;  // A of the persisted index: committed for certain
  // As of `applied`. Blank: this node has not joined a group; it takes the log of whoever leads.
  Configuration configuration;
  std::vector<ConfigurationAt> configurations_behind = {};  // in the log after `applied`, ascending
};

// kCorruption where the parts contradict each other: the node must then not start.
base::Status check_restored(const RestoredState& state);

}  // namespace alfheim::raft
