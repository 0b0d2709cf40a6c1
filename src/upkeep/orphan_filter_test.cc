#include "upkeep/orphan_filter.h"

#include <gtest/gtest.h>

#include "index/twin_store.h"
#include "sim/hands/sim_clock.h"
#include "types/key_codec.h"

namespace alfheim::upkeep {
namespace {

using types::Epoch;

// What the fixture's states say of themselves, under the machine's name for it.
base::Bytes state_bytes(uint64_t applied, uint64_t flush_count) {
  base::Bytes bytes;
  base::put_u64(bytes, applied);
  base::put_u64(bytes, flush_count);
  return bytes;
}

base::Result<PersistedState> read_state(types::RecordSource& records) {
  PersistedState state{{}, types::DatabaseTable::make_new()};
  base::Bytes scratch;
  ALF_TRY(const std::optional<base::ByteView> bytes,
          records.get(types::meta_key("state"), scratch));
  if (!bytes) return state;
  base::Reader reader(*bytes);
  uint64_t flush_count = 0;
  EXPECT_TRUE(reader.get_u64(state.applied.value) && reader.get_u64(flush_count));
  for (uint64_t i = 0; i < flush_count; ++i) state.databases.flush(base::DatabaseIndex{0});
  return state;
}

// An index whose persisted state has one flushed database: epoch 1 is dead, 17 took its place.
class OrphanFilterTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = index::Index::open(store_, clock_, {});
    ASSERT_TRUE(opened.is_ok());
    index_ = std::move(opened).value();
    persist("Kb", "1", 1);
  }
  void TearDown() override { filter_.detach(); }

  void attach() { filter_.attach({index_.get(), &store_, read_state}); }
  void write(base::ByteView key, base::ByteView value, uint64_t applied, uint64_t flush_count = 1) {
    const base::Bytes state_key = types::meta_key("state");
    const base::Bytes state = state_bytes(applied, flush_count);
    const index::Mutation mutations[] = {{key, value}, {state_key, state}};
    index_->write(mutations, applied);
  }
  void persist(base::ByteView key, base::ByteView value, uint64_t applied) {
    write(key, value, applied);
    auto job = index_->freeze(applied);
    ASSERT_TRUE(job->run().is_ok());
    index_->finish(*job);
  }
  static base::Bytes dead() { return types::key_record_key(Epoch{1}, "k"); }
  static base::Bytes alive() { return types::key_record_key(Epoch{17}, "k"); }
  static base::Bytes unborn() { return types::key_record_key(Epoch{99}, "k"); }

  sim::SimClock clock_;
  index::TwinStore store_{std::make_shared<index::TwinDisk>()};
  OrphanFilter filter_;
  std::unique_ptr<index::Index> index_;
};

TEST_F(OrphanFilterTest, KeepsEverythingBeforeItIsAttachedAndAfterItIsDetached) {
  EXPECT_FALSE(filter_.should_drop(dead(), "v"));
  attach();
  EXPECT_TRUE(filter_.should_drop(dead(), "v"));
  filter_.detach();
  EXPECT_FALSE(filter_.should_drop(dead(), "v"));
}

TEST_F(OrphanFilterTest, DropsWhatBelongsToDeadEpochsAloneWhateverItsKind) {
  attach();
  const vlog::ValueAddress address{.index = {5}, .offset_bytes = 1, .length_bytes = 2, .crc = 3};
  const types::Version version{base::LogIndex{5}, 1};
  struct Case {
    const char* name;
    base::Bytes owner;
    bool is_dropped;
  };
  for (const Case& given : {Case{"dead", dead(), true}, Case{"alive", alive(), false},
                            Case{"not known to the state judged by", unborn(), false}}) {
    EXPECT_EQ(filter_.should_drop(given.owner, "v"), given.is_dropped) << given.name;
    EXPECT_EQ(filter_.should_drop(types::expiry_key(7, given.owner), ""), given.is_dropped)
        << given.name;
    EXPECT_EQ(filter_.should_drop(types::reference_key(address, given.owner), ""), given.is_dropped)
        << given.name;
    EXPECT_EQ(filter_.should_drop(types::version_key(version), given.owner), given.is_dropped)
        << given.name;
  }
  EXPECT_FALSE(filter_.should_drop(types::meta_key("state"), "v"));
  EXPECT_FALSE(filter_.should_drop("", ""));
  EXPECT_FALSE(filter_.should_drop("Kx", ""));
}

TEST_F(OrphanFilterTest, KeepsEverythingWhileAViewIsOlderThanTheStateJudgedBy) {
  attach();
  const std::shared_ptr<index::View> view = index_->open_view();
  persist("Ka", "1", 10);
  EXPECT_FALSE(filter_.should_drop(dead(), "v"));
}

TEST_F(OrphanFilterTest, DropsADeadKeyOnceTheOldViewIsClosed) {
  attach();
  std::shared_ptr<index::View> view = index_->open_view();
  persist("Ka", "1", 10);
  ASSERT_FALSE(filter_.should_drop(dead(), "v"));
  view.reset();
  EXPECT_TRUE(filter_.should_drop(dead(), "v"));
}

TEST_F(OrphanFilterTest, KeepsWhatAnIngestThatIsNotFinishedFlushedUnderAViewThatReadsIt) {
  attach();
  persist(alive(), "v", 10);
  std::shared_ptr<index::View> view = index_->open_view();
  write("Kc", "1", 11, 2);  // the second flush: 17 is dead from here on
  const auto job = index_->freeze(11);
  ASSERT_TRUE(job->run().is_ok());
  // The store knows of the flush, the index does not know that it does, and the view reads 17.
  EXPECT_FALSE(filter_.should_drop(alive(), "v"));
  view.reset();
  EXPECT_FALSE(filter_.should_drop(alive(), "v"));
  view = index_->open_view();  // sees the flush
  index_->finish(*job);
  EXPECT_TRUE(filter_.should_drop(alive(), "v"));
}

TEST_F(OrphanFilterTest, KeepsEverythingWhereThePersistedStateCannotBeRead) {
  filter_.attach({index_.get(), &store_, [](types::RecordSource&) {
                    return base::Result<PersistedState>(
                        base::Error{base::ErrorCode::kCorruption, "told to fail"});
                  }});
  EXPECT_FALSE(filter_.should_drop(dead(), "v"));
}

TEST_F(OrphanFilterTest, JudgesChunksByTheVersionRecordOfAStateThatCouldKnowIt) {
  attach();
  const types::Version owned{base::LogIndex{5}, 1};
  const types::Version gone{base::LogIndex{5}, 2};
  const types::Version newer{base::LogIndex{11}, 1};
  persist(types::version_key(owned), alive(), 10);
  EXPECT_FALSE(filter_.should_drop(types::chunk_key(owned, 0), "bytes"));
  EXPECT_TRUE(filter_.should_drop(types::chunk_key(gone, 0), "bytes"));
  EXPECT_FALSE(filter_.should_drop(types::chunk_key(newer, 0), "bytes"));
}

}  // namespace
}  // namespace alfheim::upkeep
