#include "env/posix/posix_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "env/posix/file_descriptor.h"
#include "env/posix/posix_error.h"
#include "env/posix/posix_file.h"

namespace alfheim::env {
namespace {

constexpr mode_t kLockFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(FileDescriptor held) : held_(std::move(held)) {}

 private:
  FileDescriptor held_;  // closing it releases the lock
};

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

base::Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, OpenOptions options) {
  return PosixFile::open(path, options);
}

base::Status PosixDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return base::ok();
  return error_from_errno(fmt::format("rename {} to", from), to, errno);
}

base::Status PosixDisk::unlink(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return base::ok();
  return error_from_errno("unlink", path, errno);
}

base::Status PosixDisk::link(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return base::ok();
  return error_from_errno(fmt::format("link {} as", from), to, errno);
}

base::Result<uint64_t> PosixDisk::link_count(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return error_from_errno("stat", path, errno);
  return static_cast<uint64_t>(found.st_nlink);
}

base::Result<bool> PosixDisk::exists(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return error_from_errno("stat", path, errno);
}

base::Status PosixDisk::make_dir(const std::string& path) {
  if (mkdir(path.c_str(), kDirectoryMode) == 0) return base::ok();
  const int error = errno;
  struct stat found {};
  if (error == EEXIST && stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode)) {
    return base::ok();
  }
  return error_from_errno("mkdir", path, error);
}

base::Status PosixDisk::remove_dir(const std::string& path) {
  if (rmdir(path.c_str()) == 0) return base::ok();
  const int error = errno;
  struct stat found {};
  // For rmdir a file is nothing that can be found; for everybody else it is there.
  const bool is_file = stat(path.c_str(), &found) == 0 && !S_ISDIR(found.st_mode);
  return error_from_errno("rmdir", path, is_file || error == EEXIST ? ENOTEMPTY : error);
}

base::Status PosixDisk::sync_dir(const std::string& path) {
  const FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open()) return error_from_errno("open directory", path, errno);
  if (fsync(directory.number()) != 0) return error_from_errno("fsync directory", path, errno);
  return base::ok();
}

base::Result<std::vector<std::string>> PosixDisk::list(const std::string& path) {
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir(path.c_str()));
  if (directory == nullptr) return error_from_errno("list", path, errno);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return error_from_errno("list", path, errno);
  std::sort(names.begin(), names.end());
  return names;
}

base::Result<std::unique_ptr<FileLock>> PosixDisk::lock(const std::string& path) {
  FileDescriptor held(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kLockFileMode));
  if (!held.is_open()) return error_from_errno("open lock file", path, errno);
  int result = 0;
  do {
    result = flock(held.number(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EWOULDBLOCK) {
    return base::Error{base::ErrorCode::kAlreadyExists,
                       fmt::format("lock {}: held by another process", path)};
  }
  if (result != 0) return error_from_errno("lock", path, errno);
  return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(std::move(held)));
}

base::Result<uint64_t> PosixDisk::free_bytes(const std::string& path) {
  struct statvfs found {};
  if (statvfs(path.c_str(), &found) != 0) return error_from_errno("statvfs", path, errno);
  return static_cast<uint64_t>(found.f_bavail) * found.f_frsize;
}

}  // namespace alfheim::env
