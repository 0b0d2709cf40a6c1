// tools/check: proves that what a stopped node left on its disk is whole (alfctl check).
//
// Reads everything: each record, footer and META of the log, each block of the index, each
// value at its address; and tests that they agree. Changes nothing.
//
// Thread: one. Lifetime: of one call.
#pragma once

#include <string>

#include "base/result.h"
#include "env/disk.h"
#include "tools/check_index.h"
#include "tools/check_log.h"
#include "tools/check_report.h"

namespace alfheim::tools {

struct CheckSummary {
  LogCounts log;
  IndexCounts index;
  base::LogIndex applied;
  uint64_t problem_count = 0;

  std::string to_text() const;
};

// Problems go to `report`; an Error means that the directory could not be read (no node's
// directory, used by a server, a disk that refuses).
base::Result<CheckSummary> check_directory(env::Disk& disk, const std::string& dir,
                                           CheckReport& report);

}  // namespace alfheim::tools
