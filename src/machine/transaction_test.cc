#include "machine/transaction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "types/testing_records.h"

namespace alfheim::machine {
namespace {

using base::Bytes;
using types::MemoryRecords;

// A plain generator: the test repeats from its seed.
struct Dice {
  uint64_t state;
  uint64_t below(uint64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % bound;
  }
};

using Pairs = std::vector<std::pair<Bytes, Bytes>>;

Pairs walk_forward(types::RecordSource& records, const Bytes& from) {
  Pairs found;
  const auto cursor = records.walk();
  for (cursor->seek(from); cursor->is_valid(); cursor->next()) {
    found.emplace_back(cursor->key(), cursor->value());
  }
  EXPECT_TRUE(cursor->status().is_ok());
  return found;
}

Pairs walk_back(types::RecordSource& records, const Bytes& from) {
  Pairs found;
  const auto cursor = records.walk();
  for (cursor->seek_for_prev(from); cursor->is_valid(); cursor->prev()) {
    found.emplace_back(cursor->key(), cursor->value());
  }
  return found;
}

class TransactionModelTest : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { dice.state = GetParam() * 77 + 5; }
  Bytes some_key() { return "k" + std::to_string(dice.below(30)); }

  void change_something() {
    const Bytes key = some_key();
    if (dice.below(3) == 0) {
      transaction.erase(key);
      model.erase(key);
    } else {
      const Bytes value(dice.below(20), static_cast<char>('a' + dice.below(26)));
      transaction.put(key, value);
      model[key] = value;
    }
  }
  void compare() {
    Bytes scratch;
    for (int i = 0; i < 32; ++i) {
      const Bytes key = "k" + std::to_string(i);
      const auto found = transaction.get(key, scratch);
      ASSERT_TRUE(found.is_ok());
      const auto expected = model.find(key);
      ASSERT_EQ(found->has_value(), expected != model.end()) << key;
      if (found->has_value()) {
        ASSERT_EQ(**found, expected->second) << key;
      }
    }
    const Bytes from = some_key();
    EXPECT_EQ(walk_forward(transaction, from), Pairs(model.lower_bound(from), model.end()));
    Pairs back(model.begin(), model.upper_bound(from));
    std::reverse(back.begin(), back.end());
    EXPECT_EQ(walk_back(transaction, from), back);
  }
  // A walk that turns at will, against an iterator of the model.
  void wander() {
    if (model.empty()) return;
    const auto cursor = transaction.walk();
    auto at = model.begin();
    cursor->seek("");
    for (int step = 0; step < 40; ++step) {
      ASSERT_TRUE(cursor->is_valid());
      ASSERT_EQ(cursor->key(), at->first);
      ASSERT_EQ(cursor->value(), at->second);
      if (dice.below(2) == 0) {
        if (std::next(at) == model.end()) continue;
        ++at;
        cursor->next();
      } else {
        if (at == model.begin()) continue;
        --at;
        cursor->prev();
      }
    }
  }

  Dice dice{};
  MemoryRecords below;
  Transaction transaction{below};
  std::map<Bytes, Bytes, std::less<>> model;
};

TEST_P(TransactionModelTest, ItShowsWhatAMapWouldShow) {
  for (int i = 0; i < 15; ++i) {
    const Bytes key = some_key();
    below.map[key] = "below";
    model[key] = "below";
  }
  for (int round = 0; round < 40; ++round) {
    change_something();
    compare();
    wander();
    if (dice.below(15) != 0) continue;
    // Published: what was written is below from now on.
    for (size_t i = 0; i < transaction.change_count(); ++i) {
      const Bytes key(transaction.key_at(i));
      if (const auto value = transaction.value_at(i)) {
        below.map[key] = Bytes(*value);
      } else {
        below.map.erase(key);
      }
    }
    transaction.clear();
    ASSERT_TRUE(transaction.is_empty());
    compare();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TransactionModelTest, testing::Range<uint64_t>(0, 60));

TEST(TransactionTest, NothingReachesWhatLiesBelow) {
  MemoryRecords below;
  below.map["a"] = "1";
  Transaction transaction(below);
  transaction.put("b", "2");
  transaction.erase("a");
  EXPECT_EQ(below.write_count, 0u);
  transaction.clear();
  Bytes scratch;
  EXPECT_EQ(transaction.get("a", scratch).value(), "1");
  EXPECT_FALSE(transaction.get("b", scratch).value().has_value());
}

TEST(TransactionTest, ASourceThatCannotWalkMakesNoCursor) {
  MemoryRecords below;
  below.can_walk = false;
  Transaction transaction(below);
  transaction.put("a", "1");
  EXPECT_EQ(transaction.walk(), nullptr);
}

// A walk that breaks off after its first record, as a bad block makes it.
class BreakingRecords : public MemoryRecords {
 public:
  class Cursor : public types::RecordCursor {
   public:
    void seek(base::ByteView) override { is_valid_ = true; }
    void seek_for_prev(base::ByteView) override { is_valid_ = true; }
    void next() override { is_valid_ = false; }
    void prev() override { is_valid_ = false; }
    bool is_valid() const override { return is_valid_; }
    base::ByteView key() const override { return "m"; }
    base::ByteView value() const override { return "1"; }
    base::Status status() const override {
      if (is_valid_) return base::ok();
      return base::Error{base::ErrorCode::kCorruption, "bad block"};
    }

   private:
    bool is_valid_ = false;
  };
  std::unique_ptr<types::RecordCursor> walk() override { return std::make_unique<Cursor>(); }
};

TEST(TransactionTest, AWalkEndsWhereTheRecordsBelowCannotBeRead) {
  BreakingRecords below;
  Transaction transaction(below);
  transaction.put("z", "would follow a gap");
  const auto cursor = transaction.walk();
  cursor->seek("a");
  ASSERT_TRUE(cursor->is_valid());
  EXPECT_EQ(cursor->key(), "m");
  cursor->next();
  EXPECT_FALSE(cursor->is_valid());
  EXPECT_FALSE(cursor->status().is_ok());
}

TEST(TransactionTest, ClearingAHugeCommandGivesItsMemoryBack) {
  MemoryRecords below;
  Transaction transaction(below);
  transaction.put("k", Bytes(8 << 20, 'x'));
  EXPECT_GT(transaction.memory_bytes(), 8u << 20);
  transaction.clear();
  EXPECT_LE(transaction.memory_bytes(), 1u << 20);
}

}  // namespace
}  // namespace alfheim::machine
