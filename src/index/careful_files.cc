#include "index/careful_files.h"

#include <rocksdb/file_system.h>

#include <atomic>
#include <string_view>
#include <utility>

#include "base/mutant.h"

namespace alfheim::index {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view directory_of(std::string_view path) {
  return path.substr(0, path.size() - name_of(path).size() - 1);
}

// As RocksDB calls the directory of a checkpoint that it is making.
constexpr std::string_view kUnfinishedCheckpoint = ".tmp";

bool waits_to_be_ingested(std::string_view path) {
  return path.find('/') != path.npos && name_of(directory_of(path)) == kIngestName;
}

// Shared by a file system and its open files.
using Suspicion = std::shared_ptr<std::atomic<bool>>;

class ManifestFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  ManifestFile(std::unique_ptr<rocksdb::FSWritableFile> below, Suspicion is_suspect)
      : FSWritableFileOwnerWrapper(std::move(below)), is_suspect_(std::move(is_suspect)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    return note(FSWritableFileOwnerWrapper::Append(data, options, debug));
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& info, IODebugContext* debug) override {
    return note(FSWritableFileOwnerWrapper::Append(data, options, info, debug));
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
    return note(FSWritableFileOwnerWrapper::Flush(options, debug));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return note(FSWritableFileOwnerWrapper::Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return note(FSWritableFileOwnerWrapper::Fsync(options, debug));
  }

 private:
  IOStatus note(IOStatus status) {
    if (!status.ok()) *is_suspect_ = true;
    return status;
  }
  const Suspicion is_suspect_;
};

class WaitingFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  WaitingFile(std::unique_ptr<rocksdb::FSRandomAccessFile> below, Suspicion has_failed)
      : FSRandomAccessFileOwnerWrapper(std::move(below)), has_failed_(std::move(has_failed)) {}

  IOStatus Read(uint64_t offset, size_t count, const IOOptions& options, rocksdb::Slice* result,
                char* scratch, IODebugContext* debug) const override {
    IOStatus status =
        FSRandomAccessFileOwnerWrapper::Read(offset, count, options, result, scratch, debug);
    if (!status.ok()) *has_failed_ = true;
    return status;
  }
  // One by one, through Read.
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count, const IOOptions& options,
                     IODebugContext* debug) override {
    return FSRandomAccessFile::MultiRead(requests, count, options, debug);
  }

 private:
  const Suspicion has_failed_;
};

// RocksDB's own log, which nobody but a reader of it misses: what finds no room is left out.
// RocksDB 7.8 as Debian builds it ends the process (an assertion) at the line after one that
// failed.
class NotesFile final : public rocksdb::FSWritableFile {
 public:
  explicit NotesFile(std::unique_ptr<rocksdb::FSWritableFile> below) : below_(std::move(below)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    if (below_ != nullptr) below_->Append(data, options, debug).PermitUncheckedError();
    return IOStatus::OK();
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&, IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    if (below_ != nullptr) below_->Close(options, debug).PermitUncheckedError();
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  uint64_t GetFileSize(const IOOptions& options, IODebugContext* debug) override {
    return below_ != nullptr ? below_->GetFileSize(options, debug) : 0;
  }

 private:
  const std::unique_ptr<rocksdb::FSWritableFile> below_;  // null: there was no room to make it
};

class CarefulFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit CarefulFiles(std::shared_ptr<rocksdb::FileSystem> below)
      : FileSystemWrapper(std::move(below)) {}
  const char* Name() const override { return "alfheim.careful"; }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    IOStatus status = FileSystemWrapper::NewWritableFile(path, options, &file, debug);
    if (name_of(path) == "LOG") {
      *result = std::make_unique<NotesFile>(status.ok() ? std::move(file) : nullptr);
      return IOStatus::OK();
    }
    // That of a checkpoint being made is nobody's yet.
    const bool is_copy = directory_of(path).ends_with(kUnfinishedCheckpoint);
    if (status.ok() && name_of(path).starts_with("MANIFEST-") && !is_copy) {
      file = std::make_unique<ManifestFile>(std::move(file), is_suspect_);
    }
    *result = std::move(file);
    return status;
  }
  IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext* debug) override {
    IOStatus status = FileSystemWrapper::NewRandomAccessFile(path, options, result, debug);
    if (status.ok() && waits_to_be_ingested(path)) {
      *result = std::make_unique<WaitingFile>(std::move(*result), has_failed_to_read_);
    }
    return status;
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                    IODebugContext* debug) override {
    if (*has_failed_to_read_ && waits_to_be_ingested(from) && !ALF_MUTANT(UnreadFileIngested)) {
      return IOStatus::IOError(from, "kept out: a file of this ingest could not be read");
    }
    return FileSystemWrapper::LinkFile(from, to, options, debug);
  }
  // The wrapper's own asks the file system below, which would make the file itself.
  IOStatus NewLogger(const std::string& path, const IOOptions& options,
                     std::shared_ptr<rocksdb::Logger>* result, IODebugContext* debug) override {
    return FileSystem::NewLogger(path, options, result, debug);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
    if (name_of(to) == "CURRENT") {
      const std::string dir(directory_of(to));
      std::unique_ptr<rocksdb::FSDirectory> directory;
      IOStatus status = NewDirectory(dir, options, &directory, debug);
      if (status.ok() && !ALF_MUTANT(CurrentBeforeItsDirectory)) {
        status = directory->Fsync(options, debug);
      }
      if (!status.ok()) return status;
    }
    return FileSystemWrapper::RenameFile(from, to, options, debug);
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* debug) override {
    if (*is_suspect_ && !ALF_MUTANT(FileDeletedAfterFailedManifest)) {
      return IOStatus::IOError(path, "kept: a manifest that failed may name it");
    }
    return FileSystemWrapper::DeleteFile(path, options, debug);
  }

 private:
  const Suspicion is_suspect_ = std::make_shared<std::atomic<bool>>(false);
  const Suspicion has_failed_to_read_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_careful_files(
    std::shared_ptr<rocksdb::FileSystem> below) {
  return std::make_shared<CarefulFiles>(std::move(below));
}

}  // namespace alfheim::index
