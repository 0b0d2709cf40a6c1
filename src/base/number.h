// base/number: text <-> number, the one path of the house.
//
// What Redis 7 accepts is accepted, what it prints is printed, byte for byte. Nothing here
// looks at the process's locale or keeps state: numbers take part in replicated state, so
// every node must read and print them alike.
//
// Long doubles are the x87 format (64-bit mantissa), as Redis uses them on this hardware.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace alfheim::base {

inline constexpr size_t kInt64TextBytesMax = 20;
inline constexpr size_t kDoubleTextBytesMax = 32;
// Redis's MAX_LONG_DOUBLE_CHARS: longer texts are no long double, whatever they say.
inline constexpr size_t kLongDoubleTextBytesMax = 5 * 1024;

// Exactly the texts that format_int64 writes: no '+', space, leading zero or "-0".
std::optional<int64_t> parse_int64(ByteView text);

// Writes at most kInt64TextBytesMax characters; returns how many.
size_t write_int64(char* out, int64_t value);
void append_int64(Bytes& out, int64_t value);
Bytes format_int64(int64_t value);

// What strtod takes whole, hexadecimal and "inf", "infinity", "nan" included, without leading
// space. Overflow, and underflow to zero, are refused. A NaN is given as it is: callers that
// do not want one refuse it (ZADD does).
std::optional<double> parse_double(ByteView text);

// The same for long double, but refuses NaN and texts of kLongDoubleTextBytesMax and more.
std::optional<long double> parse_long_double(ByteView text);

// As %.17g: what ZSCORE prints. Writes at most kDoubleTextBytesMax characters.
size_t write_double(char* out, double value);
void append_double(Bytes& out, double value);
Bytes format_double(double value);

// As %.17Lf without trailing zeros: what INCRBYFLOAT prints and stores.
Bytes format_long_double_human(long double value);

}  // namespace alfheim::base
