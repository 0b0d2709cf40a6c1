#include "base/slot.h"

#include <gtest/gtest.h>

namespace alfheim::base {
namespace {

TEST(Slot, Crc16IsXmodem) { EXPECT_EQ(crc16("123456789"), 0x31c3); }

// Asked of redis-server 7.0.15: CLUSTER KEYSLOT <key>.
TEST(Slot, KeysFallWhereRedisClusterPutsThem) {
  struct SlotCase {
    const char* key;
    uint16_t slot;
  };
  constexpr SlotCase kCases[] = {
      {"foo", 12182},       {"", 0},
      {"{}", 15257},        {"{}foo", 9500},
      {"{a}b", 15495},      {"a{b}", 3300},
      {"{a", 10276},        {"a}", 5921},
      {"a{}{b}", 15033},    {"{{a}}", 10276},
      {"}{a}", 15495},      {"foo{bar}{zap}", 5061},
      {"123456789", 12739}, {"{user1000}.following", 3443},
  };
  for (const auto& [key, slot] : kCases) EXPECT_EQ(key_slot(key), slot) << key;
}

}  // namespace
}  // namespace alfheim::base
