// tools/check_index: the index's part of a check: every record, and that they agree.
//
// What must hold between records: docs/formats/index_records.md.
// Thread: one. Lifetime: of one check.
#pragma once

#include <string>

#include "index/store.h"
#include "machine/state.h"
#include "tools/check_report.h"
#include "tools/log_map.h"

namespace alfheim::tools {

struct IndexCounts {
  uint64_t record_count = 0;
  uint64_t key_count = 0;     // of live databases
  uint64_t orphan_count = 0;  // what compaction has yet to forget
};

base::Status check_index(const index::StoreSnapshot& records, const machine::MachineState& state,
                         const LogMap& map, const std::string& index_dir, CheckReport& report,
                         IndexCounts& counts);

}  // namespace alfheim::tools
