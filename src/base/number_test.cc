#include "base/number.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

namespace alfheim::base {
namespace {

TEST(Number, AnIntegerIsExactlyWhatTheWriterWrites) {
  for (const char* text : {"0", "1", "-1", "42", "9223372036854775807", "-9223372036854775808"}) {
    const auto value = parse_int64(text);
    ASSERT_TRUE(value.has_value()) << text;
    EXPECT_EQ(format_int64(*value), text);
  }
}

TEST(Number, AnIntegerWrittenInAnotherWayIsRefused) {
  for (ByteView text : {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "00", "1a", "a", "0x1", "1.0",
                        "9223372036854775808", "-9223372036854775809", "18446744073709551616",
                        "99999999999999999999", "100000000000000000000", "--1"}) {
    EXPECT_FALSE(parse_int64(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_int64(ByteView("1\0", 2)).has_value());
}

struct DoubleCase {
  const char* given;
  const char* then;  // what redis-server 7.0.15 answers to ZADD z <given> m; ZSCORE z m
};
constexpr DoubleCase kDoubles[] = {
    {"0", "0"},
    {"3", "3"},
    {"3.0", "3"},
    {"0.1", "0.10000000000000001"},
    {"1e17", "1e+17"},
    {"1e16", "10000000000000000"},
    {"123456789012345678", "1.2345678901234568e+17"},
    {"1e20", "1e+20"},
    {"1e-5", "1.0000000000000001e-05"},
    {"0.0001", "0.0001"},
    {"0.00001234", "1.234e-05"},
    {"inf", "inf"},
    {"-inf", "-inf"},
    {"infinity", "inf"},
    {"+inf", "inf"},
    {"INF", "inf"},
    {"Infinity", "inf"},
    {"0x10", "16"},
    {"0x1p-3", "0.125"},
    {"0X1P3", "8"},
    {"4.9e-324", "4.9406564584124654e-324"},
    {"1e-320", "9.9998886718268301e-321"},
    {"+5", "5"},
    {".5", "0.5"},
    {"5.", "5"},
    {"1.7976931348623157e308", "1.7976931348623157e+308"},
    {"2.5", "2.5"},
    {"1e22", "1e+22"},
    {"0.3", "0.29999999999999999"},
    {"99999999999999999", "1e+17"},
    {"1234567.891", "1234567.8910000001"},
    {"1e+5", "100000"},
    {"1E5", "100000"},
    {"9007199254740993", "9007199254740992"},
    {"-1.5e-7", "-1.4999999999999999e-07"},
    {"3.141592653589793", "3.1415926535897931"},
};

TEST(Number, DoublesAreReadAndPrintedAsRedisDoes) {
  for (const auto& [given, then] : kDoubles) {
    const auto value = parse_double(given);
    ASSERT_TRUE(value.has_value()) << given;
    EXPECT_EQ(format_double(*value), then) << given;
  }
  EXPECT_EQ(parse_double(Bytes(6000, '0') + "1"), 1.0);
}

TEST(Number, WhatIsNoDoubleIsRefused) {
  for (ByteView text : {"", " ", "  ", " 1", "1 ", "\t1", "0x", "1e400", "-1e400", "1e-400", "1e",
                        "-", "+", ".", "1_0", "1,5", "inff", "infinit", "1a"}) {
    EXPECT_FALSE(parse_double(text).has_value()) << text;
    if (text != "1e400" && text != "-1e400" && text != "1e-400") {
      EXPECT_FALSE(parse_long_double(text).has_value()) << text;
    }
  }
  EXPECT_FALSE(parse_double(ByteView("\0001", 2)).has_value());
  EXPECT_FALSE(parse_double(ByteView("1\0", 2)).has_value());
  EXPECT_FALSE(parse_double(Bytes(400, '1')).has_value());
}

TEST(Number, ANanIsReadAsDoubleButNotAsLongDouble) {
  for (const char* text : {"nan", "-nan", "NaN", "nan(1)"}) {
    const auto value = parse_double(text);
    ASSERT_TRUE(value.has_value()) << text;
    EXPECT_TRUE(std::isnan(*value));
    EXPECT_FALSE(parse_long_double(text).has_value()) << text;
  }
}

TEST(Number, EveryDoublePrintsAsPrintfDoesInTheCLocale) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200'000; ++i) {
    double value = std::bit_cast<double>(random());
    if (i % 3 == 1) value = static_cast<double>(static_cast<int64_t>(random() >> (i % 60)));
    if (i % 3 == 2) value = static_cast<double>(random() % 1'000'000) / 1000;
    char expected[64];
    std::snprintf(expected, sizeof expected, "%.17g", value);
    ASSERT_EQ(format_double(value), expected);
    if (std::isnan(value)) continue;
    ASSERT_EQ(parse_double(expected), value);
  }
  EXPECT_EQ(format_double(-0.0), "-0");
}

struct HumanCase {
  const char* given;
  const char* then;  // what redis-server 7.0.15 answers to SET f <given>; INCRBYFLOAT f 0
};
constexpr HumanCase kHumans[] = {
    {"0", "0"},
    {"-0", "0"},
    {"3.0", "3"},
    {"0.1", "0.1"},
    {"1e17", "100000000000000000"},
    {"123456789012345678", "123456789012345678"},
    {"1e20", "100000000000000000000"},
    {"1e-5", "0.00001"},
    {"0.00001234", "0.00001234"},
    {"0x10", "16"},
    {"0x1p-3", "0.125"},
    {"1e-400", "0"},
    {"4.9e-324", "0"},
    {"-4.9e-324", "0"},
    {".5", "0.5"},
    {"5.", "5"},
    {"1e22", "10000000000000000000000"},
    {"0.3", "0.3"},
    {"99999999999999999", "99999999999999999"},
    {"1234567.891", "1234567.89099999999996271"},
    {"9007199254740993", "9007199254740993"},
    {"-1.5e-7", "-0.00000015"},
    {"3.141592653589793", "3.141592653589793"},
};

TEST(Number, LongDoublesPrintAsIncrByFloatDoes) {
  for (const auto& [given, then] : kHumans) {
    const auto value = parse_long_double(given);
    ASSERT_TRUE(value.has_value()) << given;
    EXPECT_EQ(format_long_double_human(*value), then) << given;
  }
  EXPECT_EQ(format_long_double_human(std::numeric_limits<long double>::infinity()), "inf");
  EXPECT_EQ(format_long_double_human(-std::numeric_limits<long double>::infinity()), "-inf");
  EXPECT_FALSE(parse_long_double(Bytes(kLongDoubleTextBytesMax, '0')).has_value());
  EXPECT_EQ(parse_long_double(Bytes(kLongDoubleTextBytesMax - 2, '0') + "1"), 1.0L);
  EXPECT_FALSE(parse_long_double("1e5000").has_value());
  EXPECT_FALSE(parse_long_double("1e-5000").has_value());
}

// Redis's own way: %.17Lf, then the zeros at the end go.
Bytes human_by_printf(long double value) {
  static char text[6000];
  const int length = std::snprintf(text, sizeof text, "%.17Lf", value);
  Bytes out(text, static_cast<size_t>(length));
  if (out.find('.') != Bytes::npos) {
    while (out.back() == '0') out.pop_back();
    if (out.back() == '.') out.pop_back();
  }
  return out == "-0" ? "0" : out;
}

TEST(Number, EveryLongDoublePrintsAsPrintfDoesInTheCLocale) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 200'000; ++i) {
    const int exponent = static_cast<int>(random() % 260) - 190;
    long double value = std::ldexp(static_cast<long double>(random() >> (random() % 64)), exponent);
    if (i % 2 == 1) value = -value;
    ASSERT_EQ(format_long_double_human(value), human_by_printf(value)) << i;
  }
  for (int exponent = -16445; exponent < 16383; exponent += 37) {
    const long double value = std::ldexp(1.75L, exponent);
    ASSERT_EQ(format_long_double_human(value), human_by_printf(value)) << exponent;
  }
  const long double max = std::numeric_limits<long double>::max();
  EXPECT_EQ(format_long_double_human(max), human_by_printf(max));
}

TEST(Number, ALongDoubleExactlyBetweenTwoTextsRoundsToTheEvenOne) {
  // n * 2^-18 has 18 decimals, the last of them a 5.
  for (int n = 1; n < 1000; n += 2) {
    const long double value = std::ldexp(static_cast<long double>(n), -18);
    EXPECT_EQ(format_long_double_human(value), human_by_printf(value)) << n;
  }
}

}  // namespace
}  // namespace alfheim::base
