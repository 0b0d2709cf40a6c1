// sim/error_sweep: one run of a seed again and again, each time with another operation of its disk
// failing, once: every one of them, with EIO and with ENOSPC.
//
// After each the node has stopped with one line that says what was tried and on what, or has gone
// on; and every check of the World holds: nothing acknowledged is lost, nothing refused was done,
// the state is the model's, also after a restart. Reads and questions never lack room.
//
// Thread: one. Lifetime: of the call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "command/table.h"

namespace alfheim::sim {

struct SweepOptions {
  uint64_t seed = 1;
  uint64_t first = 1;  // operation
  uint64_t step = 1;
};

struct SweepCount {
  uint64_t failed = 0;
  uint64_t stopped = 0;  // of those, the node stopped or did not start
};

struct SweepOutcome {
  std::string problem;           // empty: all held
  uint64_t operation_count = 0;  // of the undisturbed run
  uint64_t run_count = 0;
  uint64_t skipped_count = 0;  // operations that were a checker's own, or did not come
  std::map<std::string, SweepCount> counts;  // by kind of operation and error
};

SweepOutcome sweep_errors(const command::Table& table, const SweepOptions& options);
std::string sweep_text(const SweepOutcome& outcome);
void add_up(const SweepOutcome& outcome, SweepOutcome& sum);
// What a sweep must have met before it proves anything; empty where it has. Of many seeds, whole.
std::string missing_in(const SweepOutcome& sum);

}  // namespace alfheim::sim
