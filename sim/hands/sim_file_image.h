// sim/hands/sim_file_image: the bytes of one simulated file, as cached and as on disk.
//
// What a reader sees is `blocks_` and `size_bytes_`. Beside it stand, for each 512-byte sector
// written since the last sync, its earlier contents, oldest (= what the disk surely holds)
// first; and the earlier sizes. A crash picks, sector by sector, one of these, the newest, or a
// torn mixture; so the disk may hold any subset of the unsynced sectors, in no order.
//
// A failed sync is Linux's: some sectors reached the disk; the others are forgotten as dirty
// though the cache goes on showing them, so that a retried sync answers well and lies.
//
// Thread: one at a time (SimDisk's mutex). Lifetime: owned by its inode.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "env/disk.h"
#include "sim/hands/sim_random.h"

namespace alfheim::sim {

inline constexpr size_t kSectorBytes = 512;

// What a crash does to that which was not synced. The defaults are a fair mess.
struct CrashOptions {
  uint32_t keep_sector_ppm = 500'000;  // the newest content of a sector reached the disk
  uint32_t torn_sector_ppm = 50'000;   // a sector holds a mixture of old, new and garbage
  uint32_t keep_name_ppm = 500'000;    // a directory operation reached the disk
  // A 4096-byte block with an unsynced sector also lost one of its other sectors to garbage:
  // what a disk with large physical blocks may do (env::kBlockBytes).
  uint32_t block_damage_ppm = 0;
  // Of the directory operations the newest alone, with what it cannot be without: what it only
  // leans on is lost. Then keep_name_ppm says nothing.
  bool keeps_newest_name = false;

  static CrashOptions lose_all_unsynced() { return {0, 0, 0, 0, false}; }
  static CrashOptions keep_all_unsynced() { return {kAlwaysPpm, 0, kAlwaysPpm, 0, false}; }
};

class FileImage {
 public:
  // As ext4 and XFS do it: a greater size reaches the disk only after the bytes below it, so that
  // a crash leaves a beginning of what was appended. For users who count on that (RocksDB).
  void order_appends() { orders_appends_ = true; }
  uint64_t size_bytes() const { return size_bytes_; }
  // Room that the file takes up: its length in whole blocks (holes count too).
  uint64_t allocated_bytes() const;
  size_t unsynced_sector_count() const { return unsynced_.size(); }

  size_t read(uint64_t offset_bytes, std::span<char> out) const;
  // Whether a sector of the range was made unreadable.
  bool is_unreadable(uint64_t offset_bytes, size_t length) const;

  void write(uint64_t offset_bytes, base::ByteView data);
  // Only some sectors of the write, as when the machine stopped in its midst.
  void write_some(uint64_t offset_bytes, base::ByteView data, SimRandom& random);
  void set_size(uint64_t size_bytes);  // cuts, or extends with zeros

  void sync();
  // What O_DSYNC gives: these bytes and the size, nothing else.
  void sync_range(uint64_t offset_bytes, size_t length);
  void sync_some(SimRandom& random);
  void fail_sync(SimRandom& random);
  void crash(SimRandom& random, const CrashOptions& options);

  void flip_bit(uint64_t offset_bytes, unsigned bit);
  void make_unreadable(uint64_t offset_bytes, size_t length);  // until it is written again

 private:
  using Sector = std::array<char, kSectorBytes>;
  using Block = std::array<char, env::kBlockBytes>;
  struct History {
    std::vector<Sector> earlier;  // [0] is what the disk holds; the newest is in blocks_
    bool is_forgotten = false;    // a failed sync dropped it: no sync will write it
  };
  // More rewrites of one sector between two syncs than this are not told apart.
  static constexpr size_t kEarlierVersionsMax = 4;

  Sector load_sector(uint64_t sector) const;
  void store_sector(uint64_t sector, const Sector& bytes);
  void remember(uint64_t sector);
  void commit_size() { earlier_sizes_.clear(); }
  void cut_bytes_after(uint64_t size_bytes);
  bool has_only_appends() const;
  void crash_in_order(SimRandom& random, const CrashOptions& options);
  // Picks the size that the disk holds; sectors from `certain_from` on keep their oldest bytes.
  uint64_t pick_size(SimRandom& random, const CrashOptions& options, uint64_t& certain_from) const;
  Sector pick_sector(uint64_t sector, const History& history, SimRandom& random,
                     const CrashOptions& options) const;
  void damage_blocks(SimRandom& random, const CrashOptions& options);

  uint64_t size_bytes_ = 0;
  bool orders_appends_ = false;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Block>> blocks_;  // absent: zeros
  std::map<uint64_t, History> unsynced_;  // by sector; ordered, so that draws repeat
  std::vector<uint64_t> earlier_sizes_;   // since the last sync, durable first
  std::set<uint64_t> unreadable_sectors_;
};

}  // namespace alfheim::sim
