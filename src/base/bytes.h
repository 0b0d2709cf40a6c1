// base/bytes: raw bytes, and how integers lie in them.
//
// ByteView borrows for the call, Bytes owns. Formats are little-endian (put_*/get_*);
// keys of the index are big-endian, so that their order is the order of the numbers
// (put_*_be). Varints are LEB128, at most ten bytes.
//
// Reader is the one way to decode: it never reads past the end, and turns bad input into
// `false`, never into a crash.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace alfheim::base {

using Bytes = std::string;
using ByteView = std::string_view;

static_assert(std::endian::native == std::endian::little, "formats are written natively");

inline constexpr size_t kVarintBytesMax = 10;

template <typename Integer>
void put_fixed(Bytes& out, Integer value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void put_u8(Bytes& out, uint8_t value) { out.push_back(static_cast<char>(value)); }
inline void put_u16(Bytes& out, uint16_t value) { put_fixed(out, value); }
inline void put_u32(Bytes& out, uint32_t value) { put_fixed(out, value); }
inline void put_u64(Bytes& out, uint64_t value) { put_fixed(out, value); }
inline void put_u16_be(Bytes& out, uint16_t value) { put_fixed(out, __builtin_bswap16(value)); }
inline void put_u32_be(Bytes& out, uint32_t value) { put_fixed(out, __builtin_bswap32(value)); }
inline void put_u64_be(Bytes& out, uint64_t value) { put_fixed(out, __builtin_bswap64(value)); }

// Writes at most kVarintBytesMax bytes; where they end.
inline char* write_varint(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}
inline void put_varint(Bytes& out, uint64_t value) {
  char buffer[kVarintBytesMax];
  out.append(buffer, static_cast<size_t>(write_varint(buffer, value) - buffer));
}
inline void put_prefixed(Bytes& out, ByteView bytes) {
  put_varint(out, bytes.size());
  out.append(bytes);
}

// Reads the values that put_* wrote, in order. After a `false` the position is unspecified.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes), size_(bytes.size()) {}

  bool get_u8(uint8_t& value) { return get_fixed(value); }
  bool get_u16(uint16_t& value) { return get_fixed(value); }
  bool get_u32(uint32_t& value) { return get_fixed(value); }
  bool get_u64(uint64_t& value) { return get_fixed(value); }
  bool get_u16_be(uint16_t& value) {
    if (!get_fixed(value)) return false;
    value = __builtin_bswap16(value);
    return true;
  }
  bool get_u32_be(uint32_t& value) {
    if (!get_fixed(value)) return false;
    value = __builtin_bswap32(value);
    return true;
  }
  bool get_u64_be(uint64_t& value) {
    if (!get_fixed(value)) return false;
    value = __builtin_bswap64(value);
    return true;
  }
  bool get_varint(uint64_t& value) {
    if (!rest_.empty() && static_cast<uint8_t>(rest_.front()) < 0x80) {
      value = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      return true;
    }
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return false;
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) return false;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool get_bytes(size_t count, ByteView& bytes) {
    if (rest_.size() < count) return false;
    bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return true;
  }
  bool get_prefixed(ByteView& bytes) {
    uint64_t count = 0;
    return get_varint(count) && count <= rest_.size() && get_bytes(count, bytes);
  }

  ByteView rest() const { return rest_; }
  bool is_empty() const { return rest_.empty(); }
  size_t position() const { return size_ - rest_.size(); }

 private:
  template <typename Integer>
  bool get_fixed(Integer& value) {
    if (rest_.size() < sizeof value) return false;
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return true;
  }

  ByteView rest_;
  size_t size_;
};

}  // namespace alfheim::base
