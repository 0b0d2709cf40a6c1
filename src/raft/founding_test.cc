// How a group begins: all founders elect its first leader, and its first entry names their
// directories (docs/decisions/015).
#include <gtest/gtest.h>

#include <map>

#include "raft/node_testing.h"

namespace alfheim::raft {
namespace {

using base::LogIndex;
using base::NodeId;
using List = std::vector<std::string>;

TestGroup::Options founders(uint64_t count) { return {.node_count = count, .has_data_uids = true}; }

std::map<uint64_t, uint64_t> directories(TestGroup& group, uint64_t id) {
  std::map<uint64_t, uint64_t> data_uids;
  for (const Member& member : group.node(id).configuration().members) {
    data_uids[member.id.value] = member.data_uid;
  }
  return data_uids;
}

int leaders(TestGroup& group) {
  int count = 0;
  for (const uint64_t id : group.nodes()) count += group.node(id).is_leader_established() ? 1 : 0;
  return count;
}

TEST(Founding, WaitsForEachFounderOnce) {
  for (const bool has_pre_vote : {false, true}) {
    TestGroup::Options options = founders(5);
    options.has_pre_vote = has_pre_vote;
    TestGroup group(options);
    group.isolate(5);
    group.tick_all(100);
    for (const uint64_t id : group.nodes()) {
      EXPECT_FALSE(group.node(id).is_leader()) << id;
      EXPECT_TRUE(group.node(id).is_founding()) << id;
    }
    group.heal();
    group.tick_all(100);
    uint64_t leader = 0;
    for (const uint64_t id : group.nodes()) {
      if (group.node(id).is_leader()) leader = id;
      EXPECT_FALSE(group.node(id).is_founding()) << id;
    }
    ASSERT_NE(leader, 0u);
    // From now on a majority is enough, for entries and for leaders.
    group.isolate(leader);
    group.isolate(leader % 5 + 1);
    group.tick_all(100);
    EXPECT_EQ(leaders(group), 1);
  }
}

TEST(Founding, TheFirstEntryNamesTheDirectories) {
  TestGroup group(founders(3));
  group.campaign(2);
  const std::map<uint64_t, uint64_t> expected = {{1, 101}, {2, 201}, {3, 301}};
  for (const uint64_t id : group.nodes()) {
    EXPECT_EQ(directories(group, id), expected);
    EXPECT_EQ(group.status(id).last, LogIndex{2});  // the founders, and the leader's no-op
    EXPECT_TRUE(group.node(id).is_configuration_settled());
  }
  // A later leader has nothing to write down.
  ASSERT_TRUE(group.transfer(2, 1).is_ok());
  EXPECT_TRUE(group.node(1).is_leader_established());
  EXPECT_EQ(group.status(1).last, LogIndex{3});
}

TEST(Founding, OneAloneFoundsAtOnce) {
  TestGroup group(founders(1));
  group.campaign(1);
  EXPECT_TRUE(group.node(1).is_leader_established());
  EXPECT_EQ(directories(group, 1), (std::map<uint64_t, uint64_t>{{1, 101}}));
}

TEST(Founding, ThoseWhoLostTheirDisksDoNotFoundAnother) {
  TestGroup group(founders(3));
  group.campaign(1);
  ASSERT_TRUE(group.propose(1, "kept").is_ok());
  group.isolate(2);
  group.wipe(1);
  group.wipe(3);
  group.tick_all(100);
  EXPECT_FALSE(group.node(1).is_leader());
  EXPECT_FALSE(group.node(3).is_leader());
  // Nor with the one that has the log: it refuses.
  group.heal();
  group.campaign(1);
  group.campaign(3);
  EXPECT_FALSE(group.node(1).is_leader());
  EXPECT_FALSE(group.node(3).is_leader());
  EXPECT_EQ(group.applied(2), List{"kept"});
}

TEST(Founding, AVoteThatLedToNothingHoldsNobodyUp) {
  TestGroup group(founders(3));
  group.hold_disk(1);
  group.campaign(1);
  group.isolate(1);
  group.release_disk(1);  // it has its vote on disk, and leads nobody
  group.crash(1);
  group.heal();
  group.tick_all(100);
  EXPECT_EQ(leaders(group), 1);
}

TEST(Founding, AnEmptyFounderVotesForWhoHasEntries) {
  TestGroup group(founders(3));
  group.hold_disk(3);
  group.campaign(2);
  ASSERT_FALSE(group.node(2).is_leader()) << "3 has not voted";
  for (int write = 0; write < 3 && !group.node(2).is_leader(); ++write) group.finish_writes(3, 1);
  ASSERT_TRUE(group.node(2).is_leader());
  ASSERT_TRUE(group.propose(2, "a").is_ok());
  group.isolate(2);
  group.crash(3);
  ASSERT_EQ(group.status(3).last, LogIndex{0}) << "its vote is all that was durable";
  group.tick_all(100);
  EXPECT_TRUE(group.node(1).is_leader_established());
  EXPECT_EQ(group.applied(3), List{"a"});
}

// Whoever has an entry knows whose votes count, whatever comes over the links.
TEST(Founding, AnotherDirectorysVoteDoesNotCount) {
  TestGroup group(founders(3));
  group.campaign(1);
  group.isolate(3);
  ASSERT_TRUE(group.propose(1, "acknowledged by 2").is_ok());
  group.heal();
  group.isolate(1);
  group.wipe(2);
  group.tick_all(100);
  EXPECT_FALSE(group.node(3).is_leader()) << "it lacks what 1 and 2 held";
  EXPECT_FALSE(group.node(2).is_leader());
}

// A late message of the first leader may reach a directory that is not the one it was meant for.
TEST(Founding, AnotherDirectoryThanTheOneNamedDoesNotStand) {
  TestGroup group(founders(3));
  group.campaign(1);
  group.wipe(3);
  Configuration named = group.node(1).configuration();
  const Entry first{.index = LogIndex{1},
                    .term = base::Term{1},
                    .kind = EntryKind::kConfiguration,
                    .payload = std::make_shared<const base::Bytes>(encode_configuration(named))};
  group.isolate(1);
  group.deliver({base::GroupId{7}, NodeId{1}, NodeId{3}, base::Term{1},
                 Append{.previous = {},
                        .previous_term = {},
                        .last = LogIndex{1},
                        .commit = {},
                        .entries = {first}}});
  ASSERT_EQ(group.status(3).last, LogIndex{1});
  const uint64_t begun = group.status(3).counts.elections_begun;
  group.isolate(2);
  group.tick(3, 100);
  group.campaign(3);
  EXPECT_EQ(group.status(3).soft_state.role, RoleKind::kFollower);
  EXPECT_EQ(group.status(3).counts.elections_begun, begun);
}

// Of a directory that an older version made.
TEST(Founding, WithoutKnownDirectoriesAMajorityFounds) {
  TestGroup group({.node_count = 3});
  group.isolate(3);
  group.campaign(1);
  EXPECT_TRUE(group.node(1).is_leader_established());
  EXPECT_EQ(group.status(1).last, LogIndex{1});
}

}  // namespace
}  // namespace alfheim::raft
