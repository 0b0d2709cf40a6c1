// APPEND and SETRANGE: edits in place, which touch only the bytes that they change.
#include <algorithm>

#include "command/string_access.h"

namespace alfheim::command {

using base::ByteView;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::Deadline;
using types::FoundKey;

namespace {

Status append(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  const ByteView tail = args[2];
  if (!found) {
    // The first piece is a value given whole: it may stay where it stands in the log.
    ALF_TRY_STATUS(database.set_string(args[1], args.value(2), Deadline::kDrop));
    reply.integer(static_cast<int64_t>(tail.size()));
    return base::ok();
  }
  if (!check_string(*found, reply)) return base::ok();
  ALF_TRY(const uint64_t length, database.string_length(*found));
  if (!check_length(context, length, tail.size(), reply)) return base::ok();
  // Nothing appended to a large value is no reason to copy it out of the log.
  if (!tail.empty() || length <= types::kChunkBytes) {
    ALF_TRY_STATUS(database.write_range(args[1], length, tail));
  }
  reply.integer(static_cast<int64_t>(length + tail.size()));
  return base::ok();
}

Status setrange(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<int64_t> offset = check_integer(args[2], reply);
  if (!offset) return base::ok();
  if (*offset < 0) {
    reply.error("offset is out of range");
    return base::ok();
  }
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  uint64_t length = 0;
  if (found) {
    if (!check_string(*found, reply)) return base::ok();
    ALF_TRY(length, database.string_length(*found));
  }
  const auto from = static_cast<uint64_t>(*offset);
  const ByteView bytes = args[3];
  if (!bytes.empty()) {
    if (!check_length(context, from, bytes.size(), reply)) return base::ok();
    ALF_TRY_STATUS(database.write_range(args[1], from, bytes));
    length = std::max<uint64_t>(length, from + bytes.size());
  }
  reply.integer(static_cast<int64_t>(length));
  return base::ok();
}

}  // namespace

void add_string_edit_rows(std::vector<Row>& rows) {
  rows.push_back({.name = "append",
                  .arity = 3,
                  .flags = kWrite | kDenyOom | kFast,
                  .keys = {first_word_key(kKeyRW | kKeyInsert)},
                  .acl_categories = "@write @string @fast",
                  .summary = "Adds bytes at the end of the string at a key",
                  .since = "2.0.0",
                  .group = "string",
                  .complexity = "O(1). The cost is that of the bytes added; what stands there "
                                "already is not touched, whatever its size.",
                  .handler = append});
  rows.push_back({.name = "setrange",
                  .arity = 4,
                  .flags = kWrite | kDenyOom | kPoint,
                  .keys = {first_word_key(kKeyRW | kKeyUpdate)},
                  .acl_categories = "@write @string @slow",
                  .summary = "Overwrites a part of the string at a key from an offset on",
                  .since = "2.2.0",
                  .group = "string",
                  .complexity = "O(1), not counting the bytes that are written. Otherwise O(M) "
                                "with M being the length of the value argument.",
                  .handler = setrange});
}

}  // namespace alfheim::command
