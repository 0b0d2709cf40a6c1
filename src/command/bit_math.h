// command/bit_math: arithmetic of bits and bit fields in byte strings.
//
// Bit 0 is the most significant bit of byte 0, as everywhere in Redis's bitmaps. Fields are
// 1..64 bits wide, unsigned ones at most 63.
//
// Thread: any; pure functions.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace alfheim::command {

uint64_t count_ones(base::ByteView bytes);

// The first bit with this value.
std::optional<uint64_t> find_bit(base::ByteView bytes, bool value);

enum class BitOperation : uint8_t { kAnd, kOr, kXor, kNot };

// into = into <operation> other, over equally many bytes. Not kNot.
void combine_bits(BitOperation operation, base::Bytes& into, base::ByteView other);
void invert_bits(base::Bytes& bytes);

struct FieldType {
  bool is_signed = false;
  uint32_t bit_count = 0;
};

// The field's bits in the low end of the result. What is beyond the bytes is zeros.
uint64_t get_field(base::ByteView bytes, uint64_t bit_offset, uint32_t bit_count);
// The field must lie within the bytes.
void set_field(base::Bytes& bytes, uint64_t bit_offset, uint32_t bit_count, uint64_t value);

enum class Overflow : uint8_t { kWrap, kSaturate, kFail };

// What becomes of value + increment in a field of the type: the result, as the bits of a
// 64-bit integer; nullopt where it does not fit and the overflow policy is to fail. `value`
// may itself be too large for the field (SET).
std::optional<uint64_t> add_to_field(FieldType type, Overflow overflow, uint64_t value,
                                     int64_t increment);

// The bits as the integer that a client sees.
int64_t field_to_integer(FieldType type, uint64_t bits);

}  // namespace alfheim::command
