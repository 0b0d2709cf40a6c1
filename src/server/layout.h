// server/layout: where a node keeps what, below its --dir.
#pragma once

#include <string>

namespace alfheim::server {

inline std::string lock_path(const std::string& dir) { return dir + "/LOCK"; }
inline std::string founders_path(const std::string& dir) { return dir + "/FOUNDERS"; }
inline std::string log_dir(const std::string& dir) { return dir + "/log"; }
inline std::string index_dir(const std::string& dir) { return dir + "/index"; }

}  // namespace alfheim::server
