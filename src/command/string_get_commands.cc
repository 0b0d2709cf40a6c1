// GET and its kin: a string, or a part of it, as it stands.
#include "command/string_access.h"
#include "command/string_options.h"

namespace alfheim::command {

using base::ByteView;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::FoundKey;

namespace {

Status get(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  if (!found) {
    reply.null();
    return base::ok();
  }
  if (!check_string(*found, reply)) return base::ok();
  return reply_string(database, *found, reply);
}

Status getdel(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  if (!found) {
    reply.null();
    return base::ok();
  }
  if (!check_string(*found, reply)) return base::ok();
  ALF_TRY_STATUS(reply_string(database, *found, reply));
  ALF_TRY(const bool was_there, database.erase(args[1]));
  ALF_CHECK(was_there);
  return base::ok();
}

Status getex(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<StringOptions> options = parse_string_options(args, 2, OptionsOf::kGetEx);
  if (!options) {
    reply.error(kSyntaxText);
    return base::ok();
  }
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  if (!found) {
    reply.null();
    return base::ok();
  }
  if (!check_string(*found, reply)) return base::ok();
  std::optional<uint64_t> deadline_ms;
  if (options->has_expire()) {
    deadline_ms = check_deadline(args[options->expire_word], options->expire, database.moment(),
                                 "getex", reply);
    if (!deadline_ms) return base::ok();
  }
  ALF_TRY_STATUS(reply_string(database, *found, reply));
  if (deadline_ms && *deadline_ms <= database.moment().log_time.ms) {
    ALF_TRY(const bool was_there, database.erase(args[1]));
    ALF_CHECK(was_there);
    return base::ok();
  }
  if (deadline_ms) return database.set_deadline(args[1], deadline_ms);
  // Without a deadline there is nothing to persist, and WATCH must not see a change.
  if (options->is_persist && found->record.deadline_ms) {
    return database.set_deadline(args[1], std::nullopt);
  }
  return base::ok();
}

Status mget(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  reply.array_header(args.count() - 1);
  for (size_t i = 1; i < args.count(); ++i) {
    ALF_TRY(const std::optional<FoundKey> found, database.find(args[i]));
    if (found && found->record.type == types::Type::kString) {
      ALF_TRY_STATUS(reply_string(database, *found, reply));
    } else {
      reply.null();
    }
  }
  return base::ok();
}

Status strlen(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  if (!found) {
    reply.integer(0);
    return base::ok();
  }
  if (!check_string(*found, reply)) return base::ok();
  ALF_TRY(const uint64_t length, database.string_length(*found));
  reply.integer(static_cast<int64_t>(length));
  return base::ok();
}

Status getrange(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<int64_t> start = check_integer(args[2], reply);
  if (!start) return base::ok();
  const std::optional<int64_t> end = check_integer(args[3], reply);
  if (!end) return base::ok();
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  if (!found) {
    reply.bulk("");
    return base::ok();
  }
  if (!check_string(*found, reply)) return base::ok();
  ALF_TRY(const uint64_t length, database.string_length(*found));
  const std::optional<Span> span = clamp_span(*start, *end, length);
  if (!span || is_backwards(*start, *end)) {
    reply.bulk("");
    return base::ok();
  }
  const uint64_t count = span->last - span->first + 1;
  reply.bulk_header(count);
  ALF_TRY_STATUS(database.read_string(*found, span->first, count, reply.out()));
  reply.raw("\r\n");
  return base::ok();
}

Row substring_row(ByteView name, ByteView since) {
  return {.name = name,
          .arity = 4,
          .flags = kReadOnly | kPoint,
          .keys = {first_word_key(kKeyRO | kKeyAccess)},
          .acl_categories = "@read @string @slow",
          .summary = "Gives a part of the string at a key",
          .since = since,
          .group = "string",
          .complexity =
              "O(N) where N is the length of the returned string. Only the part that "
              "is asked for is read.",
          .handler = getrange};
}

}  // namespace

void add_string_get_rows(std::vector<Row>& rows) {
  rows.push_back({.name = "get",
                  .arity = 2,
                  .flags = kReadOnly | kFast,
                  .keys = {first_word_key(kKeyRO | kKeyAccess)},
                  .acl_categories = "@read @string @fast",
                  .summary = "Gives the string at a key",
                  .since = "1.0.0",
                  .group = "string",
                  .complexity = "O(1)",
                  .handler = get});
  rows.push_back({.name = "getdel",
                  .arity = 2,
                  .flags = kWrite | kFast,
                  .keys = {first_word_key(kKeyRW | kKeyAccess | kKeyDelete)},
                  .acl_categories = "@write @string @fast",
                  .summary = "Gives the string at a key and deletes the key",
                  .since = "6.2.0",
                  .group = "string",
                  .complexity = "O(1)",
                  .handler = getdel});
  rows.push_back({.name = "getex",
                  .arity = -2,
                  .flags = kWrite | kFast,
                  .keys = {first_word_key(kKeyRW | kKeyAccess | kKeyUpdate,
                                          "RW and UPDATE because it changes the TTL")},
                  .acl_categories = "@write @string @fast",
                  .summary = "Gives the string at a key and may change when it expires",
                  .since = "6.2.0",
                  .group = "string",
                  .complexity = "O(1)",
                  .handler = getex});
  rows.push_back({.name = "mget",
                  .arity = -2,
                  .flags = kReadOnly | kFast,
                  .keys = {KeySpec{.flags = kKeyRO | kKeyAccess, .begin_index = 1, .last_key = -1}},
                  .acl_categories = "@read @string @fast",
                  .tips = {"request_policy:multi_shard"},
                  .summary = "Gives the strings at several keys",
                  .since = "1.0.0",
                  .group = "string",
                  .complexity = "O(N) where N is the number of keys to retrieve.",
                  .handler = mget});
  rows.push_back({.name = "strlen",
                  .arity = 2,
                  .flags = kReadOnly | kFast,
                  .keys = {first_word_key(kKeyRO)},
                  .acl_categories = "@read @string @fast",
                  .summary = "Gives the length of the string at a key",
                  .since = "2.2.0",
                  .group = "string",
                  .complexity = "O(1)",
                  .handler = strlen});
  rows.push_back(substring_row("getrange", "2.4.0"));
  rows.push_back(substring_row("substr", "1.0.0"));
}

}  // namespace alfheim::command
