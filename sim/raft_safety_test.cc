#include "sim/raft_safety.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alfheim::sim {
namespace {

using base::LogIndex;
using base::NodeId;
using base::Term;

// A member of which the tests say what it holds.
struct Fake {
  uint64_t id = 1;
  std::vector<uint64_t> log;  // terms, from index first
  uint64_t term = 1;
  uint64_t commit = 0;
  bool is_leader = false;
  uint64_t life = 1;
  uint64_t first = 1;
  uint64_t previous_term = 0;  // before the first
};

void look(RaftSafety& safety, const Fake& fake) {
  const uint64_t last = fake.first - 1 + fake.log.size();
  const auto term_at = [&](LogIndex index) -> std::optional<Term> {
    if (index.value + 1 == fake.first) return Term{fake.previous_term};
    if (index.value < fake.first || index.value > last) return std::nullopt;
    return Term{fake.log[index.value - fake.first]};
  };
  safety.look({.member = NodeId{fake.id},
               .life = fake.life,
               .is_leader = fake.is_leader,
               .term = Term{fake.term},
               .first = LogIndex{fake.first},
               .last = LogIndex{last},
               .commit = LogIndex{fake.commit}},
              term_at);
}

std::string after(std::initializer_list<Fake> sights) {
  RaftSafety safety;
  for (const Fake& fake : sights) look(safety, fake);
  return safety.failure();
}

TEST(RaftSafety, AGroupThatDoesWellIsNotBlamed) {
  EXPECT_EQ(after({{.id = 1, .log = {1}, .is_leader = true},
                   {.id = 1, .log = {1, 1}, .is_leader = true},
                   {.id = 2, .log = {1, 1}},
                   {.id = 1, .log = {1, 1}, .commit = 2, .is_leader = true},
                   {.id = 3, .log = {1}},
                   {.id = 2, .log = {1, 1, 2}, .term = 2, .is_leader = true},
                   // What it had and was not committed gives way.
                   {.id = 3, .log = {1, 1, 2}, .term = 2, .commit = 1},
                   {.id = 2, .log = {1, 1, 2}, .term = 2, .commit = 3, .is_leader = true}}),
            "");
}

TEST(RaftSafety, TwoLeadersOfOneTerm) {
  EXPECT_EQ(
      after({{.id = 1, .log = {1}, .is_leader = true}, {.id = 2, .log = {1}, .is_leader = true}}),
      "nodes 1 and 2 both lead in term 1");
  // The same node, after a restart: it has voted twice, or forgotten that it led.
  EXPECT_EQ(after({{.id = 1, .log = {1}, .is_leader = true, .life = 1},
                   {.id = 1, .log = {1}, .is_leader = true, .life = 2}}),
            "nodes 1 and 1 both lead in term 1");
}

TEST(RaftSafety, ALeaderThatTakesSomethingAway) {
  EXPECT_THAT(after({{.id = 1, .log = {1, 2, 2}, .term = 2, .is_leader = true},
                     {.id = 1, .log = {1, 2}, .term = 2, .is_leader = true}}),
              testing::HasSubstr("took away from its log"));
  // A follower may.
  EXPECT_EQ(after({{.id = 1, .log = {1, 2, 2}, .term = 2}, {.id = 1, .log = {1, 2}, .term = 2}}),
            "");
}

TEST(RaftSafety, LogsThatHoldOneEntryOverDifferentOnes) {
  EXPECT_THAT(
      after({{.id = 1, .log = {1, 1, 3}, .term = 3}, {.id = 2, .log = {1, 2, 3}, .term = 3}}),
      testing::HasSubstr("two logs hold entry 3 of term 3"));
  EXPECT_EQ(after({{.id = 1, .log = {1, 1, 3}, .term = 3}, {.id = 2, .log = {1, 2, 4}, .term = 4}}),
            "");
}

TEST(RaftSafety, AChangeInTheMidstIsSeenInTime) {
  RaftSafety safety;
  look(safety, {.id = 1, .log = {1, 1, 1, 3}, .term = 3});
  look(safety, {.id = 2, .log = {1, 1, 1, 3}, .term = 3});
  for (int i = 0; i < 1000; ++i) look(safety, {.id = 2, .log = {1, 1, 2, 3}, .term = 3});
  EXPECT_THAT(safety.failure(), testing::HasSubstr("two logs hold entry 4 of term 3"));
}

TEST(RaftSafety, ALeaderWithoutWhatWasCommitted) {
  EXPECT_THAT(after({{.id = 1, .log = {1, 1}, .commit = 2, .is_leader = true},
                     {.id = 2, .log = {1, 2}, .term = 2, .is_leader = true}}),
              testing::HasSubstr("leads in term 2 without the committed entry 2 of term 1"));
  EXPECT_THAT(after({{.id = 1, .log = {1, 1}, .commit = 2, .is_leader = true},
                     {.id = 2, .log = {1}, .term = 2, .is_leader = true}}),
              testing::HasSubstr("without the committed entry 2"));
}

TEST(RaftSafety, ALeaderThatIsSeenLateNeedsOnlyWhatItsOwnTimeKnew) {
  // Entry 2 became committed in term 3, of which the leader of term 2 knows nothing.
  EXPECT_EQ(after({{.id = 1, .log = {1}, .commit = 1, .is_leader = true},
                   {.id = 3, .log = {1, 1, 3}, .term = 3, .commit = 3, .is_leader = true},
                   {.id = 2, .log = {1, 2}, .term = 2, .is_leader = true}}),
            "");
}

TEST(RaftSafety, OneIndexCommittedTwice) {
  EXPECT_THAT(after({{.id = 1, .log = {1, 1}, .commit = 2, .is_leader = true},
                     {.id = 2, .log = {1, 2}, .term = 2, .commit = 2}}),
              testing::HasSubstr("entry 2 is committed with term 1, and by node 2 with term 2"));
}

TEST(RaftSafety, WhatIsCommittedGoesBack) {
  EXPECT_THAT(after({{.id = 1, .log = {1, 1}, .commit = 2}, {.id = 1, .log = {1, 1}, .commit = 1}}),
              testing::HasSubstr("went back from 2 to 1"));
  // A restart learns it anew.
  EXPECT_EQ(after({{.id = 1, .log = {1, 1}, .commit = 2},
                   {.id = 1, .log = {1, 1}, .commit = 1, .life = 2}}),
            "");
}

TEST(RaftSafety, ACommittedEntryThatIsNotThere) {
  EXPECT_THAT(after({{.id = 1, .log = {1}, .commit = 2}}),
              testing::HasSubstr("has no committed entry 2"));
}

TEST(RaftSafety, ALogThatBeginsBehindASnapshot) {
  EXPECT_EQ(after({{.id = 1, .log = {1, 1, 1, 1}, .commit = 4, .is_leader = true},
                   {.id = 2, .log = {1}, .commit = 4, .life = 2, .first = 4, .previous_term = 1}}),
            "");
  EXPECT_THAT(after({{.id = 1, .log = {1, 1, 1, 1}, .commit = 4, .is_leader = true},
                     {.id = 2,
                      .log = {2},
                      .term = 2,
                      .commit = 3,
                      .life = 2,
                      .first = 4,
                      .previous_term = 2}}),
              testing::HasSubstr("entry 3 is committed with term 1, and by node 2 with term 2"));
  // Of an entry that the group had not committed.
  EXPECT_THAT(after({{.id = 1, .log = {1, 1}, .commit = 1, .is_leader = true},
                     {.id = 2, .log = {}, .commit = 7, .first = 8, .previous_term = 1}}),
              testing::HasSubstr("of which nobody knew the one before"));
}

TEST(RaftSafety, OneEntryWithTwoContents) {
  RaftSafety safety;
  safety.note_content(LogIndex{4}, Term{2}, 0xa);
  safety.note_content(LogIndex{4}, Term{3}, 0xb);
  safety.note_content(LogIndex{4}, Term{2}, 0xa);
  EXPECT_FALSE(safety.has_failed());
  safety.note_content(LogIndex{4}, Term{2}, 0xb);
  EXPECT_EQ(safety.failure(), "entry 4 of term 2 has two contents");
}

}  // namespace
}  // namespace alfheim::sim
