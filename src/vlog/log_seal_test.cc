// A log whose files go to another member of the group.
#include <gtest/gtest.h>

#include "env/file_tree.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"
#include "vlog/log_world.h"
#include "vlog/meta.h"
#include "vlog/segment_names.h"

namespace alfheim::vlog {
namespace {

constexpr char kElsewhere[] = "/elsewhere";

SealedLog seal(LogWorld& world, Pin earlier, base::LogIndex last) {
  auto sealed = world.log->seal(std::move(earlier), last);
  EXPECT_TRUE(sealed.is_ok()) << (sealed.is_ok() ? "" : sealed.error().message);
  return std::move(sealed).value();
}

SealedLog seal(LogWorld& world, Pin earlier) {
  return seal(world, std::move(earlier), world.log->last_index());
}

// Opens what `sealed` names as the log of another node.
base::Result<std::unique_ptr<Log>> open_elsewhere(LogWorld& world, const SealedLog& sealed,
                                                  Identity identity) {
  ALF_TRY_STATUS(world.disk.make_dir(kElsewhere));
  uint64_t next_id = 1;
  for (const SealedLog::File& file : sealed.files) {
    ALF_TRY_STATUS(world.disk.link(file.path, path_in(kElsewhere, segment_name(file.id))));
    next_id = std::max(next_id, file.id + 1);
  }
  ALF_TRY_STATUS(MetaFile::create(world.disk, kElsewhere,
                                  Meta{.identity = identity,
                                       .hard_state = {{9}, {2}},
                                       .log_start = sealed.first_index,
                                       .log_start_previous_term = sealed.previous_term,
                                       .next_segment_id = next_id,
                                       .trims = sealed.trims}));
  Log::Options options = world.options();
  options.dir = kElsewhere;
  options.identity = identity;
  return Log::open(world.disk, world.random, options);
}

Identity another_node(const LogWorld& world) {
  Identity identity = world.log->identity();
  identity.node.value += 1;
  return identity;
}

TEST(LogSeal, WhatFollowsGoesIntoANewSegment) {
  LogWorld world;
  world.open();
  EXPECT_TRUE(seal(world, world.log->pin()).files.empty()) << "an empty log has nothing to seal";
  world.append_many(1, 3, 1);
  const SealedLog sealed = seal(world, world.log->pin());
  EXPECT_EQ(sealed.last_index, base::LogIndex{3});
  EXPECT_EQ(sealed.last_term, base::Term{1});
  ASSERT_EQ(sealed.files.size(), 1u);
  EXPECT_EQ(seal(world, world.log->pin()).files.size(), 1u) << "all is sealed already";
  world.append_many(4, 5, 2);
  world.log->check_invariants();
  EXPECT_EQ(world.segment_paths().size(), 2u);
  world.crash_and_reopen();
  for (uint64_t i = 1; i <= 5; ++i) EXPECT_EQ(world.payload_at(i).size(), 100u) << i;
}

TEST(LogSeal, ACrashBehindItLosesNothing) {
  LogWorld world;
  world.open();
  world.append_many(1, 3, 1);
  seal(world, world.log->pin());
  world.crash_and_reopen();
  EXPECT_EQ(world.log->last_index(), base::LogIndex{3});
  seal(world, world.log->pin());
  world.close_and_reopen();
  EXPECT_EQ(world.log->last_index(), base::LogIndex{3});
}

TEST(LogSeal, TheFilesAreTheSameLogUnderAnotherNodesMeta) {
  LogWorld world;
  world.open();
  world.append_many(1, 1000, 1);
  const SealedLog sealed = seal(world, world.log->pin());
  ASSERT_GT(sealed.files.size(), 2u);
  auto other = open_elsewhere(world, sealed, another_node(world));
  ASSERT_TRUE(other.is_ok()) << other.error().message;
  EXPECT_EQ((*other)->last_index(), base::LogIndex{1000});
  EXPECT_EQ((*other)->hard_state(), (HardState{{9}, {2}}));
  for (uint64_t i = 1; i <= 1000; ++i) {
    auto here = world.log->read_entry({i});
    auto there = (*other)->read_entry({i});
    ASSERT_TRUE(here.is_ok() && there.is_ok()) << i;
    ASSERT_TRUE(is_same(*here, *there)) << i;
  }
  // It goes on with segments of its own behind them.
  const raft::Entry next = entry_of(1001, 9, "of its own");
  ASSERT_TRUE((*other)->append({&next, 1}).is_ok());
  (*other)->check_invariants();
}

// What may be taken back is given to nobody: neither what the cut segment holds behind it, nor the
// segments that follow, nor what was truncated once and told by a segment that stays out.
TEST(LogSeal, TheLogMayBeGivenUpToAnyEntry) {
  LogWorld world;
  world.open();
  world.append_many(1, 500, 1);
  world.append_many(301, 1000, 2);
  for (const uint64_t last : {1, 299, 300, 301, 640, 999, 1000}) {
    SCOPED_TRACE(last);
    const SealedLog sealed = seal(world, world.log->pin(), {last});
    EXPECT_EQ(sealed.last_index, base::LogIndex{last});
    EXPECT_EQ(sealed.last_term, base::Term{last <= 300 ? 1u : 2u});
    auto other = open_elsewhere(world, sealed, another_node(world));
    ASSERT_TRUE(other.is_ok()) << other.error().message;
    EXPECT_EQ((*other)->last_index(), base::LogIndex{last});
    (*other)->check_invariants();
    const raft::Entry next = entry_of(last + 1, 9, "another leader's");
    ASSERT_TRUE((*other)->append({&next, 1}).is_ok());
    EXPECT_EQ((*other)->term_at({last + 1}), base::Term{9});
    auto read = (*other)->read_entry({last});
    auto here = world.log->read_entry({last});
    ASSERT_TRUE(read.is_ok() && here.is_ok());
    EXPECT_TRUE(is_same(*here, *read));
    other->reset();
    for (const std::string& name : *world.disk.list(kElsewhere)) {
      ASSERT_TRUE(world.disk.unlink(path_in(kElsewhere, name)).is_ok());
    }
  }
}

// Of an empty log there is nothing but where it begins.
TEST(LogSeal, ALogThatBeginsBehindItsLastEntryIsGivenWithoutAny) {
  LogWorld world;
  world.open();
  world.append_many(1, 10, 1);
  ASSERT_TRUE(world.log->set_log_start({6}, {1}).is_ok());
  const SealedLog sealed = seal(world, world.log->pin(), {5});
  EXPECT_EQ(sealed.first_index, base::LogIndex{6});
  EXPECT_EQ(sealed.last_index, base::LogIndex{5});
  EXPECT_EQ(sealed.last_term, base::Term{1});
  auto other = open_elsewhere(world, sealed, another_node(world));
  ASSERT_TRUE(other.is_ok()) << other.error().message;
  EXPECT_EQ((*other)->last_index(), base::LogIndex{5});
  EXPECT_TRUE((*other)->read_entry({5}).is_ok()) << "a value that the index may name";
}

TEST(LogSeal, AnotherGroupsSegmentsAreRefused) {
  LogWorld world;
  world.open();
  world.append_many(1, 3, 1);
  Identity identity = another_node(world);
  identity.cluster_uid += 1;
  const auto other = open_elsewhere(world, seal(world, world.log->pin()), identity);
  ASSERT_FALSE(other.is_ok());
  EXPECT_EQ(other.error().code, base::ErrorCode::kCorruption);
}

// The index that is shipped along may be older than what the keeper judges by.
TEST(LogSeal, WhatWasDroppedUnderAnEarlierPinIsAmongTheFiles) {
  LogWorld world;
  world.open();
  world.append_many(1, 1000, 1);
  const Pin earlier = world.log->pin();
  const std::vector<SegmentInfo> infos = world.log->sealed_segments();
  ASSERT_GT(infos.size(), 2u);
  ASSERT_TRUE(world.log->set_log_start(infos[1].first_index, {1}).is_ok());
  ASSERT_TRUE(world.log->drop_segment(infos[0].id).is_ok());
  const SealedLog sealed = seal(world, earlier);
  EXPECT_EQ(sealed.files.size(), infos.size() + 1);
  EXPECT_EQ(sealed.first_index, infos[1].first_index);
  auto other = open_elsewhere(world, sealed, another_node(world));
  ASSERT_TRUE(other.is_ok()) << other.error().message;
  EXPECT_TRUE((*other)->read_entry({1}).is_ok());
  EXPECT_EQ(seal(world, world.log->pin()).files.size(), infos.size());
}

// Footers go on listing what a later segment truncated, and that one may be gone.
TEST(LogSeal, TruncatedEntriesDoNotComeBackElsewhere) {
  LogWorld world;
  world.open();
  world.append_many(1, 300, 1);
  const SegmentInfo first = world.log->sealed_segments().front();
  const uint64_t cut = first.last_index.value - 5;
  world.append_many(cut, cut + 400, 2);
  const SealedLog sealed = seal(world, world.log->pin());
  {
    auto other = open_elsewhere(world, sealed, another_node(world));
    ASSERT_TRUE(other.is_ok()) << other.error().message;
    EXPECT_EQ((*other)->last_index(), base::LogIndex{cut + 400});
    EXPECT_EQ((*other)->term_at({cut}), base::Term{2});
  }
  // Where the truncating segment is dropped, META tells, here and there.
  const std::vector<SegmentInfo> infos = world.log->sealed_segments();
  ASSERT_GT(infos.size(), 2u);
  ASSERT_TRUE(world.log->set_log_start(infos[2].first_index, {2}).is_ok());
  ASSERT_TRUE(world.log->drop_segment(infos[1].id).is_ok());
  ASSERT_TRUE(env::remove_tree(world.disk, kElsewhere).is_ok());
  const SealedLog again = seal(world, world.log->pin());
  ASSERT_EQ(again.trims.size(), 1u);
  auto other = open_elsewhere(world, again, another_node(world));
  ASSERT_TRUE(other.is_ok()) << other.error().message;
  const auto truncated = (*other)->read_entry({cut});
  ASSERT_FALSE(truncated.is_ok());
  EXPECT_EQ(truncated.error().code, base::ErrorCode::kNotFound);
}

}  // namespace
}  // namespace alfheim::vlog
