// server/generation: which log and which index of a data directory are the node's, both at once.
//
// They lie in DIR (generation 0), or in DIR/gen-N where the file GENERATION names N. A snapshot
// that was fetched into DIR/incoming becomes generation N + 1: its files are linked there, with a
// META made from the node's own identity and its own term and vote, which never go back. One rename
// of GENERATION switches log and index together; a crash before it leaves the old state, one after
// it the new.
//
// Thread: one, while nothing of the directory is open and its lock is held. Lifetime: functions.
// Format of GENERATION, and the crash states: docs/formats/snapshot.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "env/disk.h"

namespace alfheim::server {

struct Generation {
  uint64_t number = 0;
  std::string dir;  // of log/ and index/
};

inline constexpr std::string_view kGenerationPrefix = "gen-";
Generation generation_of(const std::string& dir, uint64_t number);
// GENERATION names it from now on; durable when it returns.
base::Status write_generation(env::Disk& disk, const std::string& dir, uint64_t number);

// kCorruption: GENERATION does not say what it did.
base::Result<Generation> current_generation(env::Disk& disk, const std::string& dir);

// Whether anything was ever opened in `dir`: a log is there, of some generation.
base::Result<bool> is_begun(env::Disk& disk, const std::string& dir);

// Takes away what is of no use any more: other generations, snapshots that an earlier process made,
// a snapshot on its way in that is `current` by now.
base::Status remove_leftovers(env::Disk& disk, const std::string& dir, const Generation& current);

// The snapshot `id`, which was fetched whole (upkeep/snapshot_staging), becomes the current
// generation. What was is then still there for remove_leftovers. On an error the old one goes on.
base::Result<Generation> install_snapshot(env::Disk& disk, const std::string& dir, uint64_t id);

}  // namespace alfheim::server
