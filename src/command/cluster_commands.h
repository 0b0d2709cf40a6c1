// command/cluster_commands: CLUSTER, whose two questions about keys are data commands.
//
// COUNTKEYSINSLOT and GETKEYSINSLOT walk the keys of one slot of the selected database: key
// records are ordered by slot, so that is one range. The rest of CLUSTER is answered by the
// server room.
//
// Thread: any; builds values.
#pragma once

#include <vector>

#include "command/table.h"

namespace alfheim::command {

void add_cluster_rows(std::vector<Row>& rows);

}  // namespace alfheim::command
