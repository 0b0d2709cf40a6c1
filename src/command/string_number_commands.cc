// INCR and its kin: strings that spell numbers.
#include <cmath>
#include <limits>

#include "base/number.h"
#include "command/string_access.h"

namespace alfheim::command {

using base::Bytes;
using base::ByteView;
using base::Result;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::Deadline;
using types::FoundKey;

namespace {

Status add_integer(Context& context, ByteView key, int64_t delta, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(key));
  std::optional<int64_t> value = 0;
  if (found) {
    if (!check_string(*found, reply)) return base::ok();
    ALF_TRY(value, read_integer(database, *found));
  }
  if (!value) {
    reply.error(kNotIntegerText);
    return base::ok();
  }
  int64_t sum = 0;
  if (__builtin_add_overflow(*value, delta, &sum)) {
    reply.error("increment or decrement would overflow");
    return base::ok();
  }
  ALF_TRY_STATUS(database.set_integer(key, sum, Deadline::kKeep));
  reply.integer(sum);
  return base::ok();
}

Status incr(Context& context, const Arguments& args, ReplyWriter& reply) {
  return add_integer(context, args[1], 1, reply);
}

Status decr(Context& context, const Arguments& args, ReplyWriter& reply) {
  return add_integer(context, args[1], -1, reply);
}

Status incrby(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<int64_t> delta = check_integer(args[2], reply);
  if (!delta) return base::ok();
  return add_integer(context, args[1], *delta, reply);
}

Status decrby(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<int64_t> delta = check_integer(args[2], reply);
  if (!delta) return base::ok();
  if (*delta == std::numeric_limits<int64_t>::min()) {
    reply.error("decrement would overflow");
    return base::ok();
  }
  return add_integer(context, args[1], -*delta, reply);
}

// The string as the number that it spells; nullopt where it spells none. Reads nothing of a
// string that is too long for one.
Result<std::optional<long double>> read_float(Database& database, const FoundKey& found) {
  ALF_TRY(const uint64_t length, database.string_length(found));
  if (length >= base::kLongDoubleTextBytesMax) return std::optional<long double>();
  ALF_TRY(const Bytes text, database.read_whole_string(found));
  return base::parse_long_double(text);
}

// Every node computes the same bytes: text becomes the nearest x87 long double (glibc's reader
// rounds correctly, and is given the C locale), the sum is one IEEE 754 addition in that format
// (64-bit mantissa, rounded to nearest even: the mode in which every process starts and which
// nobody changes), and base/number writes the result in exact integer arithmetic. No printf, and
// no fused or reordered operation takes part. It rests on all nodes having an x87 long double,
// which base/number demands when compiling.
Status incrbyfloat(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  std::optional<long double> value = 0.0L;
  if (found) {
    if (!check_string(*found, reply)) return base::ok();
    ALF_TRY(value, read_float(database, *found));
  }
  const std::optional<long double> delta = base::parse_long_double(args[2]);
  if (!value || !delta) {
    reply.error(kNotFloatText);
    return base::ok();
  }
  const long double sum = *value + *delta;
  if (!std::isfinite(sum)) {
    reply.error("increment would produce NaN or Infinity");
    return base::ok();
  }
  const Bytes text = base::format_long_double_human(sum);
  ALF_TRY_STATUS(database.set_computed(args[1], text, Deadline::kKeep, false));
  reply.bulk(text);
  return base::ok();
}

Row number_row(ByteView name, int arity, ByteView since, ByteView summary, Handler handler) {
  return {.name = name,
          .arity = arity,
          .flags = kWrite | kDenyOom | kFast,
          .keys = {first_word_key(kKeyRW | kKeyAccess | kKeyUpdate)},
          .acl_categories = "@write @string @fast",
          .summary = summary,
          .since = since,
          .group = "string",
          .complexity = "O(1)",
          .handler = handler};
}

}  // namespace

void add_string_number_rows(std::vector<Row>& rows) {
  rows.push_back(number_row("incr", 2, "1.0.0", "Adds one to the integer at a key", incr));
  rows.push_back(number_row("decr", 2, "1.0.0", "Takes one from the integer at a key", decr));
  rows.push_back(number_row("incrby", 3, "1.0.0", "Adds to the integer at a key", incrby));
  rows.push_back(number_row("decrby", 3, "1.0.0", "Takes from the integer at a key", decrby));
  rows.push_back(number_row("incrbyfloat", 3, "2.6.0", "Adds to the floating point number at a key",
                            incrbyfloat));
}

}  // namespace alfheim::command
