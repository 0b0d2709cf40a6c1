// machine/growth: which operations may not go on a disk that is full.
//
// Those that Redis refuses when its memory is used up: rows flagged denyoom, and blocks with
// one of them. Nothing but the leader's decision to propose depends on it; apply never asks.
// Where not even deletes can go on, those that write.
//
// Thread: pure.
#pragma once

#include "command/table.h"
#include "machine/entry_codec.h"

namespace alfheim::machine {

// `body` is whole, as put_call or put_block made it (not a list of fragments). What cannot be
// parsed counts as growth.
bool grows(const command::Table& table, OperationKind kind, base::ByteView body);
// The same for whatever writes: rows flagged write, and blocks with one of them.
bool writes(const command::Table& table, OperationKind kind, base::ByteView body);

}  // namespace alfheim::machine
