// tools/data_directory: a node's directory, held still while it is looked at.
//
// Holds the node's lock, so that no server starts on the directory meanwhile, and refuses
// where one runs. Writes nothing: the lock file is never made here.
//
// Thread: one. Lifetime: within the Disk's.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "env/disk.h"

namespace alfheim::tools {

class DataDirectory {
 public:
  // kAlreadyExists: a server uses it. kNotFound: no node ever kept its data there.
  static base::Result<DataDirectory> hold(env::Disk& disk, const std::string& dir);

  const std::string& log_dir() const { return log_dir_; }
  const std::string& index_dir() const { return index_dir_; }

 private:
  DataDirectory() = default;
  std::string log_dir_;
  std::string index_dir_;
  std::unique_ptr<env::FileLock> lock_;
};

}  // namespace alfheim::tools
