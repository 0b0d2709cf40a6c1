// BITOP: a bitwise operation between strings, into a key.
#include <algorithm>

#include "base/text.h"
#include "command/bit_math.h"
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

constexpr size_t kTargetWord = 2;
constexpr size_t kFirstSourceWord = 3;

std::optional<BitOperation> operation_of(ByteView word) {
  if (base::equals_ignore_case(word, "and")) return BitOperation::kAnd;
  if (base::equals_ignore_case(word, "or")) return BitOperation::kOr;
  if (base::equals_ignore_case(word, "xor")) return BitOperation::kXor;
  if (base::equals_ignore_case(word, "not")) return BitOperation::kNot;
  return std::nullopt;
}

// Bytes [from, from+count) of what stands under the key now, zeros behind its end.
Status read_piece(Database& database, ByteView key, uint64_t from, uint64_t count, Bytes& out) {
  out.clear();
  ALF_TRY(const std::optional<FoundKey> found, database.find(key));
  if (found) ALF_TRY_STATUS(database.read_string(*found, from, count, out));
  out.resize(count, '\0');
  return base::ok();
}

// Bytes [from, from+count) of the operation's result.
Status compute_piece(Database& database, const Arguments& args, BitOperation operation,
                     uint64_t from, uint64_t count, Bytes& out) {
  ALF_TRY_STATUS(read_piece(database, args[kFirstSourceWord], from, count, out));
  if (operation == BitOperation::kNot) invert_bits(out);
  Bytes other;
  for (size_t i = kFirstSourceWord + 1; i < args.count(); ++i) {
    ALF_TRY_STATUS(read_piece(database, args[i], from, count, other));
    combine_bits(operation, out, other);
  }
  return base::ok();
}

bool is_source(const Arguments& args, ByteView key) {
  for (size_t i = kFirstSourceWord; i < args.count(); ++i) {
    if (args[i] == key) return true;
  }
  return false;
}

// A result of more than one piece is written into the target piece by piece. The target may be
// a source: each piece is read from it before it is written, pieces do not overlap, and the
// result is at least as long as the target, so it may be edited in place.
Status store_in_pieces(Database& database, const Arguments& args, BitOperation operation,
                       uint64_t length) {
  const ByteView target = args[kTargetWord];
  if (!is_source(args, target)) ALF_TRY_STATUS(database.erase(target));
  Bytes piece;
  for (uint64_t from = 0; from < length; from += kPieceBytesMax) {
    const uint64_t count = std::min(kPieceBytesMax, length - from);
    ALF_TRY_STATUS(compute_piece(database, args, operation, from, count, piece));
    ALF_TRY_STATUS(database.write_range(target, from, piece));
  }
  ALF_TRY(const std::optional<FoundKey> found, database.find(target));
  ALF_CHECK(found.has_value());
  // The target is a new string, whatever it was: an old deadline must not end it.
  return found->record.deadline_ms ? database.set_deadline(target, std::nullopt) : base::ok();
}

Status bitop(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<BitOperation> operation = operation_of(args[1]);
  if (!operation) {
    reply.error(kSyntaxText);
    return base::ok();
  }
  if (*operation == BitOperation::kNot && args.count() != kFirstSourceWord + 1) {
    reply.error("BITOP NOT must be called with a single source key.");
    return base::ok();
  }
  Database& database = context.database();
  uint64_t length = 0;
  for (size_t i = kFirstSourceWord; i < args.count(); ++i) {
    ALF_TRY(const std::optional<FoundKey> found, database.find(args[i]));
    if (!found) continue;
    if (!check_string(*found, reply)) return base::ok();
    ALF_TRY(const uint64_t source_length, database.string_length(*found));
    length = std::max(length, source_length);
  }
  const ByteView target = args[kTargetWord];
  if (length == 0) {
    ALF_TRY_STATUS(database.erase(target));
  } else if (length <= kPieceBytesMax) {
    Bytes result;
    ALF_TRY_STATUS(compute_piece(database, args, *operation, 0, length, result));
    ALF_TRY_STATUS(database.set_computed(target, result, Deadline::kDrop, true));
  } else {
    ALF_TRY_STATUS(store_in_pieces(database, args, *operation, length));
  }
  reply.integer(static_cast<int64_t>(length));
  return base::ok();
}

}  // namespace

void add_bitop_rows(std::vector<Row>& rows) {
  rows.push_back({.name = "bitop",
                  .arity = -4,
                  .flags = kWrite | kDenyOom,
                  .keys = {KeySpec{.flags = kKeyOW | kKeyUpdate, .begin_index = 2},
                           KeySpec{.flags = kKeyRO | kKeyAccess, .begin_index = 3, .last_key = -1}},
                  .acl_categories = "@write @bitmap @slow",
                  .summary = "Combines strings bit by bit into a key",
                  .since = "2.6.0",
                  .group = "bitmap",
                  .complexity = "O(N)",
                  .handler = bitop});
}

}  // namespace alfheim::command
