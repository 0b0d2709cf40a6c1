#include "base/slot.h"

#include <array>

#include "base/limits.h"

namespace alfheim::base {
namespace {

constexpr uint16_t kPolynomial = 0x1021;

constexpr std::array<uint16_t, 256> make_table() {
  std::array<uint16_t, 256> table{};
  for (unsigned byte = 0; byte < table.size(); ++byte) {
    auto crc = static_cast<uint16_t>(byte << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? (crc << 1) ^ kPolynomial : crc << 1);
    }
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<uint16_t, 256> kTable = make_table();
static_assert((kSlotCount & (kSlotCount - 1)) == 0, "the modulo below is a mask");

}  // namespace

uint16_t crc16(ByteView bytes) {
  uint16_t crc = 0;
  for (const char byte : bytes) {
    const auto place = static_cast<uint8_t>((crc >> 8) ^ static_cast<uint8_t>(byte));
    crc = static_cast<uint16_t>((crc << 8) ^ kTable[place]);
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
