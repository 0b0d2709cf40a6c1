#include "index/rocks_store.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/metadata.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/check.h"

namespace alfheim::index {
namespace {

const Bytes kAppliedKey = Bytes(1, kStoreKind) + "applied";

rocksdb::Slice slice_of(ByteView bytes) { return {bytes.data(), bytes.size()}; }
ByteView view_of(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

base::Error error_of(const rocksdb::Status& status, std::string_view tried, ByteView on) {
  base::ErrorCode code = base::ErrorCode::kInternal;
  if (status.IsIncomplete()) {
    code = base::ErrorCode::kWouldBlock;
  } else if (status.IsCorruption()) {
    code = base::ErrorCode::kCorruption;
  } else if (status.IsNoSpace()) {
    code = base::ErrorCode::kNoSpace;
  } else if (status.IsIOError()) {
    code = base::ErrorCode::kIo;
  }
  // Asked for often and answered by asking elsewhere: no words are made.
  if (code == base::ErrorCode::kWouldBlock) return {code, "not in memory"};
  return {code, fmt::format("{} on {}: {}", tried, on, status.ToString())};
}

class DropFilter final : public rocksdb::CompactionFilter {
 public:
  explicit DropFilter(const RocksStore::ShouldDrop& should_drop) : should_drop_(should_drop) {}
  const char* Name() const override { return "alfheim.drop"; }
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    return key.size() > 0 && key[0] != kStoreKind && should_drop_(view_of(key), view_of(value));
  }

 private:
  const RocksStore::ShouldDrop& should_drop_;
};

class RocksCursor final : public Cursor {
 public:
  RocksCursor(rocksdb::DB& db, const rocksdb::Snapshot* snapshot, ScanOptions options)
      : options_(std::move(options)), lower_(options_.lower), upper_(options_.upper) {
    rocksdb::ReadOptions read;
    read.snapshot = snapshot;
    read.iterate_lower_bound = &lower_;
    if (!options_.upper.empty()) read.iterate_upper_bound = &upper_;
    if (options_.mode == ReadMode::kMemoryOnly) read.read_tier = rocksdb::kBlockCacheTier;
    iterator_.reset(db.NewIterator(read));
  }
  void seek(ByteView key) override { iterator_->Seek(slice_of(key)); }
  void seek_for_prev(ByteView key) override { iterator_->SeekForPrev(slice_of(key)); }
  void next() override { iterator_->Next(); }
  void prev() override { iterator_->Prev(); }
  bool is_valid() const override { return iterator_->Valid(); }
  ByteView key() const override { return view_of(iterator_->key()); }
  ByteView value() const override { return view_of(iterator_->value()); }
  base::Status status() const override {
    const rocksdb::Status status = iterator_->status();
    if (status.ok()) return base::ok();
    return error_of(status, "scan", "the index's store");
  }

 private:
  const ScanOptions options_;
  const rocksdb::Slice lower_;  // of options_; the iterator points to it
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class RocksSnapshot final : public StoreSnapshot {
 public:
  explicit RocksSnapshot(rocksdb::DB& db) : db_(db), snapshot_(db.GetSnapshot()) {}
  ~RocksSnapshot() override { db_.ReleaseSnapshot(snapshot_); }

  base::Result<std::optional<ByteView>> get(ByteView key, ReadMode mode,
                                            Bytes& scratch) const override {
    rocksdb::ReadOptions read;
    read.snapshot = snapshot_;
    if (mode == ReadMode::kMemoryOnly) read.read_tier = rocksdb::kBlockCacheTier;
    rocksdb::PinnableSlice value;
    const rocksdb::Status status = db_.Get(read, db_.DefaultColumnFamily(), slice_of(key), &value);
    if (status.IsNotFound()) return std::optional<ByteView>();
    if (!status.ok()) return error_of(status, "get", "the index's store");
    scratch.assign(value.data(), value.size());
    return std::optional<ByteView>(scratch);
  }

  std::unique_ptr<Cursor> scan(ScanOptions options) const override {
    const ByteView first = ByteView("\x01", 1);  // the Store's own kind is nobody's business
    if (options.lower < first) options.lower = first;
    return std::make_unique<RocksCursor>(db_, snapshot_, std::move(options));
  }

 private:
  rocksdb::DB& db_;
  const rocksdb::Snapshot* const snapshot_;
};

constexpr int kCacheShardBits = 2;

rocksdb::CompressionType best_compression() {
  const auto supported = rocksdb::GetSupportedCompressions();
  const bool has_lz4 =
      std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
  return has_lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

rocksdb::Options rocks_options(const RocksStore::Options& options,
                               const rocksdb::CompactionFilter* filter) {
  rocksdb::BlockBasedTableOptions table;
  // Few shards: each must hold whole filter partitions and still have room for blocks.
  table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes, kCacheShardBits);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  // In partitions of a block each: a lookup that misses memory then reads kilobytes, where a
  // file's filter as a whole is more than a megabyte.
  table.partition_filters = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  // Filters and indexes of all files may be far larger than memory, so they live in the cache.
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;

  rocksdb::Options rocks;
  if (options.env != nullptr) rocks.env = options.env;
  rocks.create_if_missing = !options.is_read_only;
  rocks.paranoid_checks = true;
  rocks.max_open_files = -1;  // an open table is what kBlockCacheTier needs
  rocks.max_background_jobs = options.background_jobs;
  rocks.compression = best_compression();
  rocks.compaction_filter = filter;
  rocks.level_compaction_dynamic_level_bytes = true;
  rocks.target_file_size_base = options.sst_bytes;
  rocks.write_buffer_size = 1 << 20;  // never used
  rocks.keep_log_file_num = 2;
  rocks.max_log_file_size = 4 << 20;
  rocks.stats_dump_period_sec = 0;
  rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return rocks;
}

}  // namespace

struct RocksStore::State {
  Options options;
  std::string ingest_dir;
  std::unique_ptr<DropFilter> filter;
  rocksdb::Options rocks;
  std::unique_ptr<rocksdb::DB> db;
  std::atomic<uint64_t> applied = 0;

  base::Status clear_ingest_dir();
  base::Status load_applied();
  base::Result<std::vector<std::string>> write_files(SortedSource& records, uint64_t applied);
};

base::Status RocksStore::State::clear_ingest_dir() {
  rocksdb::Status status = rocks.env->CreateDirIfMissing(ingest_dir);
  std::vector<std::string> names;
  if (status.ok()) status = rocks.env->GetChildren(ingest_dir, &names);
  for (const std::string& name : names) {
    if (!status.ok()) break;
    if (name == "." || name == "..") continue;
    status = rocks.env->DeleteFile(ingest_dir + "/" + name);
  }
  if (!status.ok()) return error_of(status, "remove what an ingest left", ingest_dir);
  return base::ok();
}

base::Status RocksStore::State::load_applied() {
  std::string stored;
  const rocksdb::Status status = db->Get({}, slice_of(kAppliedKey), &stored);
  if (status.IsNotFound()) return base::ok();
  if (!status.ok()) return error_of(status, "read what was applied", options.dir);
  uint64_t value = 0;
  base::Reader reader(stored);
  if (!reader.get_u64(value) || !reader.is_empty()) {
    return base::Error{base::ErrorCode::kCorruption,
                       fmt::format("read what was applied on {}: {} bytes, expected 8", options.dir,
                                   stored.size())};
  }
  applied = value;
  return base::ok();
}

base::Result<std::unique_ptr<RocksStore>> RocksStore::open(Options options) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  const std::string& dir = state->options.dir;
  state->ingest_dir = dir + "/ingest";
  if (state->options.should_drop) {
    state->filter = std::make_unique<DropFilter>(state->options.should_drop);
  }
  state->rocks = rocks_options(state->options, state->filter.get());
  const bool is_read_only = state->options.is_read_only;
  rocksdb::Status status;
  if (!is_read_only) status = state->rocks.env->CreateDirIfMissing(dir);
  if (!status.ok()) return error_of(status, "create directory", dir);
  rocksdb::DB* db = nullptr;
  status = is_read_only ? rocksdb::DB::OpenForReadOnly(state->rocks, dir, &db)
                        : rocksdb::DB::Open(state->rocks, dir, &db);  // locks `dir`
  if (!status.ok()) return error_of(status, "open the index's store", dir);
  state->db.reset(db);
  if (!is_read_only) ALF_TRY_STATUS(state->clear_ingest_dir());
  ALF_TRY_STATUS(state->load_applied());
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(state)));
}

RocksStore::RocksStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
RocksStore::~RocksStore() = default;

std::shared_ptr<const StoreSnapshot> RocksStore::snapshot() {
  return std::make_shared<RocksSnapshot>(*state_->db);
}

// The Store's own record sorts before all others, so it leads the first file.
base::Result<std::vector<std::string>> RocksStore::State::write_files(SortedSource& records,
                                                                      uint64_t applied) {
  std::vector<std::string> paths;
  std::unique_ptr<rocksdb::SstFileWriter> writer;
  SortedRecord record;
  Bytes applied_value;
  base::put_u64(applied_value, applied);
  record = {kAppliedKey, applied_value};
  do {
    rocksdb::Status status;
    if (writer == nullptr) {
      paths.push_back(fmt::format("{}/{:06}.sst", ingest_dir, paths.size()));
      writer = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), rocks);
      status = writer->Open(paths.back());
    }
    if (status.ok()) {
      status = record.value ? writer->Put(slice_of(record.key), slice_of(*record.value))
                            : writer->Delete(slice_of(record.key));
    }
    if (status.ok() && writer->FileSize() >= options.sst_bytes) {
      status = writer->Finish();  // syncs
      writer.reset();
    }
    if (!status.ok()) return error_of(status, "write sorted records", paths.back());
  } while (records.next(record));
  if (writer != nullptr) {
    const rocksdb::Status status = writer->Finish();
    if (!status.ok()) return error_of(status, "finish sorted records", paths.back());
  }
  return paths;
}

base::Status RocksStore::ingest(SortedSource& records, uint64_t applied) {
  ALF_CHECK(!state_->options.is_read_only);
  ALF_CHECK_MSG(applied >= state_->applied, "the persisted state never goes back");
  ALF_TRY_STATUS(state_->clear_ingest_dir());
  ALF_TRY(const std::vector<std::string> paths, state_->write_files(records, applied));
  rocksdb::IngestExternalFileOptions ingest;
  ingest.move_files = true;
  ingest.snapshot_consistency = true;
  ingest.write_global_seqno = false;
  ingest.allow_blocking_flush = false;  // there is nothing in the memtable, ever
  const rocksdb::Status status = state_->db->IngestExternalFile(paths, ingest);
  if (!status.ok()) return error_of(status, "ingest sorted records", state_->options.dir);
  state_->applied = applied;
  return base::ok();
}

uint64_t RocksStore::persisted_applied() const { return state_->applied; }

bool RocksStore::can_ingest() const {
  std::string count;
  // RocksDB 7.8 always knows this property; without an answer there is nothing to wait for.
  if (!state_->db->GetProperty("rocksdb.num-files-at-level0", &count)) return true;
  return std::atoi(count.c_str()) < state_->options.level0_files_max;
}

uint64_t RocksStore::approximate_bytes(ByteView lower, ByteView upper) const {
  const rocksdb::Range range(slice_of(lower), slice_of(upper));
  uint64_t bytes = 0;
  rocksdb::SizeApproximationOptions options;
  options.include_files = true;
  const rocksdb::Status status = state_->db->GetApproximateSizes(
      options, state_->db->DefaultColumnFamily(), &range, 1, &bytes);
  return status.ok() ? bytes : 0;  // a guess that could not be made is no failure
}

base::Status RocksStore::verify_files(const ReportFile& report) const {
  std::vector<rocksdb::LiveFileMetaData> files;
  state_->db->GetLiveFilesMetaData(&files);
  for (const rocksdb::LiveFileMetaData& file : files) {
    const std::string path = file.db_path + file.name;
    rocksdb::SstFileReader reader(state_->rocks);
    rocksdb::Status status = reader.Open(path);
    if (status.ok()) status = reader.VerifyChecksum();
    if (status.ok()) continue;
    if (!status.IsCorruption()) return error_of(status, "verify", path);
    report(path, status.ToString());
  }
  return base::ok();
}

base::Status RocksStore::compact_all() {
  ALF_CHECK(!state_->options.is_read_only);
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  const rocksdb::Status status = state_->db->CompactRange(options, nullptr, nullptr);
  if (!status.ok()) return error_of(status, "compact", state_->options.dir);
  return base::ok();
}

}  // namespace alfheim::index
