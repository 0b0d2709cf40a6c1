// vlog/inspect: a log's directory looked at from outside, without changing it (alfctl check, log).
//
// Opens nothing for write and takes no lock, so it also reads the directory of a damaged log that
// will not open; of one that is being written it may report the batch in flight as torn.
//
// Thread: one. Lifetime: within the Disk's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "env/disk.h"
#include "raft/entry.h"

namespace alfheim::vlog {

struct Problem {
  bool is_error = true;  // else a note: what an unclean stop may leave behind
  std::string path;
  uint64_t offset_bytes = 0;
  std::string words;
};

struct Inspection {
  uint64_t segment_count = 0;
  uint64_t batch_count = 0;
  uint64_t record_count = 0;
  uint64_t payload_bytes = 0;
  uint64_t error_count = 0;
  uint64_t note_count = 0;
};

// Reads every record, footer and copy of META, and reports each problem. An Error only where the
// directory itself cannot be read.
base::Result<Inspection> verify_directory(env::Disk& disk, const std::string& dir,
                                          const std::function<void(const Problem&)>& report);

// A record as it lies in a file; a later record of the same or a lower index may have truncated it.
struct InspectedRecord {
  uint64_t segment_id = 0;
  uint64_t offset_bytes = 0;
  bool is_copied = false;
  raft::Entry entry;
};

// Visits all records in the order of writing until `visit` answers false. A segment is left at its
// first bad batch, where `report` is called; the next one follows.
base::Status for_each_record(env::Disk& disk, const std::string& dir,
                             const std::function<bool(const InspectedRecord&)>& visit,
                             const std::function<void(const Problem&)>& report);

}  // namespace alfheim::vlog
