// tools/print_log: a log's entries as lines for people (alfctl log).
//
// Prints records in the order in which they lie in the files, so also copies of a tail and
// what was truncated later, marked as such. Changes nothing.
//
// Thread: one. Lifetime: of one call.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "env/disk.h"
#include "raft/entry.h"

namespace alfheim::tools {

struct PrintOptions {
  uint64_t from = 0;
  uint64_t to = UINT64_MAX;     // included
  uint64_t limit = UINT64_MAX;  // records
  bool has_values = false;      // words are printed whole
};

// The entry without its marks, in one line.
std::string entry_text(const raft::Entry& entry, bool has_values);

// Bad places are printed as lines too; their number is the result. An Error means that the
// directory could not be read.
base::Result<uint64_t> print_log(env::Disk& disk, const std::string& dir,
                                 const PrintOptions& options,
                                 const std::function<void(const std::string& line)>& print);

}  // namespace alfheim::tools
