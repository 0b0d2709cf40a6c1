// env/posix/posix_disk: the machine's own file systems.
//
// Stateless: every call is its system call, errors as in posix_error.h. New files are made
// with mode 0640, directories 0750, both under the umask. A lock is flock on a file that is
// made where it is missing and stays behind; it conflicts also within one process, and the
// kernel drops it when the process dies.
//
// Thread: any. Lifetime: outlives its Files by contract, though they do not refer to it.
#pragma once

#include "env/disk.h"

namespace alfheim::env {

class PosixDisk final : public Disk {
 public:
  base::Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  base::Status rename(const std::string& from, const std::string& to) override;
  base::Status unlink(const std::string& path) override;
  base::Status link(const std::string& from, const std::string& to) override;
  base::Result<uint64_t> link_count(const std::string& path) override;
  base::Result<bool> exists(const std::string& path) override;
  base::Status make_dir(const std::string& path) override;
  base::Status remove_dir(const std::string& path) override;
  base::Status sync_dir(const std::string& path) override;
  base::Result<std::vector<std::string>> list(const std::string& path) override;
  base::Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  base::Result<uint64_t> free_bytes(const std::string& path) override;
};

}  // namespace alfheim::env
