#include "tools/data_directory.h"

#include "base/format.h"
#include "server/generation.h"
#include "server/layout.h"

namespace alfheim::tools {

base::Result<DataDirectory> DataDirectory::hold(env::Disk& disk, const std::string& dir) {
  DataDirectory held;
  ALF_TRY(const server::Generation current, server::current_generation(disk, dir));
  held.log_dir_ = server::log_dir(current.dir);
  held.index_dir_ = server::index_dir(current.dir);
  ALF_TRY(const bool has_log, disk.exists(held.log_dir_));
  if (!has_log) {
    return base::Error{base::ErrorCode::kNotFound,
                       base::format("open data directory {}: it has no {}: not a node's directory?",
                                    dir, held.log_dir_)};
  }
  const std::string lock_path = server::lock_path(dir);
  ALF_TRY(const bool has_lock, disk.exists(lock_path));
  if (!has_lock) return held;
  base::Result<std::unique_ptr<env::FileLock>> lock = disk.lock(lock_path);
  if (!lock) {
    if (lock.error().code != base::ErrorCode::kAlreadyExists) return std::move(lock).error();
    return base::Error{
        base::ErrorCode::kAlreadyExists,
        base::format("open data directory {}: a running alfheimdb uses it; stop it first", dir)};
  }
  held.lock_ = std::move(lock).value();
  return held;
}

}  // namespace alfheim::tools
