// One suite over both Stores: random operations against a std::map.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <random>

#include "env/file_tree.h"
#include "index/index.h"
#include "index/rocks_store.h"
#include "index/twin_store.h"
#include "sim/hands/sim_disk.h"

namespace alfheim::index {
namespace {

using Model = std::map<Bytes, Bytes, std::less<>>;

class ManualClock final : public env::Clock {
 public:
  uint64_t monotonic_ns() const override { return now_ns; }
  uint64_t wall_us() const override { return now_ns / 1000; }
  uint64_t now_ns = 1'000'000;
};

class StoreMaker {
 public:
  virtual ~StoreMaker() = default;
  // Over what the last one left; the last one is gone by then.
  virtual std::unique_ptr<Store> open() = 0;
  // Gives a checkpoint of `store` the number that it says.
  virtual void make_checkpoint(Store& store, uint64_t& applied) = 0;
  // Over the last checkpoint.
  virtual std::unique_ptr<Store> open_checkpoint() = 0;
};

class TwinMaker final : public StoreMaker {
 public:
  std::unique_ptr<Store> open() override {
    return std::make_unique<TwinStore>(disk_,
                                       TwinStore::Options{.seed = 7, .would_block_per_1000 = 100});
  }
  void make_checkpoint(Store& store, uint64_t& applied) override {
    EXPECT_TRUE(env::remove_tree(files_, "/checkpoint").is_ok());
    const auto made = store.checkpoint(files_, "/checkpoint");
    ASSERT_TRUE(made.is_ok()) << made.error().message;
    applied = *made;
  }
  std::unique_ptr<Store> open_checkpoint() override {
    auto content = read_twin_checkpoint(files_, "/checkpoint");
    EXPECT_TRUE(content.is_ok());
    auto disk = std::make_shared<TwinDisk>();
    disk->replace(std::move(content).value());
    return std::make_unique<TwinStore>(std::move(disk));
  }

 private:
  sim::SimDisk files_;
  std::shared_ptr<TwinDisk> disk_ = std::make_shared<TwinDisk>();
};

class RocksMaker final : public StoreMaker {
 public:
  RocksMaker() {
    std::string name = (std::filesystem::temp_directory_path() / "alf_index_XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  ~RocksMaker() override { std::filesystem::remove_all(dir_); }
  std::unique_ptr<Store> open() override {
    // Small files, so that an ingest has several.
    auto store = RocksStore::open({.dir = dir_ + "/index", .sst_bytes = 4096});
    EXPECT_TRUE(store.is_ok()) << (store.is_ok() ? "" : store.error().message);
    return std::move(store).value();
  }
  void make_checkpoint(Store& store, uint64_t& applied) override {
    std::filesystem::remove_all(dir_ + "/checkpoint");
    const auto made = store.checkpoint(files_, dir_ + "/checkpoint");
    ASSERT_TRUE(made.is_ok()) << made.error().message;
    applied = *made;
  }
  std::unique_ptr<Store> open_checkpoint() override {
    // On another node the files are copies.
    std::filesystem::remove_all(dir_ + "/copied");
    std::filesystem::copy(dir_ + "/checkpoint", dir_ + "/copied");
    auto store = RocksStore::open({.dir = dir_ + "/copied"});
    EXPECT_TRUE(store.is_ok()) << (store.is_ok() ? "" : store.error().message);
    return std::move(store).value();
  }

 private:
  sim::SimDisk files_;
  std::string dir_;
};

struct Setting {
  const char* name;
  std::unique_ptr<StoreMaker> (*make)();
  uint64_t seed;
  int step_count;
};

template <typename Maker>
std::unique_ptr<StoreMaker> make() {
  return std::make_unique<Maker>();
}

class Conformance : public testing::TestWithParam<Setting> {
 protected:
  struct SeenState {
    std::shared_ptr<View> view;
    Model model;
    uint64_t applied;
  };

  Conformance() : maker_(GetParam().make()), random_(GetParam().seed) { reopen(); }

  uint64_t pick(uint64_t below) { return random_() % below; }
  Bytes random_key() {
    // Kinds 1 and 4 have no order in memory, kinds 2 and 3 have.
    Bytes key(1, static_cast<char>(1 + pick(4)));
    return key + std::to_string(pick(120));
  }
  Bytes random_value() {
    const size_t size = pick(20) == 0 ? pick(20'000) : pick(120);
    return Bytes(size, static_cast<char>('a' + pick(26))) + std::to_string(random_());
  }

  void reopen() {
    views_.clear();
    job_.reset();
    is_run_ = false;
    warm_.reset();
    index_.reset();
    store_.reset();
    store_ = maker_->open();
    EXPECT_EQ(store_->persisted_applied(), persisted_applied_);
    // Every other life has room for what the warm-up brings: for all, or for a part of it.
    constexpr uint64_t kBudgets[] = {96 * 1024, 384 * 1024, 96 * 1024, 16 * 1024 * 1024};
    auto index = Index::open(*store_, clock_,
                             {.memory_budget_bytes = kBudgets[life_++ % 4],
                              .dirty_budget_bytes = 32 * 1024,
                              .ordered_kinds = "\x02\x03",
                              .warm_kind = static_cast<char>(1 + pick(4))});
    ASSERT_TRUE(index.is_ok());
    index_ = std::move(index).value();
    model_ = persisted_;
    applied_ = persisted_applied_;
  }

  void write() {
    std::vector<std::pair<Bytes, std::optional<Bytes>>> owned(1 + pick(6));
    std::vector<Mutation> mutations;
    for (auto& [key, value] : owned) {
      key = random_key();
      if (pick(4) != 0) value = random_value();
      mutations.push_back({key, value ? std::optional<ByteView>(*value) : std::nullopt});
      if (value) {
        model_[key] = *value;
      } else {
        model_.erase(key);
      }
    }
    index_->write(mutations, ++applied_);
  }

  static std::optional<Bytes> find(const Model& model, ByteView key) {
    const auto found = model.find(key);
    return found == model.end() ? std::nullopt : std::optional<Bytes>(found->second);
  }
  static std::optional<Bytes> own(const base::Result<std::optional<ByteView>>& result) {
    return *result ? std::optional<Bytes>(**result) : std::nullopt;
  }
  void get() {
    const Bytes key = random_key();
    Bytes scratch;
    const auto written = index_->get_for_write(key, scratch);
    ASSERT_TRUE(written.is_ok());
    ASSERT_EQ(own(written), find(model_, key));
    const ReadGuard guard = index_->read();
    EXPECT_EQ(guard.applied(), applied_);
    const auto read = guard.get(key, scratch);
    if (!read.is_ok()) {
      ASSERT_EQ(read.error().code, base::ErrorCode::kWouldBlock);
    } else {
      ASSERT_EQ(own(read), find(model_, key));
    }
  }

  void check_get(const SeenState& seen) {
    EXPECT_EQ(seen.view->applied(), seen.applied);
    for (int i = 0; i < 40; ++i) {
      const Bytes key = random_key();
      Bytes scratch;
      const auto read = seen.view->get(key, ReadMode::kMayBlock, scratch);
      ASSERT_TRUE(read.is_ok());
      ASSERT_EQ(own(read), find(seen.model, key));
    }
  }

  // The place in the model that `cursor` must stand at.
  void expect_at(const Cursor& cursor, const Model& within, Model::const_iterator at) {
    ASSERT_TRUE(cursor.status().is_ok());
    ASSERT_EQ(cursor.is_valid(), at != within.end());
    if (!cursor.is_valid()) return;
    ASSERT_EQ(cursor.key(), at->first);
    ASSERT_EQ(cursor.value(), at->second);
  }

  void check_scan(const SeenState& seen) {
    ScanOptions options;
    if (pick(2) == 0) options.lower = random_key();
    if (pick(2) == 0) options.upper = random_key();
    if (pick(3) == 0) {  // exactly one ordered kind
      options.lower = "\x02";
      options.upper = "\x03";
    }
    Model within;
    for (const auto& [key, value] : seen.model) {
      if (key >= options.lower && (options.upper.empty() || key < options.upper)) {
        within[key] = value;
      }
    }
    const auto cursor = seen.view->scan(options);
    auto at = within.end();
    for (int move = 0; move < 60; ++move) {
      if (at == within.end() || pick(12) == 0) {
        const Bytes key = pick(8) == 0 ? Bytes() : random_key();
        if (pick(2) == 0) {
          cursor->seek(key);
          at = within.lower_bound(key);
        } else {
          cursor->seek_for_prev(key);
          at = within.upper_bound(key);
          at = at == within.begin() ? within.end() : std::prev(at);
        }
      } else if (pick(8) == 0) {
        is_forward_ = !is_forward_;
        continue;
      } else if (is_forward_) {
        cursor->next();
        ++at;
      } else {
        cursor->prev();
        at = at == within.begin() ? within.end() : std::prev(at);
      }
      ASSERT_NO_FATAL_FAILURE(expect_at(*cursor, within, at));
    }
  }

  void check_whole_scan(const SeenState& seen) {
    const auto cursor = seen.view->scan();
    cursor->seek({});
    for (auto at = seen.model.begin(); at != seen.model.end(); ++at, cursor->next()) {
      ASSERT_NO_FATAL_FAILURE(expect_at(*cursor, seen.model, at));
    }
    EXPECT_FALSE(cursor->is_valid());
    cursor->seek_for_prev("\xff");
    for (auto at = seen.model.rbegin(); at != seen.model.rend(); ++at, cursor->prev()) {
      ASSERT_NO_FATAL_FAILURE(expect_at(*cursor, seen.model, std::prev(at.base())));
    }
    EXPECT_FALSE(cursor->is_valid());
  }

  void advance_freeze() {
    if (job_ == nullptr) {
      job_ = index_->freeze(applied_);
      frozen_model_ = model_;
    } else if (!is_run_) {
      const base::Status status = job_->run();
      ASSERT_TRUE(status.is_ok()) << status.error().message;
      is_run_ = true;
      persisted_ = frozen_model_;
      persisted_applied_ = job_->applied();
    } else {
      index_->finish(*job_);
      job_.reset();
      is_run_ = false;
      EXPECT_EQ(index_->persisted_applied(), persisted_applied_);
    }
  }

  // One move of the warm-up, so that anything comes between two of them.
  void advance_warm_up() {
    if (warm_ == nullptr) {
      warm_ = index_->next_warm_part();
      is_warm_read_ = false;
    } else if (!is_warm_read_) {
      ASSERT_TRUE(warm_->run().is_ok());
      is_warm_read_ = true;
    } else if (!index_->take_warm(*warm_)) {
      warm_.reset();
    }
    warmed_count_max_ = std::max(warmed_count_max_, index_->stats().warmed_count);
  }

  // What was ingested after it was made is not in it.
  void check_checkpoint() {
    if (checkpoint_applied_ == 0) return;
    const std::unique_ptr<Store> store = maker_->open_checkpoint();
    ASSERT_EQ(store->persisted_applied(), checkpoint_applied_);
    const auto snapshot = store->snapshot();
    const auto cursor = snapshot->scan({});
    cursor->seek({});
    for (auto at = checkpointed_.begin(); at != checkpointed_.end(); ++at, cursor->next()) {
      ASSERT_NO_FATAL_FAILURE(expect_at(*cursor, checkpointed_, at));
    }
    EXPECT_FALSE(cursor->is_valid());
    ++checkpoint_count_;
  }
  void renew_checkpoint() {
    ASSERT_NO_FATAL_FAILURE(check_checkpoint());
    ASSERT_NO_FATAL_FAILURE(maker_->make_checkpoint(*store_, checkpoint_applied_));
    ASSERT_EQ(checkpoint_applied_, persisted_applied_);
    checkpointed_ = persisted_;
  }

  void step() {
    if (pick(4) == 0) advance_warm_up();
    if (pick(100) == 0) renew_checkpoint();
    const uint64_t dice = pick(100);
    if (dice < 40) {
      write();
    } else if (dice < 55) {
      get();
    } else if (dice < 61) {
      if (views_.size() < 6) views_.push_back({index_->open_view(), model_, applied_});
    } else if (dice < 67) {
      if (!views_.empty()) views_.erase(views_.begin() + static_cast<long>(pick(views_.size())));
    } else if (dice < 79) {
      if (!views_.empty()) check_get(views_[pick(views_.size())]);
    } else if (dice < 89) {
      if (!views_.empty()) check_scan(views_[pick(views_.size())]);
    } else if (dice < 91) {
      if (!views_.empty()) check_whole_scan(views_[pick(views_.size())]);
    } else if (dice < 99) {
      advance_freeze();
    } else if (pick(6) == 0) {
      reopen();
    }
  }

  std::unique_ptr<StoreMaker> maker_;
  std::mt19937_64 random_;
  ManualClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<FreezeJob> job_;
  bool is_run_ = false;
  std::unique_ptr<WarmPart> warm_;
  bool is_warm_read_ = false;
  uint64_t warmed_count_max_ = 0;  // of one life
  uint64_t life_ = 0;
  bool is_forward_ = true;
  Model model_, frozen_model_, persisted_, checkpointed_;
  uint64_t checkpoint_applied_ = 0;
  uint64_t checkpoint_count_ = 0;  // of those that were opened
  uint64_t applied_ = 0;
  uint64_t persisted_applied_ = 0;
  std::vector<SeenState> views_;
};

TEST_P(Conformance, the_index_is_a_map_with_views_through_freezes_evictions_and_crashes) {
  const int steps_per_life = GetParam().step_count / 4;  // at most
  for (int i = 1; i <= GetParam().step_count; ++i) {
    ASSERT_NO_FATAL_FAILURE(step()) << "step " << i;
    if (i % steps_per_life == steps_per_life / 2) reopen();
    if (i % 16 == 0) index_->check_invariants();
  }
  for (const SeenState& seen : views_) ASSERT_NO_FATAL_FAILURE(check_whole_scan(seen));
  EXPECT_GT(warmed_count_max_, 0u);
  EXPECT_GT(checkpoint_count_, 0u);
  // Without views everything superseded goes, after a few writes that have time for it.
  views_.clear();
  while (job_ != nullptr) advance_freeze();
  for (int i = 0; i < 400 && index_->stats().older_version_count > 0; ++i) write();
  EXPECT_EQ(index_->stats().older_version_count, 0u);
  index_->check_invariants();
  ASSERT_NO_FATAL_FAILURE(check_whole_scan({index_->open_view(), model_, applied_}));
}

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (uint64_t seed = 1; seed <= 20; ++seed) all.push_back({"twin", make<TwinMaker>, seed, 3000});
  for (uint64_t seed = 1; seed <= 3; ++seed) all.push_back({"rocks", make<RocksMaker>, seed, 800});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Stores, Conformance, testing::ValuesIn(settings()), [](const auto& info) {
  return std::string(info.param.name) + "_" + std::to_string(info.param.seed);
});

}  // namespace
}  // namespace alfheim::index
