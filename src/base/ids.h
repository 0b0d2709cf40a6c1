// base/ids: the numbers that must not be mixed up, each a type of its own.
//
// Term, LogIndex, NodeId and GroupId are Raft's; DatabaseIndex is what SELECT names;
// Stamp is log time in milliseconds since the Unix epoch (docs/formats/entry.md).
// An id compares and prints; only a LogIndex counts.
#pragma once

#include <compare>
#include <cstdint>

namespace alfheim::base {

struct Term {
  uint64_t value = 0;
  friend auto operator<=>(Term, Term) = default;
};

// Position in the log; 0 is "before the first entry".
struct LogIndex {
  uint64_t value = 0;
  friend auto operator<=>(LogIndex, LogIndex) = default;
  LogIndex next() const { return LogIndex{value + 1}; }
  LogIndex plus(uint64_t count) const { return LogIndex{value + count}; }
};

// A member of a group, unique for ever within the cluster; 0 is "nobody".
struct NodeId {
  uint64_t value = 0;
  friend auto operator<=>(NodeId, NodeId) = default;
};

struct GroupId {
  uint64_t value = 0;
  friend auto operator<=>(GroupId, GroupId) = default;
};

// The database that SELECT names, 0..15.
struct DatabaseIndex {
  uint32_t value = 0;
  friend auto operator<=>(DatabaseIndex, DatabaseIndex) = default;
};

// Log time: milliseconds since the Unix epoch, as the leader stamped it. Never goes back.
struct Stamp {
  uint64_t ms = 0;
  friend auto operator<=>(Stamp, Stamp) = default;
};

}  // namespace alfheim::base
