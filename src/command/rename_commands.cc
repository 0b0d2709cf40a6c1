// RENAME RENAMENX COPY MOVE: a value gets another name, or another database.
#include "base/text.h"
#include "command/generic_rows.h"

namespace alfheim::command {
namespace {

using base::ByteView;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::FoundKey;

constexpr std::string_view kSameObjectsWords = "source and destination objects are the same";
constexpr std::string_view kDatabaseRangeWords = "DB index is out of range";

Status rename(Context& context, const Arguments& args, ReplyWriter& reply, bool only_if_missing) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> source, database.find(args[1]));
  if (!source) {
    reply.error("no such key");
    return base::ok();
  }
  if (args[1] != args[2]) {
    if (only_if_missing) {
      ALF_TRY(const std::optional<FoundKey> target, database.find(args[2]));
      if (target) {
        reply.integer(0);
        return base::ok();
      }
    }
    ALF_TRY_STATUS(database.move_to(args[1], database, args[2]));
    if (only_if_missing) {
      reply.integer(1);
    } else {
      reply.ok();
    }
    return base::ok();
  }
  if (only_if_missing) {
    reply.integer(0);
  } else {
    reply.ok();
  }
  return base::ok();
}

Status run_rename(Context& context, const Arguments& args, ReplyWriter& reply) {
  return rename(context, args, reply, false);
}

Status run_renamenx(Context& context, const Arguments& args, ReplyWriter& reply) {
  return rename(context, args, reply, true);
}

// The word as a database; where it names none, the reply says so.
std::optional<base::DatabaseIndex> database_or_reply(ByteView word, ReplyWriter& reply) {
  const std::optional<int64_t> number = number_or_reply(word, reply);
  if (!number) return std::nullopt;
  if (*number < INT32_MIN || *number > INT32_MAX) {
    // Redis reads an int here.
    reply.error("value is out of range, value must between -2147483648 and 2147483647");
    return std::nullopt;
  }
  if (*number < 0 || *number >= base::kDatabaseCount) {
    reply.error(kDatabaseRangeWords);
    return std::nullopt;
  }
  return base::DatabaseIndex{static_cast<uint32_t>(*number)};
}

Status run_move(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& source = context.database();
  const std::optional<base::DatabaseIndex> index = database_or_reply(args[2], reply);
  if (!index) return base::ok();
  if (*index == source.index()) {
    reply.error(kSameObjectsWords);
    return base::ok();
  }
  Database& target = context.database(*index);
  ALF_TRY(const std::optional<FoundKey> found, source.find(args[1]));
  ALF_TRY(const std::optional<FoundKey> other, target.find(args[1]));
  const bool moves = found && !other;
  if (moves) ALF_TRY_STATUS(source.move_to(args[1], target, args[1]));
  reply.integer(moves ? 1 : 0);
  return base::ok();
}

Status run_copy(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& source = context.database();
  base::DatabaseIndex index = source.index();
  bool replaces = false;
  for (size_t i = 3; i < args.count(); ++i) {
    if (base::equals_ignore_case(args[i], "replace")) {
      replaces = true;
    } else if (base::equals_ignore_case(args[i], "db") && i + 1 < args.count()) {
      const std::optional<base::DatabaseIndex> named = database_or_reply(args[++i], reply);
      if (!named) return base::ok();
      index = *named;
    } else {
      reply.error("syntax error");
      return base::ok();
    }
  }
  const bool is_same_database = index == source.index();
  if (is_same_database && args[1] == args[2]) {
    reply.error(kSameObjectsWords);
    return base::ok();
  }
  Database& target = is_same_database ? source : context.database(index);
  ALF_TRY(const std::optional<FoundKey> found, source.find(args[1]));
  ALF_TRY(const std::optional<FoundKey> other, target.find(args[2]));
  const bool copies = found && (replaces || !other);
  if (copies) ALF_TRY_STATUS(source.copy_to(args[1], target, args[2]));
  reply.integer(copies ? 1 : 0);
  return base::ok();
}

}  // namespace

void add_rename_rows(std::vector<Row>& rows) {
  const std::vector<KeySpec> rename_keys = {range_key(kKeyRW | kKeyAccess | kKeyDelete, 1),
                                            range_key(kKeyOW | kKeyUpdate, 2)};
  const std::vector<KeySpec> renamenx_keys = {range_key(kKeyRW | kKeyAccess | kKeyDelete, 1),
                                              range_key(kKeyOW | kKeyInsert, 2)};
  const std::vector<KeySpec> copy_keys = {range_key(kKeyRO | kKeyAccess, 1),
                                          range_key(kKeyOW | kKeyUpdate, 2)};
  rows.push_back(handled_row("rename", 3, kWrite, rename_keys, "@keyspace @write @slow", {},
                             {"Rename a key", "1.0.0", "generic", "O(1)"}, run_rename));
  rows.push_back(
      handled_row("renamenx", 3, kWrite | kFast, renamenx_keys, "@keyspace @write @fast", {},
                  {"Rename a key, only if the new key does not exist", "1.0.0", "generic", "O(1)"},
                  run_renamenx));
  rows.push_back(handled_row(
      "copy", -3, kWrite | kDenyOom, copy_keys, "@keyspace @write @slow", {},
      {"Copy a key", "6.2.0", "generic", "O(N) for a computed string of N bytes, otherwise O(1)."},
      run_copy));
  rows.push_back(
      handled_row("move", 3, kWrite | kFast, {range_key(kKeyRW | kKeyAccess | kKeyUpdate, 1)},
                  "@keyspace @write @fast", {},
                  {"Move a key to another database", "1.0.0", "generic", "O(1)"}, run_move));
}

}  // namespace alfheim::command
