// index/rocks_store: the Store's real hand: RocksDB without WAL and without memtable.
//
// An ingest writes sorted SST files into DIR/ingest, synced, and hands all of them to RocksDB
// in one IngestExternalFile: one record in the manifest, so all or nothing. `applied` is a
// record of the Store's own kind among them. A crash leaves either files in DIR/ingest, which
// the next open removes, or a finished ingest.
//
// Thread: as Store; RocksDB's compactions run on threads of its own. Lifetime: Options::env,
// where given, outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "index/store.h"

namespace rocksdb {
class Env;
}

namespace alfheim::index {

class RocksStore final : public Store {
 public:
  // Whether compaction may forget a record. Called on RocksDB's threads, also for records that
  // views can see: it must judge by Index::filter_horizon() (I9).
  using ShouldDrop = std::function<bool(ByteView key, ByteView value)>;

  struct Options {
    std::string dir;
    uint64_t block_cache_bytes = 128 << 20;
    uint64_t sst_bytes = 64 << 20;  // an ingest is split into files of about this size
    int level0_files_max = 20;      // can_ingest() is false from here on
    int background_jobs = 2;        // threads of compaction
    ShouldDrop should_drop;         // none: nothing is dropped
    rocksdb::Env* env = nullptr;    // for tests that make the file system fail
    bool is_read_only = false;      // for inspection: changes no file, takes no lock
    // For tests that must meet the same operations each time: no compaction but compact_all, and
    // one thread that opens files.
    bool is_sequential = false;
  };

  // Creates the directory where it is missing, and removes what an interrupted ingest left;
  // neither where it is opened to be read only.
  static base::Result<std::unique_ptr<RocksStore>> open(Options options);
  ~RocksStore() override;

  std::shared_ptr<const StoreSnapshot> snapshot() override;
  base::Status ingest(SortedSource& records, uint64_t applied) override;
  uint64_t persisted_applied() const override;
  bool can_ingest() const override;
  // Hard links of the tables; the manifest and some small files are copied, so it needs some
  // hundred bytes of the disk for each table.
  base::Result<uint64_t> checkpoint(env::Disk& disk, const std::string& dir) override;
  uint64_t approximate_bytes(ByteView lower, ByteView upper) const override;

  // Reads every byte of every file, and tells of each file that is bad, and where.
  using ReportFile =
      std::function<void(const std::string& path, uint64_t offset_bytes, const std::string& words)>;
  base::Status verify_files(const ReportFile& report) const;
  // Compacts everything, as tests of ShouldDrop and upkeep want it. Blocks.
  base::Status compact_all();

 private:
  struct State;
  explicit RocksStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace alfheim::index
