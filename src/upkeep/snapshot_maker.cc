#include "upkeep/snapshot_maker.h"

#include "base/check.h"
#include "base/format.h"
#include "env/file_tree.h"
#include "vlog/segment_names.h"

namespace alfheim::upkeep {
namespace {

using vlog::path_in;

}  // namespace

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

SnapshotSums SnapshotMaker::sums(SnapshotManifest manifest) const {
  std::string path = path_of(manifest.id);
  return SnapshotSums(hands_.disk, std::move(path), std::move(manifest), is_cancelled_);
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
