#include "replica/read_barriers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alfheim::replica {
namespace {

// One of three voters, which follows nobody.
raft::Node lone_voter() {
  raft::RestoredState state;
  state.configuration = raft::make_configuration(std::vector<base::NodeId>{{1}, {2}, {3}});
  return raft::Node({.id = base::NodeId{1}, .group = base::GroupId{1}, .seed = 1}, state);
}

// The same as a follower of node 2.
raft::Node follower() {
  raft::Node node = lone_voter();
  node.step(raft::Message{base::GroupId{1}, base::NodeId{2}, base::NodeId{1}, base::Term{1},
                          raft::Heartbeat{}});
  return node;
}

std::vector<uint64_t> slots_of(const std::vector<ReplyTo>& readers) {
  std::vector<uint64_t> slots;
  for (const ReplyTo& to : readers) slots.push_back(to.slot);
  return slots;
}

ReplyTo reader(uint64_t slot) { return ReplyTo{.session = 1, .slot = slot}; }

TEST(ReadBarriers, AllThatWaitShareOneQuestion) {
  raft::Node node = follower();
  ReadBarriers barriers;
  barriers.add(reader(1));
  barriers.add(reader(2));
  ASSERT_TRUE(barriers.is_asked());
  barriers.ask(node, 0);
  EXPECT_FALSE(barriers.is_asked());
  EXPECT_EQ(barriers.round_count(), 1u);
  barriers.add(reader(3));  // too late for that one
  barriers.granted({raft::ReadId{1}, base::LogIndex{5}}, 0);
  EXPECT_TRUE(barriers.take_passed(base::LogIndex{4}).empty());
  EXPECT_THAT(slots_of(barriers.take_passed(base::LogIndex{5})), testing::ElementsAre(1, 2));
  EXPECT_TRUE(barriers.take_passed(base::LogIndex{9}).empty());
}

TEST(ReadBarriers, WhereNobodyLeadsTheyAskAgain) {
  raft::Node node = lone_voter();
  ReadBarriers barriers;
  barriers.add(reader(1));
  barriers.ask(node, 0);
  EXPECT_THAT(slots_of(barriers.take_refused()), testing::ElementsAre(1));
  EXPECT_EQ(barriers.round_count(), 0u);
}

TEST(ReadBarriers, AnAnswerThatIsLostIsNotWaitedForForEver) {
  raft::Node node = follower();
  ReadBarriers barriers;
  barriers.add(reader(1));
  barriers.ask(node, 1000);
  barriers.expire(1999);
  EXPECT_TRUE(barriers.take_refused().empty());
  barriers.expire(2000);
  EXPECT_THAT(slots_of(barriers.take_refused()), testing::ElementsAre(1));
  // It comes after all: it was for a question that nobody asks any more.
  barriers.granted({raft::ReadId{1}, base::LogIndex{1}}, 0);
  EXPECT_TRUE(barriers.take_passed(base::LogIndex{9}).empty());
}

// A node that was cut off after the answer, or whose disk hangs, does not keep its readers.
TEST(ReadBarriers, EntriesThatAreNotAppliedForLongAreNotWaitedFor) {
  raft::Node node = follower();
  ReadBarriers barriers;
  barriers.add(reader(1));
  barriers.ask(node, 1000);
  barriers.granted({raft::ReadId{1}, base::LogIndex{5}}, 1500);
  barriers.expire(4499);
  EXPECT_TRUE(barriers.take_refused().empty());
  barriers.expire(4500);
  EXPECT_THAT(slots_of(barriers.take_refused()), testing::ElementsAre(1));
  EXPECT_TRUE(barriers.take_passed(base::LogIndex{9}).empty());
}

TEST(ReadBarriers, ALostLeadershipRefusesThoseThatWaitAndThoseThatAsked) {
  raft::Node node = follower();
  ReadBarriers barriers;
  barriers.add(reader(1));
  barriers.ask(node, 0);
  barriers.add(reader(2));
  barriers.refuse_all();
  EXPECT_FALSE(barriers.is_asked());
  EXPECT_THAT(slots_of(barriers.take_refused()), testing::ElementsAre(1, 2));
}

}  // namespace
}  // namespace alfheim::replica
