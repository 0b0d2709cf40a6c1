// Random operations against a map: after each entry every key reads as the model says, and
// after some the index holds exactly what belongs to its keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "types/expiry.h"
#include "types/testing_consistency.h"
#include "types/testing_world.h"

namespace alfheim::types {
namespace {

using base::Bytes;

struct ModelValue {
  Bytes value;
  std::optional<uint64_t> deadline_ms;
};
using ModelKey = std::pair<uint32_t, Bytes>;

class Property {
 public:
  explicit Property(uint64_t seed) : random_(seed) {}

  void run(int entry_count) {
    for (int i = 0; i < entry_count; ++i) {
      world_.next_entry(below(4));
      drop_dead();
      if (below(3) == 0) {
        ASSERT_TRUE(remove_due_keys(world_.hands(), world_.log_time, below(8)));
      }
      const uint64_t operation_count = 1 + below(3);
      for (uint64_t j = 0; j < operation_count; ++j) operate();
      if (i % 16 == 0) check();
      if (testing::Test::HasFailure()) return;
    }
    check();
  }

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }
  Bytes some_key() { return "key" + std::to_string(below(12)); }
  Bytes some_bytes() {
    switch (below(8)) {
      case 0: return std::to_string(static_cast<int64_t>(random_()));
      case 1: return "";
      case 2: return Bytes(1024 + below(3000), static_cast<char>(below(256)));
      case 3: return Bytes(kChunkBytes - 1 + below(3), static_cast<char>(below(256)));
      case 4: return Bytes(below(4 * kChunkBytes), static_cast<char>(below(256)));
      default: return Bytes(below(100), static_cast<char>(below(256)));
    }
  }
  void drop_dead() {
    std::erase_if(model_, [&](const auto& pair) {
      return pair.second.deadline_ms && *pair.second.deadline_ms <= world_.log_time.ms;
    });
  }
  std::optional<uint64_t> kept(const ModelKey& key, Deadline deadline) {
    const auto found = model_.find(key);
    if (deadline == Deadline::kDrop || found == model_.end()) return std::nullopt;
    return found->second.deadline_ms;
  }

  void operate() {
    const uint32_t index = below(3);
    const ModelKey key{index, some_key()};
    Database database = world_.writer(index);
    switch (below(12)) {
      case 0:
      case 1:
      case 2: return set(database, key);
      case 3: return set_fragments(key);
      case 4:
      case 5: return write_range(database, key);
      case 6: {
        ASSERT_EQ(*database.erase(key.second), model_.erase(key) > 0);
        return;
      }
      case 7:
      case 8: return set_deadline(database, key);
      case 9:
      case 10: return copy_or_move(database, key);
      default: return rare(database, index);
    }
  }
  void set(Database& database, const ModelKey& key) {
    const Bytes value = some_bytes();
    const Deadline deadline = below(2) ? Deadline::kKeep : Deadline::kDrop;
    ModelValue made{value, kept(key, deadline)};
    if (below(3) == 0) {
      ASSERT_TRUE(database.set_computed(key.second, value, deadline, below(2) == 0));
    } else {
      ASSERT_TRUE(database.set_string(key.second, world_.give(value), deadline));
    }
    model_[key] = made;
  }
  void set_fragments(const ModelKey& key) {
    const Bytes value = Bytes(1 + below(300'000), static_cast<char>(below(256)));
    const ValueInput input = world_.give_fragments(value, 50'000 + below(60'000), below(100));
    world_.next_entry(0);
    Database database = world_.writer(key.first);
    ModelValue made{value, kept(key, Deadline::kKeep)};
    ASSERT_TRUE(database.set_string(key.second, input, Deadline::kKeep));
    model_[key] = made;
  }
  void write_range(Database& database, const ModelKey& key) {
    const Bytes bytes = some_bytes();
    ModelValue& value = model_[key];
    const uint64_t offset = below(2) ? value.value.size() : below(3 * kChunkBytes);
    ASSERT_TRUE(database.write_range(key.second, offset, bytes));
    value.value.resize(std::max<size_t>(value.value.size(), offset + bytes.size()), '\0');
    value.value.replace(offset, bytes.size(), bytes);
  }
  void set_deadline(Database& database, const ModelKey& key) {
    const auto found = model_.find(key);
    ASSERT_EQ(database.find(key.second)->has_value(), found != model_.end());
    if (found == model_.end()) return;
    std::optional<uint64_t> deadline_ms;
    if (below(4) != 0) deadline_ms = world_.log_time.ms + below(30);
    ASSERT_TRUE(database.set_deadline(key.second, deadline_ms));
    found->second.deadline_ms = deadline_ms;
    drop_dead();
  }
  void copy_or_move(Database& database, const ModelKey& from) {
    const ModelKey to{static_cast<uint32_t>(below(3)), some_key()};
    const auto found = model_.find(from);
    if (from == to || found == model_.end()) return;
    const ModelValue value = found->second;
    Database other = world_.writer(to.first);
    Database& target = to.first == from.first ? database : other;
    if (below(2)) {
      ASSERT_TRUE(database.copy_to(from.second, target, to.second));
    } else {
      ASSERT_TRUE(database.move_to(from.second, target, to.second));
      model_.erase(from);
    }
    model_[to] = value;
  }
  void rare(Database& database, uint32_t index) {
    if (below(6) == 0) {
      database.flush();
      std::erase_if(model_, [&](const auto& pair) { return pair.first.first == index; });
      return;
    }
    const auto other = static_cast<uint32_t>(below(3));
    world_.table.swap({index}, {other});
    std::map<ModelKey, ModelValue> swapped;
    for (const auto& [key, value] : model_) {
      const uint32_t at = key.first == index ? other : key.first == other ? index : key.first;
      swapped[{at, key.second}] = value;
    }
    model_ = swapped;
  }

  void check() {
    ASSERT_THAT(inconsistencies(world_.records, world_.table), testing::IsEmpty());
    size_t live_count = 0;
    for (uint32_t index = 0; index < 3; ++index) {
      Database database = world_.reader(index);
      const auto end = database.walk_keys("", 1'000'000, [&](base::ByteView, const KeyRecord&) {
        ++live_count;
        return true;
      });
      ASSERT_TRUE(end);
    }
    ASSERT_EQ(live_count, model_.size());
    for (const auto& [key, value] : model_) {
      Database database = world_.reader(key.first);
      auto found = database.find(key.second);
      ASSERT_TRUE(found && *found);
      auto bytes = database.read_whole_string(**found);
      ASSERT_TRUE(bytes) << bytes.error().message;
      ASSERT_TRUE(*bytes == value.value) << key.second;
      ASSERT_EQ((*found)->record.deadline_ms, value.deadline_ms);
    }
    // A filter that drops every orphan changes nothing that can be seen.
    std::erase_if(world_.records.map, [&](const auto& record) {
      return *is_orphan(record.first, record.second, world_.records, world_.table);
    });
  }

  std::mt19937_64 random_;
  TestingWorld world_;
  std::map<ModelKey, ModelValue> model_;
};

TEST(DatabaseProperty, RandomOperationsLeaveWhatAMapHoldsAndNothingElse) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Property(seed).run(250);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace alfheim::types
