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

struct DueKeys {
  uint64_t record_count = 0;  // expiry records taken
  uint64_t key_count = 0;     // keys removed; the other records were of flushed databases
};

// Takes up to `records_max` expiry records with deadline <= log_time, oldest first.
// kCorruption where an expiry record and its key do not agree.
base::Result<DueKeys> remove_due_keys(const Database::Hands& hands, base::Stamp log_time,
                                      uint64_t records_max = kExpiryRecordsPerEntryMax);

// The earliest deadline of any expiry record (that of a flushed database counts too, for it
// waits to be taken); nullopt where there is none.
base::Result<std::optional<uint64_t>> next_deadline(RecordSource& records);

}  // namespace alfheim::types
