// SETBIT, GETBIT, BITCOUNT, BITPOS: the bits of one string.
#include <algorithm>

#include "base/number.h"
#include "base/text.h"
#include "command/bit_math.h"
#include "command/bit_offset.h"
#include "command/family.h"
#include "command/string_access.h"

namespace alfheim::command {

using base::Bytes;
using base::ByteView;
using base::Result;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::FoundKey;

namespace {

constexpr uint8_t bit_mask(uint64_t bit) { return static_cast<uint8_t>(0x80u >> (bit % 8)); }

// The byte at this place; 0 behind the end.
Result<uint8_t> read_byte(Database& database, const FoundKey& found, uint64_t place) {
  Bytes byte;
  ALF_TRY_STATUS(database.read_string(found, place, 1, byte));
  return byte.empty() ? uint8_t{0} : static_cast<uint8_t>(byte.front());
}

Status setbit(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<uint64_t> bit = check_bit_offset(context, args[2], reply);
  if (!bit) return base::ok();
  const std::optional<int64_t> value = base::parse_int64(args[3]);
  if (!value || (*value != 0 && *value != 1)) {
    reply.error("bit is not an integer or out of range");
    return base::ok();
  }
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  const uint64_t place = *bit / 8;
  uint64_t length = 0;
  uint8_t byte = 0;
  if (found) {
    if (!check_string(*found, reply)) return base::ok();
    ALF_TRY(length, database.string_length(*found));
    ALF_TRY(byte, read_byte(database, *found, place));
  }
  const bool was_set = (byte & bit_mask(*bit)) != 0;
  const bool is_set = *value == 1;
  // A bit that stands already is no change, for WATCH too, unless Redis would show the
  // string as edited from now on.
  const bool is_changed = place >= length || was_set != is_set;
  if (!is_changed) {
    if (is_shown_unedited(*found, length)) ALF_TRY_STATUS(database.mark_edited(args[1]));
  } else {
    const auto mask = bit_mask(*bit);
    const auto edited = static_cast<char>(is_set ? byte | mask : byte & ~mask);
    ALF_TRY_STATUS(database.write_range(args[1], place, ByteView(&edited, 1)));
  }
  reply.integer(was_set ? 1 : 0);
  return base::ok();
}

Status getbit(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<uint64_t> bit = check_bit_offset(context, args[2], reply);
  if (!bit) return base::ok();
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  uint8_t byte = 0;
  if (found) {
    if (!check_string(*found, reply)) return base::ok();
    ALF_TRY(byte, read_byte(database, *found, *bit / 8));
  }
  reply.integer((byte & bit_mask(*bit)) != 0 ? 1 : 0);
  return base::ok();
}

// "bit" or "byte": whether a range counts bits; where it is neither, the reply says so.
std::optional<bool> check_unit(ByteView word, ReplyWriter& reply) {
  if (base::equals_ignore_case(word, "bit")) return true;
  if (base::equals_ignore_case(word, "byte")) return false;
  reply.error(kSyntaxText);
  return std::nullopt;
}

// The bits of a range of bytes or bits in a string of this length; nullopt where it is empty.
std::optional<Span> bits_of_range(int64_t start, int64_t end, bool is_bits, uint64_t length) {
  std::optional<Span> span = clamp_span(start, end, is_bits ? length * 8 : length);
  if (span && !is_bits) span = Span{span->first * 8, span->last * 8 + 7};
  return span;
}

// A string piece by piece: the bytes in which the span's bits lie, with the bits of the outer
// bytes that lie beside the span set to `filler`.
class SpanReader {
 public:
  SpanReader(Database& database, const FoundKey& found, Span bits, bool filler)
      : database_(database), found_(found), bits_(bits), filler_(filler), place_(bits.first / 8) {}

  bool is_at_end() const { return place_ > bits_.last / 8; }
  // Where the next piece begins, in bytes.
  uint64_t place() const { return place_; }

  // Valid until the next call.
  Result<ByteView> next() {
    const uint64_t last_byte = bits_.last / 8;
    const uint64_t count = std::min(kPieceBytesMax, last_byte - place_ + 1);
    piece_.clear();
    ALF_TRY_STATUS(database_.read_string(found_, place_, count, piece_));
    ALF_CHECK(piece_.size() == count);
    if (place_ == bits_.first / 8) {
      fill(piece_.front(), static_cast<uint8_t>(~(0xffu >> (bits_.first % 8))));
    }
    place_ += count;
    if (is_at_end()) fill(piece_.back(), static_cast<uint8_t>(0x7fu >> (bits_.last % 8)));
    return ByteView(piece_);
  }

 private:
  void fill(char& byte, uint8_t mask) const {
    const auto bits = static_cast<uint8_t>(byte);
    byte = static_cast<char>(filler_ ? bits | mask : bits & ~mask);
  }

  Database& database_;
  const FoundKey& found_;
  const Span bits_;
  const bool filler_;
  uint64_t place_;
  Bytes piece_;
};

Status bitcount(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  if (!found) {  // before the other words are looked at, as in Redis
    reply.integer(0);
    return base::ok();
  }
  if (!check_string(*found, reply)) return base::ok();
  std::optional<int64_t> start = 0;
  std::optional<int64_t> end = -1;
  std::optional<bool> is_bits = false;
  if (args.count() == 4 || args.count() == 5) {
    start = check_integer(args[2], reply);
    if (!start) return base::ok();
    end = check_integer(args[3], reply);
    if (!end) return base::ok();
    if (is_backwards(*start, *end)) {  // answered before the unit is looked at, as in Redis
      reply.integer(0);
      return base::ok();
    }
    if (args.count() == 5) is_bits = check_unit(args[4], reply);
    if (!is_bits) return base::ok();
  } else if (args.count() != 2) {
    reply.error(kSyntaxText);
    return base::ok();
  }
  ALF_TRY(const uint64_t length, database.string_length(*found));
  const std::optional<Span> bits = bits_of_range(*start, *end, *is_bits, length);
  uint64_t count = 0;
  if (bits) {
    SpanReader pieces(database, *found, *bits, false);
    while (!pieces.is_at_end()) {
      ALF_TRY(const ByteView piece, pieces.next());
      count += count_ones(piece);
    }
  }
  reply.integer(static_cast<int64_t>(count));
  return base::ok();
}

struct BitposRange {
  int64_t start = 0;
  int64_t end = -1;
  bool has_end = false;
  bool is_bits = false;
};

std::optional<BitposRange> parse_bitpos_range(const Arguments& args, ReplyWriter& reply) {
  BitposRange range;
  if (args.count() > 6) {
    reply.error(kSyntaxText);
    return std::nullopt;
  }
  if (args.count() >= 4) {
    const std::optional<int64_t> start = check_integer(args[3], reply);
    if (!start) return std::nullopt;
    range.start = *start;
  }
  if (args.count() == 6) {
    const std::optional<bool> is_bits = check_unit(args[5], reply);
    if (!is_bits) return std::nullopt;
    range.is_bits = *is_bits;
  }
  if (args.count() >= 5) {
    const std::optional<int64_t> end = check_integer(args[4], reply);
    if (!end) return std::nullopt;
    range.end = *end;
    range.has_end = true;
  }
  return range;
}

// The first bit of the value in the span of a string.
Result<std::optional<uint64_t>> find_in_span(Database& database, const FoundKey& found, Span bits,
                                             bool value) {
  SpanReader pieces(database, found, bits, !value);
  while (!pieces.is_at_end()) {
    const uint64_t place = pieces.place();
    ALF_TRY(const ByteView piece, pieces.next());
    if (const std::optional<uint64_t> bit = find_bit(piece, value)) {
      return std::optional<uint64_t>(place * 8 + *bit);
    }
  }
  return std::optional<uint64_t>();
}

Status bitpos(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<int64_t> value = check_integer(args[2], reply);
  if (!value) return base::ok();
  if (*value != 0 && *value != 1) {
    reply.error("The bit argument must be 1 or 0.");
    return base::ok();
  }
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> found, database.find(args[1]));
  if (!found) {  // zeros without end
    reply.integer(*value == 1 ? -1 : 0);
    return base::ok();
  }
  if (!check_string(*found, reply)) return base::ok();
  const std::optional<BitposRange> range = parse_bitpos_range(args, reply);
  if (!range) return base::ok();
  ALF_TRY(const uint64_t length, database.string_length(*found));
  const std::optional<Span> bits = bits_of_range(range->start, range->end, range->is_bits, length);
  if (!bits) {
    reply.integer(-1);
    return base::ok();
  }
  ALF_TRY(const std::optional<uint64_t> bit, find_in_span(database, *found, *bits, *value == 1));
  if (bit) {
    reply.integer(static_cast<int64_t>(*bit));
  } else if (*value == 0 && !range->has_end) {
    // The string goes on in zeros: the first of them stands right behind it.
    reply.integer(static_cast<int64_t>(length * 8));
  } else {
    reply.integer(-1);
  }
  return base::ok();
}

}  // namespace

void add_bitmap_rows(std::vector<Row>& rows) {
  rows.push_back({.name = "setbit",
                  .arity = 4,
                  .flags = kWrite | kDenyOom | kPoint,
                  .keys = {first_word_key(kKeyRW | kKeyAccess | kKeyUpdate)},
                  .acl_categories = "@write @bitmap @slow",
                  .summary = "Sets or clears one bit of the string at a key",
                  .since = "2.2.0",
                  .group = "bitmap",
                  .complexity = "O(1)",
                  .handler = setbit});
  rows.push_back({.name = "getbit",
                  .arity = 3,
                  .flags = kReadOnly | kFast,
                  .keys = {first_word_key(kKeyRO | kKeyAccess)},
                  .acl_categories = "@read @bitmap @fast",
                  .summary = "Gives one bit of the string at a key",
                  .since = "2.2.0",
                  .group = "bitmap",
                  .complexity = "O(1)",
                  .handler = getbit});
  rows.push_back({.name = "bitcount",
                  .arity = -2,
                  .flags = kReadOnly | kLong,
                  .keys = {first_word_key(kKeyRO | kKeyAccess)},
                  .acl_categories = "@read @bitmap @slow",
                  .summary = "Counts the bits that are set in a string",
                  .since = "2.6.0",
                  .group = "bitmap",
                  .complexity = "O(N)",
                  .handler = bitcount});
  rows.push_back({.name = "bitpos",
                  .arity = -3,
                  .flags = kReadOnly | kLong,
                  .keys = {first_word_key(kKeyRO | kKeyAccess)},
                  .acl_categories = "@read @bitmap @slow",
                  .summary = "Finds the first bit that is set, or clear, in a string",
                  .since = "2.8.7",
                  .group = "bitmap",
                  .complexity = "O(N)",
                  .handler = bitpos});
  add_bitop_rows(rows);
  add_bitfield_rows(rows);
  set_usages(rows, bitmap_usages());
}

}  // namespace alfheim::command
