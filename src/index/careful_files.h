// index/careful_files: a file system that keeps for RocksDB what it does not keep itself.
//
// - CURRENT is renamed over only when the directory is synced: else a crash may keep CURRENT's new
//   name and lose that of the MANIFEST which it names, and nothing opens any more.
// - Once writing or syncing a MANIFEST has failed, no file is deleted: its last record may be there
//   after all, and name files that RocksDB takes for its own to clean up. The node stops then; the
//   next open finds what is obsolete.
// - Once a read of a file that waits to be ingested has failed, none is linked into the store:
//   RocksDB 7.8 looks for its first key without asking whether that could be read, and would take
//   the file for one without keys. The ingest fails, and nothing of it is in the manifest.
// - A line of RocksDB's own LOG that cannot be written is left out: else a full disk ends the
//   process.
//
// Everything else goes to the file system below. Thread: any. Lifetime: shared with RocksDB.
#pragma once

#include <memory>
#include <string_view>

namespace rocksdb {
class FileSystem;
}

namespace alfheim::index {

// Below the store's directory: of files that wait to be ingested.
inline constexpr std::string_view kIngestName = "ingest";

std::shared_ptr<rocksdb::FileSystem> make_careful_files(std::shared_ptr<rocksdb::FileSystem> below);

}  // namespace alfheim::index
