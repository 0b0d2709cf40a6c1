// upkeep/snapshot_sums: the sums of a snapshot's files, read piece by piece.
//
// All files of a large node are read for them; at once, that keeps its disk from those who wait for
// a sync or a value. So whoever reads sets the pace (replica/snapshot_sender).
//
// Thread: the pool, one call at a time. Lifetime: Disk and `is_cancelled` outlive both.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "env/disk.h"
#include "upkeep/snapshot_manifest.h"

namespace alfheim::upkeep {

// crc32c of one file, read so that it takes no room in the page cache.
class FileSum {
 public:
  static base::Result<FileSum> open(env::Disk& disk, const std::string& path,
                                    const std::atomic<bool>& is_cancelled);
  // The next piece; how many bytes it had. 0: the file has ended. kUnavailable: it was cancelled.
  base::Result<uint64_t> read_on();
  uint64_t bytes() const { return bytes_; }
  uint32_t crc() const { return crc_; }

 private:
  FileSum(std::unique_ptr<env::File> file, const std::atomic<bool>& is_cancelled);

  std::unique_ptr<env::File> file_;
  const std::atomic<bool>* is_cancelled_;
  base::Bytes piece_;
  uint64_t bytes_ = 0;
  uint32_t crc_ = 0;
};

class SnapshotSums {
 public:
  // `path`: the snapshot's directory. `manifest`: all of it but the files.
  SnapshotSums(env::Disk& disk, std::string path, SnapshotManifest manifest,
               const std::atomic<bool>& is_cancelled)
      : disk_(disk),
        path_(std::move(path)),
        manifest_(std::move(manifest)),
        is_cancelled_(is_cancelled) {}

  // The next piece; how many bytes it had, of which a file's last piece may have none. nullopt: all
  // files are read. kUnavailable: it was cancelled. kLimit: files that no snapshot may have.
  base::Result<std::optional<uint64_t>> read_on();
  // After that. Writes MANIFEST; it as a file of the snapshot.
  base::Result<SnapshotFile> write_manifest();
  const SnapshotManifest& manifest() const { return manifest_; }

 private:
  base::Status list();

  env::Disk& disk_;
  const std::string path_;
  SnapshotManifest manifest_;
  const std::atomic<bool>& is_cancelled_;
  bool is_listed_ = false;
  size_t current_ = 0;  // of manifest_.files
  std::optional<FileSum> sum_;
};

}  // namespace alfheim::upkeep
