// base/slot: the hash slot of a key, as Redis Cluster defines it.
//
// CRC16 (XMODEM) of the key modulo 16384; where the key holds a non-empty "{tag}", of the tag.
// Format: the index orders key records by slot, so this never changes.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace alfheim::base {

uint16_t crc16(ByteView bytes);
uint16_t key_slot(ByteView key);

}  // namespace alfheim::base
