// server/layout: where a node keeps what, below its --dir.
//
// Log and index lie in the directory of a generation (server/generation.h), which is --dir itself
// until the node has installed a snapshot.
#pragma once

#include <string>

namespace alfheim::server {

inline std::string lock_path(const std::string& dir) { return dir + "/LOCK"; }
inline std::string founders_path(const std::string& dir) { return dir + "/FOUNDERS"; }
inline std::string node_path(const std::string& dir) { return dir + "/NODE"; }
inline std::string promise_path(const std::string& dir) { return dir + "/PROMISE"; }
inline std::string generation_path(const std::string& dir) { return dir + "/GENERATION"; }
// Snapshots that this node made, and one that is on its way in.
inline std::string snapshots_dir(const std::string& dir) { return dir + "/snapshots"; }
inline std::string incoming_dir(const std::string& dir) { return dir + "/incoming"; }
inline std::string log_dir(const std::string& generation_dir) { return generation_dir + "/log"; }
inline std::string index_dir(const std::string& generation_dir) {
  return generation_dir + "/index";
}

}  // namespace alfheim::server
