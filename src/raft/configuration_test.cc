// Configurations: their bytes in every version, and what is refused.
#include "raft/configuration.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/testing_golden.h"

namespace alfheim::raft {
namespace {

using base::Bytes;
using base::NodeId;

Bytes golden(const std::string& name) { return base::golden_bytes(ALF_SOURCE_DIR, "raft/" + name); }

// A group in joint consensus: 300 begins to vote, 7 ceases and will learn, 9 learns, 4 is gone.
Configuration sample() {
  Configuration configuration;
  configuration.members = {{NodeId{1}, "n1", "10.0.0.1:7379", 0xd1},
                           {NodeId{2}, "n2", "10.0.0.2:7379", 0xd2},
                           {NodeId{7}, "n7", "10.0.0.7:7379", 0},
                           {NodeId{9}, "", "", 0, true},
                           {NodeId{300}, "n300", "[::1]:7379", 0xd3}};
  configuration.voters = {NodeId{1}, NodeId{2}, NodeId{300}};
  configuration.outgoing = {NodeId{1}, NodeId{2}, NodeId{7}};
  configuration.learners = {NodeId{9}};
  configuration.learners_next = {NodeId{7}};
  configuration.retired = {NodeId{4}};
  return configuration;
}

TEST(Configuration, SurvivesItsBytes) {
  const Bytes bytes = encode_configuration(sample());
  EXPECT_EQ(bytes, golden("v2/configuration"));
  const auto decoded = decode_configuration(bytes);
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(*decoded, sample());
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_configuration(bytes.substr(0, length)).is_ok()) << length;
  }
  EXPECT_FALSE(decode_configuration(bytes + "x").is_ok());
  EXPECT_FALSE(decode_configuration("\x03" + bytes.substr(1)).is_ok());
}

TEST(Configuration, ThatWasWrittenBeforeThereWereNamesIsRead) {
  const Bytes bytes = golden("v1/configuration");
  EXPECT_EQ(bytes, Bytes("\x01\x03\x01\x02\xac\x02\x02\x02\x07\x01\x09", 11));
  const auto decoded = decode_configuration(bytes);
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(decoded->voters, (std::vector<NodeId>{{1}, {2}, {300}}));
  EXPECT_EQ(decoded->outgoing, (std::vector<NodeId>{{2}, {7}}));
  EXPECT_EQ(decoded->learners, (std::vector<NodeId>{{9}}));
  EXPECT_EQ(decoded->members.size(), 5u);
  EXPECT_EQ(*decode_configuration(encode_configuration(*decoded)), *decoded);
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_configuration(bytes.substr(0, length)).is_ok()) << length;
  }
  EXPECT_FALSE(decode_configuration(Bytes("\x01\x01\x00\x00\x00", 5)).is_ok());
}

TEST(Configuration, RefusesContradictions) {
  ASSERT_TRUE(check_configuration(sample()).is_ok());
  struct Case {
    const char* name;
    std::function<void(Configuration&)> change;
  };
  const Case cases[] = {
      {"nobody votes", [](auto& c) { c.voters.clear(); }},
      {"unsorted", [](auto& c) { std::swap(c.voters[0], c.voters[1]); }},
      {"twice", [](auto& c) { c.voters[0] = c.voters[1]; }},
      {"nobody is no member", [](auto& c) { c.voters[0] = c.members[0].id = NodeId{}; }},
      {"a learner votes",
       [](auto& c) {
         c.learners = {NodeId{2}, NodeId{9}};
       }},
      {"next to learn, but votes", [](auto& c) { c.learners_next = {NodeId{1}}; }},
      {"next to learn, but never voted", [](auto& c) { c.learners_next = {NodeId{9}}; }},
      {"a part without a member", [](auto& c) { c.members.pop_back(); }},
      {"a member without a part", [](auto& c) { c.learners.clear(); }},
      {"members unsorted", [](auto& c) { std::swap(c.members[0], c.members[1]); }},
      {"a member is retired", [](auto& c) { c.retired = {NodeId{9}}; }},
      {"one name, two nodes", [](auto& c) { c.members[0].name = "n2"; }},
      {"one address, two nodes", [](auto& c) { c.members[0].address = "10.0.0.2:7379"; }},
      {"a long name", [](auto& c) { c.members[0].name = std::string(65, 'n'); }},
      {"a long address", [](auto& c) { c.members[0].address = std::string(256, 'a'); }},
      {"too many retired",
       [](auto& c) {
         for (uint64_t id = 0; id < kRetiredMax; ++id) c.retired.push_back(NodeId{1000 + id});
       }},
      {"too many members",
       [](auto& c) {
         for (uint64_t id = 0; id < kMembersMax; ++id) {
           c.learners.push_back(NodeId{1000 + id});
           c.members.push_back({NodeId{1000 + id}, "", "", 0});
         }
         std::sort(c.learners.begin(), c.learners.end());
       }},
  };
  for (const Case& test : cases) {
    Configuration configuration = sample();
    test.change(configuration);
    const base::Status status = check_configuration(configuration);
    ASSERT_FALSE(status.is_ok()) << test.name;
    EXPECT_EQ(status.error().code, base::ErrorCode::kInvalidArgument);
  }
}

TEST(Configuration, KnowsWhoIsWho) {
  const Configuration group = make_configuration(std::vector<NodeId>{{3}, {1}, {3}});
  EXPECT_EQ(group.voters, (std::vector<NodeId>{{1}, {3}}));
  EXPECT_EQ(group.everybody(), group.voters);
  EXPECT_FALSE(group.is_sole_voter(NodeId{1}));
  EXPECT_TRUE(make_configuration(std::vector{NodeId{1}}).is_sole_voter(NodeId{1}));
  EXPECT_TRUE(Configuration{}.is_blank());
  EXPECT_EQ(sample().find(NodeId{7})->address, "10.0.0.7:7379");
  EXPECT_EQ(sample().find(NodeId{4}), nullptr);
  EXPECT_TRUE(sample().is_retired(NodeId{4}));
  EXPECT_TRUE(sample().is_voter(NodeId{7}));
  EXPECT_FALSE(sample().is_member(NodeId{4}));
  Configuration joint = sample();
  joint.voters = {NodeId{1}};
  EXPECT_FALSE(joint.is_sole_voter(NodeId{1}));
}

}  // namespace
}  // namespace alfheim::raft
