// vlog/spare_pool: a few files that are ready to become segments.
//
// Two pools of a log differ in what they are for. Spares have blocks that were written before:
// overwriting those syncs in about half the time of writing fresh ones. The reserve has blocks
// that are merely allocated, and is touched only when the disk has no room for a new file.
// What such a file holds does not matter (I6). A pool never exceeds its wanted number of files.
//
// Thread: any; `take` never waits for the long writes of `replenish`.
// Lifetime: the Disk outlives it.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "env/disk.h"

namespace alfheim::vlog {

class SparePool {
 public:
  struct Options {
    std::string dir;
    uint64_t file_bytes = 0;
    uint32_t wanted_count = 0;
    std::string_view prefix;  // of its files' names: kSparePrefix or kReservePrefix
    bool is_prewritten = true;
  };
  SparePool(env::Disk& disk, Options options);

  // Takes in the spares among `names`; removes those of another length or linked elsewhere.
  base::Status load(const std::vector<std::string>& names);
  // The path of a spare, which is the caller's from now on.
  std::optional<std::string> take();
  // Makes the file at `path` a spare if one is wanted, its length fits and no link but this one
  // is left (I4); says whether it did. The new name is durable when it returns.
  base::Result<bool> recycle(const std::string& path);
  // Makes files until none is wanted. An error leaves nothing of the one that failed. kNoSpace,
  // and nothing is tried, where less than `kept_free_bytes` and a margin would stay free: an
  // attempt takes what others need, and it may be repeated for hours.
  base::Status replenish(uint64_t kept_free_bytes);
  uint32_t count() const;
  uint64_t missing_bytes() const;
  bool is_short() const { return count() < options_.wanted_count; }

 private:
  void add(std::string path);
  base::Result<bool> fits(const std::string& path);
  base::Status check_room(uint64_t kept_free_bytes);
  // Under its unfinished name first; durable but for the name.
  base::Status make_file(const std::string& new_path, const std::string& path);
  std::string next_path();

  env::Disk& disk_;
  const Options options_;
  mutable std::mutex mutex_;  // guards paths_ and next_number_; never held over I/O
  std::vector<std::string> paths_;
  uint64_t next_number_ = 1;
};

}  // namespace alfheim::vlog
