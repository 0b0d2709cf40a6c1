// types/key_codec: the keys of the index's records, and how user keys become them.
//
// A kind byte leads every key. Key records stand ordered by database, hash slot and user
// key, so that COUNTKEYSINSLOT, RANDOMKEY, SCAN and moving a slot are range reads.
//
//   'C' chunk      version u64 be, u32 be | chunk number u32 be     -> bytes of the chunk
//   'K' key        epoch u32 be | slot u16 be | user key            -> key record (key_record.h)
//   'M' meta       name                                             -> what the name says
//   'R' reference  address (20) | key of the owner's 'K' record     -> empty
//   'V' version    version u64 be, u32 be                           -> key of the owner's 'K'
//   record 'X' expiry     epoch u32 be | deadline ms u64 be | key of the 'K' record -> empty
//
// An epoch names one generation of one database: FLUSHDB gives the database a new epoch and
// leaves the old records to the compaction filter. Format: docs/formats/index_records.md.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "vlog/address.h"

namespace alfheim::types {

// Format: never renumber, never reuse.
inline constexpr char kKindChunk = 'C';
inline constexpr char kKindKey = 'K';
inline constexpr char kKindMeta = 'M';
inline constexpr char kKindReference = 'R';
inline constexpr char kKindVersion = 'V';
inline constexpr char kKindExpiry = 'X';

// One generation of a database's content. 0 is never given.
struct Epoch {
  uint32_t value = 0;
  friend auto operator<=>(Epoch, Epoch) = default;
};

// Names what belongs together under one key (the chunks of a string, later the elements of
// a collection): the entry that made it and the running count of mutations in that entry.
struct Version {
  base::LogIndex index;
  uint32_t mutation = 0;
  friend auto operator<=>(const Version&, const Version&) = default;
};

inline constexpr size_t kEpochBytes = 4;
inline constexpr size_t kKeyPrefixBytes = 1 + kEpochBytes + 2;  // kind, epoch, slot

base::Bytes key_record_key(Epoch epoch, base::ByteView user_key);
// Appends instead of making a new string.
void put_key_record_key(base::Bytes& out, Epoch epoch, base::ByteView user_key);
// The first key of a database, of one slot of it, and the first key behind the database.
base::Bytes database_begin(Epoch epoch);
base::Bytes slot_begin(Epoch epoch, uint16_t slot);
base::Bytes database_end(Epoch epoch);
// The parts of a 'K' key; false where it is none.
bool parse_key_record_key(base::ByteView record_key, Epoch& epoch, uint16_t& slot,
                          base::ByteView& user_key);

base::Bytes chunk_key(const Version& version, uint32_t chunk_number);
bool parse_chunk_key(base::ByteView key, Version& version, uint32_t& chunk_number);
base::Bytes version_key(const Version& version);
bool parse_version_key(base::ByteView key, Version& version);
base::Bytes reference_key(const vlog::ValueAddress& address, base::ByteView owner_record_key);
// Every reference to an address in entry `index` or later is >= this.
base::Bytes reference_begin(base::LogIndex index);
bool parse_reference_key(base::ByteView key, vlog::ValueAddress& address,
                         base::ByteView& owner_record_key);
// `record_key` is a whole 'K' key; its epoch leads, so that each database's deadlines stand in
// order by themselves, and those of a flushed one out of the way (docs/formats/index_records.md).
base::Bytes expiry_key(uint64_t deadline_ms, base::ByteView record_key);
base::Bytes expiry_begin(Epoch epoch);
bool parse_expiry_key(base::ByteView key, uint64_t& deadline_ms, base::ByteView& record_key);
base::Bytes meta_key(base::ByteView name);

}  // namespace alfheim::types
