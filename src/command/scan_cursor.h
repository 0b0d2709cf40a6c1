// command/scan_cursor: a place in the order of keys as a 64-bit number (docs/scan.md).
//
//   bits 0..13   slot
//   bits 14..22  length of a prefix of user keys, 0: the slot's beginning
//   bits 23..62  hash of that prefix
//
// The cursor names the prefix; it is found again among the keys that are there. So it needs
// no state of a node, survives a restart and means the same everywhere. Bit 63 stays 0, for
// clients that read cursors as signed numbers.
//
// Thread: any; values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "types/database.h"

namespace alfheim::command {

inline constexpr size_t kCursorPrefixBytesMax = 511;

// At the beginning of a slot. The first slot's is 0, which clients start with.
uint64_t slot_cursor(uint16_t slot);
// At the first key with this prefix. The prefix has 1..kCursorPrefixBytesMax bytes.
uint64_t prefix_cursor(uint16_t slot, base::ByteView prefix);

// Redis's reading of the word (strtoul): nullopt is "invalid cursor".
std::optional<uint64_t> parse_cursor(base::ByteView word);

struct CursorPlace {
  base::Bytes position;  // for Database::walk_keys
  uint64_t steps = 0;    // prefixes that were looked at to find it
};
// Where the walk goes on. Where no key has the prefix any more it is the slot's beginning:
// keys come again, none is missed.
base::Result<CursorPlace> find_cursor(types::Database& database, uint64_t cursor);

}  // namespace alfheim::command
