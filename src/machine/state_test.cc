#include "machine/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "types/testing_records.h"

namespace alfheim::machine {
namespace {

MachineState some_state() {
  MachineState state;
  state.applied = base::LogIndex{300};
  state.applied_term = base::Term{7};
  state.log_time = base::Stamp{1'700'000'000'000};
  state.databases.at(base::DatabaseIndex{3}).key_count = 5;
  state.databases.at(base::DatabaseIndex{3}).deadline_count = 2;
  state.databases.at(base::DatabaseIndex{4}).last_swap = base::LogIndex{299};
  state.databases.flush(base::DatabaseIndex{9});
  state.configuration = "members";
  return state;
}

TEST(MachineStateTest, ItComesBackAsItWas) {
  const MachineState state = some_state();
  const auto decoded = MachineState::decode(state.encode());
  ASSERT_TRUE(decoded.is_ok()) << decoded.error().message;
  EXPECT_EQ(decoded->encode(), state.encode());
  EXPECT_EQ(decoded->applied, state.applied);
  EXPECT_EQ(decoded->applied_term, state.applied_term);
  EXPECT_EQ(decoded->log_time, state.log_time);
  EXPECT_EQ(decoded->configuration, "members");
  EXPECT_EQ(decoded->databases.at(base::DatabaseIndex{3}).key_count, 5u);
  EXPECT_EQ(decoded->databases.at(base::DatabaseIndex{4}).last_swap, base::LogIndex{299});
  EXPECT_EQ(decoded->databases.at(base::DatabaseIndex{9}).epoch, types::Epoch{17});
}

TEST(MachineStateTest, AStateCutAnywhereIsCorruption) {
  const base::Bytes bytes = some_state().encode();
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto decoded = MachineState::decode(base::ByteView(bytes).substr(0, length));
    ASSERT_FALSE(decoded.is_ok()) << length;
    EXPECT_EQ(decoded.error().code, base::ErrorCode::kCorruption);
  }
  EXPECT_FALSE(MachineState::decode(bytes + "x").is_ok());
}

TEST(MachineStateTest, FlippedBitsNeverCrash) {
  const base::Bytes bytes = some_state().encode();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    base::Bytes bad = bytes;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const auto decoded = MachineState::decode(bad);
    if (!decoded.is_ok()) {
      EXPECT_EQ(decoded.error().code, base::ErrorCode::kCorruption);
    }
  }
}

TEST(MachineStateTest, ContradictionsAreNamed) {
  struct Case {
    const char* then_says;
    void (*change)(MachineState& state);
  };
  const Case cases[] = {
      {"never given",
       [](MachineState& state) { state.databases.databases[0].epoch = types::Epoch{99}; }},
      {"two databases have epoch 2",
       [](MachineState& state) { state.databases.databases[0].epoch = types::Epoch{2}; }},
      {"more deadlines than keys",
       [](MachineState& state) { state.databases.databases[4].deadline_count = 1; }},
      {"feature level 2 found", [](MachineState& state) { state.feature_level = 2; }},
  };
  for (const Case& contradiction : cases) {
    MachineState state = some_state();
    contradiction.change(state);
    const auto decoded = MachineState::decode(state.encode());
    ASSERT_FALSE(decoded.is_ok()) << contradiction.then_says;
    EXPECT_THAT(decoded.error().message, testing::HasSubstr(contradiction.then_says));
  }
}

TEST(MachineStateTest, RecordsWithoutAStateAreANewMachine) {
  types::MemoryRecords records;
  const auto fresh = MachineState::read(records);
  ASSERT_TRUE(fresh.is_ok());
  EXPECT_EQ(fresh->applied, base::LogIndex{0});
  EXPECT_EQ(fresh->databases.at(base::DatabaseIndex{15}).epoch, types::Epoch{16});
  records.put(types::meta_key(kStateRecordName), some_state().encode());
  EXPECT_EQ(MachineState::read(records)->applied, base::LogIndex{300});
}

}  // namespace
}  // namespace alfheim::machine
