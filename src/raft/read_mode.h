// raft/read_mode: what proves to a leader that a read is safe.
//
// Thread: a value.
#pragma once

#include <cstdint>

namespace alfheim::raft {

enum class ReadMode : uint8_t {
  kReadIndex,  // a round of heartbeats for each batch of reads
  kLease,      // the voters' promise to elect nobody for a while, renewed by each heartbeat
};

// How much faster one member's clock may run than another's, in thousandths: kLease trusts it.
inline constexpr uint32_t kClockDriftPermilleDefault = 10;

}  // namespace alfheim::raft
