#include "command/bit_math.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/hash.h"

namespace alfheim::command {
namespace {

using base::Bytes;
using base::ByteView;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

TEST(BitMath, AFieldThatWasSetIsRead) {
  for (uint32_t bits = 1; bits <= 64; ++bits) {
    for (uint64_t offset = 0; offset < 20; ++offset) {
      Bytes bytes(12, '\x5a');
      const uint64_t value = base::hash64("value", bits * 100 + offset) >> (64 - bits);
      set_field(bytes, offset, bits, value);
      EXPECT_EQ(get_field(bytes, offset, bits), value);
      // Its neighbours are as they were.
      if (offset > 0) {
        EXPECT_EQ(get_field(bytes, 0, static_cast<uint32_t>(offset)),
                  get_field("\x5a\x5a\x5a", 0, static_cast<uint32_t>(offset)));
      }
      EXPECT_EQ(get_field(bytes, offset + bits, 8), get_field(Bytes(12, '\x5a'), offset + bits, 8));
    }
  }
}

TEST(BitMath, BehindTheEndIsZeros) {
  EXPECT_EQ(get_field("\xff", 4, 8), 0xf0u);
  EXPECT_EQ(get_field("", 100, 64), 0u);
}

TEST(BitMath, TheFirstBitIsFoundWhereverItStands) {
  for (const bool value : {false, true}) {
    for (size_t size = 0; size < 30; ++size) {
      Bytes bytes(size, value ? '\0' : '\xff');
      EXPECT_EQ(find_bit(bytes, value), std::nullopt);
      for (uint64_t bit = size * 8; bit-- > 0;) {
        set_field(bytes, bit, 1, value ? 1 : 0);
        EXPECT_EQ(find_bit(bytes, value), bit);
      }
      EXPECT_EQ(count_ones(bytes), value ? size * 8 : 0);
    }
  }
}

struct OverflowCase {
  FieldType type;
  Overflow overflow;
  int64_t value;
  int64_t increment;
  std::optional<int64_t> then;
};
constexpr FieldType kU8{false, 8};
constexpr FieldType kI8{true, 8};
constexpr FieldType kU63{false, 63};
constexpr FieldType kI64{true, 64};
constexpr OverflowCase kOverflows[] = {
    {kU8, Overflow::kFail, 250, 5, 255},
    {kU8, Overflow::kFail, 250, 6, std::nullopt},
    {kU8, Overflow::kFail, 5, -6, std::nullopt},
    {kU8, Overflow::kWrap, 250, 6, 0},
    {kU8, Overflow::kWrap, 5, -6, 255},
    {kU8, Overflow::kSaturate, 250, 600, 255},
    {kU8, Overflow::kSaturate, 250, -600, 0},
    {kU8, Overflow::kSaturate, -1, 0, 255},  // SET of a negative number
    {kI8, Overflow::kWrap, 127, 1, -128},
    {kI8, Overflow::kSaturate, 127, 1, 127},
    {kI8, Overflow::kSaturate, -127, -100, -128},
    {kI8, Overflow::kSaturate, -1000, 0, -128},
    {kI8, Overflow::kSaturate, kMin, 0, 127},  // Redis's own wrap
    {kI8, Overflow::kWrap, 100, kMax, 99},
    {kU63, Overflow::kSaturate, kMax, kMax, kMax},
    {kU63, Overflow::kWrap, kMax, 1, 0},
    {kI64, Overflow::kSaturate, kMax, 1, kMax},
    {kI64, Overflow::kSaturate, kMin, -1, kMin},
    {kI64, Overflow::kWrap, kMin, -1, kMax},
    {kI64, Overflow::kFail, kMax, kMin, -1},
};

TEST(BitMath, SumsThatDoNotFitFollowTheOverflowPolicy) {
  for (const OverflowCase& given : kOverflows) {
    const std::optional<uint64_t> result = add_to_field(
        given.type, given.overflow, static_cast<uint64_t>(given.value), given.increment);
    ASSERT_EQ(result.has_value(), given.then.has_value()) << given.value << " " << given.increment;
    if (result) {
      EXPECT_EQ(field_to_integer(given.type, *result), *given.then)
          << given.value << " " << given.increment;
    }
  }
}

}  // namespace
}  // namespace alfheim::command
