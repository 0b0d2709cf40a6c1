#include "base/slot.h"

#include <array>

#include "base/limits.h"

namespace alfheim::base {
namespace {

constexpr uint16_t kPolynomial = 0x1021;
// Eight bytes at a time: table n says what a byte does that n more bytes follow.
constexpr size_t kStride = 8;
using Tables = std::array<std::array<uint16_t, 256>, kStride>;

constexpr uint16_t shift_byte(uint16_t crc) {
  for (int bit = 0; bit < 8; ++bit) {
    crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ kPolynomial : crc << 1);
  }
  return crc;
}

constexpr Tables make_tables() {
  Tables tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    auto crc = shift_byte(static_cast<uint16_t>(byte << 8));
    for (auto& table : tables) {
      table[byte] = crc;
      crc = shift_byte(crc);
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();
static_assert((kSlotCount & (kSlotCount - 1)) == 0, "the modulo below is a mask");

}  // namespace

uint16_t crc16(ByteView bytes) {
  uint16_t crc = 0;
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kStride; left -= kStride, at += kStride) {
    crc = kTables[7][at[0] ^ (crc >> 8)] ^ kTables[6][at[1] ^ (crc & 0xff)] ^ kTables[5][at[2]] ^
          kTables[4][at[3]] ^ kTables[3][at[4]] ^ kTables[2][at[5]] ^ kTables[1][at[6]] ^
          kTables[0][at[7]];
  }
  for (; left > 0; --left, ++at) {
    crc = static_cast<uint16_t>((crc << 8) ^ kTables[0][(crc >> 8) ^ *at]);
  }
  return crc;
}

uint16_t key_slot(ByteView key) {
  ByteView hashed = key;
  const size_t open = key.find('{');
  if (open != ByteView::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != ByteView::npos && close > open + 1) {
      hashed = key.substr(open + 1, close - open - 1);
    }
  }
  return crc16(hashed) & (kSlotCount - 1);
}

}  // namespace alfheim::base
