// types/liveness: which records of the index nobody needs any more.
//
// Asked by the compaction filter and by garbage collection. They must ask of the oldest
// state that can still be read or replayed (invariants I4, I9): a record judged by a newer
// state than that may still be needed; one that is newer than the judging state is never
// judged an orphan where this can be seen (epochs not yet given), so a filter must not see
// chunks that are newer than the state it asks.
//
// Thread: the caller's. Lifetime: of one call.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "types/database_table.h"
#include "types/record_source.h"

namespace alfheim::types {

// Whether the owner named by the reference stands in a live database and holds the address.
base::Result<bool> is_reference_live(base::ByteView reference_key, RecordSource& records,
                                     const DatabaseTable& table);

// Whether the record may be dropped: 'K', 'X' and 'V' of dead epochs, 'R' that are not live,
// 'C' whose version is gone or belongs to a dead epoch. Never 'M', nor a kind it does not know.
// Nothing that apply reads depends on whether such a record is still there (I9).
base::Result<bool> is_orphan(base::ByteView key, base::ByteView value, RecordSource& records,
                             const DatabaseTable& table);

}  // namespace alfheim::types
