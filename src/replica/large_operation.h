// replica/large_operation: an operation whose body is too large for one entry, cut into the
// fragments that go ahead of it.
//
// Cutting copies the body once and sums it: off the loops and off the core, which then only move
// the pieces on.
//
// Thread: values; cut_* on the pool. Format: docs/formats/entry.md.
#pragma once

#include <vector>

#include "machine/entry_codec.h"
#include "raft/entry.h"
#include "replica/reply.h"

namespace alfheim::replica {

struct LargeOperation {
  struct Piece {
    raft::Payload bytes;
    uint32_t crc = 0;
  };
  machine::OperationKind kind = machine::OperationKind::kCommand;
  bool is_read = false;
  bool is_growth = true;  // it may not go on a disk that is full
  uint64_t body_bytes = 0;
  std::vector<Piece> pieces;
  ReplyTo waiter;
};

LargeOperation cut_call(const machine::CallView& call, bool is_growth, const ReplyTo& waiter);
// A block's body, as put_block made it.
LargeOperation cut_block(base::Bytes body, bool is_growth, const ReplyTo& waiter);

}  // namespace alfheim::replica
