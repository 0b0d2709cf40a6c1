// index/twin_store: the Store's in-memory twin, for the simulator and for tests.
//
// TwinDisk is what survives a crash: the last ingested copy and its number. A TwinStore dies
// with its node; the node's successor opens another over the same TwinDisk. Deterministic:
// in kMemoryOnly it answers kWouldBlock by chance of a seed, as a cold cache would.
//
// Thread: any. Lifetime: the disk is shared by the simulated world and the node's store.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "index/store.h"

namespace alfheim::index {

class TwinDisk {
 public:
  using Records = std::map<Bytes, Bytes, std::less<>>;
  struct Content {
    std::shared_ptr<const Records> records = std::make_shared<Records>();  // and by snapshots
    uint64_t applied = 0;
  };
  Content content() const {
    const std::lock_guard guard(mutex_);
    return content_;
  }
  void replace(Content content) {
    const std::lock_guard guard(mutex_);
    content_ = std::move(content);
  }

 private:
  mutable std::mutex mutex_;  // guards content_
  Content content_;
};

// The one file of a twin's checkpoint: `applied` u64, then key and value of each record, prefixed
// with their lengths, then crc32c of all that u32. No format: a run of the simulator makes and
// reads it.
inline constexpr std::string_view kTwinFileName = "RECORDS";

// What a checkpoint in `dir` holds. kNotFound where there is none, kCorruption where it is damaged.
base::Result<TwinDisk::Content> read_twin_checkpoint(env::Disk& disk, const std::string& dir);

class TwinStore final : public Store {
 public:
  struct Options {
    uint64_t seed = 0;
    uint32_t would_block_per_1000 = 0;  // of reads in kMemoryOnly
    bool is_full = false;               // can_ingest() answers no
    bool fails_ingest = false;          // the next ingests fail with kIo, and change nothing
  };

  explicit TwinStore(std::shared_ptr<TwinDisk> disk) : TwinStore(std::move(disk), Options()) {}
  TwinStore(std::shared_ptr<TwinDisk> disk, Options options);

  std::shared_ptr<const StoreSnapshot> snapshot() override;
  base::Status ingest(SortedSource& records, uint64_t applied) override;
  uint64_t persisted_applied() const override { return disk_->content().applied; }
  bool can_ingest() const override { return !is_full_; }
  // One file, kTwinFileName.
  base::Result<uint64_t> checkpoint(env::Disk& disk, const std::string& dir) override;
  uint64_t approximate_bytes(ByteView lower, ByteView upper) const override;

  void set_full(bool is_full) { is_full_ = is_full; }
  void set_fails_ingest(bool fails_ingest) { fails_ingest_ = fails_ingest; }
  // Ingests fail with kNoSpace, and change nothing.
  void set_lacks_room(bool lacks_room) { lacks_room_ = lacks_room; }

 private:
  const std::shared_ptr<TwinDisk> disk_;  // shared with the world, which outlives crashes
  const uint32_t would_block_per_1000_;
  std::atomic<uint64_t> chance_;
  std::atomic<bool> is_full_;
  std::atomic<bool> fails_ingest_;
  std::atomic<bool> lacks_room_{false};
};

}  // namespace alfheim::index
