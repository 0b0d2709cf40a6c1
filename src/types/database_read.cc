// The reading half of types/database.
#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/number.h"
#include "base/text.h"
#include "types/database.h"

namespace alfheim::types {

using base::Bytes;
using base::ByteView;
using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;

namespace {

constexpr ByteView kNeedsTick = "read a key: it is due, but no entry has said so yet";

// Part of [from, from+length) that lies within a string of `size` bytes.
uint64_t clamp_length(uint64_t size, uint64_t from, uint64_t length) {
  return from >= size ? 0 : std::min(length, size - from);
}

Error not_a_string() {
  return Error{ErrorCode::kInternal, "read a string: the record is of another type"};
}

}  // namespace

Error Database::needs_tick() { return Error{ErrorCode::kUnavailable, Bytes(kNeedsTick)}; }

bool Database::is_needs_tick(const Error& error) {
  return error.code == ErrorCode::kUnavailable && error.message == kNeedsTick;
}

Database::Liveness Database::judge(const KeyRecord& record) const {
  if (!record.deadline_ms) return Liveness{true, false};
  const uint64_t deadline_ms = *record.deadline_ms;
  return Liveness{deadline_ms > moment_.log_time.ms,
                  deadline_ms > moment_.log_time.ms && deadline_ms <= moment_.clock.ms};
}

Result<bool> Database::look_up(ByteView key, FoundKey& found) {
  ALF_TRY(const std::optional<ByteView> bytes,
          hands_.records.get(record_key_of(key), found.record_bytes));
  if (!bytes) return false;
  const bool is_owned =
      bytes->data() == found.record_bytes.data() && bytes->size() == found.record_bytes.size();
  if (!is_owned) found.record_bytes.assign(bytes->data(), bytes->size());
  ALF_TRY(found.record, parse_key_record(found.record_bytes));
  return true;
}

Result<std::optional<FoundKey>> Database::find_any(ByteView key) {
  std::optional<FoundKey> found(std::in_place);
  ALF_TRY(const bool is_there, look_up(key, *found));
  if (!is_there) found.reset();
  return found;
}

ByteView Database::record_key_of(ByteView key) {
  const Epoch now = epoch();
  const bool is_same = record_key_.size() == kKeyPrefixBytes + key.size() &&
                       ByteView(record_key_).substr(kKeyPrefixBytes) == key &&
                       record_key_epoch_ == now;
  if (!is_same) {
    record_key_.clear();
    put_key_record_key(record_key_, now, key);
    record_key_epoch_ = now;
  }
  return record_key_;
}

Result<std::optional<FoundKey>> Database::find(ByteView key) {
  std::optional<FoundKey> found(std::in_place);
  ALF_TRY(const bool is_there, look_up(key, *found));
  const Liveness liveness = is_there ? judge(found->record) : Liveness{false, false};
  if (liveness.is_alive && liveness.is_due_by_clock) return needs_tick();
  if (!liveness.is_alive) found.reset();
  ++(found ? lookups_.hits : lookups_.misses);
  return found;
}

Result<base::LogIndex> Database::version(ByteView key) {
  ALF_TRY(const std::optional<FoundKey> found, find(key));
  if (!found) return base::LogIndex{};
  return std::max(found->record.last_write, hands_.table.at(index_).last_swap);
}

Result<uint64_t> Database::string_length(const FoundKey& found) const {
  return string_length(found.record);
}

Result<uint64_t> Database::string_length(const KeyRecord& record) const {
  if (record.type != Type::kString) return not_a_string();
  switch (record.layout) {
    case Layout::kInline: return uint64_t{record.body.size()};
    case Layout::kInteger: {
      ALF_TRY(const int64_t value, decode_integer(record.body));
      char text[base::kInt64TextBytesMax];
      return uint64_t{base::write_int64(text, value)};
    }
    case Layout::kSeparated: {
      ALF_TRY(const vlog::ValueAddress address, decode_separated(record.body));
      return uint64_t{address.length_bytes};
    }
    case Layout::kFragments: {
      ALF_TRY(const FragmentList list, decode_fragments(record.body));
      return list.length_bytes;
    }
    case Layout::kChunked: {
      ALF_TRY(const ChunkedBody body, decode_chunked(record.body));
      return body.length_bytes;
    }
  }
  return not_a_string();
}

Status Database::read_string(const FoundKey& found, uint64_t from, uint64_t length, Bytes& out) {
  return read_string(found.record, from, length, out);
}

Status Database::read_string(const KeyRecord& record, uint64_t from, uint64_t length, Bytes& out) {
  if (record.type != Type::kString) return not_a_string();
  switch (record.layout) {
    case Layout::kInline: {
      out.append(record.body.substr(std::min<uint64_t>(from, record.body.size()), length));
      return base::ok();
    }
    case Layout::kInteger: {
      ALF_TRY(const int64_t value, decode_integer(record.body));
      char text[base::kInt64TextBytesMax];
      const ByteView digits(text, base::write_int64(text, value));
      out.append(digits.substr(std::min<uint64_t>(from, digits.size()), length));
      return base::ok();
    }
    case Layout::kSeparated: {
      ALF_TRY(const vlog::ValueAddress address, decode_separated(record.body));
      const uint64_t count = clamp_length(address.length_bytes, from, length);
      return count == 0 ? base::ok() : hands_.values.read(address, from, count, out);
    }
    case Layout::kFragments: {
      ALF_TRY(const FragmentList list, decode_fragments(record.body));
      return read_fragments(list, from, clamp_length(list.length_bytes, from, length), out);
    }
    case Layout::kChunked: {
      ALF_TRY(const ChunkedBody body, decode_chunked(record.body));
      return read_chunks(body, from, clamp_length(body.length_bytes, from, length), out);
    }
  }
  return not_a_string();
}

Status Database::read_fragments(const FragmentList& list, uint64_t from, uint64_t length,
                                Bytes& out) {
  uint64_t wanted = list.skip_bytes + from;  // place in the pieces put together
  uint64_t rest = length;
  uint64_t piece_begin = 0;
  for (const vlog::ValueAddress& piece : list.pieces) {
    if (rest == 0) break;
    const uint64_t piece_end = piece_begin + piece.length_bytes;
    if (wanted < piece_end) {
      const uint64_t offset = wanted - piece_begin;
      const uint64_t count = std::min<uint64_t>(rest, piece.length_bytes - offset);
      ALF_TRY_STATUS(hands_.values.read(piece, offset, count, out));
      wanted += count;
      rest -= count;
    }
    piece_begin = piece_end;
  }
  ALF_CHECK(rest == 0);  // decode_fragments has tested that the pieces hold the length
  return base::ok();
}

Status Database::read_chunks(const ChunkedBody& body, uint64_t from, uint64_t length, Bytes& out) {
  if (length > hands_.records.bytes_at_once_max()) {
    return Error{ErrorCode::kWouldBlock, "read a long string: not in one go"};
  }
  Bytes scratch;
  while (length > 0) {
    const uint64_t number = from / kChunkBytes;
    const uint64_t offset = from % kChunkBytes;
    const uint64_t count = std::min<uint64_t>(length, kChunkBytes - offset);
    ALF_TRY(const std::optional<ByteView> chunk,
            hands_.records.get(chunk_key(body.version, static_cast<uint32_t>(number)), scratch));
    const size_t size_before = out.size();
    if (chunk && offset < chunk->size()) out.append(chunk->substr(offset, count));
    out.resize(size_before + count, '\0');  // what is not there is zeros
    from += count;
    length -= count;
  }
  return base::ok();
}

Result<Bytes> Database::read_whole_string(const FoundKey& found) {
  ALF_TRY(const uint64_t length, string_length(found));
  Bytes out;
  out.reserve(length);
  ALF_TRY_STATUS(read_string(found, 0, length, out));
  return out;
}

Result<std::optional<Bytes>> Database::walk_keys(ByteView position, uint64_t steps_max,
                                                 Visitor visit) {
  const std::unique_ptr<RecordCursor> cursor = hands_.records.walk();
  if (!cursor) return Error{ErrorCode::kWouldBlock, "walk keys: this source cannot walk"};
  const Bytes prefix = database_begin(epoch());
  Bytes start = prefix;
  start.append(position);
  cursor->seek(start);
  for (uint64_t steps = 0; cursor->is_valid(); ++steps, cursor->next()) {
    const ByteView key = cursor->key();
    if (!key.starts_with(prefix)) break;
    if (steps == steps_max) return std::optional<Bytes>(Bytes(key.substr(prefix.size())));
    Epoch epoch;
    uint16_t slot = 0;
    ByteView user_key;
    if (!parse_key_record_key(key, epoch, slot, user_key)) {
      return Error{ErrorCode::kCorruption,
                   base::format("walk keys: found {}", base::to_quoted(key))};
    }
    ALF_TRY(const KeyRecord record, parse_key_record(cursor->value()));
    const Liveness liveness = judge(record);
    if (!liveness.is_alive) continue;
    if (liveness.is_due_by_clock) return needs_tick();
    if (!visit(user_key, record)) {
      Bytes next(key.substr(prefix.size()));
      next.push_back('\0');  // the first place behind this key
      return std::optional<Bytes>(std::move(next));
    }
  }
  ALF_TRY_STATUS(cursor->status());
  return std::optional<Bytes>();
}

Result<std::optional<Bytes>> Database::find_prefix(uint16_t slot, size_t prefix_bytes,
                                                   PrefixTest matches, uint64_t& steps) {
  const std::unique_ptr<RecordCursor> cursor = hands_.records.walk();
  if (!cursor) return Error{ErrorCode::kWouldBlock, "walk keys: this source cannot walk"};
  const Bytes begin = slot_begin(epoch(), slot);
  for (cursor->seek(begin); cursor->is_valid() && cursor->key().starts_with(begin);) {
    ++steps;
    if (cursor->key().size() < begin.size() + prefix_bytes) {
      cursor->next();
      continue;
    }
    Bytes prefix(cursor->key().substr(0, begin.size() + prefix_bytes));
    const ByteView user_prefix = ByteView(prefix).substr(begin.size());
    if (matches(user_prefix)) return std::optional<Bytes>(Bytes(user_prefix));
    // The first key behind all that have this prefix.
    while (prefix.size() > begin.size() && prefix.back() == '\xff') prefix.pop_back();
    if (prefix.size() == begin.size()) break;
    prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
    cursor->seek(prefix);
  }
  ALF_TRY_STATUS(cursor->status());
  return std::optional<Bytes>();
}

}  // namespace alfheim::types
