#include "server/origin.h"

#include <algorithm>
#include <optional>

#include "base/format.h"
#include "server/generation.h"
#include "server/node_file.h"

namespace alfheim::server {

base::Result<Origin> origin_of(env::Disk& disk, const Options& options) {
  const std::string& dir = options.storage.dir;
  const auto refuse = [](std::string words) {
    return base::Error{base::ErrorCode::kInvalidArgument, std::move(words)};
  };
  Origin origin;
  ALF_TRY(const std::optional<NodeFile> file, read_node_file(disk, dir));
  if (file) origin.joined_cluster = file->joined_cluster;
  if (origin.joined_cluster != 0) {
    if (options.group.cluster.empty()) return origin;
    return refuse(
        base::format("--cluster {}: data directory {} has joined another cluster; leave "
                     "--cluster out, or choose another --dir",
                     options.group.cluster, dir));
  }
  ALF_TRY(const bool is_begun_here, is_begun(disk, dir));
  if (is_begun_here && !file) {
    return base::Error{
        base::ErrorCode::kCorruption,
        base::format("open data directory {}: it has a log, and no file NODE, which says which "
                     "directory it is and what it joined: restore the file from another copy of "
                     "the directory",
                     dir)};
  }
  if (!options.group.join.empty() && !is_begun_here) {
    origin.asks_to_join = true;
    return origin;
  }
  ALF_TRY(origin.founders, founders_of(disk, dir, options.group.cluster));
  if (!options.group.join.empty()) {
    return refuse(base::format(
        "--join {}: data directory {} was founded {}; leave --join out, or "
        "choose another --dir",
        options.group.join, dir, origin.founders.empty() ? "by a node of its own" : "with others"));
  }
  const bool is_named =
      std::any_of(origin.founders.begin(), origin.founders.end(),
                  [&](const Founder& founder) { return founder.name == options.group.id; });
  if (origin.founders.empty() || is_named) return origin;
  return refuse(
      base::format("--id {}: data directory {} belongs to a cluster that has no such "
                   "member",
                   options.group.id, dir));
}

}  // namespace alfheim::server
