// RocksStore on a file system without room: nothing is lost, and it goes on when there is some.
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <map>

#include "index/rocks_store.h"

namespace alfheim::index {
namespace {

namespace fs = std::filesystem;

// Files whose path holds a word cannot be made or grow while it has no room.
class ScarceEnv final : public rocksdb::EnvWrapper {
 public:
  ScarceEnv() : EnvWrapper(rocksdb::Env::Default()) {}
  const char* Name() const override { return "ScarceEnv"; }
  rocksdb::Status NewWritableFile(const std::string& path,
                                  std::unique_ptr<rocksdb::WritableFile>* file,
                                  const rocksdb::EnvOptions& options) override {
    if (lacks_room(path)) return rocksdb::Status::NoSpace("told to be full", path);
    const rocksdb::Status status = EnvWrapper::NewWritableFile(path, file, options);
    if (status.ok()) *file = std::make_unique<File>(*this, path, std::move(*file));
    return status;
  }
  bool lacks_room(const std::string& path) const {
    return is_full && path.find(word) != std::string::npos;
  }

  std::atomic<bool> is_full{false};
  std::string word;  // set before the store is opened
  std::atomic<size_t> refused_count{0};

 private:
  class File final : public rocksdb::WritableFileWrapper {
   public:
    File(ScarceEnv& env, std::string path, std::unique_ptr<rocksdb::WritableFile> file)
        : WritableFileWrapper(file.get()),
          env_(env),
          path_(std::move(path)),
          owned_(std::move(file)) {}
    rocksdb::Status Append(const rocksdb::Slice& data) override {
      if (!env_.lacks_room(path_)) return WritableFileWrapper::Append(data);
      ++env_.refused_count;
      return rocksdb::Status::NoSpace("told to be full", path_);
    }
    rocksdb::Status Append(const rocksdb::Slice& data,
                           const rocksdb::DataVerificationInfo&) override {
      return Append(data);
    }

   private:
    ScarceEnv& env_;
    const std::string path_;
    const std::unique_ptr<rocksdb::WritableFile> owned_;
  };
};

class MapSource final : public SortedSource {
 public:
  explicit MapSource(std::map<Bytes, Bytes> records) : records_(std::move(records)) {}
  bool next(SortedRecord& record) override {
    if (at_ == records_.end()) return false;
    record = {at_->first, ByteView(at_->second)};
    ++at_;
    return true;
  }

 private:
  const std::map<Bytes, Bytes> records_;
  std::map<Bytes, Bytes>::const_iterator at_ = records_.begin();
};

class RocksStoreRoomTest : public testing::Test {
 protected:
  RocksStoreRoomTest() {
    std::string name = (fs::temp_directory_path() / "alf_rocks_room_XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  ~RocksStoreRoomTest() override {
    store_.reset();
    fs::remove_all(root_);
  }
  void open() {
    store_.reset();
    auto opened = RocksStore::open({.dir = root_ + "/index", .env = &env_});
    ASSERT_TRUE(opened.is_ok()) << opened.error().message;
    store_ = std::move(opened).value();
  }
  base::Status ingest(const std::string& value, uint64_t applied) {
    std::map<Bytes, Bytes> records;
    for (int i = 0; i < 1000; ++i) records["\x01key" + std::to_string(i)] = value;
    MapSource source(std::move(records));
    return store_->ingest(source, applied);
  }
  std::string value() {
    Bytes scratch;
    auto found = store_->snapshot()->get("\x01key7", ReadMode::kMayBlock, scratch);
    EXPECT_TRUE(found.is_ok()) << found.error().message;
    return found.is_ok() && *found ? std::string(**found) : "(none)";
  }
  size_t waiting_file_count() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& file : fs::directory_iterator(root_ + "/index/ingest")) {
      ++count;
    }
    return count;
  }

  std::string root_;
  ScarceEnv env_;
  std::unique_ptr<RocksStore> store_;
};

TEST_F(RocksStoreRoomTest, an_ingest_without_room_changes_nothing_and_is_repeated_with_room) {
  env_.word = "/ingest/";
  open();
  ASSERT_TRUE(ingest("old", 5).is_ok());
  for (uint64_t round = 0; round < 3; ++round) {
    env_.is_full = true;
    for (int attempt = 0; attempt < 2; ++attempt) {
      const base::Status failed = ingest("new", 10 + round);
      ASSERT_FALSE(failed.is_ok());
      EXPECT_EQ(failed.error().code, base::ErrorCode::kNoSpace) << failed.error().message;
      EXPECT_EQ(value(), "old") << round;
      EXPECT_EQ(waiting_file_count(), 0u) << "what was written in vain fills the disk";
    }
    env_.is_full = false;
    const base::Status done = ingest("new", 10 + round);
    ASSERT_TRUE(done.is_ok()) << done.error().message;
    EXPECT_EQ(value(), "new");
    ASSERT_TRUE(ingest("old", 10 + round).is_ok());
  }
  open();
  EXPECT_EQ(value(), "old");
  EXPECT_EQ(store_->persisted_applied(), 12u);
}

// Which state is stored then, only a restart can tell: the owner stops.
TEST_F(RocksStoreRoomTest, a_manifest_without_room_finishes_the_store_and_leaves_one_state) {
  env_.word = "MANIFEST";
  open();
  ASSERT_TRUE(ingest("old", 5).is_ok());
  env_.is_full = true;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const base::Status failed = ingest("new", 10);
    ASSERT_FALSE(failed.is_ok());
    EXPECT_EQ(failed.error().code, base::ErrorCode::kIo);
    EXPECT_NE(failed.error().message.find(root_), std::string::npos) << failed.error().message;
    env_.is_full = false;
  }
  open();
  EXPECT_EQ(value(), store_->persisted_applied() == 10 ? "new" : "old");
  ASSERT_TRUE(ingest("newer", 11).is_ok());
  EXPECT_EQ(value(), "newer");
}

TEST_F(RocksStoreRoomTest, a_compaction_without_room_leaves_the_state_and_later_ones_work) {
  env_.word = ".sst";
  open();
  for (uint64_t applied = 1; applied <= 4; ++applied) {
    ASSERT_TRUE(ingest("value" + std::to_string(applied), applied).is_ok());
  }
  env_.is_full = true;
  EXPECT_FALSE(store_->compact_all().is_ok());
  EXPECT_EQ(value(), "value4");
  env_.is_full = false;
  EXPECT_TRUE(store_->can_ingest());
  const base::Status done = ingest("value5", 5);
  ASSERT_TRUE(done.is_ok()) << done.error().message;
  EXPECT_TRUE(store_->compact_all().is_ok());
  EXPECT_EQ(value(), "value5");
  open();
  EXPECT_EQ(value(), "value5");
}

// Else RocksDB ends the process at the second line.
TEST_F(RocksStoreRoomTest, a_log_of_rocksdb_without_room_is_left_out) {
  env_.word = "/LOG";
  for (const bool is_full_at_open : {false, true}) {
    env_.is_full = is_full_at_open;
    open();
    env_.is_full = true;
    const size_t refused_before = env_.refused_count;
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(ingest("value", store_->persisted_applied() + 1).is_ok());
      ASSERT_TRUE(store_->compact_all().is_ok());
    }
    store_.reset();  // writes what was buffered
    const size_t refused = env_.refused_count - refused_before;
    EXPECT_EQ(refused > 0, !is_full_at_open) << "nothing was tried";
  }
}

}  // namespace
}  // namespace alfheim::index
