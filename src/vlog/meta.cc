#include "vlog/meta.h"

#include <optional>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"
#include "vlog/segment_names.h"

namespace alfheim::vlog {
namespace {

uint64_t generation_offset(uint64_t generation) { return generation % 2 * kMetaGenerationBytes; }

// Of the copies that are whole, the one of the greatest generation.
base::Result<Meta> newest(const std::vector<base::Result<Meta>>& copies, const std::string& path) {
  std::optional<Meta> best;
  std::string reason = "it is empty";
  for (const base::Result<Meta>& copy : copies) {
    if (!copy.is_ok()) {
      reason = copy.error().message;
    } else if (!best || (ALF_MUTANT(OlderMetaPicked) ? copy->generation < best->generation
                                                     : copy->generation > best->generation)) {
      best = *copy;
    }
  }
  if (best) return *best;
  return base::Error{base::ErrorCode::kCorruption,
                     base::format("read {}: none of its four copies is whole: {}", path, reason)};
}

base::Result<std::vector<base::Result<Meta>>> read_all_copies(env::File& file) {
  base::Bytes bytes(kMetaFileBytes, '\0');
  ALF_TRY(const size_t length, file.read_at(0, bytes));
  bytes.resize(length);
  std::vector<base::Result<Meta>> copies;
  for (uint64_t offset = 0; offset < kMetaFileBytes; offset += kMetaBlockBytes) {
    copies.push_back(
        decode_meta(offset < length ? base::ByteView(bytes).substr(offset, kMetaBlockBytes) : ""));
    const bool is_misplaced =
        copies.back().is_ok() && generation_offset(copies.back()->generation) !=
                                     offset / kMetaGenerationBytes * kMetaGenerationBytes;
    if (is_misplaced) {
      copies.back() = base::Error{base::ErrorCode::kCorruption, "META copy in the wrong place"};
    }
  }
  return copies;
}

}  // namespace

MetaFile::MetaFile(std::unique_ptr<env::File> file, Meta current, std::string path)
    : file_(std::move(file)), path_(std::move(path)), current_(std::move(current)) {}

base::Result<std::unique_ptr<MetaFile>> MetaFile::create(env::Disk& disk, const std::string& dir,
                                                         const Meta& first) {
  const std::string new_path = path_in(dir, kMetaNewName);
  const std::string path = path_in(dir, kMetaName);
  Meta meta = first;
  base::Bytes bytes;
  for (meta.generation = 2; meta.generation < 4; ++meta.generation) {
    bytes += encode_meta(meta) + encode_meta(meta);
  }
  {
    ALF_TRY(auto file, disk.open(new_path, {.is_writable = true, .create_new = true}));
    ALF_TRY_STATUS(file->write_at(0, bytes));
    if (ALF_MUTANT(NamedBeforeItsSync)) {
      ALF_TRY_STATUS(disk.rename(new_path, path));
      ALF_TRY_STATUS(disk.sync_dir(dir));
      ALF_TRY_STATUS(file->sync());
      return open(disk, dir);
    }
    ALF_TRY_STATUS(file->sync());
  }
  ALF_TRY_STATUS(disk.rename(new_path, path));
  ALF_TRY_STATUS(disk.sync_dir(dir));
  return open(disk, dir);
}

base::Result<std::vector<base::Result<Meta>>> MetaFile::read_copies(env::Disk& disk,
                                                                    const std::string& dir) {
  ALF_TRY(auto file, disk.open(path_in(dir, kMetaName), {}));
  return read_all_copies(*file);
}

base::Result<std::unique_ptr<MetaFile>> MetaFile::open(env::Disk& disk, const std::string& dir) {
  const std::string path = path_in(dir, kMetaName);
  ALF_TRY(auto copies, read_copies(disk, dir));
  ALF_TRY(Meta meta, newest(copies, path));
  ALF_TRY(auto file, disk.open(path, {.is_writable = true, .is_direct = true}));
  // What a killed process (or one whose sync failed) wrote may be seen and still not be durable;
  // the next update goes over the other generation, so this one must be able to stand alone
  // before. Copy by copy, so that a torn write leaves one whole; and a bad copy before a good
  // one, because a twin that has rotted leaves one witness of the vote.
  AlignedBuffer buffer;
  const base::Bytes block = encode_meta(meta);
  const uint64_t first_offset = generation_offset(meta.generation);
  const base::Result<Meta>& first_copy = copies[first_offset / kMetaBlockBytes];
  const bool is_first_good = first_copy.is_ok() && *first_copy == meta;
  for (uint64_t i = 0; i < kMetaCopiesPerGeneration; ++i) {
    const uint64_t copy = is_first_good ? kMetaCopiesPerGeneration - 1 - i : i;
    ALF_TRY_STATUS(
        file->write_at_durable(first_offset + copy * kMetaBlockBytes, buffer.copy_of(block)));
  }
  return std::unique_ptr<MetaFile>(new MetaFile(std::move(file), std::move(meta), path));
}

Meta MetaFile::current() const {
  const std::lock_guard lock(state_mutex_);
  return current_;
}

base::Status MetaFile::update(const std::function<void(Meta&)>& change) {
  const std::lock_guard write_lock(write_mutex_);
  Meta next = current();
  const uint64_t generation = next.generation + 1;
  change(next);
  next.generation = generation;
  ALF_CHECK_MSG(next.hard_state.term >= current().hard_state.term, "a term goes back");
  ALF_CHECK(next.log_start >= current().log_start);
  ALF_CHECK(next.next_segment_id >= current().next_segment_id);
  ALF_CHECK(next.trims.size() <= kMetaTrimsMax);
  const base::Bytes block = encode_meta(next);
  const base::ByteView both = buffer_.copy_of(block + block);
  if (ALF_MUTANT(VoteNotSynced) && !(next.hard_state == current().hard_state)) {
    ALF_TRY_STATUS(file_->write_at(generation_offset(generation), both));
  } else {
    ALF_TRY_STATUS(file_->write_at_durable(generation_offset(generation), both));
  }
  const std::lock_guard lock(state_mutex_);
  current_ = std::move(next);
  return base::ok();
}

}  // namespace alfheim::vlog
