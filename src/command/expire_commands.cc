// EXPIRE and its kin: deadlines given, asked for, taken away.
#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/text.h"
#include "command/generic_rows.h"

namespace alfheim::command {
namespace {

using base::ByteView;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::FoundKey;

// ---- giving ----

enum class Unit : uint8_t { kSeconds, kMilliseconds };
enum class Base : uint8_t { kNow, kEpoch };

struct Conditions {
  bool only_without = false;  // NX: no deadline yet
  bool only_with = false;     // XX
  bool only_later = false;    // GT; no deadline is later than any
  bool only_earlier = false;  // LT
};

// Where the options contradict or are unknown, the reply says so.
std::optional<Conditions> conditions_or_reply(const Arguments& args, ReplyWriter& reply) {
  Conditions conditions;
  for (size_t i = 3; i < args.count(); ++i) {
    if (base::equals_ignore_case(args[i], "nx")) {
      conditions.only_without = true;
    } else if (base::equals_ignore_case(args[i], "xx")) {
      conditions.only_with = true;
    } else if (base::equals_ignore_case(args[i], "gt")) {
      conditions.only_later = true;
    } else if (base::equals_ignore_case(args[i], "lt")) {
      conditions.only_earlier = true;
    } else {
      reply.error(base::format("Unsupported option {}", args[i].substr(0, args[i].find('\0'))));
      return std::nullopt;
    }
  }
  if (conditions.only_without &&
      (conditions.only_with || conditions.only_later || conditions.only_earlier)) {
    reply.error("NX and XX, GT or LT options at the same time are not compatible");
    return std::nullopt;
  }
  if (conditions.only_later && conditions.only_earlier) {
    reply.error("GT and LT options at the same time are not compatible");
    return std::nullopt;
  }
  return conditions;
}

// The absolute deadline in milliseconds, negative ones included; where it does not fit 64
// bits, the reply says so.
std::optional<int64_t> deadline_or_reply(ByteView word, Unit unit, Base from, base::Stamp now,
                                         ByteView command, ReplyWriter& reply) {
  const std::optional<int64_t> number = number_or_reply(word, reply);
  if (!number) return std::nullopt;
  int64_t when = *number;
  const int64_t base_ms = from == Base::kNow ? static_cast<int64_t>(now.ms) : 0;
  bool overflows = false;
  if (unit == Unit::kSeconds) overflows = __builtin_mul_overflow(when, int64_t{1000}, &when);
  if (!overflows) overflows = __builtin_add_overflow(when, base_ms, &when);
  if (overflows) {
    reply.error(base::format("invalid expire time in '{}' command", command));
    return std::nullopt;
  }
  return when;
}

bool is_wanted(const Conditions& conditions, std::optional<uint64_t> current, int64_t when) {
  if (conditions.only_without && current) return false;
  if (conditions.only_with && !current) return false;
  const auto now_at = current ? static_cast<int64_t>(*current) : INT64_MAX;
  if (conditions.only_later && (!current || when <= now_at)) return false;
  return !(conditions.only_earlier && current && when >= now_at);
}

Status expire(Context& context, const Arguments& args, ReplyWriter& reply, Unit unit, Base from,
              ByteView command) {
  Database& database = context.database();
  const std::optional<Conditions> conditions = conditions_or_reply(args, reply);
  if (!conditions) return base::ok();
  const base::Stamp now = database.moment().log_time;
  const std::optional<int64_t> when = deadline_or_reply(args[2], unit, from, now, command, reply);
  if (!when) return base::ok();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  if (!found || !is_wanted(*conditions, found->record.deadline_ms, *when)) {
    reply.integer(0);
    return base::ok();
  }
  if (*when <= static_cast<int64_t>(now.ms)) {
    ALF_TRY_STATUS(database.erase(args[1]));
  } else {
    ALF_TRY_STATUS(database.set_deadline(args[1], static_cast<uint64_t>(*when)));
  }
  reply.integer(1);
  return base::ok();
}

Status run_expire(Context& context, const Arguments& args, ReplyWriter& reply) {
  return expire(context, args, reply, Unit::kSeconds, Base::kNow, "expire");
}
Status run_pexpire(Context& context, const Arguments& args, ReplyWriter& reply) {
  return expire(context, args, reply, Unit::kMilliseconds, Base::kNow, "pexpire");
}
Status run_expireat(Context& context, const Arguments& args, ReplyWriter& reply) {
  return expire(context, args, reply, Unit::kSeconds, Base::kEpoch, "expireat");
}
Status run_pexpireat(Context& context, const Arguments& args, ReplyWriter& reply) {
  return expire(context, args, reply, Unit::kMilliseconds, Base::kEpoch, "pexpireat");
}

Status run_persist(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  const bool has_deadline = found && found->record.deadline_ms;
  if (has_deadline) ALF_TRY_STATUS(database.set_deadline(args[1], std::nullopt));
  reply.integer(has_deadline ? 1 : 0);
  return base::ok();
}

// ---- asking ----

constexpr int64_t kNoKey = -2;
constexpr int64_t kNoDeadline = -1;

// The part of rounding that does not overflow where a deadline is near the end of time.
int64_t to_seconds(uint64_t ms) { return static_cast<int64_t>(ms / 1000 + (ms % 1000 >= 500)); }

Status answer_time(Context& context, const Arguments& args, ReplyWriter& reply, Unit unit,
                   Base from) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  if (!found || !found->record.deadline_ms) {
    reply.integer(found ? kNoDeadline : kNoKey);
    return base::ok();
  }
  uint64_t time_ms = *found->record.deadline_ms;
  if (from == Base::kNow) time_ms -= std::min(time_ms, database.moment().clock.ms);
  reply.integer(unit == Unit::kSeconds ? to_seconds(time_ms) : static_cast<int64_t>(time_ms));
  return base::ok();
}

Status run_ttl(Context& context, const Arguments& args, ReplyWriter& reply) {
  return answer_time(context, args, reply, Unit::kSeconds, Base::kNow);
}
Status run_pttl(Context& context, const Arguments& args, ReplyWriter& reply) {
  return answer_time(context, args, reply, Unit::kMilliseconds, Base::kNow);
}
Status run_expiretime(Context& context, const Arguments& args, ReplyWriter& reply) {
  return answer_time(context, args, reply, Unit::kSeconds, Base::kEpoch);
}
Status run_pexpiretime(Context& context, const Arguments& args, ReplyWriter& reply) {
  return answer_time(context, args, reply, Unit::kMilliseconds, Base::kEpoch);
}

Row giving_row(std::string_view name, std::string_view summary, std::string_view since,
               Handler handler) {
  return handled_row(name, -3, kWrite | kFast, {range_key(kKeyRW | kKeyUpdate, 1)},
                     "@keyspace @write @fast", {}, {summary, since, "generic", "O(1)"}, handler);
}

Row asking_row(std::string_view name, std::vector<std::string_view> tips, std::string_view summary,
               std::string_view since, Handler handler) {
  return handled_row(name, 2, kReadOnly | kFast, {range_key(kKeyRO | kKeyAccess, 1)},
                     "@keyspace @read @fast", std::move(tips), {summary, since, "generic", "O(1)"},
                     handler);
}

}  // namespace

void add_expire_rows(std::vector<Row>& rows) {
  rows.push_back(giving_row("expire", "Set a key's time to live in seconds", "1.0.0", run_expire));
  rows.push_back(
      giving_row("pexpire", "Set a key's time to live in milliseconds", "2.6.0", run_pexpire));
  rows.push_back(giving_row("expireat", "Set the expiration for a key as a UNIX timestamp", "1.2.0",
                            run_expireat));
  rows.push_back(giving_row(
      "pexpireat", "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
      "2.6.0", run_pexpireat));
  rows.push_back(handled_row(
      "persist", 2, kWrite | kFast, {range_key(kKeyRW | kKeyUpdate, 1)}, "@keyspace @write @fast",
      {}, {"Remove the expiration from a key", "2.2.0", "generic", "O(1)"}, run_persist));
  rows.push_back(asking_row("ttl", {"nondeterministic_output"},
                            "Get the time to live for a key in seconds", "1.0.0", run_ttl));
  rows.push_back(asking_row("pttl", {"nondeterministic_output"},
                            "Get the time to live for a key in milliseconds", "2.6.0", run_pttl));
  rows.push_back(asking_row("expiretime", {}, "Get the expiration Unix timestamp for a key",
                            "7.0.0", run_expiretime));
  rows.push_back(asking_row("pexpiretime", {},
                            "Get the expiration Unix timestamp for a key in milliseconds", "7.0.0",
                            run_pexpiretime));
}

}  // namespace alfheim::command
