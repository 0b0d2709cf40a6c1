#include "upkeep/snapshot_sums.h"

#include <algorithm>

#include "base/crc32c.h"
#include "base/format.h"
#include "base/limits.h"
#include "vlog/segment_names.h"

namespace alfheim::upkeep {
namespace {

using vlog::path_in;

constexpr size_t kPieceBytes = base::kMiB;

}  // namespace

FileSum::FileSum(std::unique_ptr<env::File> file, const std::atomic<bool>& is_cancelled)
    : file_(std::move(file)), is_cancelled_(&is_cancelled), piece_(kPieceBytes, '\0') {}

base::Result<FileSum> FileSum::open(env::Disk& disk, const std::string& path,
                                    const std::atomic<bool>& is_cancelled) {
  ALF_TRY(std::unique_ptr<env::File> file, disk.open(path, {}));
  return FileSum(std::move(file), is_cancelled);
}

base::Result<uint64_t> FileSum::read_on() {
  if (is_cancelled_->load(std::memory_order_acquire)) {
    return base::Error{base::ErrorCode::kUnavailable, "the node stops"};
  }
  ALF_TRY(const size_t length, file_->read_at(bytes_, piece_, env::ReadMode::kPassing));
  crc_ = base::crc32c(base::ByteView(piece_).substr(0, length), crc_);
  bytes_ += length;
  return uint64_t{length};
}

base::Result<std::optional<uint64_t>> SnapshotSums::read_on() {
  if (!is_listed_) ALF_TRY_STATUS(list());
  if (current_ == manifest_.files.size()) return std::optional<uint64_t>();
  SnapshotFile& file = manifest_.files[current_];
  if (!sum_) {
    ALF_TRY(sum_, FileSum::open(disk_, path_in(path_, file.name), is_cancelled_));
  }
  ALF_TRY(const uint64_t length, sum_->read_on());
  if (length == 0) {
    file.bytes = sum_->bytes();
    file.crc = sum_->crc();
    sum_.reset();
    ++current_;
  }
  return std::optional<uint64_t>(length);
}

base::Status SnapshotSums::list() {
  for (const std::string_view dir : {kSnapshotIndexDir, kSnapshotLogDir}) {
    ALF_TRY(const std::vector<std::string> names, disk_.list(path_in(path_, dir)));
    for (const std::string& name : names) {
      manifest_.files.push_back({.name = path_in(std::string(dir), name), .bytes = 0, .crc = 0});
    }
  }
  std::sort(manifest_.files.begin(), manifest_.files.end(),
            [](const SnapshotFile& a, const SnapshotFile& b) { return a.name < b.name; });
  const bool are_sound = std::all_of(manifest_.files.begin(), manifest_.files.end(),
                                     [](const auto& file) { return is_snapshot_file(file.name); });
  if (!are_sound || manifest_.files.size() > kSnapshotFilesMax) {
    return base::Error{base::ErrorCode::kLimit,
                       base::format("make a snapshot in {}: {} files, at most {} can be sent, and "
                                    "none of another name than segments and the index's have",
                                    path_, manifest_.files.size(), kSnapshotFilesMax)};
  }
  is_listed_ = true;
  return base::ok();
}

base::Result<SnapshotFile> SnapshotSums::write_manifest() {
  const base::Bytes bytes = encode_manifest(manifest_);
  ALF_TRY(const std::unique_ptr<env::File> file,
          disk_.open(path_in(path_, kManifestName), {.is_writable = true, .create_new = true}));
  ALF_TRY_STATUS(file->write_at(0, bytes));
  return SnapshotFile{std::string(kManifestName), bytes.size(), base::crc32c(bytes)};
}

}  // namespace alfheim::upkeep
