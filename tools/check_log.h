// tools/check_log: the log's part of a check: shape, payloads, and values read at their place.
//
// Thread: one. Lifetime: of one check.
#pragma once

#include <string>

#include "index/store.h"
#include "machine/state.h"
#include "tools/check_report.h"
#include "tools/log_map.h"

namespace alfheim::tools {

struct LogCounts {
  uint64_t segment_count = 0;
  uint64_t record_count = 0;
  uint64_t payload_bytes = 0;
  uint64_t value_count = 0;  // read at their addresses
  uint64_t value_bytes = 0;
};

// Every record, footer and META; then whether the entries from the log's start on are all
// there, in terms and stamps that never go back.
base::Status check_files(env::Disk& disk, const std::string& log_dir, CheckReport& report,
                         LogCounts& counts);
void check_shape(const LogMap& map, const std::string& log_dir, CheckReport& report);
// Whether the log reaches from what the index holds on.
void check_coverage(const LogMap& map, const machine::MachineState& state,
                    const std::string& log_dir, CheckReport& report);
// Reads the log once more: payloads that can be parsed, and each value that a reference record
// names, with its checksum.
base::Status check_values(env::Disk& disk, const std::string& log_dir, const LogMap& map,
                          const index::StoreSnapshot& records, CheckReport& report,
                          LogCounts& counts);

}  // namespace alfheim::tools
