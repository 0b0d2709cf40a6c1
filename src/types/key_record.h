// types/key_record: the value of a 'K' record: what stands under one user key.
//
//   u8 type | u8 layout | u8 flags | varint last write (log index) | [u64 deadline ms] | body
//
//   layout inline     body = the bytes of the string
//          integer    body = i64, a string that is the decimal form of a 64-bit integer
//          separated  body = address: the bytes stand whole in one log entry
//          fragments  body = varint skip | varint length | varint count | address*:
//                     the string is [skip, skip+length) of the addressed pieces put together
//          chunked    body = version u64, u32 | varint length: a computed string; its bytes
//                     lie in 'C' records of kChunkBytes; a chunk that is missing, and what
//                     a short chunk lacks, is zeros
//
// Format: docs/formats/index_records.md.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "types/key_codec.h"
#include "vlog/address.h"

namespace alfheim::types {

// Format: never renumber.
enum class Type : uint8_t { kString = 0, kList = 1, kSet = 2, kZset = 3, kHash = 4, kStream = 6 };
enum class Layout : uint8_t {
  kInline = 0,
  kInteger = 1,
  kSeparated = 2,
  kFragments = 3,
  kChunked = 4,
};

inline constexpr uint8_t kFlagHasDeadline = 1;
// Written by a command that edits in place: OBJECT ENCODING says "raw", as Redis does.
inline constexpr uint8_t kFlagIsEdited = 2;

// Size of a chunk of a computed string, and the length from which it is chunked (format).
inline constexpr size_t kChunkBytes = 64 * 1024;

// A parsed record. `body` borrows from the bytes that were parsed.
struct KeyRecord {
  Type type = Type::kString;
  Layout layout = Layout::kInline;
  bool is_edited = false;
  base::LogIndex last_write;
  std::optional<uint64_t> deadline_ms;  // absolute, Unix ms
  base::ByteView body;
};

// Appends the record. kCorruption of parse names the record's first bytes.
void put_key_record(base::Bytes& out, const KeyRecord& record);
base::Result<KeyRecord> parse_key_record(base::ByteView bytes);

// The bodies.
struct FragmentList {
  uint64_t skip_bytes = 0;
  uint64_t length_bytes = 0;
  std::vector<vlog::ValueAddress> pieces;
};
struct ChunkedBody {
  Version version;
  uint64_t length_bytes = 0;
};
base::Bytes encode_integer(int64_t value);
base::Bytes encode_separated(const vlog::ValueAddress& address);
base::Bytes encode_fragments(const FragmentList& list);
base::Bytes encode_chunked(const ChunkedBody& body);
base::Result<int64_t> decode_integer(base::ByteView body);
base::Result<vlog::ValueAddress> decode_separated(base::ByteView body);
base::Result<FragmentList> decode_fragments(base::ByteView body);
base::Result<ChunkedBody> decode_chunked(base::ByteView body);

// Every address that the record holds, in order (none for the other layouts).
base::Result<std::vector<vlog::ValueAddress>> addresses_of(const KeyRecord& record);

}  // namespace alfheim::types
