#include "types/expiry.h"

#include <vector>

#include "base/check.h"
#include "base/format.h"
#include "base/text.h"

namespace alfheim::types {

using base::Bytes;
using base::ByteView;
using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;

namespace {

Error corrupt_expiry(ByteView key, const char* what) {
  return Error{ErrorCode::kCorruption,
               base::format("take the expiry record {}: {}", base::to_quoted(key), what)};
}

// Keys of the due records. Collected before the first of them goes: what a cursor shows
// while its source is written to is nobody's promise.
Result<std::vector<Bytes>> due_records(RecordSource& records, base::Stamp log_time,
                                       uint64_t records_max) {
  std::vector<Bytes> due;
  const std::unique_ptr<RecordCursor> cursor = records.walk();
  if (!cursor) return Error{ErrorCode::kInternal, "take expiry records: the source cannot walk"};
  for (cursor->seek(ByteView(&kKindExpiry, 1)); cursor->is_valid(); cursor->next()) {
    const ByteView key = cursor->key();
    if (due.size() == records_max || key.front() != kKindExpiry) break;
    uint64_t deadline_ms = 0;
    ByteView record_key;
    if (!parse_expiry_key(key, deadline_ms, record_key)) return corrupt_expiry(key, "no deadline");
    if (deadline_ms > log_time.ms) break;
    due.emplace_back(key);
  }
  ALF_TRY_STATUS(cursor->status());
  return due;
}

}  // namespace

Result<DueKeys> remove_due_keys(const Database::Hands& hands, base::Stamp log_time,
                                uint64_t records_max) {
  ALF_CHECK(hands.sink != nullptr);
  ALF_TRY(const std::vector<Bytes> due, due_records(hands.records, log_time, records_max));
  DueKeys taken;
  for (const Bytes& key : due) {
    ++taken.record_count;
    uint64_t deadline_ms = 0;
    ByteView record_key;
    Epoch epoch;
    uint16_t slot = 0;
    ByteView user_key;
    if (!parse_expiry_key(key, deadline_ms, record_key) ||
        !parse_key_record_key(record_key, epoch, slot, user_key)) {
      return corrupt_expiry(key, "it names no key record");
    }
    const std::optional<base::DatabaseIndex> index = hands.table.database_of(epoch);
    if (!index) {
      hands.sink->erase(key);
      continue;
    }
    Bytes scratch;
    ALF_TRY(const std::optional<ByteView> bytes, hands.records.get(record_key, scratch));
    if (!bytes) return corrupt_expiry(key, "its key is gone");
    ALF_TRY(const KeyRecord record, parse_key_record(*bytes));
    if (record.deadline_ms != deadline_ms) {
      return corrupt_expiry(key, "its key has another deadline");
    }
    Database database(hands, *index, Moment{log_time, log_time});
    ALF_TRY(const bool was_alive, database.erase(user_key));
    ALF_CHECK(!was_alive);
    ++taken.key_count;
  }
  return taken;
}

Result<std::optional<uint64_t>> next_deadline(RecordSource& records) {
  const std::unique_ptr<RecordCursor> cursor = records.walk();
  if (!cursor) return Error{ErrorCode::kWouldBlock, "find the next deadline: cannot walk"};
  cursor->seek(ByteView(&kKindExpiry, 1));
  ALF_TRY_STATUS(cursor->status());
  if (!cursor->is_valid() || cursor->key().front() != kKindExpiry) {
    return std::optional<uint64_t>();
  }
  uint64_t deadline_ms = 0;
  ByteView record_key;
  if (!parse_expiry_key(cursor->key(), deadline_ms, record_key)) {
    return corrupt_expiry(cursor->key(), "no deadline");
  }
  return std::optional<uint64_t>(deadline_ms);
}

}  // namespace alfheim::types
