// sim/run: what the runs of a world and of a cluster share.
//
// Thread: one. Lifetime: functions.
#pragma once

#include <memory>
#include <vector>

#include "sim/client.h"

namespace alfheim::sim {

// Runs one event. False where the run has failed, or has none left, or had too many: told to the
// oracle.
bool run_next_event(SimScheduler& scheduler, Oracle& oracle, uint64_t event_count_max);

// Whether the log of the node on that disk keeps files for a start where there is no room.
bool has_kept_room(env::Disk& disk);

uint64_t answered_count(const std::vector<std::unique_ptr<Client>>& clients);

}  // namespace alfheim::sim
