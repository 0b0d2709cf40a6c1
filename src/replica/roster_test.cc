#include "replica/roster.h"

#include <gtest/gtest.h>

#include "replica/testing_group.h"
#include "replica/testing_life.h"

namespace alfheim::replica {
namespace {

using base::ErrorCode;
using base::NodeId;
using raft::ChangeKind;

raft::Member fourth(bool stays_learner = false) {
  return {
      .id = NodeId{4}, .name = "n4", .address = "10.0.0.4:7379", .stays_learner = stays_learner};
}

class RosterTest : public testing::Test {
 protected:
  // What the operator was told: "" while it is not over.
  std::shared_ptr<std::string> change(ChangeKind kind, const raft::Member& member) {
    auto told = std::make_shared<std::string>();
    group.roster->begin({kind, member}, [told](const base::Status& status) {
      EXPECT_EQ(*told, "") << "told twice";
      *told = status ? "ok" : status.error().message;
    });
    group.settle();
    return told;
  }
  void add_fourth(bool stays_learner = false) {
    group.start_blank(4);
    ASSERT_EQ(*change(ChangeKind::kAddLearner, fourth(stays_learner)), "ok");
  }
  const raft::Configuration& now() { return group.node(1).configuration(); }
  std::vector<uint64_t> linked() const {
    std::vector<uint64_t> ids;
    for (const raft::Member& member : group.roster->linked()) ids.push_back(member.id.value);
    return ids;
  }
  net::Hello hello(uint64_t id, uint64_t data_uid) const {
    return {.from = NodeId{id}, .data_uid = data_uid, .name = "n" + std::to_string(id)};
  }

  Group group;
};

TEST_F(RosterTest, WhoIsAddedIsLinkedAtOnceAndPromotedWhenItHasCaughtUp) {
  group.tick();  // node 1 writes down its directory
  const int changed_before = group.links_changed_count;
  EXPECT_EQ(linked(), (std::vector<uint64_t>{2, 3}));
  add_fourth();
  EXPECT_TRUE(now().is_learner(NodeId{4}));
  EXPECT_EQ(linked(), (std::vector<uint64_t>{2, 3, 4}));
  EXPECT_EQ(group.links_changed_count, changed_before + 1);
  group.tick(5);
  EXPECT_TRUE(raft::holds(now().voters, NodeId{4}));
  EXPECT_TRUE(group.node(1).is_configuration_settled());
}

TEST_F(RosterTest, WhoIsToLearnIsNotPromotedUnasked) {
  add_fourth(true);
  group.tick(20);
  EXPECT_TRUE(now().is_learner(NodeId{4}));
  EXPECT_EQ(*change(ChangeKind::kPromote, {.id = NodeId{4}}), "ok");
  EXPECT_TRUE(raft::holds(now().voters, NodeId{4}));
}

TEST_F(RosterTest, ALearnerThatDoesNotAnswerIsNotPromoted) {
  group.cut(4);
  add_fourth();
  group.tick(20);
  EXPECT_TRUE(now().is_learner(NodeId{4}));
  group.heal();
  group.tick(5);
  EXPECT_TRUE(raft::holds(now().voters, NodeId{4}));
}

TEST_F(RosterTest, WhoIsRemovedIsToldBeforeItsLinkGoes) {
  const auto told = change(ChangeKind::kRemove, {.id = NodeId{3}});
  EXPECT_EQ(*told, "ok");
  EXPECT_TRUE(now().is_retired(NodeId{3}));
  EXPECT_EQ(linked(), (std::vector<uint64_t>{2, 3}));
  EXPECT_TRUE(group.roster->admit(hello(3, 0)).is_ok());  // its answers are wanted
  group.tick(2);
  EXPECT_TRUE(group.node(3).configuration().is_retired(NodeId{3}));
  group.tick(20);
  EXPECT_EQ(linked(), (std::vector<uint64_t>{2}));
  const base::Status refused = group.roster->admit(hello(3, 0));
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_NE(refused.error().message.find("never comes back"), std::string::npos);
}

TEST_F(RosterTest, ALeaderThatIsRemovedSaysSoAndKnowsIt) {
  EXPECT_FALSE(group.roster->is_removed());
  Roster other(
      {.raft = group.node(2), .transport = &group.links, .self = NodeId{2}, .leaving_ticks = 15},
      {});
  EXPECT_EQ(*change(ChangeKind::kRemove, {.id = NodeId{1}}), "ok");
  other.look();
  // Its links stay until it has named the next leader, on its side and on theirs.
  EXPECT_EQ(linked(), (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(other.linked().size(), 2u);
  EXPECT_TRUE(other.admit(hello(1, 0xd1)).is_ok());
  group.tick(10);
  EXPECT_FALSE(group.node(1).is_leader());
  EXPECT_TRUE(group.roster->is_removed());
  for (int i = 0; i < 20; ++i) other.on_tick();
  EXPECT_EQ(other.linked().size(), 1u);
  EXPECT_FALSE(other.admit(hello(1, 0xd1)).is_ok());
}

TEST_F(RosterTest, AChangeThatTooFewWouldAnswerIsRefused) {
  group.cut(3);
  group.tick(10);  // its links may be open, as those of a node whose own are refused
  // Of 1 and 3 only 1 would answer.
  const auto told = change(ChangeKind::kRemove, {.id = NodeId{2}});
  EXPECT_EQ(*told,
            "of the 2 nodes that would vote then 1 answer, and 2 are needed: bring the others "
            "back, or remove those that are dead first");
  EXPECT_EQ(*change(ChangeKind::kRemove, {.id = NodeId{3}}), "ok");
}

TEST_F(RosterTest, AnOrderWaitsForTheChangeThatIsUnderWay) {
  group.start_blank(4);
  group.cut(2);
  const auto first = change(ChangeKind::kRemove, {.id = NodeId{2}});
  group.cut(3);
  const auto second = change(ChangeKind::kAddLearner, fourth());
  EXPECT_EQ(*first, "ok");
  EXPECT_EQ(*second, "");
  const auto third = change(ChangeKind::kRemove, {.id = NodeId{9}});
  EXPECT_EQ(*third, "");
  group.heal();
  group.tick(2);
  EXPECT_EQ(*second, "ok");
  EXPECT_NE(third->find("it is no member"), std::string::npos);
}

TEST_F(RosterTest, WhatMakesNoSenseIsRefusedWithAReason) {
  EXPECT_NE(change(ChangeKind::kRemove, {.id = NodeId{9}})->find("it is no member"),
            std::string::npos);
}

TEST_F(RosterTest, AnOrderEndsWithItsLeadership) {
  group.cut(2);
  group.cut(3);
  const auto told = change(ChangeKind::kRemove, {.id = NodeId{3}});
  EXPECT_EQ(*told, "");
  group.tick(30);
  EXPECT_NE(told->find("leadership was lost"), std::string::npos) << *told;
}

TEST_F(RosterTest, NobodyIsKeptWaitingByAStop) {
  group.cut(2);
  group.cut(3);
  const auto told = change(ChangeKind::kRemove, {.id = NodeId{3}});
  group.roster->give_up();
  EXPECT_NE(told->find("the node stops"), std::string::npos);
}

TEST_F(RosterTest, DataDirectoriesAreRecordedAndOthersRefused) {
  EXPECT_TRUE(group.roster->admit(hello(2, 0xd2)).is_ok());
  // Not recorded yet, but another one was here first.
  EXPECT_FALSE(group.roster->admit(hello(2, 0xbad)).is_ok());
  group.tick(5);
  EXPECT_EQ(now().find(NodeId{1})->data_uid, 0xd1u);
  EXPECT_EQ(now().find(NodeId{2})->data_uid, 0xd2u);
  EXPECT_EQ(now().find(NodeId{3})->data_uid, 0u);
  const base::Status refused = group.roster->admit(hello(2, 0xbad));
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(group.roster->admit(hello(2, 0xd2)).is_ok());
  // Who only asks to be let in has no directory: this id has one.
  EXPECT_FALSE(group.roster->admit(hello(2, 0)).is_ok());
  EXPECT_TRUE(group.roster->admit(hello(3, 0)).is_ok());
}

TEST_F(RosterTest, AStrangerIsToldHowItGetsIn) {
  const base::Status refused = group.roster->admit(hello(4, 0xd4));
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.error().message,
            "node n4 is no member of this cluster; RAFT ADD n4 HOST:PORT makes it one");
}

TEST_F(RosterTest, ANodeThatHasNotJoinedLearnsFromABookWhomToAnswer) {
  group.start_blank(4);
  int changed_count = 0;
  Roster blank({.raft = group.node(4), .transport = &group.links, .self = NodeId{4}},
               {.on_links_changed = [&] { ++changed_count; }, .on_trouble = {}});
  EXPECT_TRUE(blank.linked().empty());
  EXPECT_TRUE(blank.book().configuration.empty());
  net::Hello of_cluster = hello(1, 0xd1);
  EXPECT_FALSE(blank.admit(of_cluster).is_ok());
  of_cluster.cluster_uid = 0xa1f;
  EXPECT_TRUE(blank.admit(of_cluster).is_ok());
  blank.on_book(group.roster->book());
  EXPECT_EQ(blank.linked().size(), 3u);
  EXPECT_EQ(changed_count, 1);
  group.roster->on_book({"not a book"});
  EXPECT_EQ(linked(), (std::vector<uint64_t>{2, 3}));
}

// What the leader knows of it is the lost directory's: its answers would never fit.
TEST_F(RosterTest, AnotherDirectoryIsNotLetInBecauseItsIdLeaves) {
  EXPECT_TRUE(group.roster->admit(hello(3, 0xd3)).is_ok());
  group.tick(5);
  ASSERT_EQ(now().find(NodeId{3})->data_uid, 0xd3u);
  EXPECT_EQ(*change(ChangeKind::kRemove, {.id = NodeId{3}}), "ok");
  EXPECT_TRUE(group.roster->admit(hello(3, 0xd3)).is_ok());
  EXPECT_FALSE(group.roster->admit(hello(3, 0xbad)).is_ok());
}

// What would bring it the newer configuration comes from the very leader that it does not know.
TEST_F(RosterTest, AMemberWhoseLogIsBehindLetsInAndLinksWhomItDoesNotKnow) {
  Roster behind({.raft = group.node(3), .transport = &group.links, .self = NodeId{3}}, {});
  net::Hello unknown = hello(4, 0xd4);
  EXPECT_FALSE(behind.admit(unknown).is_ok());
  unknown.cluster_uid = 0xa1f;
  EXPECT_TRUE(behind.admit(unknown).is_ok());
  raft::Configuration newer = now();
  newer.members.push_back(fourth());
  newer.voters.push_back(NodeId{4});
  behind.on_book({raft::encode_configuration(newer)});
  EXPECT_EQ(behind.linked().size(), 3u);
  for (int i = 0; i < 100; ++i) behind.on_tick();
  EXPECT_EQ(behind.linked().size(), 3u);
}

TEST_F(RosterTest, ANodeThatPassesConfigurationsOfBeforeItsTimeIsNotRemoved) {
  group.start_blank(4);
  Roster joiner({.raft = group.node(4), .transport = &group.links, .self = NodeId{4}}, {});
  const raft::SoftState leader = group.node(1).soft_state();
  const raft::Entry entry{
      .index = {1},
      .term = leader.term,
      .kind = raft::EntryKind::kConfiguration,
      .payload = std::make_shared<const base::Bytes>(raft::encode_configuration(now()))};
  group.node(4).step({.group = {1},
                      .from = NodeId{1},
                      .to = NodeId{4},
                      .term = leader.term,
                      .body = raft::Append{.last = {1}, .commit = {1}, .entries = {entry}}});
  group.settle();
  joiner.look();
  joiner.on_tick();
  ASSERT_EQ(group.node(4).configuration().voters.size(), 3u);
  ASSERT_TRUE(group.node(4).is_configuration_settled());
  EXPECT_FALSE(joiner.is_removed());
}

// The newest configuration lies in the log only: it is in force from the first moment of a start.
TEST(RosterRestart, AConfigurationBehindTheIndexIsInForce) {
  World world;
  {
    Life life(world);
    life.serve();
    EXPECT_EQ(life.run({"SET", "k", "v"}), "+OK\r\n");
    life.stop();
  }
  const raft::Configuration next = raft::make_configuration(std::vector<NodeId>{{1}, {2}});
  {
    sim::SimRandom random(3);
    auto log = must(vlog::Log::open(world.disk, random,
                                    {.dir = "/log",
                                     .identity = {.cluster_uid = 1, .node = {1}, .group = {1}},
                                     .segment_bytes = world.segment_bytes,
                                     .prewritten_segment_count = 0}));
    const raft::Entry entry{
        .index = log->last_index().next(),
        .term = *log->term_at(log->last_index()),
        .kind = raft::EntryKind::kConfiguration,
        .payload = std::make_shared<const base::Bytes>(raft::encode_configuration(next))};
    ASSERT_TRUE(log->append({&entry, 1}).is_ok());
    ASSERT_TRUE(log->close().is_ok());
  }
  Life life(world);
  EXPECT_TRUE(life.replica().needs_barrier());
  life.serve();
  EXPECT_FALSE(life.replica().is_serving()) << "one of two voters led alone";
}

TEST_F(RosterTest, NobodyVotesBeforeItsDirectoryIsWrittenDown) {
  add_fourth(true);
  ASSERT_TRUE(group.roster->admit(hello(4, 0xd4)).is_ok());
  // No tick between: the order itself sees to it.
  EXPECT_EQ(*change(ChangeKind::kPromote, {.id = NodeId{4}}), "ok");
  EXPECT_TRUE(raft::holds(now().voters, NodeId{4}));
  EXPECT_EQ(now().find(NodeId{4})->data_uid, 0xd4u);
  for (const uint64_t id : {2, 3}) {
    EXPECT_EQ(group.node(id).configuration().find(NodeId{4})->data_uid, 0xd4u) << id;
  }
}

TEST(RosterOfAFounder, SaysWhomItWaitsForAndTakesWhoeverComes) {
  raft::RestoredState state;
  state.configuration = raft::make_configuration(std::vector<raft::Member>{
      {.id = {1}, .name = "n1", .address = "a:1"},
      {.id = {2}, .name = "n2", .address = "b:1"},
      {.id = {3}, .name = "n3", .address = "c:1"},
  });
  raft::Node node({.id = {1}, .group = {1}, .data_uid = 0xd1}, state);
  std::vector<std::string> lines;
  FakeLinks links;
  Roster roster({.raft = node, .transport = &links, .self = {1}, .data_uid = 0xd1},
                {.on_links_changed = {},
                 .on_trouble = [&](const std::string& line) { lines.push_back(line); }});
  const auto greet = [&roster](uint64_t id, uint64_t data_uid) {
    return roster.admit({.from = {id}, .data_uid = data_uid, .name = "n"}).is_ok();
  };
  const auto tick = [&roster] {
    for (int i = 0; i < 100; ++i) roster.on_tick();
  };
  tick();
  EXPECT_TRUE(greet(3, 0xd3));
  EXPECT_TRUE(greet(3, 0xe3));  // its disk was replaced before there was anything on it
  tick();
  EXPECT_TRUE(greet(2, 0xd2));
  links.connected = {3};  // and is gone again
  tick();
  links.connected = {2, 3};
  tick();
  ASSERT_EQ(lines.size(), 4u);
  const char* const words[] = {"once; missing: n2 (b:1), n3 (c:1). If",
                               "once; missing: n2 (b:1). If",
                               "once; missing: n2 (b:1, not reached). If",
                               "once; all are, and one does not vote: its log tells. If"};
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_NE(lines[i].find(words[i]), std::string::npos) << lines[i];
  }
}

}  // namespace
}  // namespace alfheim::replica
