// env/file_tree: a directory with all that stands below it, as one thing.
//
// Thread: the caller's; nobody else may change the tree meanwhile. Lifetime: functions.
#pragma once

#include <string>

#include "base/result.h"
#include "env/disk.h"

namespace alfheim::env {

// Removes a file, or a directory with all below it; success where there is nothing. Not durable
// before a sync_dir of its parent: a crash may leave any part of it.
base::Status remove_tree(Disk& disk, const std::string& path);

}  // namespace alfheim::env
