// machine/state: what the state machine knows besides its records.
//
// Written in the same atomic step as the records of the entry that it reflects (invariant
// I2): all that a truncated log can no longer tell. Format: docs/formats/machine_state.md.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "types/database_table.h"
#include "types/record_source.h"

namespace alfheim::machine {

inline constexpr uint8_t kStateVersion = 1;
// Behaviour of apply changes only with a new level, raised by an entry of the log.
inline constexpr uint32_t kFeatureLevel = 1;
inline constexpr base::ByteView kStateRecordName = "state";

struct MachineState {
  base::LogIndex applied;
  base::Term applied_term;
  base::Stamp log_time;
  uint32_t feature_level = kFeatureLevel;
  types::DatabaseTable databases = types::DatabaseTable::make_new();
  base::Bytes configuration;  // the last raft configuration applied, as raft encodes it

  base::Bytes encode() const;
  static base::Result<MachineState> decode(base::ByteView bytes);
  // The state that stands in these records; a new one where there is none yet.
  static base::Result<MachineState> read(types::RecordSource& records);
};

}  // namespace alfheim::machine
