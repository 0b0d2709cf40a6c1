// server/origin: which group a data directory belongs to, or will.
//
// What stands in it counts: FOUNDERS (server/founders.h), or the cluster that NODE names
// (server/node_file.h). Only an empty one takes --cluster or --join; with neither, the node founds
// a group of one.
//
// Thread: one, before anything of the directory is open. Lifetime: a value.
#pragma once

#include <cstdint>
#include <vector>

#include "server/founders.h"
#include "server/options.h"

namespace alfheim::server {

struct Origin {
  std::vector<Founder> founders;  // empty: of one, or it joins
  uint64_t joined_cluster = 0;    // its number; 0: it founds one
  bool asks_to_join = false;      // --join, and the number is not known yet (server/join.h)

  bool has_joined() const { return joined_cluster != 0 || asks_to_join; }
};

// kInvalidArgument: the options contradict the directory. kCorruption: a file of it is bad.
base::Result<Origin> origin_of(env::Disk& disk, const Options& options);

}  // namespace alfheim::server
