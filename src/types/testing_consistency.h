// types/testing_consistency: whether an index holds exactly what belongs to its keys.
//
// For tests of this room and of those above: gives every contradiction as a sentence.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "types/database_table.h"
#include "types/key_record.h"
#include "types/liveness.h"
#include "types/testing_records.h"

namespace alfheim::types {

class ConsistencyCheck {
 public:
  ConsistencyCheck(MemoryRecords& records, const DatabaseTable& table)
      : records_(records), table_(table) {}

  std::vector<std::string> run() {
    for (const auto& [key, value] : records_.map) {
      if (key.front() == kKindKey) expect_of_key(key, value);
    }
    for (const auto& [key, value] : records_.map) check_record(key, value);
    for (const base::Bytes& key : expected_) {
      if (!records_.map.contains(key)) complain("missing", key);
    }
    for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
      const DatabaseEntry& entry = table_.databases[i];
      if (entry.key_count != keys_[i]) complain("wrong key count in database", std::to_string(i));
      if (entry.deadline_count != deadlines_[i]) {
        complain("wrong deadline count in database", std::to_string(i));
      }
    }
    return problems_;
  }

 private:
  void complain(const char* what, base::ByteView key) {
    problems_.push_back(std::string(what) + " " + base::to_quoted(key));
  }
  void expect_of_key(const base::Bytes& key, const base::Bytes& value) {
    Epoch epoch;
    uint16_t slot = 0;
    base::ByteView user_key;
    if (!parse_key_record_key(key, epoch, slot, user_key)) return complain("bad key", key);
    if (key_record_key(epoch, user_key) != key) return complain("wrong slot", key);
    const auto database = table_.database_of(epoch);
    const auto record = parse_key_record(value);
    if (!record) return complain("bad record", key);
    // What belonged to a dead epoch may be there, until a filter or its deadline drops it.
    if (!database) return;
    ++keys_[database->value];
    if (record->deadline_ms) ++deadlines_[database->value];
    if (record->deadline_ms) expected_.insert(expiry_key(*record->deadline_ms, key));
    const auto addresses = addresses_of(*record);
    if (!addresses) return complain("bad addresses", key);
    for (const auto& address : *addresses) expected_.insert(reference_key(address, key));
    if (record->layout != Layout::kChunked) return;
    const auto body = decode_chunked(record->body);
    if (!body) return complain("bad chunked body", key);
    if (!versions_.insert(version_key(body->version)).second) complain("version twice", key);
    expected_.insert(version_key(body->version));
    const auto owner = records_.map.find(version_key(body->version));
    if (owner != records_.map.end() && owner->second != key) complain("version's owner", key);
    lengths_[version_key(body->version)] = body->length_bytes;
  }
  bool is_of_live_epoch(const base::Bytes& reference) {
    vlog::ValueAddress address;
    base::ByteView owner;
    Epoch epoch;
    uint16_t slot = 0;
    base::ByteView user_key;
    return !parse_reference_key(reference, address, owner) ||
           !parse_key_record_key(owner, epoch, slot, user_key) || table_.is_live(epoch);
  }
  void check_record(const base::Bytes& key, const base::Bytes& value) {
    const auto orphan = is_orphan(key, value, records_, table_);
    if (!orphan) return complain("cannot judge", key);
    switch (key.front()) {
      case kKindKey:
      case kKindMeta: return;
      case kKindReference:
        // A reference of a live database that nobody holds is an orphan too, but apply must
        // not leave one behind.
        if (!expected_.contains(key) && is_of_live_epoch(key)) complain("left over", key);
        return;
      case kKindExpiry:
      case kKindVersion:
        if (!*orphan && !expected_.contains(key)) complain("left over", key);
        return;
      case kKindChunk: {
        if (*orphan) return;
        Version version;
        uint32_t number = 0;
        if (!parse_chunk_key(key, version, number)) return complain("bad chunk key", key);
        const auto length = lengths_.find(version_key(version));
        if (length == lengths_.end()) return complain("chunk of nobody", key);
        if (uint64_t{number} * kChunkBytes + value.size() > length->second) {
          complain("chunk behind the end", key);
        }
        if (value.size() > kChunkBytes) complain("chunk too long", key);
        return;
      }
      default: return complain("unknown kind", key);
    }
  }

  MemoryRecords& records_;
  const DatabaseTable& table_;
  std::set<base::Bytes> expected_;
  std::set<base::Bytes> versions_;
  std::map<base::Bytes, uint64_t> lengths_;
  std::array<uint64_t, base::kDatabaseCount> keys_{};
  std::array<uint64_t, base::kDatabaseCount> deadlines_{};
  std::vector<std::string> problems_;
};

inline std::vector<std::string> inconsistencies(MemoryRecords& records,
                                                const DatabaseTable& table) {
  return ConsistencyCheck(records, table).run();
}

}  // namespace alfheim::types
