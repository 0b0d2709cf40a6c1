// SET and its kin: values given whole.
//
// A value position of these rows may not be in memory: handlers pass args.value(i) on and
// never look at its bytes.
#include "base/format.h"
#include "command/string_access.h"
#include "command/string_options.h"

namespace alfheim::command {

using base::ByteView;
using base::Result;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::Deadline;
using types::FoundKey;

namespace {

// What a client sees of a key with a deadline that has passed is that there is none.
Status set_until(Database& database, ByteView key, const types::ValueInput& value,
                 uint64_t deadline_ms) {
  if (deadline_ms <= database.moment().log_time.ms) {
    ALF_TRY_STATUS(database.erase(key));
    return base::ok();
  }
  ALF_TRY_STATUS(database.set_string(key, value, Deadline::kDrop));
  return database.set_deadline(key, deadline_ms);
}

// SET with NX, XX or GET: what stands there decides. The reply is written where it is not
// OK; the result says whether the value is to be set.
Result<bool> judge_old_value(Database& database, ByteView key, const StringOptions& options,
                             ReplyWriter& reply) {
  ALF_TRY(const std::optional<FoundKey> old, database.find(key));
  if (options.is_get) {
    if (old && !check_string(*old, reply)) return false;
    if (old) {
      ALF_TRY_STATUS(reply_string(database, *old, reply));
    } else {
      reply.null();
    }
  }
  const bool is_refused = old ? options.only_if_missing : options.only_if_there;
  if (is_refused && !options.is_get) reply.null();
  return !is_refused;
}

Status set(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  if (args.count() == 3) {
    ALF_TRY_STATUS(database.set_string(args[1], args.value(2), Deadline::kDrop));
    reply.ok();
    return base::ok();
  }
  const std::optional<StringOptions> options = parse_string_options(args, 3, OptionsOf::kSet);
  if (!options) {
    reply.error(kSyntaxText);
    return base::ok();
  }
  std::optional<uint64_t> deadline_ms;
  if (options->has_expire()) {
    deadline_ms = check_deadline(args[options->expire_word], options->expire, database.moment(),
                                 "set", reply);
    if (!deadline_ms) return base::ok();
  }
  if (options->only_if_missing || options->only_if_there || options->is_get) {
    ALF_TRY(const bool is_wanted, judge_old_value(database, args[1], *options, reply));
    if (!is_wanted) return base::ok();
  }
  if (deadline_ms) {
    ALF_TRY_STATUS(set_until(database, args[1], args.value(2), *deadline_ms));
  } else {
    const Deadline deadline = options->keeps_deadline ? Deadline::kKeep : Deadline::kDrop;
    ALF_TRY_STATUS(database.set_string(args[1], args.value(2), deadline));
  }
  if (!options->is_get) reply.ok();
  return base::ok();
}

Status set_for(Context& context, const Arguments& args, ReplyWriter& reply, ExpireKind kind,
               ByteView command) {
  Database& database = context.database();
  const std::optional<uint64_t> deadline_ms =
      check_deadline(args[2], kind, database.moment(), command, reply);
  if (!deadline_ms) return base::ok();
  ALF_TRY_STATUS(set_until(database, args[1], args.value(3), *deadline_ms));
  reply.ok();
  return base::ok();
}

Status setex(Context& context, const Arguments& args, ReplyWriter& reply) {
  return set_for(context, args, reply, ExpireKind::kSeconds, "setex");
}

Status psetex(Context& context, const Arguments& args, ReplyWriter& reply) {
  return set_for(context, args, reply, ExpireKind::kMilliseconds, "psetex");
}

Status setnx(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> old, database.find(args[1]));
  if (!old) ALF_TRY_STATUS(database.set_string(args[1], args.value(2), Deadline::kDrop));
  reply.integer(old ? 0 : 1);
  return base::ok();
}

Status getset(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const bool is_wanted,
          judge_old_value(database, args[1], StringOptions{.is_get = true}, reply));
  if (!is_wanted) return base::ok();
  return database.set_string(args[1], args.value(2), Deadline::kDrop);
}

bool check_pairs(const Arguments& args, ByteView command, ReplyWriter& reply) {
  if (args.count() % 2 == 1) return true;
  reply.error(base::format("wrong number of arguments for '{}' command", command));
  return false;
}

Status set_pairs(Database& database, const Arguments& args) {
  for (size_t i = 1; i < args.count(); i += 2) {
    ALF_TRY_STATUS(database.set_string(args[i], args.value(i + 1), Deadline::kDrop));
  }
  return base::ok();
}

Status mset(Context& context, const Arguments& args, ReplyWriter& reply) {
  if (!check_pairs(args, "mset", reply)) return base::ok();
  ALF_TRY_STATUS(set_pairs(context.database(), args));
  reply.ok();
  return base::ok();
}

Status msetnx(Context& context, const Arguments& args, ReplyWriter& reply) {
  if (!check_pairs(args, "msetnx", reply)) return base::ok();
  Database& database = context.database();
  for (size_t i = 1; i < args.count(); i += 2) {
    ALF_TRY(const std::optional<FoundKey> old, database.find(args[i]));
    if (old) {
      reply.integer(0);
      return base::ok();
    }
  }
  ALF_TRY_STATUS(set_pairs(database, args));
  reply.integer(1);
  return base::ok();
}

// SETEX and PSETEX.
Row set_for_row(ByteView name, ByteView since, ByteView summary, Handler handler) {
  return {.name = name,
          .arity = 4,
          .flags = kWrite | kDenyOom | kPoint,
          .keys = {first_word_key(kKeyOW | kKeyUpdate)},
          .values = {.first = 3},
          .acl_categories = "@write @string @slow",
          .summary = summary,
          .since = since,
          .group = "string",
          .complexity = "O(1)",
          .handler = handler};
}

// MSET and MSETNX.
Row pairs_row(ByteView name, KeyFlag key_flag, ByteView response_tip, ByteView summary,
              Handler handler) {
  const uint32_t key_flags = kKeyOW | key_flag;
  return {.name = name,
          .arity = -3,
          .flags = kWrite | kDenyOom | kPoint,
          .keys = {KeySpec{.flags = key_flags, .begin_index = 1, .last_key = -1, .step = 2}},
          .values = {.first = 2, .step = 2},
          .acl_categories = "@write @string @slow",
          .tips = {"request_policy:multi_shard", response_tip},
          .summary = summary,
          .since = "1.0.1",
          .group = "string",
          .complexity = "O(N) where N is the number of keys to set.",
          .handler = handler};
}

}  // namespace

void add_string_set_rows(std::vector<Row>& rows) {
  rows.push_back({.name = "set",
                  .arity = -3,
                  .flags = kWrite | kDenyOom | kPoint,
                  .keys = {first_word_key(kKeyRW | kKeyAccess | kKeyUpdate | kKeyVariableFlags,
                                          "RW and ACCESS due to the optional `GET` argument")},
                  .values = {.first = 2},
                  .acl_categories = "@write @string @slow",
                  .summary = "Sets a key to a string, whatever it held before",
                  .since = "1.0.0",
                  .group = "string",
                  .complexity = "O(1)",
                  .handler = set});
  rows.push_back({.name = "setnx",
                  .arity = 3,
                  .flags = kWrite | kDenyOom | kFast,
                  .keys = {first_word_key(kKeyOW | kKeyInsert)},
                  .values = {.first = 2},
                  .acl_categories = "@write @string @fast",
                  .summary = "Sets a key to a string where the key does not exist",
                  .since = "1.0.0",
                  .group = "string",
                  .complexity = "O(1)",
                  .handler = setnx});
  rows.push_back(set_for_row("setex", "2.0.0",
                             "Sets a key to a string that expires after some seconds", setex));
  rows.push_back(set_for_row(
      "psetex", "2.6.0", "Sets a key to a string that expires after some milliseconds", psetex));
  rows.push_back({.name = "getset",
                  .arity = 3,
                  .flags = kWrite | kDenyOom | kFast,
                  .keys = {first_word_key(kKeyRW | kKeyAccess | kKeyUpdate)},
                  .values = {.first = 2},
                  .acl_categories = "@write @string @fast",
                  .summary = "Sets a key to a string and gives what it held before",
                  .since = "1.0.0",
                  .group = "string",
                  .complexity = "O(1)",
                  .handler = getset});
  rows.push_back(pairs_row("mset", kKeyUpdate, "response_policy:all_succeeded",
                           "Sets several keys to a string each", mset));
  rows.push_back(pairs_row("msetnx", kKeyInsert, "response_policy:agg_min",
                           "Sets several keys to a string each where none of them exists", msetnx));
}

}  // namespace alfheim::command
