// vlog/address: where a value stands in the Raft log, for ever and on every replica.
//
// Made by apply alone, of committed entries. Format: docs/formats/address.md.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"

namespace alfheim::vlog {

struct ValueAddress {
  base::LogIndex index;       // the entry
  uint32_t offset_bytes = 0;  // in the entry's payload
  uint32_t length_bytes = 0;
  uint32_t crc = 0;  // crc32c of the value's bytes, seed 0

  friend bool operator==(const ValueAddress&, const ValueAddress&) = default;
};

inline constexpr size_t kAddressBytes = 20;

// Big-endian index, offset, length, crc: addresses sort by their place in the log.
inline void put_address(base::Bytes& out, const ValueAddress& address) {
  base::put_u64_be(out, address.index.value);
  base::put_u32_be(out, address.offset_bytes);
  base::put_u32_be(out, address.length_bytes);
  base::put_u32_be(out, address.crc);
}
inline bool get_address(base::Reader& reader, ValueAddress& address) {
  return reader.get_u64_be(address.index.value) && reader.get_u32_be(address.offset_bytes) &&
         reader.get_u32_be(address.length_bytes) && reader.get_u32_be(address.crc);
}

}  // namespace alfheim::vlog
