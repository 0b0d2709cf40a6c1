#include "base/number.h"

#include <locale.h>
#include <stdlib.h>

#include <array>
#include <cerrno>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"
#include "base/text.h"

namespace alfheim::base {
namespace {

static_assert(LDBL_MANT_DIG == 64,
              "INCRBYFLOAT's digits follow the x87 long double, as Redis's do");

__extension__ using Uint128 = unsigned __int128;

constexpr int kMantissaBits = 64;
constexpr int kHumanDigits = 17;  // behind the point
constexpr uint64_t kHumanScale = 100'000'000'000'000'000;

// strtod wants a terminator and a locale; most numbers are short enough for the stack.
// `convert` is called as strtod_l and its like.
template <typename Float, typename Convert>
std::optional<Float> parse_float(ByteView text, Convert convert) {
  if (text.empty() || is_ascii_space(text.front())) return std::nullopt;
  std::array<char, 128> small;
  Bytes large;
  const char* start = nullptr;
  if (text.size() < small.size()) {
    std::memcpy(small.data(), text.data(), text.size());
    small[text.size()] = '\0';
    start = small.data();
  } else {
    large = text;
    start = large.c_str();
  }
  // glibc hands out its built-in "C" locale here: nothing is allocated.
  static const locale_t c_locale = newlocale(LC_ALL_MASK, "C", nullptr);
  ALF_CHECK(c_locale != nullptr);
  char* end = nullptr;
  errno = 0;
  const Float value = convert(start, &end, c_locale);
  if (static_cast<size_t>(end - start) != text.size()) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

// mantissa * 2^exponent in decimal, for values that have no fraction.
void append_large_integer(Bytes& out, uint64_t mantissa, int exponent) {
  constexpr uint32_t kLimb = 1'000'000'000;
  std::vector<uint32_t> limbs;  // least significant first
  for (; mantissa != 0; mantissa /= kLimb) limbs.push_back(static_cast<uint32_t>(mantissa % kLimb));
  while (exponent > 0) {
    const int shift = exponent < 29 ? exponent : 29;
    uint64_t carry = 0;
    for (uint32_t& limb : limbs) {
      carry += static_cast<uint64_t>(limb) << shift;
      limb = static_cast<uint32_t>(carry % kLimb);
      carry /= kLimb;
    }
    if (carry != 0) limbs.push_back(static_cast<uint32_t>(carry));
    exponent -= shift;
  }
  append_int64(out, limbs.back());
  for (size_t i = limbs.size() - 1; i-- > 0;) {
    uint32_t rest = limbs[i];
    char digits[9];
    for (int place = 8; place >= 0; --place, rest /= 10) {
      digits[place] = static_cast<char>('0' + rest % 10);
    }
    out.append(digits, sizeof digits);
  }
}

// mantissa / 2^shift with 17 decimals, rounded half to even on the exact value.
void append_fixed(Bytes& out, uint64_t mantissa, int shift) {
  uint64_t whole = shift < kMantissaBits ? mantissa >> shift : 0;
  const uint64_t fraction = shift < kMantissaBits ? mantissa - (whole << shift) : mantissa;
  uint64_t decimals = 0;
  // The product is below 2^121, so beyond that shift everything rounds to zero.
  if (shift < 122) {
    const auto product = static_cast<Uint128>(fraction) * kHumanScale;
    const auto half = static_cast<Uint128>(1) << (shift - 1);
    decimals = static_cast<uint64_t>(product >> shift);
    const auto rest = product - (static_cast<Uint128>(decimals) << shift);
    if (rest > half || (rest == half && decimals % 2 == 1)) ++decimals;
  }
  if (decimals == kHumanScale) {
    decimals = 0;
    ++whole;  // shift >= 1, so `whole` has a free bit
  }
  append_int64(out, static_cast<int64_t>(whole));
  if (decimals == 0) return;
  int digit_count = kHumanDigits;
  for (; decimals % 10 == 0; decimals /= 10) --digit_count;
  char digits[kHumanDigits];
  for (int place = digit_count - 1; place >= 0; --place, decimals /= 10) {
    digits[place] = static_cast<char>('0' + decimals % 10);
  }
  out.push_back('.');
  out.append(digits, static_cast<size_t>(digit_count));
}

}  // namespace

std::optional<int64_t> parse_int64(ByteView text) {
  if (text.empty() || text.size() > kInt64TextBytesMax) return std::nullopt;
  if (text == "0") return 0;
  const bool is_negative = text.front() == '-';
  if (is_negative) text.remove_prefix(1);
  if (text.empty() || text.front() < '1' || text.front() > '9') return std::nullopt;
  uint64_t magnitude = 0;
  for (const char letter : text) {
    const auto digit = static_cast<uint64_t>(static_cast<unsigned char>(letter)) - '0';
    if (digit > 9) return std::nullopt;
    if (__builtin_mul_overflow(magnitude, uint64_t{10}, &magnitude) ||
        __builtin_add_overflow(magnitude, digit, &magnitude)) {
      return std::nullopt;
    }
  }
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (magnitude > kMax + (is_negative ? 1 : 0)) return std::nullopt;
  return static_cast<int64_t>(is_negative ? 0 - magnitude : magnitude);
}

size_t write_int64(char* out, int64_t value) {
  return static_cast<size_t>(std::to_chars(out, out + kInt64TextBytesMax, value).ptr - out);
}

void append_int64(Bytes& out, int64_t value) {
  char text[kInt64TextBytesMax];
  out.append(text, write_int64(text, value));
}

Bytes format_int64(int64_t value) {
  Bytes out;
  append_int64(out, value);
  return out;
}

std::optional<double> parse_double(ByteView text) { return parse_float<double>(text, strtod_l); }

std::optional<long double> parse_long_double(ByteView text) {
  if (text.size() >= kLongDoubleTextBytesMax) return std::nullopt;
  const auto value = parse_float<long double>(text, strtold_l);
  if (!value || std::isnan(*value)) return std::nullopt;
  return value;
}

size_t write_double(char* out, double value) {
  // Whole numbers are common as scores, and below 2^53 both ways print the same digits.
  constexpr double kWholeMax = 9007199254740992.0;
  if (value != 0 && value > -kWholeMax && value < kWholeMax) {
    const auto whole = static_cast<int64_t>(value);
    if (static_cast<double>(whole) == value) return write_int64(out, whole);
  }
  const auto end = std::to_chars(out, out + kDoubleTextBytesMax, value, std::chars_format::general,
                                 std::numeric_limits<double>::max_digits10);
  ALF_CHECK(end.ec == std::errc());
  return static_cast<size_t>(end.ptr - out);
}

void append_double(Bytes& out, double value) {
  char text[kDoubleTextBytesMax];
  out.append(text, write_double(text, value));
}

Bytes format_double(double value) {
  Bytes out;
  append_double(out, value);
  return out;
}

Bytes format_long_double_human(long double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  Bytes out;
  int exponent = 0;
  const long double fraction = std::frexp(std::fabs(value), &exponent);
  const auto mantissa = static_cast<uint64_t>(std::ldexp(fraction, kMantissaBits));
  if (mantissa == 0) return "0";
  exponent -= kMantissaBits;
  if (exponent >= 0) {
    append_large_integer(out, mantissa, exponent);
  } else {
    append_fixed(out, mantissa, -exponent);
  }
  // A negative number that rounds to nothing prints without its sign.
  if (value < 0 && out != "0") out.insert(out.begin(), '-');
  return out;
}

}  // namespace alfheim::base
