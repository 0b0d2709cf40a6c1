#include "index/rocks_store.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/metadata.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "base/check.h"
#include "base/mutant.h"
#include "index/careful_files.h"
#include "index/error_listener.h"

namespace alfheim::index {
namespace {

constexpr uint64_t kFooterBytes = 53;  // of a table of format_version 5
constexpr size_t kVerifyBytes = 256 * 1024;
constexpr std::string_view kOpenWords = "open the index's store";

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

// Where the bad block stands, as RocksDB's words have it; else it is the footer.
uint64_t rotten_offset(const std::string& words, uint64_t file_bytes) {
  constexpr std::string_view kBefore = " offset ";
  const size_t at = words.find(kBefore);
  if (at != std::string::npos) {
    return std::strtoull(words.c_str() + at + kBefore.size(), nullptr, 10);
  }
  return file_bytes - std::min<uint64_t>(file_bytes, kFooterBytes);
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
    // There are none. And what looks for them between two files (RocksDB 7.8) takes a file whose
    // first block is rotten for an empty one: a walk left it out and ended well.
    read.ignore_range_deletions = !ALF_MUTANT(RangeDeletionsLookedAt);
    read.iterate_lower_bound = &lower_;
    if (!options_.upper.empty()) read.iterate_upper_bound = &upper_;
    if (options_.mode == ReadMode::kMemoryOnly) read.read_tier = rocksdb::kBlockCacheTier;
    read.fill_cache = options_.fills_cache;
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
  rocks.create_if_missing = !options.is_read_only;
  rocks.paranoid_checks = true;
  rocks.max_open_files = -1;  // an open table is what kBlockCacheTier needs
  rocks.max_background_jobs = options.background_jobs;
  if (options.is_sequential) {
    rocks.disable_auto_compactions = true;
    rocks.max_file_opening_threads = 1;
  }
  rocks.max_bgerror_resume_count = 0;  // see ErrorListener
  rocks.compression = best_compression();
  rocks.compaction_filter = filter;
  rocks.level_compaction_dynamic_level_bytes = true;
  rocks.target_file_size_base = options.sst_bytes;
  rocks.write_buffer_size = 1 << 20;  // never used
  rocks.keep_log_file_num = 2;
  rocks.max_log_file_size = 4 << 20;
  rocks.stats_dump_period_sec = 0;
  // A sum over each whole file, kept in the manifest: the sums of blocks leave a file's footer out.
  rocks.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return rocks;
}

// What an ingested file says of itself. RocksDB leaves that out of the checksum, because the
// sequence number may be written in place, and then refuses the file without naming it.
rocksdb::Status verify_properties(const rocksdb::TableProperties& properties) {
  const auto& said = properties.user_collected_properties;
  const bool has_version = said.contains("rocksdb.external_sst_file.version");
  const auto sequence = said.find("rocksdb.external_sst_file.global_seqno");
  if (has_version != (sequence != said.end())) {
    return rocksdb::Status::Corruption("a property of an ingested file is missing");
  }
  // Never written here: the manifest says it.
  if (!has_version || sequence->second == std::string(sizeof(uint64_t), '\0')) {
    return rocksdb::Status::OK();
  }
  return rocksdb::Status::Corruption("an ingested file has a sequence number of its own");
}

}  // namespace

struct RocksStore::State {
  Options options;
  std::string ingest_dir;
  std::unique_ptr<rocksdb::Env> env;
  std::unique_ptr<DropFilter> filter;
  std::shared_ptr<ErrorListener> errors = std::make_shared<ErrorListener>();  // and RocksDB's
  rocksdb::Options rocks;
  std::unique_ptr<rocksdb::DB> db;
  std::atomic<uint64_t> applied = 0;
  std::mutex change_mutex;  // held over an ingest: a checkpoint's number is that of its content

  base::Status clear_ingest_dir();
  base::Status load_applied();
  base::Result<rocksdb::IngestExternalFileArg> write_files(SortedSource& records, uint64_t applied);
  base::Status go_on();
  base::Error without_room(base::Error found);
  bool is_live(const std::string& name) const;
  base::Error name_rotten_file(const rocksdb::Status& status, std::string_view tried) const;
  rocksdb::Status verify_file(const rocksdb::LiveFileMetaData& file, const std::string& path) const;
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
  state->ingest_dir = fmt::format("{}/{}", dir, kIngestName);
  if (state->options.should_drop) {
    state->filter = std::make_unique<DropFilter>(state->options.should_drop);
  }
  state->rocks = rocks_options(state->options, state->filter.get());
  rocksdb::Env* const below = state->options.env;
  state->env = rocksdb::NewCompositeEnv(
      make_careful_files((below != nullptr ? below : rocksdb::Env::Default())->GetFileSystem()));
  state->rocks.env = state->env.get();
  state->rocks.listeners.push_back(state->errors);
  const bool is_read_only = state->options.is_read_only;
  rocksdb::Status status;
  if (!is_read_only) status = state->rocks.env->CreateDirIfMissing(dir);
  if (!status.ok()) return error_of(status, "create directory", dir);
  rocksdb::DB* db = nullptr;
  status = is_read_only ? rocksdb::DB::OpenForReadOnly(state->rocks, dir, &db)
                        : rocksdb::DB::Open(state->rocks, dir, &db);  // locks `dir`
  if (status.IsCorruption()) return state->name_rotten_file(status, kOpenWords);
  if (!status.ok()) return error_of(status, kOpenWords, dir);
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

// A compaction that found the disk full stopped all of them. Nothing is done where all is well.
base::Status RocksStore::State::go_on() {
  if (!errors->has_stopped()) return base::ok();
  if (errors->is_finished()) {
    if (const std::optional<rocksdb::Status> found = errors->found()) {
      return name_rotten_file(*found, "compact");
    }
    return base::Error{base::ErrorCode::kIo,
                       fmt::format("write the manifest of {}: RocksDB gave up (its LOG tells): "
                                   "only a restart shows what is stored",
                                   options.dir)};
  }
  errors->set_stopped(false);  // what fails from here on says so anew
  const rocksdb::Status status = db->Resume();
  if (status.ok()) return base::ok();
  errors->set_stopped(true);
  return error_of(status, "resume", options.dir);
}

// The files of an ingest that failed for want of room would be what keeps the disk full.
base::Error RocksStore::State::without_room(base::Error found) {
  if (found.code != base::ErrorCode::kNoSpace) return found;
  base::Status cleared = clear_ingest_dir();
  return cleared ? std::move(found) : std::move(cleared).error();
}

// The Store's own record sorts before all others, so it leads the first file.
base::Result<rocksdb::IngestExternalFileArg> RocksStore::State::write_files(SortedSource& records,
                                                                            uint64_t applied) {
  rocksdb::IngestExternalFileArg files;
  std::vector<std::string>& paths = files.external_files;
  std::unique_ptr<rocksdb::SstFileWriter> writer;
  const auto finish = [&] {
    rocksdb::ExternalSstFileInfo info;
    const rocksdb::Status status = writer->Finish(&info);  // syncs
    files.files_checksums.push_back(info.file_checksum);
    files.files_checksum_func_names.push_back(info.file_checksum_func_name);
    writer.reset();
    return status;
  };
  SortedRecord record;
  Bytes applied_value;
  base::put_u64(applied_value, ALF_MUTANT(AppliedInAnotherBatch) ? this->applied.load() : applied);
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
    if (status.ok() && writer->FileSize() >= options.sst_bytes) status = finish();
    if (!status.ok()) return error_of(status, "write sorted records", paths.back());
  } while (records.next(record));
  if (writer != nullptr) {
    const rocksdb::Status status = finish();
    if (!status.ok()) return error_of(status, "finish sorted records", paths.back());
  }
  return files;
}

base::Status RocksStore::ingest(SortedSource& records, uint64_t applied) {
  ALF_CHECK(!state_->options.is_read_only);
  const std::lock_guard lock(state_->change_mutex);
  ALF_CHECK_MSG(applied >= state_->applied, "the persisted state never goes back");
  ALF_TRY_STATUS(state_->go_on());
  ALF_TRY_STATUS(state_->clear_ingest_dir());
  base::Result<rocksdb::IngestExternalFileArg> written = state_->write_files(records, applied);
  if (!written) return state_->without_room(std::move(written).error());
  rocksdb::IngestExternalFileArg& files = *written;
  rocksdb::IngestExternalFileOptions& ingest = files.options;
  files.column_family = state_->db->DefaultColumnFamily();
  ingest.move_files = true;
  ingest.verify_file_checksum = false;  // it would read again what was just written
  ingest.snapshot_consistency = true;
  ingest.write_global_seqno = false;
  ingest.allow_blocking_flush = false;  // there is nothing in the memtable, ever
  const rocksdb::Status status = state_->db->IngestExternalFiles({files});
  if (!status.ok()) {
    // The files are moved by links, so it was the manifest: see ErrorListener.
    state_->errors->finish();
    base::Error error = error_of(status, "ingest sorted records", state_->options.dir);
    if (error.code == base::ErrorCode::kNoSpace) error.code = base::ErrorCode::kIo;
    return error;
  }
  state_->applied = applied;
  return base::ok();
}

uint64_t RocksStore::persisted_applied() const { return state_->applied; }

bool RocksStore::can_ingest() const {
  // Compaction may be what stopped: only an ingest makes it go on, so it must not wait for it.
  if (state_->errors->has_stopped()) return true;
  std::string count;
  // RocksDB 7.8 always knows this property; without an answer there is nothing to wait for.
  if (!state_->db->GetProperty("rocksdb.num-files-at-level0", &count)) return true;
  return std::atoi(count.c_str()) < state_->options.level0_files_max;
}

base::Result<uint64_t> RocksStore::checkpoint(env::Disk&, const std::string& dir) {
  ALF_CHECK(!state_->options.is_read_only);
  const std::lock_guard lock(state_->change_mutex);
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(state_->db.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // Nothing is in the memtable or its log, ever: nothing is to be flushed.
  if (status.ok()) status = checkpoint->CreateCheckpoint(dir, UINT64_MAX);
  if (!status.ok()) return error_of(status, "make a checkpoint of the index's store", dir);
  return state_->applied.load();
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

// At open RocksDB names the manifest for what it met in any of the files; a compaction names its
// file, but not always where in it.
base::Error RocksStore::State::name_rotten_file(const rocksdb::Status& status,
                                                std::string_view tried) const {
  base::Error error = error_of(status, tried, options.dir);
  if (!status.IsCorruption()) return error;
  const std::string found = status.ToString();
  const bool is_named = found.find(".sst") != std::string::npos;
  std::vector<std::string> names;
  const rocksdb::Status listed = rocks.env->GetChildren(options.dir, &names);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (!listed.ok() || !name.ends_with(".sst")) continue;
    if (is_named && found.find(name) == std::string::npos) continue;
    const std::string path = options.dir + "/" + name;
    const rocksdb::Status verified = verify_file({}, path);
    uint64_t file_bytes = 0;
    if (!rocks.env->GetFileSize(path, &file_bytes).ok() || !verified.IsCorruption()) continue;
    const std::string words = verified.ToString();
    error.message +=
        fmt::format("; {} at offset_bytes={}: {}", path, rotten_offset(words, file_bytes), words);
  }
  return error;
}

bool RocksStore::State::is_live(const std::string& name) const {
  std::vector<rocksdb::LiveFileMetaData> files;
  db->GetLiveFilesMetaData(&files);
  return std::any_of(files.begin(), files.end(),
                     [&](const rocksdb::LiveFileMetaData& file) { return file.name == name; });
}

// Block by block, which tells where the rot is; then as a whole, which misses nothing.
rocksdb::Status RocksStore::State::verify_file(const rocksdb::LiveFileMetaData& file,
                                               const std::string& path) const {
  rocksdb::SstFileReader reader(rocks);
  rocksdb::Status status = reader.Open(path);
  if (status.ok()) status = reader.VerifyChecksum();
  if (status.ok()) status = verify_properties(*reader.GetTableProperties());
  // A store of before there were such sums, or one whose manifest was not read.
  if (!status.ok() || file.file_checksum_func_name.empty() ||
      file.file_checksum_func_name == rocksdb::kUnknownFileChecksumFuncName) {
    return status;
  }
  rocksdb::FileChecksumGenContext context;
  context.file_name = path;
  context.requested_checksum_func_name = file.file_checksum_func_name;
  const auto sum = rocks.file_checksum_gen_factory->CreateFileChecksumGenerator(context);
  if (sum == nullptr) return rocksdb::Status::NotSupported(file.file_checksum_func_name);
  std::unique_ptr<rocksdb::SequentialFile> content;
  status = rocks.env->NewSequentialFile(path, &content, rocksdb::EnvOptions());
  std::string buffer(kVerifyBytes, '\0');
  rocksdb::Slice part;
  do {
    if (status.ok()) status = content->Read(buffer.size(), &part, buffer.data());
    if (!status.ok()) return status;
    sum->Update(part.data(), part.size());
  } while (part.size() > 0);
  sum->Finalize();
  if (sum->GetChecksum() == file.file_checksum) return status;
  return rocksdb::Status::Corruption("the blocks are whole, but the file's sum is another one");
}

base::Status RocksStore::verify_files(const ReportFile& report) const {
  std::vector<rocksdb::LiveFileMetaData> files;
  state_->db->GetLiveFilesMetaData(&files);
  for (const rocksdb::LiveFileMetaData& file : files) {
    const std::string path = file.db_path + file.name;
    const rocksdb::Status status = state_->verify_file(file, path);
    if (status.ok()) continue;
    // Compaction has taken it away meanwhile.
    if (status.IsPathNotFound() && !state_->is_live(file.name)) continue;
    // What cannot be opened for what stands in it is as rotten as what fails a sum.
    if (status.IsIOError() || status.IsAborted()) return error_of(status, "verify", path);
    const std::string words = status.ToString();
    report(path, rotten_offset(words, file.size), words);
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
