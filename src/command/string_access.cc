#include "command/string_access.h"

#include <algorithm>

#include "base/number.h"

namespace alfheim::command {

using base::Bytes;
using base::ByteView;
using base::Result;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::FoundKey;

bool check_string(const FoundKey& found, ReplyWriter& reply) {
  if (found.record.type == types::Type::kString) return true;
  reply.error_with_code(kWrongTypeText);
  return false;
}

std::optional<int64_t> check_integer(ByteView word, ReplyWriter& reply) {
  const std::optional<int64_t> value = base::parse_int64(word);
  if (!value) reply.error(kNotIntegerText);
  return value;
}

bool check_length(const Context& context, uint64_t size, uint64_t added, ReplyWriter& reply) {
  const uint64_t limit = context.limits().string_bytes_max;
  if (size <= limit && added <= limit - size) return true;
  reply.error("string exceeds maximum allowed size (proto-max-bulk-len)");
  return false;
}

Status reply_string(Database& database, const FoundKey& found, ReplyWriter& reply) {
  if (found.record.layout == types::Layout::kInline) {
    reply.bulk(found.record.body);
    return base::ok();
  }
  ALF_TRY(const uint64_t length, database.string_length(found));
  reply.bulk_header(length);
  // One allocation instead of doublings for what is read in pieces; small replies share the
  // buffer's own growth.
  if (length > types::kChunkBytes) reply.out().reserve(reply.out().size() + length + 2);
  ALF_TRY_STATUS(database.read_string(found, 0, length, reply.out()));
  reply.raw("\r\n");
  return base::ok();
}

Result<std::optional<int64_t>> read_integer(Database& database, const FoundKey& found) {
  if (found.record.layout == types::Layout::kInteger) {
    ALF_TRY(const int64_t value, types::decode_integer(found.record.body));
    return std::optional<int64_t>(value);
  }
  ALF_TRY(const uint64_t length, database.string_length(found));
  if (length > base::kInt64TextBytesMax) return std::optional<int64_t>();
  Bytes text;
  ALF_TRY_STATUS(database.read_string(found, 0, length, text));
  return base::parse_int64(text);
}

bool is_shown_unedited(const FoundKey& found, uint64_t length) {
  return !found.record.is_edited && length <= kEmbeddedBytesMax;
}

std::optional<Span> clamp_span(int64_t start, int64_t end, uint64_t size) {
  // Strings are far shorter than 2^60 bytes, so neither sum leaves the integers.
  const auto count = static_cast<int64_t>(size);
  if (start < 0) start = std::max<int64_t>(0, count + start);
  if (end < 0) end = std::max<int64_t>(0, count + end);
  end = std::min(end, count - 1);
  if (start > end) return std::nullopt;
  return Span{static_cast<uint64_t>(start), static_cast<uint64_t>(end)};
}

KeySpec first_word_key(uint32_t key_flags, const char* notes) {
  return KeySpec{.flags = key_flags, .notes = notes, .begin_index = 1};
}

}  // namespace alfheim::command
