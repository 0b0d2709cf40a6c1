// tests/fuzz/fuzz_input: what the fuzzers share: reading their input, equality, resealing.
//
// A checksum stops a fuzzer: nearly every change of a byte ends at "crc does not match". So
// targets of checksummed formats also take their input as the *content* and compute the
// checksums over it themselves (reseal_*), to reach what stands behind them.
//
// Thread: one. Lifetime: an Input borrows the fuzzer's bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace alfheim::fuzz {

// Hands out the fuzzer's bytes from the front. Where they end, zeros come: no input is too short.
class Input {
 public:
  Input(const uint8_t* data, size_t size_bytes)
      : rest_(reinterpret_cast<const char*>(data), size_bytes) {}

  uint8_t take_u8() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }
  uint16_t take_u16() {
    const uint8_t low = take_u8();
    return static_cast<uint16_t>(low | take_u8() << 8);
  }
  // At most `count` bytes, fewer where the input ends.
  base::ByteView take(size_t count) {
    const base::ByteView taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  // Exactly `count` bytes.
  base::Bytes take_padded(size_t count) {
    base::Bytes taken(take(count));
    taken.resize(count, '\0');
    return taken;
  }
  base::ByteView take_rest() { return take(rest_.size()); }
  bool is_empty() const { return rest_.empty(); }
  size_t size_bytes() const { return rest_.size(); }

 private:
  base::ByteView rest_;
};

template <typename Integer>
void overwrite(base::Bytes& bytes, size_t offset_bytes, Integer value) {
  std::memcpy(bytes.data() + offset_bytes, &value, sizeof value);
}
template <typename Integer>
Integer integer_at(base::ByteView bytes, size_t offset_bytes) {
  Integer value;
  std::memcpy(&value, bytes.data() + offset_bytes, sizeof value);
  return value;
}

// Puts at the front of [begin, begin + length) the crc of what follows it there.
inline void reseal_front(base::Bytes& bytes, size_t begin, size_t length, uint32_t seed) {
  const base::ByteView guarded = base::ByteView(bytes).substr(begin + 4, length - 4);
  overwrite(bytes, begin, base::crc32c(guarded, seed));
}

}  // namespace alfheim::fuzz
