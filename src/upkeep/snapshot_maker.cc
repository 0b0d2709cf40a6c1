#include "upkeep/snapshot_maker.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"
#include "base/limits.h"
#include "env/file_tree.h"
#include "vlog/segment_names.h"

namespace alfheim::upkeep {
namespace {

using vlog::path_in;

constexpr size_t kPieceBytes = base::kMiB;

}  // namespace

base::Result<SnapshotFile> sum_of_file(env::Disk& disk, const std::string& path,
                                       const std::atomic<bool>& is_cancelled) {
  ALF_TRY(const std::unique_ptr<env::File> file, disk.open(path, {}));
  SnapshotFile sum;
  base::Bytes piece(kPieceBytes, '\0');
  for (;;) {
    if (is_cancelled.load(std::memory_order_acquire)) {
      return base::Error{base::ErrorCode::kUnavailable, "the node stops"};
    }
    ALF_TRY(const size_t length, file->read_at(sum.bytes, piece, env::ReadMode::kPassing));
    sum.crc = base::crc32c(base::ByteView(piece).substr(0, length), sum.crc);
    sum.bytes += length;
    if (length < piece.size()) return sum;
  }
}

std::string SnapshotMaker::path_of(uint64_t id) const {
  return path_in(dir_, base::format("{:016x}", id));
}

base::Result<base::LogIndex> SnapshotMaker::begin(uint64_t id) {
  ALF_CHECK(id != 0);
  ALF_TRY_STATUS(hands_.disk.make_dir(dir_));
  ALF_TRY(const uint64_t free_bytes, hands_.disk.free_bytes(dir_));
  if (free_bytes < kMakeBytes) {
    return base::Error{base::ErrorCode::kNoSpace,
                       base::format("make a snapshot in {}: {} bytes are free, {} are needed", dir_,
                                    free_bytes, kMakeBytes)};
  }
  const std::string path = path_of(id);
  ALF_TRY_STATUS(hands_.disk.make_dir(path));
  ALF_TRY(const uint64_t applied,
          hands_.store.checkpoint(hands_.disk, path_in(path, kSnapshotIndexDir)));
  return base::LogIndex{applied};
}

base::Status SnapshotMaker::link(uint64_t id, const vlog::SealedLog& sealed) {
  const std::string dir = path_in(path_of(id), kSnapshotLogDir);
  ALF_TRY_STATUS(hands_.disk.make_dir(dir));
  for (const vlog::SealedLog::File& file : sealed.files) {
    ALF_TRY_STATUS(hands_.disk.link(file.path, path_in(dir, vlog::segment_name(file.id))));
  }
  return base::ok();
}

base::Result<SnapshotFile> SnapshotMaker::sum_file(uint64_t id, std::string name) const {
  ALF_TRY(SnapshotFile sum, sum_of_file(hands_.disk, path_in(path_of(id), name), is_cancelled_));
  sum.name = std::move(name);
  return sum;
}

base::Result<SnapshotFile> SnapshotMaker::sum(SnapshotManifest& manifest) {
  manifest.files.clear();
  for (const std::string_view dir : {kSnapshotIndexDir, kSnapshotLogDir}) {
    ALF_TRY(const std::vector<std::string> names,
            hands_.disk.list(path_in(path_of(manifest.id), dir)));
    for (const std::string& name : names) {
      ALF_TRY(SnapshotFile file, sum_file(manifest.id, path_in(std::string(dir), name)));
      manifest.files.push_back(std::move(file));
    }
  }
  std::sort(manifest.files.begin(), manifest.files.end(),
            [](const SnapshotFile& a, const SnapshotFile& b) { return a.name < b.name; });
  const bool are_sound = std::all_of(manifest.files.begin(), manifest.files.end(),
                                     [](const auto& file) { return is_snapshot_file(file.name); });
  if (!are_sound || manifest.files.size() > kSnapshotFilesMax) {
    return base::Error{
        base::ErrorCode::kLimit,
        base::format("make a snapshot in {}: {} files, at most {} can be sent, and "
                     "none of another name than segments and the index's have",
                     path_of(manifest.id), manifest.files.size(), kSnapshotFilesMax)};
  }
  const base::Bytes bytes = encode_manifest(manifest);
  ALF_TRY(const std::unique_ptr<env::File> file,
          hands_.disk.open(path_in(path_of(manifest.id), kManifestName),
                           {.is_writable = true, .create_new = true}));
  ALF_TRY_STATUS(file->write_at(0, bytes));
  return SnapshotFile{std::string(kManifestName), bytes.size(), base::crc32c(bytes)};
}

base::Status SnapshotMaker::remove(uint64_t id) {
  return env::remove_tree(hands_.disk, path_of(id));
}

base::Result<base::Bytes> SnapshotMaker::read(uint64_t id, std::string_view name,
                                              uint64_t offset_bytes, size_t length) const {
  ALF_TRY(const std::unique_ptr<env::File> file, hands_.disk.open(path_in(path_of(id), name), {}));
  base::Bytes bytes(length, '\0');
  ALF_TRY(const size_t got, file->read_at(offset_bytes, bytes, env::ReadMode::kPassing));
  bytes.resize(got);
  return bytes;
}

}  // namespace alfheim::upkeep
