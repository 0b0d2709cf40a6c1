#include "vlog/spare_pool.h"

#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "vlog/segment_names.h"

namespace alfheim::vlog {
namespace {

// What stays free beside a file that is made, as a part of its length.
constexpr uint64_t kMarginPart = 8;

}  // namespace

SparePool::SparePool(env::Disk& disk, Options options)
    : disk_(disk), options_(std::move(options)) {}

base::Result<bool> SparePool::fits(const std::string& path) {
  ALF_TRY(const uint64_t links, disk_.link_count(path));
  if (links != 1 && !ALF_MUTANT(LinkedFileRecycled)) return false;
  ALF_TRY(auto file, disk_.open(path, {}));
  ALF_TRY(const uint64_t size_bytes, file->size_bytes());
  return size_bytes == options_.file_bytes;
}

base::Status SparePool::load(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto number = parse_spare_name(name, options_.prefix);
    if (!number) continue;
    const std::string path = path_in(options_.dir, name);
    ALF_TRY(const bool is_fitting, fits(path));
    {
      const std::lock_guard lock(mutex_);
      next_number_ = std::max(next_number_, *number + 1);
    }
    if (is_fitting && is_short()) {
      add(path);
    } else {
      ALF_TRY_STATUS(disk_.unlink(path));
    }
  }
  return base::ok();
}

std::optional<std::string> SparePool::take() {
  const std::lock_guard lock(mutex_);
  if (paths_.empty()) return std::nullopt;
  std::string path = std::move(paths_.back());
  paths_.pop_back();
  return path;
}

void SparePool::add(std::string path) {
  const std::lock_guard lock(mutex_);
  ALF_CHECK(!path.empty());
  ALF_CHECK(std::find(paths_.begin(), paths_.end(), path) == paths_.end());
  paths_.push_back(std::move(path));
}

base::Result<bool> SparePool::recycle(const std::string& path) {
  if (!is_short()) return false;
  ALF_TRY(const bool is_fitting, fits(path));
  if (!is_fitting) return false;
  std::string spare = next_path();
  ALF_TRY_STATUS(disk_.rename(path, spare));
  // Before the name is durable a crash may bring the segment back under its own name, so
  // nothing may be written over it yet.
  if (!ALF_MUTANT(SpareBeforeItsName)) ALF_TRY_STATUS(disk_.sync_dir(options_.dir));
  add(std::move(spare));
  return true;
}

base::Status SparePool::check_room(uint64_t kept_free_bytes) {
  const base::Result<uint64_t> free_bytes = disk_.free_bytes(options_.dir);
  if (!free_bytes) return base::ok();  // who makes the file will see
  const uint64_t wanted_bytes =
      options_.file_bytes + options_.file_bytes / kMarginPart + kept_free_bytes;
  if (*free_bytes >= wanted_bytes) return base::ok();
  return base::Error{base::ErrorCode::kNoSpace,
                     base::format("make a spare file of {} bytes in {}: {} bytes are free, {} "
                                  "would have to be",
                                  options_.file_bytes, options_.dir, *free_bytes, wanted_bytes)};
}

base::Status SparePool::replenish(uint64_t kept_free_bytes) {
  while (is_short()) {
    ALF_TRY_STATUS(check_room(kept_free_bytes));
    const std::string path = next_path();
    const std::string new_path = path + std::string(kNewSuffix);
    if (base::Status made = make_file(new_path, path); !made) {
      // The owner asks again when there is room, under another name: what is half made must not
      // stay to fill the disk. Best effort: the next open removes what is left.
      [[maybe_unused]] const base::Status removed = disk_.unlink(new_path);
      return made;
    }
    add(path);
  }
  return base::ok();
}

base::Status SparePool::make_file(const std::string& new_path, const std::string& path) {
  {
    ALF_TRY(auto file, disk_.open(new_path, {.is_writable = true, .create_new = true}));
    if (options_.is_prewritten) {
      const base::Bytes zeros(base::kMiB, '\0');
      for (uint64_t at = 0; at < options_.file_bytes; at += zeros.size()) {
        const uint64_t length = std::min<uint64_t>(zeros.size(), options_.file_bytes - at);
        ALF_TRY_STATUS(file->write_at(at, base::ByteView(zeros).substr(0, length)));
      }
    } else {
      ALF_TRY_STATUS(file->allocate(options_.file_bytes));
    }
    ALF_TRY_STATUS(file->sync());
  }
  return disk_.rename(new_path, path);
}

uint32_t SparePool::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<uint32_t>(paths_.size());
}

uint64_t SparePool::missing_bytes() const {
  const uint64_t present = std::min(count(), options_.wanted_count);
  return (options_.wanted_count - present) * options_.file_bytes;
}

std::string SparePool::next_path() {
  const std::lock_guard lock(mutex_);
  return path_in(options_.dir, spare_name(next_number_++, options_.prefix));
}

}  // namespace alfheim::vlog
