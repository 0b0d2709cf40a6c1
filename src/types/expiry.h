// types/expiry: how due keys leave.
//
// The machine calls remove_due_keys once at the start of each entry, with the entry's stamp
// as log time. A due key is dead before it is removed; removal only gives its space back and
// brings the counts in step. The number per entry is bounded, so that a million keys due at
// once do not stall one entry.
//
// Thread: the apply strand. Lifetime: of one call.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "types/database.h"

namespace alfheim::types {

// Format: it decides what apply writes.
inline constexpr uint64_t kExpiryRecordsPerEntryMax = 64;

// Removes up to `records_max` keys with deadline <= log_time, oldest first; the result is how
// many. Looks at the deadlines of living databases only: what a flushed one left behind goes
// with compaction, at another time on each node, so it must not count here.
// kCorruption where an expiry record and its key do not agree.
base::Result<uint64_t> remove_due_keys(const Database::Hands& hands, base::Stamp log_time,
                                       uint64_t records_max = kExpiryRecordsPerEntryMax);

// The earliest deadline in any living database; nullopt where there is none.
base::Result<std::optional<uint64_t>> next_deadline(RecordSource& records,
                                                    const DatabaseTable& table);

}  // namespace alfheim::types
