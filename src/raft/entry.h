// raft/entry: one entry of the log, as every room that carries it sees it.
//
// Raft decides where an entry stands (index, term) and whether it is committed; it never
// looks into the payload of anything but its own configurations. The payload's bytes are
// made once, by the proposer, and are the same in memory, on disk and on the wire: a
// value's address is (index, offset in the payload).
//
// Stamp and seed are given by the leader's replica when it proposes: time and chance of
// everything that the entry does (docs/formats/entry.md).
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/ids.h"

namespace alfheim::raft {

// Stored in records and sent between nodes: never renumber.
enum class EntryKind : uint8_t {
  kNoop = 1,           // a leader's first entry of its term; no payload
  kConfiguration = 2,  // the group's members (raft/configuration.h)
  kCommands = 3,       // a batch of operations (docs/formats/entry.md)
  kFragment = 4,       // a piece of a large value; the payload is the piece itself
};

// Shared, because the log's memory tail, a write in flight, the links to several peers and
// apply hold the same bytes at once; never changed after it was made.
using Payload = std::shared_ptr<const base::Bytes>;

struct Entry {
  base::LogIndex index;
  base::Term term;
  EntryKind kind = EntryKind::kNoop;
  base::Stamp stamp;
  uint64_t seed = 0;
  Payload payload;  // null is an empty payload

  base::ByteView bytes() const { return payload ? base::ByteView(*payload) : base::ByteView(); }
};

}  // namespace alfheim::raft
