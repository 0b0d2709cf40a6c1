// base/crc32c: the checksum of every format (Castagnoli polynomial, by ISA-L).
//
// `seed` chains: crc32c(b, crc32c(a)) == crc32c(a+b). Formats seed it with the uid of the
// file that a record lives in (invariant I6), so that old bytes are never read as new.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace alfheim::base {

uint32_t crc32c(ByteView bytes, uint32_t seed = 0);

}  // namespace alfheim::base
