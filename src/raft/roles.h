// raft/roles: what a node remembers only while it plays one part.
//
// A change of role drops the old role's state as a whole, so nothing of a lost leadership or
// an old election can leak into the next. The behaviour is in follower.cc, candidate.cc
// (candidates and pre-candidates) and leader.cc.
//
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "raft/message.h"
#include "raft/progress.h"
#include "raft/ready.h"

namespace alfheim::raft {

struct Follower {
  base::NodeId leader;      // 0: none known
  uint64_t offer_told = 0;  // the id of the snapshot that a Ready last named
  bool must_stand = false;  // `leader` said so; once the configuration is applied
  // Asked of `leader` and not answered yet, since how many ticks.
  std::map<ReadId, uint32_t> reads_forwarded;
};

struct Candidate {
  bool is_pre_vote = false;
  std::map<base::NodeId, VoteResponse> votes;  // the own one once it is durable
};

struct PendingRead {
  ReadId id;
  base::NodeId from;         // this node itself, or the follower that asked
  uint64_t incarnation = 0;  // of that follower
};

// Reads join the round that begins after they arrived, never one under way: the answers to a
// round prove leadership only for moments after its first heartbeat was made.
//
// A round asks those alone who answered the last one soonest, as many as a quorum needs: more
// would cost everybody a message and a wake-up, and decide nothing. Each tick's heartbeats go to
// all, so whoever is silent delays a read by a tick at most; then all are asked, and the soonest
// are found anew.
struct ReadRounds {
  uint64_t round = 0;  // counts up within the term, never reused
  uint64_t began = 0;  // the round whose answers `current` waits for
  bool is_under_way = false;
  base::LogIndex index;  // the commit index when the round began
  std::set<base::NodeId> answers;
  std::set<base::NodeId> soonest;  // a quorum with this node; empty: ask all
  std::vector<PendingRead> current;
  std::vector<PendingRead> waiting;
};

struct Leader {
  std::map<base::NodeId, Progress> peers;  // all members but this node, and those that leave
  // Removed ones get the log for so many ticks more, so that they learn of it.
  std::map<base::NodeId, uint32_t> leaving_ticks;
  base::LogIndex own_first;  // of this term
  ReadRounds reads;
  uint32_t heartbeat_elapsed_ticks = 0;
  base::NodeId transferee;  // 0: not handing over
  bool is_transfer_sent = false;
  // In this term somebody was told to stand at once, and may do so at any time.
  bool has_ever_sent_transfer = false;
  bool has_news = false;  // something may have to be sent to peers
};

using Role = std::variant<Follower, Candidate, Leader>;

struct Timer {
  uint32_t elapsed_ticks = 0;  // since the leader was heard, or the election began
  uint32_t timeout_ticks = 0;  // the election timeout, drawn anew at each reset
  // Lease mode: for so many ticks more this node elects nobody, whatever becomes of its role.
  uint32_t promise_ticks = 0;
};

// What the last Ready said.
struct Emitted {
  uint64_t number = 0;
  base::LogIndex commit;
  base::LogIndex applicable;
  SoftState soft_state;
};

}  // namespace alfheim::raft
