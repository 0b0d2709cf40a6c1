// resp/protocol: which of the two dialects a connection speaks.
//
// A connection starts with RESP2; HELLO changes it.
#pragma once

#include <cstdint>

namespace alfheim::resp {

enum class ProtocolVersion : uint8_t { kResp2 = 2, kResp3 = 3 };

}  // namespace alfheim::resp
