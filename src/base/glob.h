// base/glob: Redis's patterns, as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET use them.
//
// '*', '?', "[a-c]", "[^x]", '\' as escape; an unterminated class ends with the pattern; bytes
// of a range compare signed, as Redis's char does. One quirk is kept too: an empty text matches
// the empty pattern only, not "*" (Redis treats a lone "*" before it asks).
//
// Takes at most |pattern| x |text| steps, whatever the pattern.
#pragma once

#include "base/bytes.h"

namespace alfheim::base {

bool glob_match(ByteView pattern, ByteView text, bool is_case_insensitive = false);

}  // namespace alfheim::base
