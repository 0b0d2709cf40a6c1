#include "types/liveness.h"

#include <algorithm>

#include "base/format.h"
#include "base/text.h"
#include "types/key_record.h"

namespace alfheim::types {

using base::Bytes;
using base::ByteView;
using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

Error corrupt(ByteView key) {
  return Error{ErrorCode::kCorruption,
               base::format("judge the record {}: its key has not the shape of its kind",
                            base::to_quoted(key))};
}

// Whether the epoch in a 'K' key was given up. One that the table has not given yet belongs
// to a state newer than the table, so it is not dead.
Result<bool> is_of_dead_epoch(ByteView record_key, const DatabaseTable& table, ByteView shown) {
  Epoch epoch;
  uint16_t slot = 0;
  ByteView user_key;
  if (!parse_key_record_key(record_key, epoch, slot, user_key)) return corrupt(shown);
  return epoch.value < table.next_epoch && !table.is_live(epoch);
}

Result<bool> is_chunk_orphan(ByteView key, RecordSource& records, const DatabaseTable& table) {
  Version version;
  uint32_t number = 0;
  if (!parse_chunk_key(key, version, number)) return corrupt(key);
  Bytes scratch;
  ALF_TRY(const std::optional<ByteView> owner, records.get(version_key(version), scratch));
  if (!owner) return true;
  return is_of_dead_epoch(*owner, table, key);
}

Result<bool> is_reference_orphan(ByteView key, RecordSource& records, const DatabaseTable& table) {
  vlog::ValueAddress address;
  ByteView owner;
  Epoch epoch;
  uint16_t slot = 0;
  ByteView user_key;
  if (!parse_reference_key(key, address, owner)) return corrupt(key);
  if (!parse_key_record_key(owner, epoch, slot, user_key)) return corrupt(key);
  if (epoch.value >= table.next_epoch) return false;
  ALF_TRY(const bool is_live, is_reference_live(key, records, table));
  return !is_live;
}

}  // namespace

Result<bool> is_reference_live(ByteView reference_key, RecordSource& records,
                               const DatabaseTable& table) {
  vlog::ValueAddress address;
  ByteView owner;
  Epoch epoch;
  uint16_t slot = 0;
  ByteView user_key;
  if (!parse_reference_key(reference_key, address, owner)) return corrupt(reference_key);
  if (!parse_key_record_key(owner, epoch, slot, user_key)) return corrupt(reference_key);
  if (!table.is_live(epoch)) return false;
  Bytes scratch;
  ALF_TRY(const std::optional<ByteView> bytes, records.get(owner, scratch));
  if (!bytes) return false;
  ALF_TRY(const KeyRecord record, parse_key_record(*bytes));
  ALF_TRY(const std::vector<vlog::ValueAddress> addresses, addresses_of(record));
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

Result<bool> is_orphan(ByteView key, ByteView value, RecordSource& records,
                       const DatabaseTable& table) {
  if (key.empty()) return corrupt(key);
  switch (key.front()) {
    case kKindKey: return is_of_dead_epoch(key, table, key);
    case kKindVersion: return is_of_dead_epoch(value, table, key);
    case kKindExpiry: {
      uint64_t deadline_ms = 0;
      ByteView record_key;
      if (!parse_expiry_key(key, deadline_ms, record_key)) return corrupt(key);
      return is_of_dead_epoch(record_key, table, key);
    }
    case kKindReference: return is_reference_orphan(key, records, table);
    case kKindChunk: return is_chunk_orphan(key, records, table);
    default: return false;
  }
}

}  // namespace alfheim::types
