#include "index/rocks_store.h"

#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "index/careful_files.h"
#include "sim/hands/sim_disk.h"

namespace alfheim::index {
namespace {

namespace fs = std::filesystem;

class MapSource final : public SortedSource {
 public:
  using Records = std::map<Bytes, std::optional<Bytes>>;
  explicit MapSource(Records records, std::function<void(size_t)> before_each = {})
      : records_(std::move(records)), before_each_(std::move(before_each)), at_(records_.begin()) {}
  bool next(SortedRecord& record) override {
    if (before_each_) before_each_(count_++);
    if (at_ == records_.end()) return false;
    record.key = at_->first;
    record.value = at_->second ? std::optional<ByteView>(*at_->second) : std::nullopt;
    ++at_;
    return true;
  }

 private:
  const Records records_;
  const std::function<void(size_t)> before_each_;
  Records::const_iterator at_;
  size_t count_ = 0;
};

// Files are written, but they cannot be moved into the store: a crash just before the ingest.
class NoLinkEnv final : public rocksdb::EnvWrapper {
 public:
  NoLinkEnv() : EnvWrapper(rocksdb::Env::Default()) {}
  const char* Name() const override { return "NoLinkEnv"; }
  rocksdb::Status LinkFile(const std::string&, const std::string&) override {
    return rocksdb::Status::IOError("told to fail");
  }
};

// Files whose sync fails.
class NoSyncFiles final : public rocksdb::FileSystemWrapper {
 public:
  NoSyncFiles() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "NoSyncFiles"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(path, options, &file, debug);
    *result = std::make_unique<File>(std::move(file));
    return status;
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;
    rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
      return rocksdb::IOStatus::IOError("told to fail");
    }
  };
};

// Files that wait to be ingested, whose first block cannot be read.
class NoReadFiles final : public rocksdb::FileSystemWrapper {
 public:
  NoReadFiles() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "NoReadFiles"; }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = FileSystemWrapper::NewRandomAccessFile(path, options, result, debug);
    if (status.ok() && path.find("/ingest/") != std::string::npos) {
      *result = std::make_unique<File>(std::move(*result));
    }
    return status;
  }

 private:
  class File final : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    using FSRandomAccessFileOwnerWrapper::FSRandomAccessFileOwnerWrapper;
    rocksdb::IOStatus Read(uint64_t offset, size_t count, const rocksdb::IOOptions& options,
                           rocksdb::Slice* result, char* scratch,
                           rocksdb::IODebugContext* debug) const override {
      if (offset == 0) return rocksdb::IOStatus::IOError("told to fail");
      return FSRandomAccessFileOwnerWrapper::Read(offset, count, options, result, scratch, debug);
    }
  };
};

class RocksStoreTest : public testing::Test {
 protected:
  RocksStoreTest() {
    std::string name = (fs::temp_directory_path() / "alf_rocks_XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  ~RocksStoreTest() override { fs::remove_all(root_); }

  std::unique_ptr<RocksStore> open(RocksStore::Options options = {}) {
    options.dir = dir();
    auto store = RocksStore::open(options);
    EXPECT_TRUE(store.is_ok()) << (store.is_ok() ? "" : store.error().message);
    return std::move(store).value();
  }
  std::string dir() const { return root_ + "/index"; }
  static void ingest(Store& store, MapSource::Records records, uint64_t applied) {
    MapSource source(std::move(records));
    const base::Status status = store.ingest(source, applied);
    ASSERT_TRUE(status.is_ok()) << status.error().message;
  }
  static Bytes get(Store& store, ByteView key, ReadMode mode = ReadMode::kMayBlock) {
    Bytes scratch;
    const auto found = store.snapshot()->get(key, mode, scratch);
    if (!found.is_ok()) return Bytes("error: ").append(base::error_code_name(found.error().code));
    return *found ? Bytes(**found) : "(none)";
  }
  std::vector<fs::path> tables() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(dir())) {
      if (entry.path().extension() == ".sst") found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  static Bytes bytes_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Keeps the byte's neighbours; what was there is the caller's to know.
  static void put_byte(const fs::path& path, uint64_t offset, char byte) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }
  size_t leftover_count() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(dir() + "/ingest"), fs::directory_iterator()));
  }
  // All that lies in the directory: name and content.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(dir())) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      all[entry.path()] = std::string(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }
  std::string flip_a_bit_of_one_file() const {
    for (const auto& entry : fs::directory_iterator(dir())) {
      if (entry.path().extension() != ".sst") continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(200);
      file.put('\x55');
      return entry.path();
    }
    return "(no file)";
  }
  static MapSource::Records many(size_t count, const Bytes& value) {
    MapSource::Records records;
    for (size_t i = 0; i < count; ++i) records["\x01" + std::to_string(i)] = value;
    return records;
  }

  std::string root_;
};

TEST_F(RocksStoreTest, an_ingest_of_several_files_is_there_after_reopening) {
  {
    const auto store = open({.sst_bytes = 4096});
    EXPECT_EQ(store->persisted_applied(), 0u);
    ingest(*store, many(2000, Bytes(50, 'v')), 7);
    ingest(*store,
           {{"\x01"
             "5",
             std::nullopt},
            {"\x01"
             "6",
             "new"}},
           9);
    EXPECT_GT(store->approximate_bytes("\x01", "\x02"), 0u);
  }
  const auto store = open();
  EXPECT_EQ(store->persisted_applied(), 9u);
  EXPECT_EQ(get(*store,
                "\x01"
                "5"),
            "(none)");
  EXPECT_EQ(get(*store,
                "\x01"
                "6"),
            "new");
  EXPECT_EQ(get(*store,
                "\x01"
                "1999"),
            Bytes(50, 'v'));
  EXPECT_EQ(leftover_count(), 0u);
}

TEST_F(RocksStoreTest, a_snapshot_does_not_see_later_ingests_and_no_cursor_the_stores_own_kind) {
  const auto store = open();
  ingest(*store,
         {{"\x01"
           "a",
           "1"}},
         1);
  const auto before = store->snapshot();
  ingest(*store,
         {{"\x01"
           "a",
           "2"},
          {"\x01"
           "b",
           "2"}},
         2);
  Bytes scratch;
  EXPECT_EQ(before
                ->get("\x01"
                      "a",
                      ReadMode::kMayBlock, scratch)
                .value(),
            "1");
  const auto cursor = before->scan({});
  cursor->seek({});
  ASSERT_TRUE(cursor->is_valid());
  EXPECT_EQ(cursor->key(),
            "\x01"
            "a");
  cursor->next();
  EXPECT_FALSE(cursor->is_valid());
  EXPECT_TRUE(cursor->status().is_ok());
}

TEST_F(RocksStoreTest, files_that_were_written_but_not_ingested_leave_the_old_state) {
  ingest(*open(), {{"\x01k", "old"}}, 1);
  {
    NoLinkEnv env;
    const auto store = open({.env = &env});
    MapSource source(MapSource::Records{{"\x01k", "new"}});
    const base::Status status = store->ingest(source, 2);
    ASSERT_FALSE(status.is_ok());
    EXPECT_EQ(status.error().code, base::ErrorCode::kIo);
    EXPECT_EQ(store->persisted_applied(), 1u);
    EXPECT_GT(leftover_count(), 0u);
  }
  const auto store = open();
  EXPECT_EQ(leftover_count(), 0u);
  EXPECT_EQ(store->persisted_applied(), 1u);
  EXPECT_EQ(get(*store, "\x01k"), "old");
}

TEST_F(RocksStoreTest, a_process_killed_while_it_writes_files_leaves_the_old_state) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto store = open({.sst_bytes = 4096});
    ingest(*store, many(3000, "old"), 1);
    MapSource source(many(3000, Bytes(50, 'n')), [](size_t count) {
      if (count == 2500) _exit(3);  // no destructor runs, files are open
    });
    _exit(store->ingest(source, 2).is_ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 3);
  EXPECT_GT(leftover_count(), 1u);
  const auto store = open();
  EXPECT_EQ(leftover_count(), 0u);
  EXPECT_EQ(store->persisted_applied(), 1u);
  EXPECT_EQ(get(*store,
                "\x01"
                "0"),
            "old");
  EXPECT_EQ(get(*store,
                "\x01"
                "2999"),
            "old");
}

TEST_F(RocksStoreTest, what_is_not_in_the_cache_would_block_in_memory_only) {
  ingest(*open(), many(5000, Bytes(50, 'v')), 1);
  const auto store = open();  // reads the first block, where its own record is
  const Bytes key =
      "\x01"
      "4999";
  EXPECT_EQ(get(*store, key, ReadMode::kMemoryOnly), "error: would block");
  const auto cursor = store->snapshot()->scan({.mode = ReadMode::kMemoryOnly});
  cursor->seek(key);
  EXPECT_FALSE(cursor->is_valid());
  EXPECT_EQ(cursor->status().error().code, base::ErrorCode::kWouldBlock);
  EXPECT_EQ(get(*store, key), Bytes(50, 'v'));
  EXPECT_EQ(get(*store, key, ReadMode::kMemoryOnly), Bytes(50, 'v'));
}

TEST_F(RocksStoreTest, compaction_forgets_what_should_be_dropped_but_never_the_stores_own) {
  const auto store =
      open({.should_drop = [](ByteView, ByteView value) { return value != "live"; }});
  ingest(*store,
         {{"\x01"
           "a",
           "dead"},
          {"\x01"
           "b",
           "live"}},
         4);
  ingest(*store,
         {{"\x01"
           "c",
           "dead"}},
         5);
  ASSERT_TRUE(store->compact_all().is_ok());
  EXPECT_EQ(get(*store,
                "\x01"
                "a"),
            "(none)");
  EXPECT_EQ(get(*store,
                "\x01"
                "b"),
            "live");
  EXPECT_EQ(get(*store,
                "\x01"
                "c"),
            "(none)");
  EXPECT_EQ(get(*store, Bytes(1, kStoreKind) + "applied").size(), 8u);
}

TEST_F(RocksStoreTest, an_ingest_waits_while_level_0_is_full) {
  const auto store = open({.level0_files_max = 1});
  EXPECT_TRUE(store->can_ingest());
  ingest(*store, {{"\x01k", "1"}}, 1);
  ingest(*store, {{"\x01k", "2"}}, 2);
  EXPECT_FALSE(store->can_ingest());
  ASSERT_TRUE(store->compact_all().is_ok());
  EXPECT_TRUE(store->can_ingest());
}

TEST_F(RocksStoreTest, a_flipped_bit_is_corruption_and_never_a_value) {
  ingest(*open(), many(500, Bytes(100, 'v')), 1);
  for (const auto& entry : fs::directory_iterator(dir())) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);
    file.put('\x55');
  }
  const auto store = open();
  const auto cursor = store->snapshot()->scan({});
  cursor->seek({});
  while (cursor->is_valid()) cursor->next();
  ASSERT_FALSE(cursor->status().is_ok());
  EXPECT_EQ(cursor->status().error().code, base::ErrorCode::kCorruption);
}

TEST_F(RocksStoreTest, opened_to_be_read_only_it_shows_the_state_and_changes_no_file) {
  ingest(*open(), many(500, Bytes(100, 'v')), 3);
  std::ofstream(dir() + "/ingest/000000.sst") << "what an interrupted ingest left";
  const std::map<std::string, std::string> before = files();
  {
    const auto store = open({.is_read_only = true});
    EXPECT_EQ(store->persisted_applied(), 3u);
    EXPECT_EQ(get(*store,
                  "\x01"
                  "499"),
              Bytes(100, 'v'));
    size_t bad_count = 0;
    const auto count = [&bad_count](const std::string&, uint64_t, const std::string&) {
      ++bad_count;
    };
    EXPECT_TRUE(store->verify_files(count).is_ok());
    EXPECT_EQ(bad_count, 0u);
    EXPECT_EQ(files(), before);
  }
  EXPECT_EQ(files(), before);
}

TEST_F(RocksStoreTest, opened_to_be_read_only_it_makes_no_directory) {
  EXPECT_FALSE(RocksStore::open({.dir = dir(), .is_read_only = true}).is_ok());
  EXPECT_FALSE(fs::exists(dir()));
}

TEST_F(RocksStoreTest, each_file_with_a_flipped_bit_is_reported_and_no_other) {
  ingest(*open(), many(500, Bytes(100, 'v')), 1);
  ingest(*open(), many(500, Bytes(100, 'w')), 2);
  const std::string bad = flip_a_bit_of_one_file();
  const auto store = open({.is_read_only = true});
  std::vector<std::string> reported;
  const base::Status status =
      store->verify_files([&reported](const std::string& path, uint64_t, const std::string&) {
        reported.push_back(path);
      });
  EXPECT_TRUE(status.is_ok());
  ASSERT_EQ(reported.size(), 1u);
  EXPECT_EQ(fs::path(reported.front()).lexically_normal(), fs::path(bad).lexically_normal());
}

// RocksDB 7.8 left such a file out, and the walk ended as if all were well.
TEST_F(RocksStoreTest, a_walk_does_not_step_over_a_file_whose_first_block_is_rotten) {
  {
    const auto store = open({.sst_bytes = 4096});
    ingest(*store, many(3000, Bytes(50, 'v')), 1);
    ASSERT_TRUE(store->compact_all().is_ok());
  }
  const std::vector<fs::path> files = tables();
  ASSERT_GT(files.size(), 2u);
  for (const fs::path& path : files) {
    const char right = bytes_of(path)[200];
    put_byte(path, 200, static_cast<char>(right ^ 1));
    // The file with the Store's own record is missed at once.
    if (auto store = RocksStore::open({.dir = dir()}); store.is_ok()) {
      const auto cursor = (*store)->snapshot()->scan({});
      size_t count = 0;
      for (cursor->seek({}); cursor->is_valid(); cursor->next()) ++count;
      EXPECT_LT(count, 3000u);
      ASSERT_FALSE(cursor->status().is_ok()) << path << " after " << count;
      EXPECT_EQ(cursor->status().error().code, base::ErrorCode::kCorruption);
    }
    put_byte(path, 200, right);
  }
}

TEST_F(RocksStoreTest, every_bit_of_a_tables_footer_is_under_a_sum) {
  ingest(*open(), many(100, "v"), 1);
  const fs::path path = tables().front();
  const uint64_t file_bytes = fs::file_size(path);
  const Bytes content = bytes_of(path);
  for (uint64_t offset = file_bytes - 53; offset < file_bytes; ++offset) {
    put_byte(path, offset, static_cast<char>(content[offset] ^ 1));
    std::string reported;
    auto store = RocksStore::open({.dir = dir()});
    if (store.is_ok()) {
      ASSERT_TRUE((*store)
                      ->verify_files([&](const std::string& file, uint64_t at, const std::string&) {
                        reported = file;
                        EXPECT_LE(at, offset);
                      })
                      .is_ok());
    } else {
      reported = store.error().message;
    }
    EXPECT_NE(reported.find(path.filename().string()), std::string::npos) << offset << reported;
    put_byte(path, offset, content[offset]);
  }
}

// Else the next ingest would blame the manifest, and nobody knew which file to look at.
TEST_F(RocksStoreTest, an_ingest_after_a_compaction_that_met_rot_says_where_it_is) {
  {
    const auto store = open({.sst_bytes = 4096});
    ingest(*store, many(3000, Bytes(50, 'v')), 1);
    ASSERT_TRUE(store->compact_all().is_ok());
  }
  const fs::path path = tables()[1];
  put_byte(path, 200, static_cast<char>(bytes_of(path)[200] ^ 1));
  const auto store = open();
  ASSERT_FALSE(store->compact_all().is_ok());
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto records = many(10, "w");
    MapSource source(records);
    const base::Status failed = store->ingest(source, 2);
    ASSERT_FALSE(failed.is_ok());
    const std::string& words = failed.error().message;
    EXPECT_EQ(failed.error().code, base::ErrorCode::kCorruption) << words;
    EXPECT_NE(words.find(path.filename().string() + " at offset_bytes="), std::string::npos)
        << words;
    EXPECT_EQ(words.find("manifest"), std::string::npos) << words;
  }
}

// A manifest whose sync failed may hold its last record after all.
TEST_F(RocksStoreTest, nothing_is_deleted_after_a_manifest_failed) {
  auto files = index::make_careful_files(rocksdb::FileSystem::Default());
  fs::create_directory(dir());
  std::ofstream(dir() + "/000001.sst").put('x');
  std::ofstream(dir() + "/000002.sst").put('x');
  const rocksdb::IOOptions options;
  EXPECT_TRUE(files->DeleteFile(dir() + "/000001.sst", options, nullptr).ok());
  std::unique_ptr<rocksdb::FSWritableFile> manifest;
  files = index::make_careful_files(std::make_shared<NoSyncFiles>());
  ASSERT_TRUE(files->NewWritableFile(dir() + "/MANIFEST-000001", {}, &manifest, nullptr).ok());
  EXPECT_FALSE(manifest->Sync(options, nullptr).ok());
  EXPECT_FALSE(files->DeleteFile(dir() + "/000002.sst", options, nullptr).ok());
  EXPECT_TRUE(fs::exists(dir() + "/000002.sst"));
}

// RocksDB takes a file whose first key it could not read for an empty one, and is content.
TEST_F(RocksStoreTest, an_ingest_that_could_not_read_its_files_changes_nothing) {
  const auto env = rocksdb::NewCompositeEnv(std::make_shared<NoReadFiles>());
  const Bytes key = "\x01key";
  ingest(*open(), {{key, "old"}}, 1);
  // Longer than what is read of a file's end when it is opened, and nothing that compresses.
  Bytes large;
  for (uint64_t word = 1; large.size() < (1 << 20); word = word * 6364136223846793005u + 1) {
    base::put_u64(large, word);
  }
  {
    RocksStore::Options options;
    options.env = env.get();
    const auto store = open(options);
    MapSource source(MapSource::Records{{key, large}});
    const base::Status status = store->ingest(source, 2);
    ASSERT_FALSE(status.is_ok());
    EXPECT_NE(status.error().message.find("/ingest/"), std::string::npos) << status.error().message;
    EXPECT_EQ(store->persisted_applied(), 1u);
  }
  const auto store = open();
  EXPECT_EQ(store->persisted_applied(), 1u);
  EXPECT_EQ(get(*store, key), "old");
  ingest(*store, {{key, large}}, 2);
  EXPECT_EQ(get(*store, key), large);
}

// The tables are shared: a checkpoint of a large store takes no time and no room. And what goes
// wrong with its own manifest is not the store's: it goes on, and its files are still cleaned up.
TEST_F(RocksStoreTest, a_checkpoint_shares_the_tables_and_its_failure_is_not_the_stores) {
  const auto store = open();
  ingest(*store, many(1000, Bytes(50, 'v')), 7);
  sim::SimDisk none;
  EXPECT_FALSE(store->checkpoint(none, dir() + "/no/such/place").is_ok());
  const auto made = store->checkpoint(none, dir() + ".checkpoint");
  ASSERT_TRUE(made.is_ok()) << made.error().message;
  EXPECT_EQ(*made, 7u);
  size_t table_count = 0;
  for (const auto& entry : fs::directory_iterator(dir() + ".checkpoint")) {
    if (entry.path().extension() != ".sst") continue;
    ++table_count;
    EXPECT_EQ(fs::hard_link_count(entry.path()), 2u);
  }
  EXPECT_GT(table_count, 0u);
  auto files = index::make_careful_files(std::make_shared<NoSyncFiles>());
  fs::create_directories(dir() + ".tmp");
  std::ofstream(dir() + ".tmp/000001.sst").put('x');
  const rocksdb::IOOptions options;
  std::unique_ptr<rocksdb::FSWritableFile> manifest;
  ASSERT_TRUE(files->NewWritableFile(dir() + ".tmp/MANIFEST-000001", {}, &manifest, nullptr).ok());
  EXPECT_FALSE(manifest->Sync(options, nullptr).ok());
  EXPECT_TRUE(files->DeleteFile(dir() + ".tmp/000001.sst", options, nullptr).ok());
}

TEST_F(RocksStoreTest, a_directory_is_opened_once_at_a_time) {
  const auto store = open();
  EXPECT_FALSE(RocksStore::open({.dir = dir()}).is_ok());
}

}  // namespace
}  // namespace alfheim::index
