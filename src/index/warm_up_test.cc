#include <gtest/gtest.h>

#include <atomic>

#include "index/index.h"
#include "index/twin_store.h"

namespace alfheim::index {
namespace {

class StillClock final : public env::Clock {
 public:
  uint64_t monotonic_ns() const override { return 1'000'000; }
  uint64_t wall_us() const override { return 1000; }
};

constexpr size_t kRecordCount = 10'000;  // several parts
constexpr Options kOptions{.memory_budget_bytes = 16 << 20,
                           .dirty_budget_bytes = 4 << 20,
                           .ordered_kinds = {},
                           .warm_kind = 'K'};

Bytes key_of(char kind, size_t i) { return Bytes(1, kind) + std::to_string(i); }

struct World {
  World() { open(kOptions); }
  void open(const Options& options) {
    index.reset();
    index = Index::open(store, clock, options).value();
    applied = index->applied();
  }
  void put(ByteView key, std::optional<ByteView> value) {
    const Mutation mutation{key, value};
    index->write({&mutation, 1}, ++applied);
  }
  void persist() {
    const auto job = index->freeze(applied);
    ASSERT_TRUE(job->run().is_ok());
    index->finish(*job);
  }
  void fill(char kind, size_t count, ByteView value) {
    for (size_t i = 0; i < count; ++i) put(key_of(kind, i), value);
    persist();
  }
  // Runs one part; false where there is none.
  bool warm_part() {
    const auto part = index->next_warm_part();
    if (part == nullptr) return false;
    EXPECT_TRUE(part->run().is_ok());
    while (index->take_warm(*part)) {
    }
    return true;
  }
  void warm() {
    while (warm_part()) {
    }
  }
  // What a loop finds without the Store's help: "(cold)" where only the Store knows.
  Bytes get(ByteView key) {
    Bytes scratch;
    const auto found = index->read().get(key, scratch);
    if (!found.is_ok()) return "(cold)";
    return *found ? Bytes(**found) : "(none)";
  }

  // Its cache never has anything.
  TwinStore store{std::make_shared<TwinDisk>(), {.would_block_per_1000 = 1000}};
  StillClock clock;
  std::unique_ptr<Index> index;
  uint64_t applied = 0;
};

TEST(WarmUp, brings_every_record_of_its_kind_and_no_other) {
  World world;
  world.fill('K', kRecordCount, "value");
  world.fill('r', 10, "reference");
  world.open(kOptions);
  EXPECT_EQ(world.get(key_of('K', 7)), "(cold)");
  world.warm();
  EXPECT_EQ(world.index->stats().warmed_count, kRecordCount);
  for (size_t i = 0; i < kRecordCount; ++i) ASSERT_EQ(world.get(key_of('K', i)), "value");
  EXPECT_EQ(world.get(key_of('r', 7)), "(cold)");
  world.index->check_invariants();
}

TEST(WarmUp, behind_it_memory_knows_which_keys_are_missing) {
  World world;
  world.fill('K', 10, "value");
  world.open(kOptions);
  EXPECT_EQ(world.get("Knone"), "(cold)");
  world.warm();
  EXPECT_EQ(world.get("Knone"), "(none)");
  EXPECT_EQ(world.get("rnone"), "(cold)");
}

TEST(WarmUp, what_was_written_or_erased_meanwhile_stays) {
  World world;
  world.fill('K', 10, "old");
  world.open(kOptions);
  const auto part = world.index->next_warm_part();
  ASSERT_TRUE(part->run().is_ok());
  world.put(key_of('K', 1), "new");
  world.put(key_of('K', 2), std::nullopt);
  while (world.index->take_warm(*part)) {
  }
  EXPECT_EQ(world.get(key_of('K', 1)), "new");
  EXPECT_EQ(world.get(key_of('K', 2)), "(none)");
  EXPECT_EQ(world.get(key_of('K', 3)), "old");
  world.persist();
  world.open(kOptions);
  world.warm();
  EXPECT_EQ(world.get(key_of('K', 1)), "new");
  EXPECT_EQ(world.get(key_of('K', 2)), "(none)");
}

// The new value was ingested and evicted while the part was on its way with the old one, and then
// there is room again: nothing but the ingest speaks against the part.
TEST(WarmUp, a_part_that_was_read_before_an_ingest_is_dropped_and_read_again) {
  World world;
  world.fill('K', 10, "old");
  Options small = kOptions;
  small.memory_budget_bytes = 1 << 20;
  small.dirty_budget_bytes = 128 << 10;
  world.open(small);
  const auto part = world.index->next_warm_part();
  ASSERT_NE(part, nullptr);
  ASSERT_TRUE(part->run().is_ok());
  world.put(key_of('K', 1), "new");
  world.persist();
  const Bytes large(100'000, 'x');
  for (size_t i = 0; i < 100 && world.get(key_of('K', 1)) != "(cold)"; ++i) {
    for (size_t j = 0; j < 20; ++j) world.put(key_of('y', j), large);
  }
  ASSERT_EQ(world.get(key_of('K', 1)), "(cold)") << "never evicted";
  for (size_t j = 0; j < 20; ++j) world.put(key_of('y', j), "small");
  ASSERT_NE(world.index->next_warm_part(), nullptr) << "no room";
  while (world.index->take_warm(*part)) {
  }
  EXPECT_EQ(world.get(key_of('K', 1)), "(cold)");
  EXPECT_EQ(world.index->stats().warmed_count, 0u);
  world.warm();
  EXPECT_EQ(world.get(key_of('K', 1)), "new");
  EXPECT_EQ(world.get(key_of('K', 2)), "old");
  EXPECT_EQ(world.get("Knone"), "(cold)");  // something was evicted
}

TEST(WarmUp, goes_on_across_an_ingest) {
  World world;
  world.fill('K', kRecordCount, "value");
  world.open(kOptions);
  ASSERT_TRUE(world.warm_part());
  EXPECT_LT(world.index->stats().warmed_count, kRecordCount);
  EXPECT_EQ(world.get("Knone"), "(cold)");  // a part is not the whole
  EXPECT_EQ(world.get(key_of('K', 9999)), "(cold)");
  const auto dropped = world.index->next_warm_part();
  ASSERT_TRUE(dropped->run().is_ok());
  world.put("Knew", "one");
  world.persist();
  EXPECT_FALSE(world.index->take_warm(*dropped));
  world.warm();
  EXPECT_EQ(world.index->stats().warmed_count, kRecordCount);
  EXPECT_EQ(world.get("Knone"), "(none)");
}

TEST(WarmUp, stops_before_the_budget_and_then_missing_keys_are_asked_for) {
  World world;
  world.fill('K', kRecordCount, Bytes(200, 'v'));
  Options small = kOptions;
  small.memory_budget_bytes = 1 << 20;
  small.dirty_budget_bytes = 256 << 10;
  world.open(small);
  world.warm();
  const Stats stats = world.index->stats();
  EXPECT_GT(stats.warmed_count, 0u);
  EXPECT_LT(stats.warmed_count, kRecordCount);
  EXPECT_EQ(stats.eviction_count, 0u);
  EXPECT_EQ(world.get("Knone"), "(cold)");
}

TEST(WarmUp, a_view_from_before_it_sees_what_it_saw) {
  World world;
  world.fill('K', 10, "old");
  world.open(kOptions);
  const auto before = world.index->open_view();
  world.put(key_of('K', 1), "new");
  world.persist();
  world.warm();
  Bytes scratch;
  const auto found = before->get(key_of('K', 1), ReadMode::kMayBlock, scratch);
  ASSERT_TRUE(found.is_ok());
  EXPECT_EQ(**found, "old");
  const auto untouched = before->get(key_of('K', 2), ReadMode::kMayBlock, scratch);
  ASSERT_TRUE(untouched.is_ok());
  EXPECT_EQ(**untouched, "old");
}

TEST(WarmUp, nothing_is_brought_where_nothing_was_stored_or_nobody_wants_it) {
  World world;
  EXPECT_EQ(world.index->next_warm_part(), nullptr);
  world.fill('K', 10, "value");
  Options unwanted = kOptions;
  unwanted.warm_kind = kStoreKind;
  world.open(unwanted);
  EXPECT_EQ(world.index->next_warm_part(), nullptr);
}

}  // namespace
}  // namespace alfheim::index
