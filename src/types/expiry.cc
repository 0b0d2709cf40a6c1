#include "types/expiry.h"

#include <absl/functional/function_ref.h>

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"
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

struct DueRecord {
  uint64_t deadline_ms = 0;
  Bytes record_key;
  friend auto operator<=>(const DueRecord&, const DueRecord&) = default;
};

// Walks the expiry records of one database in order of deadline, until `visit` says false.
using Visitor = absl::FunctionRef<bool(uint64_t deadline_ms, ByteView record_key)>;
Status walk_deadlines(RecordCursor& cursor, Epoch epoch, Visitor visit) {
  const Bytes begin = expiry_begin(epoch);
  for (cursor.seek(begin); cursor.is_valid() && cursor.key().starts_with(begin); cursor.next()) {
    uint64_t deadline_ms = 0;
    ByteView record_key;
    if (!parse_expiry_key(cursor.key(), deadline_ms, record_key)) {
      return corrupt_expiry(cursor.key(), "its key has not the shape of its kind");
    }
    if (!visit(deadline_ms, record_key)) return base::ok();
  }
  return cursor.status();
}

// The due records, oldest first. Collected before the first of them goes: what a cursor shows
// while its source is written to is nobody's promise.
Result<std::vector<DueRecord>> due_records(RecordSource& records, const DatabaseTable& table,
                                           base::Stamp log_time, uint64_t records_max) {
  std::vector<DueRecord> due;
  const std::unique_ptr<RecordCursor> cursor = records.walk();
  if (!cursor) return Error{ErrorCode::kInternal, "take expiry records: the source cannot walk"};
  for (const DatabaseEntry& database : table.databases) {
    if (database.deadline_count == 0) continue;
    uint64_t count = 0;
    ALF_TRY_STATUS(
        walk_deadlines(*cursor, database.epoch, [&](uint64_t deadline_ms, ByteView record_key) {
          const uint64_t early_ms = ALF_MUTANT(DueTooEarly) ? 1 : 0;
          if (count == records_max || deadline_ms > log_time.ms + early_ms) return false;
          due.push_back(DueRecord{deadline_ms, Bytes(record_key)});
          ++count;
          return true;
        }));
  }
  std::sort(due.begin(), due.end());
  if (due.size() > records_max) due.resize(records_max);
  return due;
}

}  // namespace

Result<uint64_t> remove_due_keys(const Database::Hands& hands, base::Stamp log_time,
                                 uint64_t records_max) {
  ALF_CHECK(hands.sink != nullptr);
  ALF_TRY(const std::vector<DueRecord> due,
          due_records(hands.records, hands.table, log_time, records_max));
  for (const DueRecord& record : due) {
    Epoch epoch;
    uint16_t slot = 0;
    ByteView user_key;
    if (!parse_key_record_key(record.record_key, epoch, slot, user_key)) {
      return corrupt_expiry(record.record_key, "it names no key record");
    }
    const std::optional<base::DatabaseIndex> index = hands.table.database_of(epoch);
    ALF_CHECK(index.has_value());  // only live epochs were walked
    Bytes scratch;
    ALF_TRY(const std::optional<ByteView> bytes, hands.records.get(record.record_key, scratch));
    if (!bytes) return corrupt_expiry(record.record_key, "its key is gone");
    ALF_TRY(const KeyRecord key, parse_key_record(*bytes));
    if (key.deadline_ms != record.deadline_ms) {
      return corrupt_expiry(record.record_key, "its key has another deadline");
    }
    Database database(hands, *index, Moment{log_time, log_time});
    ALF_TRY(const bool was_alive, database.erase(user_key));
    ALF_CHECK(!was_alive);
  }
  return uint64_t{due.size()};
}

Result<std::optional<uint64_t>> next_deadline(RecordSource& records, const DatabaseTable& table) {
  const std::unique_ptr<RecordCursor> cursor = records.walk();
  if (!cursor) return Error{ErrorCode::kWouldBlock, "find the next deadline: cannot walk"};
  std::optional<uint64_t> earliest;
  for (const DatabaseEntry& database : table.databases) {
    if (database.deadline_count == 0) continue;
    ALF_TRY_STATUS(walk_deadlines(*cursor, database.epoch, [&](uint64_t deadline_ms, ByteView) {
      earliest = std::min(earliest.value_or(deadline_ms), deadline_ms);
      return false;
    }));
  }
  return earliest;
}

}  // namespace alfheim::types
