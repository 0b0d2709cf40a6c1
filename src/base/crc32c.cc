#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <limits>

namespace alfheim::base {

uint32_t crc32c(ByteView bytes, uint32_t seed) {
  // ISA-L wants the complement in and out, and counts in int.
  constexpr size_t kChunkBytesMax = std::numeric_limits<int>::max();
  uint32_t crc = ~seed;
  while (!bytes.empty()) {
    const size_t length = std::min(bytes.size(), kChunkBytesMax);
    // ISA-L's prototype lacks const; it only reads.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    crc = crc32_iscsi(data, static_cast<int>(length), crc);
    bytes.remove_prefix(length);
  }
  return ~crc;
}

}  // namespace alfheim::base
