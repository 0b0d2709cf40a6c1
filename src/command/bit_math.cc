#include "command/bit_math.h"

#include <bit>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace alfheim::command {

using base::Bytes;
using base::ByteView;

namespace {

constexpr size_t kWordBytes = sizeof(uint64_t);
constexpr uint64_t kAllOnes = std::numeric_limits<uint64_t>::max();

uint64_t word_at(ByteView bytes, size_t offset) {
  uint64_t word = 0;
  std::memcpy(&word, bytes.data() + offset, kWordBytes);
  return word;
}

template <typename Combine>
void combine_all(Bytes& into, ByteView other, Combine combine) {
  size_t i = 0;
  for (; i + kWordBytes <= into.size(); i += kWordBytes) {
    const uint64_t word = combine(word_at(into, i), word_at(other, i));
    std::memcpy(into.data() + i, &word, kWordBytes);
  }
  for (; i < into.size(); ++i) {
    into[i] =
        static_cast<char>(combine(static_cast<uint8_t>(into[i]), static_cast<uint8_t>(other[i])));
  }
}

// The low bits, with the field's sign in all bits above where it has one.
uint64_t wrap(FieldType type, uint64_t value) {
  if (type.bit_count == 64) return value;
  const uint64_t mask = (uint64_t{1} << type.bit_count) - 1;
  const bool is_negative = type.is_signed && (value >> (type.bit_count - 1) & 1) != 0;
  return is_negative ? value | ~mask : value & mask;
}

}  // namespace

uint64_t count_ones(ByteView bytes) {
  uint64_t count = 0;
  size_t i = 0;
  for (; i + kWordBytes <= bytes.size(); i += kWordBytes) {
    count += static_cast<uint64_t>(std::popcount(word_at(bytes, i)));
  }
  for (; i < bytes.size(); ++i) {
    count += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(bytes[i])));
  }
  return count;
}

std::optional<uint64_t> find_bit(ByteView bytes, bool value) {
  const uint64_t skipped_word = value ? 0 : kAllOnes;
  size_t i = 0;
  while (i + kWordBytes <= bytes.size() && word_at(bytes, i) == skipped_word) i += kWordBytes;
  const auto skipped_byte = static_cast<uint8_t>(skipped_word);
  for (; i < bytes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (byte == skipped_byte) continue;
    return i * 8 + static_cast<uint64_t>(value ? std::countl_zero(byte) : std::countl_one(byte));
  }
  return std::nullopt;
}

void combine_bits(BitOperation operation, Bytes& into, ByteView other) {
  ALF_CHECK(into.size() == other.size());
  switch (operation) {
    case BitOperation::kAnd:
      return combine_all(into, other, [](uint64_t a, uint64_t b) { return a & b; });
    case BitOperation::kOr:
      return combine_all(into, other, [](uint64_t a, uint64_t b) { return a | b; });
    case BitOperation::kXor:
      return combine_all(into, other, [](uint64_t a, uint64_t b) { return a ^ b; });
    case BitOperation::kNot: break;
  }
  ALF_CHECK(operation != BitOperation::kNot);
}

void invert_bits(Bytes& bytes) {
  combine_all(bytes, bytes, [](uint64_t a, uint64_t) { return ~a; });
}

uint64_t get_field(ByteView bytes, uint64_t bit_offset, uint32_t bit_count) {
  ALF_CHECK(bit_count >= 1 && bit_count <= 64);
  uint64_t value = 0;
  for (uint64_t bit = bit_offset; bit < bit_offset + bit_count; ++bit) {
    const uint64_t byte = bit / 8;
    const uint8_t bits = byte < bytes.size() ? static_cast<uint8_t>(bytes[byte]) : 0;
    value = value << 1 | (bits >> (7 - bit % 8) & 1);
  }
  return value;
}

void set_field(Bytes& bytes, uint64_t bit_offset, uint32_t bit_count, uint64_t value) {
  ALF_CHECK(bit_count >= 1 && bit_count <= 64);
  ALF_CHECK(bit_offset + bit_count <= uint64_t{bytes.size()} * 8);
  for (uint32_t i = 0; i < bit_count; ++i) {
    const uint64_t bit = bit_offset + i;
    const auto mask = static_cast<uint8_t>(1u << (7 - bit % 8));
    const auto byte = static_cast<uint8_t>(bytes[bit / 8]);
    const bool is_one = (value >> (bit_count - 1 - i) & 1) != 0;
    bytes[bit / 8] = static_cast<char>(is_one ? byte | mask : byte & ~mask);
  }
}

std::optional<uint64_t> add_to_field(FieldType type, Overflow overflow, uint64_t value,
                                     int64_t increment) {
  // Wider than any sum of 64-bit numbers, so that nothing is lost before it is judged.
  __extension__ using Wide = __int128;
  const Wide start = type.is_signed ? Wide{static_cast<int64_t>(value)} : Wide{value};
  const Wide sum = start + increment;
  const uint32_t magnitude_bits = type.is_signed ? type.bit_count - 1 : type.bit_count;
  const Wide max = (Wide{1} << magnitude_bits) - 1;
  const Wide min = type.is_signed ? -max - 1 : Wide{0};
  if (sum >= min && sum <= max) return static_cast<uint64_t>(sum);
  // Redis reckons in 64 bits how far the start lies below the maximum. A number so negative
  // that this wraps (SET of nearly -2^63 into a narrow field) counts as too large there.
  const bool is_wrapped = max - start > std::numeric_limits<int64_t>::max();
  switch (overflow) {
    case Overflow::kWrap: return wrap(type, static_cast<uint64_t>(sum));
    case Overflow::kSaturate:
      return static_cast<uint64_t>(sum > max || (is_wrapped && type.bit_count < 64) ? max : min);
    case Overflow::kFail: return std::nullopt;
  }
  return std::nullopt;
}

int64_t field_to_integer(FieldType type, uint64_t bits) {
  return static_cast<int64_t>(wrap(type, bits));
}

}  // namespace alfheim::command
