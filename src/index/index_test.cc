#include "index/index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "index/twin_store.h"

namespace alfheim::index {
namespace {

class ManualClock final : public env::Clock {
 public:
  uint64_t monotonic_ns() const override { return now_ns; }
  uint64_t wall_us() const override { return now_ns / 1000; }
  std::atomic<uint64_t> now_ns = 1'000'000;
};

struct World {
  explicit World(Options options = {}, TwinStore::Options twin = {}) : store(disk, twin) {
    if (options.ordered_kinds.empty()) options.ordered_kinds = "\x02";
    index = Index::open(store, clock, options).value();
  }
  void put(ByteView key, ByteView value) {
    const Mutation mutation{key, value};
    index->write({&mutation, 1}, ++applied);
  }
  void erase(ByteView key) {
    const Mutation mutation{key, std::nullopt};
    index->write({&mutation, 1}, ++applied);
  }
  void persist() {
    const auto job = index->freeze(applied);
    ASSERT_TRUE(job->run().is_ok());
    index->finish(*job);
  }
  Bytes get(ByteView key) {
    Bytes scratch;
    const auto found = index->open_view()->get(key, ReadMode::kMayBlock, scratch);
    return *found ? Bytes(**found) : "(none)";
  }

  std::shared_ptr<TwinDisk> disk = std::make_shared<TwinDisk>();
  TwinStore store;
  ManualClock clock;
  std::unique_ptr<Index> index;
  uint64_t applied = 0;
};

Bytes key_of(char kind, uint64_t i) { return Bytes(1, kind) + std::to_string(i); }

TEST(Index, budgets_that_cannot_hold_two_dirty_parts_are_refused) {
  TwinStore store(std::make_shared<TwinDisk>());
  ManualClock clock;
  const auto opened =
      Index::open(store, clock, {.memory_budget_bytes = 100, .dirty_budget_bytes = 60});
  ASSERT_FALSE(opened.is_ok());
  EXPECT_EQ(opened.error().code, base::ErrorCode::kInvalidArgument);
}

TEST(Index, what_was_not_ingested_is_gone_after_a_crash_and_persisted_applied_says_so) {
  World world;
  world.put("\x01k", "one");
  world.persist();
  world.put("\x01k", "two");
  const auto job = world.index->freeze(world.applied);
  world.index.reset();  // the job never runs
  world.index = Index::open(world.store, world.clock, {}).value();
  EXPECT_EQ(world.index->persisted_applied(), 1u);
  EXPECT_EQ(world.index->applied(), 1u);
  EXPECT_EQ(world.get("\x01k"), "one");
}

TEST(Index, a_freeze_says_what_it_stored_and_not_what_came_since) {
  World world;
  world.put("\x01k", "one");
  const auto job = world.index->freeze(world.applied);
  world.put("\x01k", "two");
  ASSERT_TRUE(job->run().is_ok());
  world.index->finish(*job);
  EXPECT_EQ(world.index->applied(), 2u);
  EXPECT_EQ(world.index->persisted_applied(), 1u);
  EXPECT_EQ(world.disk->content().applied, 1u);
}

TEST(Index, an_ingest_that_fails_changes_nothing) {
  World world;
  world.put("\x01k", "one");
  world.store.set_fails_ingest(true);
  const auto job = world.index->freeze(world.applied);
  const base::Status status = job->run();
  ASSERT_FALSE(status.is_ok());
  EXPECT_EQ(status.error().code, base::ErrorCode::kIo);
  EXPECT_EQ(world.index->persisted_applied(), 0u);
  EXPECT_TRUE(world.disk->content().records->empty());
  EXPECT_EQ(world.get("\x01k"), "one");
}

TEST(Index, a_freeze_is_wanted_at_the_budget_and_overfull_at_the_next_or_when_level_0_is_full) {
  World world({.memory_budget_bytes = 1 << 20, .dirty_budget_bytes = 10'000});
  const auto fill = [&world] {
    for (uint64_t i = 0; i < 100; ++i) world.put(key_of('\x01', i), Bytes(100, 'v'));
  };
  EXPECT_FALSE(world.index->wants_freeze());
  EXPECT_TRUE(world.index->can_freeze());
  fill();
  EXPECT_TRUE(world.index->wants_freeze());
  EXPECT_FALSE(world.index->is_overfull());
  world.store.set_full(true);
  EXPECT_FALSE(world.index->wants_freeze());
  EXPECT_FALSE(world.index->can_freeze());
  EXPECT_TRUE(world.index->is_overfull());
  world.store.set_full(false);
  const auto job = world.index->freeze(world.applied);
  EXPECT_TRUE(world.index->is_freezing());
  EXPECT_FALSE(world.index->can_freeze());
  EXPECT_FALSE(world.index->has_dirty());
  EXPECT_FALSE(world.index->is_overfull());
  EXPECT_FALSE(world.index->is_nearly_full());
  world.put(key_of('\x01', 0), Bytes(5'000, 'v'));
  EXPECT_FALSE(world.index->is_nearly_full());
  world.put(key_of('\x01', 0), Bytes(7'600, 'v'));
  EXPECT_TRUE(world.index->is_nearly_full());
  EXPECT_FALSE(world.index->is_overfull());
  fill();
  EXPECT_TRUE(world.index->is_overfull());
  ASSERT_TRUE(job->run().is_ok());
  world.index->finish(*job);
  EXPECT_FALSE(world.index->is_overfull());
  EXPECT_TRUE(world.index->wants_freeze());
}

TEST(Index, overwriting_in_place_grows_neither_memory_nor_the_dirty_part) {
  World world;
  world.put("\x01k", Bytes(100, 'a'));
  const uint64_t dirty = world.index->dirty_bytes();
  const uint64_t memory = world.index->memory_bytes();
  for (int i = 0; i < 10'000; ++i) world.put("\x01k", Bytes(100 - i % 8, 'b'));
  EXPECT_EQ(world.index->dirty_bytes(), dirty);
  EXPECT_EQ(world.index->memory_bytes(), memory);
  world.index->check_invariants();
}

TEST(Index, views_are_counted_age_and_hold_back_the_compaction_filter) {
  World world;
  world.put("\x01k", "one");
  auto first = world.index->open_view();
  world.clock.now_ns += 5'000'000;
  auto second = world.index->open_view();
  world.put("\x01k", "two");
  world.persist();
  EXPECT_EQ(world.index->view_count(), 2u);
  EXPECT_EQ(world.index->oldest_view_ms(), 5u);
  EXPECT_EQ(world.index->filter_horizon(), 1u);
  first.reset();
  EXPECT_EQ(world.index->oldest_view_ms(), 0u);
  second.reset();
  EXPECT_EQ(world.index->filter_horizon(), 2u);
}

TEST(Index, older_versions_exist_only_while_somebody_needs_them) {
  World world;
  world.put("\x01k", "one");
  world.put("\x01k", "two");
  EXPECT_EQ(world.index->stats().older_version_count, 0u);
  auto view = world.index->open_view();
  for (int i = 0; i < 100; ++i) world.put("\x01k", std::to_string(i));
  EXPECT_EQ(world.index->stats().older_version_count, 1u);
  Bytes scratch;
  EXPECT_EQ(view->get("\x01k", ReadMode::kMemoryOnly, scratch).value(), "two");
  view.reset();
  world.put("\x01other", "");
  EXPECT_EQ(world.index->stats().older_version_count, 0u);
}

// The view finds "old" in its snapshot only; what the Store holds by now must not come before.
TEST(Index, a_record_that_was_evicted_and_loaded_again_is_not_shown_to_a_view_from_before) {
  World world({.memory_budget_bytes = 2, .dirty_budget_bytes = 1});  // evicts whatever it may
  world.put("\x01k", "old");
  world.persist();
  const auto view = world.index->open_view();
  world.persist();  // ends the run that the view walks
  world.put("\x01k", "new");
  world.persist();
  for (int i = 0; i < 4; ++i) world.put("\x01other", "");
  EXPECT_GT(world.index->stats().eviction_count, 0u);
  Bytes scratch;
  EXPECT_EQ(world.index->get_for_write("\x01k", scratch).value(), "new");
  EXPECT_EQ(world.index->stats().store_read_count, 1u);
  EXPECT_EQ(view->get("\x01k", ReadMode::kMayBlock, scratch).value(), "old");
}

TEST(Index, what_only_the_disk_knows_would_block_in_a_guard_and_in_a_slice) {
  World world({.memory_budget_bytes = 2, .dirty_budget_bytes = 1},
              {.seed = 1, .would_block_per_1000 = 1000});
  world.put("\x01k", "v");
  world.persist();
  for (int i = 0; i < 4; ++i) world.put("\x01other", "");
  ASSERT_GT(world.index->stats().eviction_count, 0u);
  Bytes scratch;
  EXPECT_EQ(world.index->get_for_write("\x01k", scratch, ReadMode::kMemoryOnly).error().code,
            base::ErrorCode::kWouldBlock);
  EXPECT_EQ(world.index->read().get("\x01k", scratch).error().code, base::ErrorCode::kWouldBlock);
  {
    WriteSlice slice = world.index->begin_slice();
    EXPECT_EQ(world.index->get_for_write("\x01k", scratch).error().code,
              base::ErrorCode::kWouldBlock);
  }
  EXPECT_EQ(world.index->get_for_write("\x01k", scratch).value(), "v");
}

TEST(Index, behind_a_curtain_readers_see_the_state_of_before_until_it_is_lifted) {
  World world;
  world.put("\x01old", "1");
  world.put("\x01gone", "1");
  world.persist();
  world.put("\x01old", "2");
  const auto seen = [&](ByteView key) {
    Bytes scratch;
    const ReadGuard guard = world.index->read();
    EXPECT_EQ(guard.applied(), 3u);
    const auto found = guard.get(key, scratch);
    EXPECT_TRUE(found.is_ok());
    return *found ? Bytes(**found) : "(none)";
  };
  const auto publish = [&](ByteView key, std::optional<ByteView> value, bool is_last) {
    const Mutation mutation{key, value};
    WriteSlice slice = world.index->begin_slice();
    slice.publish({&mutation, 1}, 4);
    if (is_last) slice.lift_curtain();
  };
  world.index->draw_curtain();
  publish("\x01old", "3", false);
  publish("\x01gone", std::nullopt, false);
  publish("\x01new", "1", false);
  EXPECT_EQ(seen("\x01old"), "2");
  EXPECT_EQ(seen("\x01gone"), "1");
  EXPECT_EQ(seen("\x01new"), "(none)");
  EXPECT_EQ(world.get("\x01old"), "2");  // a view that is opened now
  EXPECT_EQ(world.get("\x01new"), "(none)");
  const std::shared_ptr<View> kept = world.index->open_view();
  Bytes scratch;
  EXPECT_EQ(**world.index->get_for_write("\x01old", scratch), "3");  // apply sees its own
  publish("\x01other", "1", true);
  EXPECT_EQ(world.index->read().applied(), 4u);
  EXPECT_EQ(world.get("\x01old"), "3");
  EXPECT_EQ(world.get("\x01gone"), "(none)");
  EXPECT_EQ(world.get("\x01new"), "1");
  EXPECT_EQ(**kept->get("\x01old", ReadMode::kMayBlock, scratch), "2");
  EXPECT_EQ(world.index->view_count(), 1u);
  world.index->check_invariants();
}

TEST(Index, as_long_as_memory_has_held_everything_a_missing_key_is_known_without_the_store) {
  const index::TwinStore::Options cold{.seed = 1, .would_block_per_1000 = 1000};
  World world({}, cold);
  world.put("\x01k", "v");
  world.persist();
  Bytes scratch;
  EXPECT_FALSE(world.index->read().get("\x01none", scratch).value().has_value());
  EXPECT_FALSE(
      world.index->get_for_write("\x01none", scratch, ReadMode::kMemoryOnly).value().has_value());
  // An index that begins with a full store knows nothing.
  world.index.reset();
  world.index = Index::open(world.store, world.clock, {}).value();
  EXPECT_EQ(world.index->read().get("\x01none", scratch).error().code,
            base::ErrorCode::kWouldBlock);
}

TEST(Index, a_scan_in_memory_only_refuses_to_sort_a_long_tail_but_not_an_ordered_kind) {
  World world;
  for (uint64_t i = 0; i < 1000; ++i) {
    world.put(key_of('\x01', i), "v");
    world.put(key_of('\x02', i), "v");
  }
  const auto view = world.index->open_view();
  const auto ordered =
      view->scan({.mode = ReadMode::kMemoryOnly, .lower = "\x02", .upper = "\x03"});
  ordered->seek("\x02");
  EXPECT_TRUE(ordered->is_valid());
  EXPECT_EQ(view->scan({.mode = ReadMode::kMemoryOnly})->status().error().code,
            base::ErrorCode::kWouldBlock);
  ASSERT_TRUE(view->scan()->status().is_ok());  // sorts
  EXPECT_TRUE(view->scan({.mode = ReadMode::kMemoryOnly})->status().is_ok());
}

// Enough records for the table to split, for many slabs and for several sorted levels.
TEST(Index, many_records_come_and_go_within_the_budget) {
  constexpr uint64_t kBudget = 8 << 20;
  World world({.memory_budget_bytes = kBudget, .dirty_budget_bytes = kBudget / 4});
  std::map<Bytes, Bytes> model;
  std::mt19937_64 random(3);
  uint64_t peak = 0;
  for (int round = 0; round < 200'000; ++round) {
    const Bytes key = key_of(static_cast<char>(1 + random() % 2), random() % 60'000);
    if (random() % 5 == 0) {
      world.erase(key);
      model.erase(key);
    } else {
      model[key] = Bytes(random() % 200, 'x') + std::to_string(round);
      world.put(key, model[key]);
    }
    if (world.index->wants_freeze()) world.persist();
    if (round % 4096 == 0) {
      peak = std::max(peak, world.index->memory_bytes());
      ASSERT_TRUE(world.index->open_view()->scan()->status().is_ok());
    }
  }
  EXPECT_GT(world.index->stats().eviction_count, 0u);
  EXPECT_LT(peak, kBudget * 3 / 2);
  world.index->check_invariants();
  const auto view = world.index->open_view();
  const auto cursor = view->scan();
  cursor->seek({});
  for (const auto& [key, value] : model) {
    ASSERT_TRUE(cursor->is_valid());
    ASSERT_EQ(cursor->key(), key);
    ASSERT_EQ(cursor->value(), value);
    cursor->next();
  }
  EXPECT_FALSE(cursor->is_valid());
}

// Pairs of records are always written together; whoever reads must never see them differ.
class Torn {
 public:
  static constexpr uint64_t kPairs = 400;

  void read(uint64_t seed) {
    std::mt19937_64 random(seed);
    Bytes left, right;
    while (!is_done_.load(std::memory_order_relaxed)) {
      const uint64_t i = random() % kPairs;
      {
        const ReadGuard guard = world_.index->read();
        const auto a = guard.get(key_of('\x01', i), left);
        const auto b = guard.get(key_of('\x02', i), right);
        if (a.is_ok() && b.is_ok() && *a != *b) ++torn_count_;
      }
      const auto view = world_.index->open_view();
      const auto a = view->get(key_of('\x01', i), ReadMode::kMayBlock, left);
      std::this_thread::yield();
      const auto b = view->get(key_of('\x02', i), ReadMode::kMayBlock, right);
      if (*a != *b) ++torn_count_;
      if (random() % 8 == 0) scan(*view);
      ++read_count_;
    }
  }
  void scan(const View& view) {
    const auto left = view.scan({.lower = "\x01", .upper = "\x02"});
    const auto right = view.scan({.lower = "\x02", .upper = "\x03"});
    left->seek({});
    right->seek({});
    for (; left->is_valid() && right->is_valid(); left->next(), right->next()) {
      if (left->value() != right->value()) ++torn_count_;
    }
    if (left->is_valid() || right->is_valid()) ++torn_count_;
  }
  void write_round(std::mt19937_64& random) {
    const uint64_t i = random() % kPairs;
    const Bytes value(random() % 300, static_cast<char>('a' + random() % 26));
    std::optional<ByteView> content = value;
    if (random() % 8 == 0) content.reset();
    const Bytes left = key_of('\x01', i), right = key_of('\x02', i);
    const Mutation mutations[] = {{left, content}, {right, content}};
    Bytes scratch;
    ASSERT_TRUE(world_.index->get_for_write(left, scratch).is_ok());
    world_.index->write(mutations, ++world_.applied);
  }

  World world_{{.memory_budget_bytes = 200'000, .dirty_budget_bytes = 50'000}};
  std::atomic<bool> is_done_ = false;
  std::atomic<uint64_t> torn_count_ = 0;
  std::atomic<uint64_t> read_count_ = 0;
};

TEST(Index, readers_of_any_thread_see_whole_publishes_while_freezes_run_beside) {
  Torn torn;
  std::thread readers[] = {std::thread([&] { torn.read(1); }), std::thread([&] { torn.read(2); })};
  std::mt19937_64 random(9);
  for (int freeze = 0; freeze < 30 || torn.read_count_ < 1000; ++freeze) {
    for (int i = 0; i < 300; ++i) torn.write_round(random);
    const auto job = torn.world_.index->freeze(torn.world_.applied);
    base::Status status;
    std::thread background([&] { status = job->run(); });
    for (int i = 0; i < 300; ++i) torn.write_round(random);
    background.join();
    ASSERT_TRUE(status.is_ok());
    torn.world_.index->finish(*job);
  }
  torn.is_done_ = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(torn.torn_count_, 0u);
  torn.world_.index->check_invariants();
}

}  // namespace
}  // namespace alfheim::index
