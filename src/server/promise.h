// server/promise: how long this node may have promised a leader to elect nobody, over restarts.
//
// In lease mode each answer to a heartbeat is such a promise (docs/raft.md, "Leases"), and it binds
// the node after a restart, too, also one in another mode or with shorter timers. So the longest
// that it ever gave stands in the file PROMISE of its data directory, before it gives one.
//
// Thread: one, before anything runs. Format: one line of text, "alfheimdb promise 1 ", crc32c of
// the number as 8 hex digits, a space, milliseconds.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "env/disk.h"

namespace alfheim::server {

// Notes that promises of `promise_ms` (0: none) will be given; durable when it returns. The longest
// that an earlier life may have given, or this one will. kCorruption: PROMISE does not say.
base::Result<uint64_t> keep_promise(env::Disk& disk, const std::string& dir, uint64_t promise_ms);

}  // namespace alfheim::server
