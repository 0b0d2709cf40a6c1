// command/generic_rows: what the handlers of the generic family share.
//
// The family is cut by theme (keyspace, expire, scan, object); generic_commands.cc puts the
// rows together.
//
// Thread: any; they only build values.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "base/number.h"
#include "command/session_row.h"
#include "command/table.h"

namespace alfheim::command {

void add_keyspace_rows(std::vector<Row>& rows);
void add_rename_rows(std::vector<Row>& rows);
void add_flush_rows(std::vector<Row>& rows);
void add_expire_rows(std::vector<Row>& rows);
void add_scan_rows(std::vector<Row>& rows);
void add_object_rows(std::vector<Row>& rows);

// A row of a command that a handler executes.
inline Row handled_row(std::string_view name, int arity, uint32_t flags, std::vector<KeySpec> keys,
                       std::string_view acl_categories, std::vector<std::string_view> tips,
                       const RowDocs& docs, Handler handler) {
  Row row = container_row(name, arity, flags, acl_categories, std::move(tips), docs);
  row.keys = std::move(keys);
  row.handler = handler;
  return row;
}

// "Keys from `first` on up to `last_key`" (relative to the first, or from the end).
inline KeySpec range_key(uint32_t key_flags, int first, int last_key = 0) {
  return KeySpec{.flags = key_flags, .begin_index = first, .last_key = last_key};
}

inline constexpr std::string_view kNotIntegerWords = "value is not an integer or out of range";

// The word as a number; where it is none, the reply says so.
inline std::optional<int64_t> number_or_reply(base::ByteView word, resp::ReplyWriter& reply) {
  const std::optional<int64_t> number = base::parse_int64(word);
  if (!number) reply.error(kNotIntegerWords);
  return number;
}

// The name of a key's type as TYPE prints it.
std::string_view type_name(types::Type type);

}  // namespace alfheim::command
