// How one configuration becomes the next, and which is in force.
#include "raft/membership.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "raft/node_testing.h"
#include "raft/quorum.h"

namespace alfheim::raft {
namespace {

using base::LogIndex;
using base::NodeId;

Configuration group(std::vector<uint64_t> voters, std::vector<uint64_t> learners = {}) {
  Configuration configuration;
  for (const uint64_t id : voters) configuration.voters.push_back(NodeId{id});
  for (const uint64_t id : learners) configuration.learners.push_back(NodeId{id});
  return with_unnamed_members(configuration);
}

Change change(ChangeKind kind, uint64_t id) {
  return {.kind = kind, .member = {.id = NodeId{id}, .name = {}, .address = {}}};
}

struct ChangeCase {
  const char* name;
  ChangeKind kind;
  uint64_t id;
  std::string then;       // the entry's configuration; or a part of the error
  std::string then_left;  // what follows a joint one
};

TEST(Membership, ChangesStepByStep_simple_promote_demote_joint_learners_next_zero_joint_autoleave) {
  Configuration given = group({1, 2, 3}, {4});
  given.retired = {NodeId{9}};
  const ChangeCase cases[] = {
      {"AddLearner", ChangeKind::kAddLearner, 5, "voters=1,2,3 learners=4,5 retired=9", ""},
      {"simple_idempotency", ChangeKind::kAddLearner, 3, "it is a member already", ""},
      {"a learner again", ChangeKind::kAddLearner, 4, "it is a member already", ""},
      {"a retired id", ChangeKind::kAddLearner, 9, "an id never comes back", ""},
      {"zero", ChangeKind::kAddLearner, 0, "0 is nobody", ""},
      {"LearnerPromotion", ChangeKind::kPromote, 4, "voters=1,2,3,4 outgoing=1,2,3 retired=9",
       "voters=1,2,3,4 retired=9"},
      {"promote a voter", ChangeKind::kPromote, 1, "it votes already", ""},
      {"promote a stranger", ChangeKind::kPromote, 7, "it is no member", ""},
      {"joint_learners_next", ChangeKind::kDemote, 2,
       "voters=1,3 outgoing=1,2,3 learners=4 learners_next=2 retired=9",
       "voters=1,3 learners=2,4 retired=9"},
      {"demote a learner", ChangeKind::kDemote, 4, "it does not vote", ""},
      {"RemoveNode", ChangeKind::kRemove, 3, "voters=1,2 outgoing=1,2,3 learners=4 retired=9",
       "voters=1,2 learners=4 retired=3,9"},
      {"RemoveLearner", ChangeKind::kRemove, 4, "voters=1,2,3 retired=4,9", ""},
      {"remove a stranger", ChangeKind::kRemove, 7, "it is no member", ""},
      {"update", ChangeKind::kReplace, 2, "voters=1,2,3 learners=4 retired=9", ""},
      {"replace a stranger", ChangeKind::kReplace, 7, "it is no member", ""},
  };
  for (const ChangeCase& test : cases) {
    const auto next = changed_configuration(given, change(test.kind, test.id));
    if (!next.is_ok()) {
      EXPECT_EQ(next.error().code, base::ErrorCode::kInvalidArgument);
      EXPECT_NE(next.error().message.find(test.then), std::string::npos) << next.error().message;
      continue;
    }
    EXPECT_EQ(describe(*next), test.then) << test.name;
    EXPECT_EQ(next->is_joint(), !test.then_left.empty()) << test.name;
    if (next->is_joint()) {
      EXPECT_EQ(describe(left_joint(*next)), test.then_left) << test.name;
    }
  }
}

TEST(Membership, TheLastVoterStays_simple_safety_joint_safety) {
  for (const ChangeKind kind : {ChangeKind::kDemote, ChangeKind::kRemove}) {
    const auto refused = changed_configuration(group({1}, {2}), change(kind, 1));
    ASSERT_FALSE(refused.is_ok());
    EXPECT_NE(refused.error().message.find("nobody else votes"), std::string::npos);
  }
}

TEST(Membership, AnAddressChangesButNotTheDataDirectory_update) {
  Configuration given = group({1, 2});
  given.members[0] = {NodeId{1}, "n1", "a:1", 0};
  given.members[1] = {NodeId{2}, "n2", "b:1", 0xd2};
  const auto replaced = [&](Member member) {
    return changed_configuration(given, {.kind = ChangeKind::kReplace, .member = member});
  };
  EXPECT_EQ(replaced({NodeId{2}, "n2", "c:1", 0xd2})->find(NodeId{2})->address, "c:1");
  EXPECT_EQ(replaced({NodeId{1}, "n1", "a:1", 0xd1})->find(NodeId{1})->data_uid, 0xd1u);
  EXPECT_FALSE(replaced({NodeId{2}, "n2", "b:1", 0xd3}).is_ok());
  EXPECT_FALSE(replaced({NodeId{2}, "n2", "a:1", 0xd2}).is_ok());  // the address of 1
}

TEST(Membership, IsFullAtItsBounds) {
  Configuration full = group({1});
  for (uint64_t id = 2; id <= kMembersMax; ++id) full.learners.push_back(NodeId{id});
  full = with_unnamed_members(full);
  EXPECT_FALSE(changed_configuration(full, change(ChangeKind::kAddLearner, 1000)).is_ok());
  for (uint64_t id = 0; id < kRetiredMax; ++id) full.retired.push_back(NodeId{2000 + id});
  EXPECT_FALSE(changed_configuration(full, change(ChangeKind::kRemove, 2)).is_ok());
}

// ConfChangeQuick: whatever is asked, what results is sound, and who was removed stays away.
TEST(Membership, StaysSoundWhateverIsAsked_ConfChangeQuick) {
  std::mt19937_64 random(1);
  Configuration now = group({1, 2, 3});
  for (int step = 0; step < 5000; ++step) {
    const auto kind = static_cast<ChangeKind>(random() % 5);
    const Change asked = change(kind, random() % 40);
    const auto next = changed_configuration(now, asked);
    if (!next.is_ok()) continue;
    ASSERT_TRUE(check_configuration(*next).is_ok());
    // Majorities of before and after meet, for each decision needs one of both.
    if (next->voters != now.voters) {
      ASSERT_EQ(next->outgoing, now.voters);
    }
    now = next->is_joint() ? left_joint(*next) : *next;
    ASSERT_TRUE(check_configuration(now).is_ok());
    if (kind == ChangeKind::kRemove) {
      ASSERT_TRUE(now.is_retired(asked.member.id));
    }
  }
}

TEST(Membership, TheNewestOfTheLogIsInForce_RollbackConfigurationToPrevious) {
  Membership membership(group({1}), {{LogIndex{5}, group({1, 2})}});
  EXPECT_EQ(membership.index(), LogIndex{5});
  membership.append(LogIndex{7}, group({1, 2, 3}));
  EXPECT_EQ(membership.current(), group({1, 2, 3}));
  membership.truncate_after(LogIndex{7});
  EXPECT_EQ(membership.current(), group({1, 2, 3}));
  membership.truncate_after(LogIndex{6});
  EXPECT_EQ(membership.current(), group({1, 2}));
  EXPECT_TRUE(membership.has_unapplied(LogIndex{5}));
  EXPECT_FALSE(membership.has_unapplied(LogIndex{4}));
  membership.truncate_after(LogIndex{4});
  EXPECT_EQ(membership.current(), group({1}));  // RollbackConfigurationToInitial
  membership.append(LogIndex{5}, group({1, 4}));
  membership.applied_to(LogIndex{6});
  EXPECT_EQ(membership.applied(), group({1, 4}));
  EXPECT_EQ(membership.index(), LogIndex{0});
}

}  // namespace
}  // namespace alfheim::raft
