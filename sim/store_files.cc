#include "sim/store_files.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdarg>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace alfheim::sim {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus status_of(const base::Status& status) {
  if (status) return IOStatus::OK();
  const std::string& words = status.error().message;
  switch (status.error().code) {
    case base::ErrorCode::kNotFound: return IOStatus::PathNotFound(words);
    case base::ErrorCode::kNoSpace: return IOStatus::NoSpace(words);
    default: return IOStatus::IOError(words);
  }
}

template <typename T>
IOStatus status_of(const base::Result<T>& result) {
  return result ? IOStatus::OK() : status_of(base::Status(base::Error(result.error())));
}

IOStatus read_from(env::File& file, uint64_t offset, size_t count, Slice* result, char* scratch) {
  const base::Result<size_t> length = file.read_at(offset, std::span(scratch, count));
  *result = Slice(scratch, length ? *length : 0);
  return status_of(length);
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<env::File> file) : file_(std::move(file)) {}
  IOStatus Read(size_t count, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    IOStatus status = read_from(*file_, offset_, count, result, scratch);
    offset_ += result->size();
    return status;
  }
  IOStatus Skip(uint64_t count) override {
    offset_ += count;
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<env::File> file_;
  uint64_t offset_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<env::File> file) : file_(std::move(file)) {}
  IOStatus Read(uint64_t offset, size_t count, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return read_from(*file_, offset, count, result, scratch);
  }

 private:
  const std::unique_ptr<env::File> file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::unique_ptr<env::File> file, uint64_t size_bytes)
      : file_(std::move(file)), size_bytes_(size_bytes) {}
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    IOStatus status = status_of(file_->write_at(size_bytes_, {data.data(), data.size()}));
    if (status.ok()) size_bytes_ += data.size();
    return status;
  }
  IOStatus Truncate(uint64_t size_bytes, const IOOptions&, IODebugContext*) override {
    if (size_bytes == size_bytes_) return IOStatus::OK();
    size_bytes_ = size_bytes;
    return status_of(file_->truncate(size_bytes));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return status_of(file_->sync()); }
  bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_bytes_; }

 private:
  const std::unique_ptr<env::File> file_;
  uint64_t size_bytes_;
};

// RocksDB's own log: it tells times and threads, so it would be another one each run.
class SilentFile final : public rocksdb::FSWritableFile {
 public:
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    size_bytes_ += data.size();
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_bytes_; }

 private:
  uint64_t size_bytes_ = 0;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(env::Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return status_of(disk_.sync_dir(path_));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  env::Disk& disk_;
  const std::string path_;
};

class HeldLock final : public rocksdb::FileLock {
 public:
  explicit HeldLock(std::unique_ptr<env::FileLock> lock) : lock_(std::move(lock)) {}

 private:
  const std::unique_ptr<env::FileLock> lock_;
};

class SilentLogger final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  size_t GetLogFileSize() const override { return 0; }
};

class StoreFiles final : public rocksdb::FileSystem {
 public:
  explicit StoreFiles(env::Disk& disk) : disk_(disk) {}
  const char* Name() const override { return "alfheim.sim.store_files"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override {
    auto file = disk_.open(path, {});
    if (file) *result = std::make_unique<SequentialFile>(std::move(*file));
    return status_of(file);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    auto file = disk_.open(path, {});
    if (file) *result = std::make_unique<RandomAccessFile>(std::move(*file));
    return status_of(file);
  }
  // As O_CREAT | O_TRUNC.
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    if (path.ends_with("/LOG")) {
      *result = std::make_unique<SilentFile>();
      return IOStatus::OK();
    }
    const base::Result<bool> is_there = disk_.exists(path);
    if (!is_there) return status_of(is_there);
    auto file = disk_.open(path, {.is_writable = true, .create_new = !*is_there});
    if (!file) return status_of(file);
    if (*is_there) {
      IOStatus cut = status_of((*file)->truncate(0));
      if (!cut.ok()) return cut;
    }
    *result = std::make_unique<WritableFile>(std::move(*file), 0);
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* debug) override {
    auto file = disk_.open(path, {.is_writable = true});
    if (!file && file.error().code == base::ErrorCode::kNotFound) {
      return NewWritableFile(path, options, result, debug);
    }
    if (!file) return status_of(file);
    const base::Result<uint64_t> size_bytes = (*file)->size_bytes();
    if (!size_bytes) return status_of(size_bytes);
    *result = std::make_unique<WritableFile>(std::move(*file), *size_bytes);
    return IOStatus::OK();
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override {
    *result = std::make_unique<Directory>(disk_, path);
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const base::Result<bool> is_there = disk_.exists(path);
    if (!is_there || *is_there) return status_of(is_there);
    return IOStatus::NotFound(path);
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    auto names = disk_.list(path);
    if (names) *result = std::move(*names);
    return status_of(names);
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return status_of(disk_.unlink(path));
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return status_of(disk_.make_dir(path));
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    return status_of(disk_.make_dir(path));
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return IOStatus::NotSupported("delete directory", path);
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size_bytes,
                       IODebugContext*) override {
    auto file = disk_.open(path, {});
    if (!file) return status_of(file);
    const base::Result<uint64_t> found = (*file)->size_bytes();
    if (found) *size_bytes = *found;
    return status_of(found);
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;  // only shown, never judged by
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return status_of(disk_.rename(from, to));
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    return status_of(disk_.link(from, to));
  }
  IOStatus NumFileLinks(const std::string& path, const IOOptions&, uint64_t* count,
                        IODebugContext*) override {
    const base::Result<uint64_t> found = disk_.link_count(path);
    if (found) *count = *found;
    return status_of(found);
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    auto held = disk_.lock(path);
    if (held) *lock = new HeldLock(std::move(*held));  // owned by RocksDB until UnlockFile
    return status_of(held);
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete lock;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "/";
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<SilentLogger>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result,
                           IODebugContext*) override {
    *result = path;
    return IOStatus::OK();
  }
  IOStatus GetFreeSpace(const std::string& path, const IOOptions&, uint64_t* bytes,
                        IODebugContext*) override {
    const base::Result<uint64_t> found = disk_.free_bytes(path);
    if (found) *bytes = *found;
    return status_of(found);
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_directory,
                       IODebugContext*) override {
    *is_directory = disk_.list(path).is_ok();
    return IOStatus::OK();
  }

 private:
  env::Disk& disk_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> make_store_env(env::Disk& disk) {
  return rocksdb::NewCompositeEnv(std::make_shared<StoreFiles>(disk));
}

}  // namespace alfheim::sim
