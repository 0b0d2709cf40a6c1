// upkeep/snapshot_staging: a snapshot on its way in: its files as far as they are here.
//
// Each has a directory of its own below `dir`, named by its id. A file grows from its front, in the
// pieces that come, and its size says how far it is, so whoever goes on after a restart asks for
// what is missing. What a crash may have left in it is told by its sum: no file counts before
// verify() has read all of it. Nothing here is part of the node's state before server/generation
// takes it.
//
// Thread: each call on the pool, one at a time. cancel() from any. Lifetime: the Disk outlives it.
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <vector>

#include "env/disk.h"
#include "upkeep/snapshot_manifest.h"
#include "upkeep/snapshot_sums.h"

namespace alfheim::upkeep {

class SnapshotStaging {
 public:
  SnapshotStaging(env::Disk& disk, std::string dir) : disk_(disk), dir_(std::move(dir)) {}

  // Makes room for a snapshot of these files (MANIFEST the first), and removes all others; how much
  // of each is here. kNoSpace: what is missing would leave less than `kept_free_bytes` free.
  base::Result<std::vector<uint64_t>> open(uint64_t id, std::span<const SnapshotFile> files,
                                           uint64_t kept_free_bytes);
  // Durable when it returns; where it fails to become so, nothing of the file is left.
  base::Status write(uint64_t id, const std::string& name, uint64_t offset_bytes,
                     base::ByteView bytes);
  // Whether the file is whole, and durable now; else, or where it cannot be read, nothing of it is
  // left. kUnavailable: it was cancelled.
  base::Result<bool> verify(uint64_t id, const SnapshotFile& file);
  // All files are verified. Makes their names durable; what MANIFEST says of them. kCorruption: it
  // does not fit the files.
  base::Result<SnapshotManifest> finish(uint64_t id, std::span<const SnapshotFile> files);
  base::Status remove(uint64_t id);
  void cancel() { is_cancelled_.store(true, std::memory_order_release); }

 private:
  std::string path_of(uint64_t id) const;
  base::Status sync(env::File& file, const std::string& path);
  base::Result<FileSum> sum_of(const std::string& path);
  // Nothing of the file is left; `why`, and what went wrong with that.
  base::Error drop(const std::string& path, base::Error why);

  env::Disk& disk_;
  const std::string dir_;
  std::atomic<bool> is_cancelled_{false};
};

// Where staging keeps a snapshot.
std::string staged_path(const std::string& staging_dir, uint64_t id);

// MANIFEST in that directory. kNotFound, kCorruption.
base::Result<SnapshotManifest> read_manifest(env::Disk& disk, const std::string& snapshot_dir);

}  // namespace alfheim::upkeep
