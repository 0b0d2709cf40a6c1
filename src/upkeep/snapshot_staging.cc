#include "upkeep/snapshot_staging.h"

#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"
#include "base/text.h"
#include "env/file_tree.h"
#include "upkeep/snapshot_sums.h"
#include "vlog/segment_names.h"

namespace alfheim::upkeep {
namespace {

using vlog::path_in;

base::Result<uint64_t> size_of(env::Disk& disk, const std::string& path) {
  ALF_TRY(const bool is_there, disk.exists(path));
  if (!is_there) return uint64_t{0};
  ALF_TRY(const std::unique_ptr<env::File> file, disk.open(path, {}));
  return file->size_bytes();
}

base::Error corrupt(const std::string& path, std::string_view words) {
  return base::Error{base::ErrorCode::kCorruption, base::format("snapshot {}: {}", path, words)};
}

}  // namespace

std::string staged_path(const std::string& staging_dir, uint64_t id) {
  return path_in(staging_dir, base::format("{:016x}", id));
}

base::Result<SnapshotManifest> read_manifest(env::Disk& disk, const std::string& snapshot_dir) {
  const std::string path = path_in(snapshot_dir, kManifestName);
  ALF_TRY(const std::unique_ptr<env::File> file, disk.open(path, {}));
  ALF_TRY(const uint64_t size_bytes, file->size_bytes());
  if (size_bytes > kManifestBytesMax) return corrupt(path, "it is too long");
  base::Bytes bytes(size_bytes, '\0');
  ALF_TRY(const size_t length, file->read_at(0, bytes));
  return decode_manifest(base::ByteView(bytes).substr(0, length));
}

std::string SnapshotStaging::path_of(uint64_t id) const { return staged_path(dir_, id); }

base::Result<std::vector<uint64_t>> SnapshotStaging::open(uint64_t id,
                                                          std::span<const SnapshotFile> files,
                                                          uint64_t kept_free_bytes) {
  ALF_CHECK(id != 0);
  const std::string path = path_of(id);
  ALF_TRY_STATUS(disk_.make_dir(dir_));
  ALF_TRY(const std::vector<std::string> others, disk_.list(dir_));
  for (const std::string& name : others) {
    if (path_in(dir_, name) != path) ALF_TRY_STATUS(env::remove_tree(disk_, path_in(dir_, name)));
  }
  ALF_TRY_STATUS(disk_.make_dir(path));
  ALF_TRY_STATUS(disk_.make_dir(path_in(path, kSnapshotLogDir)));
  ALF_TRY_STATUS(disk_.make_dir(path_in(path, kSnapshotIndexDir)));
  std::vector<uint64_t> held;
  uint64_t missing_bytes = 0;
  for (const SnapshotFile& file : files) {
    ALF_TRY(uint64_t size_bytes, size_of(disk_, path_in(path, file.name)));
    if (size_bytes > file.bytes) {
      ALF_TRY_STATUS(disk_.unlink(path_in(path, file.name)));
      size_bytes = 0;
    }
    held.push_back(size_bytes);
    missing_bytes += file.bytes - size_bytes;
  }
  ALF_TRY(const uint64_t free_bytes, disk_.free_bytes(dir_));
  if (free_bytes >= missing_bytes && free_bytes - missing_bytes >= kept_free_bytes) return held;
  return base::Error{
      base::ErrorCode::kNoSpace,
      base::format("fetch a snapshot into {}: {} bytes are free, {} are to come, and "
                   "{} stay free",
                   path, free_bytes, missing_bytes, kept_free_bytes)};
}

// Durable piece by piece: a whole file's worth at once keeps the disk busy for so long that whoever
// syncs a log on it waits.
base::Status SnapshotStaging::write(uint64_t id, const std::string& name, uint64_t offset_bytes,
                                    base::ByteView bytes) {
  const std::string path = path_in(path_of(id), name);
  ALF_TRY(const bool is_there, disk_.exists(path));
  ALF_TRY(const std::unique_ptr<env::File> file,
          disk_.open(path, {.is_writable = true, .create_new = !is_there}));
  ALF_TRY_STATUS(file->write_at(offset_bytes, bytes));
  return sync(*file, path);
}

// After a failed sync nobody can tell what the disk has, and another sync may succeed without it:
// nothing of the file may count, so that all of it comes anew.
base::Status SnapshotStaging::sync(env::File& file, const std::string& path) {
  const base::Status synced = file.sync();
  if (synced) return synced;
  return drop(path, synced.error());
}

base::Error SnapshotStaging::drop(const std::string& path, base::Error why) {
  const base::Status removed = disk_.unlink(path);
  if (!removed && removed.error().code != base::ErrorCode::kNotFound) {
    why.message += base::format("; then {}", removed.error().message);
  }
  return why;
}

base::Result<FileSum> SnapshotStaging::sum_of(const std::string& path) {
  ALF_TRY(FileSum sum, FileSum::open(disk_, path, is_cancelled_));
  for (uint64_t length = 1; length > 0;) {
    ALF_TRY(length, sum.read_on());
  }
  return sum;
}

base::Result<bool> SnapshotStaging::verify(uint64_t id, const SnapshotFile& file) {
  const std::string path = path_in(path_of(id), file.name);
  // A file without a byte comes in no piece.
  if (file.bytes == 0) ALF_TRY_STATUS(write(id, file.name, 0, {}));
  const base::Result<FileSum> sum = sum_of(path);
  if (!sum && sum.error().code == base::ErrorCode::kUnavailable) return sum.error();
  if (!sum) return drop(path, sum.error());  // it would not be read the next time either
  const bool is_whole = sum->bytes() == file.bytes && sum->crc() == file.crc;
  if (!is_whole && !ALF_MUTANT(StagedFileNotVerified)) {
    ALF_TRY_STATUS(disk_.unlink(path));
    return false;
  }
  ALF_TRY(const std::unique_ptr<env::File> written, disk_.open(path, {.is_writable = true}));
  ALF_TRY_STATUS(sync(*written, path));
  return true;
}

base::Result<SnapshotManifest> SnapshotStaging::finish(uint64_t id,
                                                       std::span<const SnapshotFile> files) {
  const std::string path = path_of(id);
  ALF_TRY(SnapshotManifest manifest, read_manifest(disk_, path));
  if (manifest.id != id) return corrupt(path, "its MANIFEST is of another snapshot");
  const bool are_listed =
      files.size() == manifest.files.size() + 1 &&
      std::equal(manifest.files.begin(), manifest.files.end(), files.begin() + 1);
  if (!are_listed) return corrupt(path, "its MANIFEST names other files than the list");
  for (const std::string& dir : {path_in(path, kSnapshotLogDir), path_in(path, kSnapshotIndexDir),
                                 path, dir_, base::parent_path(dir_)}) {
    ALF_TRY_STATUS(disk_.sync_dir(dir));
  }
  return manifest;
}

base::Status SnapshotStaging::remove(uint64_t id) { return env::remove_tree(disk_, path_of(id)); }

}  // namespace alfheim::upkeep
