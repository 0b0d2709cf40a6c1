// command/string_options: the options behind SET and GETEX, and the deadlines that they give.
//
// Thread: any; pure functions. Lifetime: of one command.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "command/arguments.h"
#include "resp/reply_writer.h"
#include "types/database.h"

namespace alfheim::command {

enum class ExpireKind : uint8_t { kNone, kSeconds, kMilliseconds, kAtSeconds, kAtMilliseconds };

struct StringOptions {
  bool only_if_missing = false;  // NX
  bool only_if_there = false;    // XX
  bool is_get = false;           // GET
  bool keeps_deadline = false;   // KEEPTTL
  bool is_persist = false;       // PERSIST
  ExpireKind expire = ExpireKind::kNone;
  size_t expire_word = 0;  // position of its number

  bool has_expire() const { return expire != ExpireKind::kNone; }
};

enum class OptionsOf : uint8_t { kSet, kGetEx };

// The words from `first` on; nullopt is a syntax error. An option of the same kind may stand
// twice (the last one counts), as in Redis.
std::optional<StringOptions> parse_string_options(const Arguments& args, size_t first,
                                                  OptionsOf command);

// The absolute deadline that the number means at this moment; where it means none, the reply
// says so. `command` is the name that stands in Redis's refusal.
std::optional<uint64_t> check_deadline(base::ByteView number, ExpireKind kind,
                                       const types::Moment& moment, base::ByteView command,
                                       resp::ReplyWriter& reply);

}  // namespace alfheim::command
