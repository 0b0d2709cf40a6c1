#include "command/scan_cursor.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/text.h"

namespace alfheim::command {

using base::ByteView;

namespace {

constexpr unsigned kSlotBits = 14;
constexpr unsigned kLengthBits = 9;
constexpr unsigned kHashBits = 40;
static_assert(1u << kSlotBits == base::kSlotCount);
static_assert((1u << kLengthBits) - 1 == kCursorPrefixBytesMax);
static_assert(kSlotBits + kLengthBits + kHashBits == 63);

constexpr uint64_t low_bits(uint64_t value, unsigned bits) {
  return value & ((uint64_t{1} << bits) - 1);
}

// A cursor may be older than this program: the hash is part of the format.
uint64_t prefix_hash(ByteView prefix) { return low_bits(base::hash64(prefix), kHashBits); }

}  // namespace

uint64_t slot_cursor(uint16_t slot) {
  ALF_CHECK(slot < base::kSlotCount);
  return slot;
}

uint64_t prefix_cursor(uint16_t slot, ByteView prefix) {
  ALF_CHECK(!prefix.empty());
  ALF_CHECK(prefix.size() <= kCursorPrefixBytesMax);
  return slot_cursor(slot) | uint64_t{prefix.size()} << kSlotBits |
         prefix_hash(prefix) << (kSlotBits + kLengthBits);
}

std::optional<uint64_t> parse_cursor(ByteView word) {
  word = word.substr(0, word.find('\0'));
  if (word.empty()) return 0;
  const bool is_negative = word.front() == '-';
  const bool has_sign = is_negative || word.front() == '+';
  if (has_sign) word.remove_prefix(1);
  if (word.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char letter : word) {
    if (letter < '0' || letter > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, uint64_t{10}, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, static_cast<uint64_t>(letter - '0'), &value)) {
      return std::nullopt;
    }
  }
  return is_negative ? 0 - value : value;
}

base::Result<CursorPlace> find_cursor(types::Database& database, uint64_t cursor) {
  const auto slot = static_cast<uint16_t>(low_bits(cursor, kSlotBits));
  const size_t length = low_bits(cursor >> kSlotBits, kLengthBits);
  const uint64_t hash = low_bits(cursor >> (kSlotBits + kLengthBits), kHashBits);
  CursorPlace place;
  base::put_u16_be(place.position, slot);
  if (length == 0) return place;
  const auto matches = [hash](ByteView prefix) { return prefix_hash(prefix) == hash; };
  ALF_TRY(const std::optional<base::Bytes> prefix,
          database.find_prefix(slot, length, matches, place.steps));
  if (prefix) place.position += *prefix;
  return place;
}

}  // namespace alfheim::command
