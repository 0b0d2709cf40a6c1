// raft/message: what members of a group say to each other.
//
// A message is an envelope (group, from, to, the sender's term) and one of the bodies
// below. An outgoing Append carries no entries: Raft keeps none. It names a range,
// (previous, last], and whoever sends it fetches these entries from the log and puts them
// into `entries` (the newest are in the log's memory tail). A message whose `bytes_max` is
// not 0 may be cut: it then carries the longest prefix of the range that fits, at least one
// entry; a message with `bytes_max` 0 must carry the whole range. Entries of the range that
// were truncated meanwhile cannot be fetched: such a message is dropped, which Raft bears.
//
// A snapshot is only offered here; its files go another way, and whoever takes it starts anew.
//
// Thread: values. Format: the links' codec puts each body under a wire version; the order
// of the variant is not a format.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "raft/entry.h"

namespace alfheim::raft {

// Names one read barrier; chosen by the caller, never used twice in the life of a Node.
struct ReadId {
  uint64_t value = 0;
  friend auto operator<=>(ReadId, ReadId) = default;
};

// "Would you vote / do you vote for me?" In a pre-vote the envelope's term is the one that
// the sender would campaign in; nobody's term changes by it.
struct VoteRequest {
  bool is_pre_vote = false;
  bool is_transfer = false;  // the leader itself asked for this election: no lease holds it up
  base::LogIndex last;
  base::Term last_term;
};

// A granted pre-vote bears the term of its request; any other answer the answerer's own.
struct VoteResponse {
  bool is_pre_vote = false;
  bool is_granted = false;
  uint64_t data_uid = 0;  // of the answerer's data directory, for who founds; 0: not known
};

struct Append {
  base::LogIndex previous;   // the entry before the first one carried ...
  base::Term previous_term;  // ... and its term, by which the receiver knows that logs agree
  base::LogIndex last;       // == previous: nothing carried (a probe, or news of `commit`)
  base::LogIndex commit;
  uint64_t bytes_max = 0;      // for the sending side only; never on the wire
  std::vector<Entry> entries;  // filled in by the sender's replica, see above
};

struct AppendResponse {
  bool is_rejected = false;
  base::LogIndex match;  // accepted: the log agrees with the leader's up to here, durably
  // Rejected: which `previous` was refused, and where the leader should try next: the
  // receiver's last entry at or below it whose term is not above the leader's.
  base::LogIndex rejected_previous;
  base::LogIndex hint;
  base::Term hint_term;
};

// `round` numbers the leader's read rounds within its term: (term, round) never repeats, so
// a late or doubled answer to an old round cannot confirm a new one. 0: no round yet.
struct Heartbeat {
  base::LogIndex commit;
  uint64_t round = 0;
};

// `promise_ms`: for so long from now, by its own clock, the sender elects nobody, itself included.
// 0: it promises nothing (it is not in lease mode).
struct HeartbeatResponse {
  uint64_t round = 0;
  uint64_t promise_ms = 0;
};

// A follower asks its leader for a read index. `incarnation` tells a restarted follower's
// ids from those of its earlier life.
struct ReadRequest {
  uint64_t incarnation = 0;
  ReadId id;
};

struct ReadResponse {
  uint64_t incarnation = 0;
  ReadId id;
  bool is_granted = false;  // false: not leader (any more), or too many reads wait; ask again
  base::LogIndex index;
};

// The leader hands over: the receiver campaigns at once.
struct TransferNow {};

// One snapshot: all that was applied up to and with the entry `index` of `term`.
struct SnapshotMark {
  uint64_t id = 0;  // chosen by its maker, and given to no other snapshot
  base::LogIndex index;
  base::Term term;
  friend bool operator==(const SnapshotMark&, const SnapshotMark&) = default;
};

// The leader has a snapshot for the receiver, whose entries it no longer has. Sent again and again.
struct SnapshotOffer {
  SnapshotMark mark;
};

using Body = std::variant<VoteRequest, VoteResponse, Append, AppendResponse, Heartbeat,
                          HeartbeatResponse, ReadRequest, ReadResponse, TransferNow, SnapshotOffer>;

struct Message {
  base::GroupId group;
  base::NodeId from;
  base::NodeId to;
  base::Term term;
  Body body;
};

}  // namespace alfheim::raft
