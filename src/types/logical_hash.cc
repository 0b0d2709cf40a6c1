#include "types/logical_hash.h"

#include <xxhash.h>

#include <algorithm>

#include "base/check.h"
#include "base/slot.h"

namespace alfheim::types {

using base::ByteView;
using base::Result;
using base::Status;

namespace {

// Keys are cheap but not free: counts each so much, so that a slice of empty values ends.
constexpr uint64_t kKeyCost = 64;
// Read at once of a large value.
constexpr uint64_t kReadBytes = 1024 * 1024;
constexpr uint64_t kStepsMax = 4096;
constexpr uint64_t kNoDeadline = 0;

base::Bytes position_of(ByteView user_key) {
  base::Bytes position;
  base::put_u16_be(position, base::key_slot(user_key));
  position.append(user_key);
  return position;
}

}  // namespace

void LogicalHash::FreeState::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

LogicalHash::LogicalHash() : state_(XXH3_createState()) {
  ALF_CHECK(state_ != nullptr);
  XXH3_64bits_reset(state_.get());
}

LogicalHash::~LogicalHash() = default;

void LogicalHash::add(ByteView bytes) {
  XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
}

void LogicalHash::add_u64(uint64_t value) {
  base::Bytes bytes;
  base::put_u64(bytes, value);
  add(bytes);
}

uint64_t LogicalHash::digest() const { return XXH3_64bits_digest(state_.get()); }

Status LogicalHash::add_value(Database& database, const KeyRecord& record, uint64_t length,
                              uint64_t& bytes_left) {
  while (value_offset_ < length) {
    const uint64_t count = std::min(kReadBytes, length - value_offset_);
    scratch_.clear();
    ALF_TRY_STATUS(database.read_string(record, value_offset_, count, scratch_));
    add(scratch_);
    value_offset_ += count;
    bytes_left -= std::min(bytes_left, count);
    if (bytes_left == 0 && value_offset_ < length) return base::ok();
  }
  value_offset_ = 0;
  return base::ok();
}

Result<bool> LogicalHash::step(Database& database, uint64_t bytes_max) {
  ALF_CHECK(bytes_max > 0);
  Status failed;
  uint64_t bytes_left = bytes_max;
  const auto visit = [&](ByteView user_key, const KeyRecord& record) {
    Result<uint64_t> length = database.string_length(record);
    if (!length) {
      failed = std::move(length).error();
      return false;
    }
    if (value_offset_ == 0) {
      add_u64(user_key.size());
      add(user_key);
      add_u64(static_cast<uint64_t>(record.type));
      add_u64(record.deadline_ms.value_or(kNoDeadline));
      add_u64(*length);
      ++key_count_;
      bytes_left -= std::min(bytes_left, kKeyCost + user_key.size());
    }
    failed = add_value(database, record, *length, bytes_left);
    if (value_offset_ != 0) position_ = position_of(user_key);
    return failed.is_ok() && value_offset_ == 0 && bytes_left > 0;
  };
  ALF_TRY(std::optional<base::Bytes> next, database.walk_keys(position_, kStepsMax, visit));
  ALF_TRY_STATUS(failed);
  if (value_offset_ != 0) return false;  // position_ names the key to go on with
  position_ = next ? std::move(*next) : base::Bytes();
  if (next) return false;
  // Where one database ends: the same keys in two others must not hash alike.
  add_u64(UINT64_MAX);
  return true;
}

}  // namespace alfheim::types
