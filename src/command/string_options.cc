#include "command/string_options.h"

#include <limits>

#include "base/format.h"
#include "base/text.h"
#include "command/string_access.h"

namespace alfheim::command {

using base::ByteView;
using base::equals_ignore_case;

namespace {

constexpr int64_t kMsPerSecond = 1000;

std::optional<ExpireKind> expire_kind(ByteView word) {
  if (equals_ignore_case(word, "ex")) return ExpireKind::kSeconds;
  if (equals_ignore_case(word, "px")) return ExpireKind::kMilliseconds;
  if (equals_ignore_case(word, "exat")) return ExpireKind::kAtSeconds;
  if (equals_ignore_case(word, "pxat")) return ExpireKind::kAtMilliseconds;
  return std::nullopt;
}

// Takes an option without a number of its own; false where it does not belong here.
bool take_flag(ByteView word, OptionsOf command, StringOptions& options) {
  if (command == OptionsOf::kGetEx) {
    if (!equals_ignore_case(word, "persist") || options.has_expire()) return false;
    return options.is_persist = true;
  }
  if (equals_ignore_case(word, "nx") && !options.only_if_there) {
    return options.only_if_missing = true;
  }
  if (equals_ignore_case(word, "xx") && !options.only_if_missing) {
    return options.only_if_there = true;
  }
  if (equals_ignore_case(word, "get")) return options.is_get = true;
  if (equals_ignore_case(word, "keepttl") && !options.has_expire()) {
    return options.keeps_deadline = true;
  }
  return false;
}

}  // namespace

std::optional<StringOptions> parse_string_options(const Arguments& args, size_t first,
                                                  OptionsOf command) {
  StringOptions options;
  for (size_t i = first; i < args.count(); ++i) {
    const std::optional<ExpireKind> kind = expire_kind(args[i]);
    if (!kind) {
      if (!take_flag(args[i], command, options)) return std::nullopt;
      continue;
    }
    const bool is_other = options.has_expire() && options.expire != *kind;
    const bool has_number = i + 1 < args.count();
    if (is_other || options.keeps_deadline || options.is_persist || !has_number) {
      return std::nullopt;
    }
    options.expire = *kind;
    options.expire_word = ++i;
  }
  return options;
}

std::optional<uint64_t> check_deadline(ByteView number, ExpireKind kind,
                                       const types::Moment& moment, ByteView command,
                                       resp::ReplyWriter& reply) {
  const std::optional<int64_t> value = check_integer(number, reply);
  if (!value) return std::nullopt;
  const bool is_seconds = kind == ExpireKind::kSeconds || kind == ExpireKind::kAtSeconds;
  const bool is_relative = kind == ExpireKind::kSeconds || kind == ExpireKind::kMilliseconds;
  int64_t deadline_ms = *value;
  bool is_overflow = false;
  if (is_seconds) is_overflow = __builtin_mul_overflow(*value, kMsPerSecond, &deadline_ms);
  if (is_relative && !is_overflow) {
    const auto log_time_ms = static_cast<int64_t>(moment.log_time.ms);
    is_overflow = __builtin_add_overflow(deadline_ms, log_time_ms, &deadline_ms);
  }
  if (*value <= 0 || is_overflow) {
    reply.error(base::format("invalid expire time in '{}' command", command));
    return std::nullopt;
  }
  return static_cast<uint64_t>(deadline_ms);
}

}  // namespace alfheim::command
