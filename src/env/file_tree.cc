#include "env/file_tree.h"

namespace alfheim::env {

base::Status remove_tree(Disk& disk, const std::string& path) {
  ALF_TRY(const bool is_there, disk.exists(path));
  if (!is_there) return base::ok();
  // What has no names below it is a file, or an empty directory.
  const auto names = disk.list(path);
  if (!names) return disk.unlink(path);
  for (const std::string& name : *names) ALF_TRY_STATUS(remove_tree(disk, path + "/" + name));
  return disk.remove_dir(path);
}

}  // namespace alfheim::env
