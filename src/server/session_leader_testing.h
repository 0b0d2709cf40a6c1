// server/session_leader_testing: sessions of a node that leads a group of three; the test speaks
// for the other two. Only *_test.cc of this room include it.
//
// Thread: one. Lifetime: a test's.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "machine/entry_codec.h"
#include "server/session_testing.h"

namespace alfheim::server {

inline constexpr base::NodeId kFriend{2};
inline constexpr base::NodeId kRival{3};
inline constexpr char kMoved[] =
    "-MOVED 7629 10.0.0.3:6379\r\n";  // of the key "a" is 15495, of "k" 7629

inline TestSetup setup_of_three(Options options = {}) {
  TestSetup setup{.options = std::move(options), .has_data_commands = true};
  for (const uint64_t id : {1, 2, 3}) {
    raft::Member& member = setup.founders.emplace_back();
    member.id = base::NodeId{id};
    member.name = "n" + std::to_string(id);
    member.address = "10.0.0." + std::to_string(id) + ":7379";
  }
  return setup;
}

// Where the clients of the other two are.
inline void put_friends(Directory& directory) {
  for (const uint64_t id : {2, 3}) {
    directory.put(base::NodeId{id}, {.name = "n" + std::to_string(id),
                                     .node_id = std::string(40, static_cast<char>('0' + id)),
                                     .resp = {"10.0.0." + std::to_string(id), 6379},
                                     .raft = {}});
  }
}

class SessionLeaderTest : public testing::Test {
 protected:
  explicit SessionLeaderTest(const TestSetup& setup = setup_of_three()) : node(setup) {
    put_friends(node.directory());
    node.replica().start();
    lead();
  }

  raft::NodeStatus status() {
    node.run_for_ms(100);  // it is told at each tick
    return node.replica().status_snapshot().raft;
  }
  void step(base::NodeId from, raft::Body body) {
    step_only(from, std::move(body));
    node.settle();
  }
  void acknowledge() { step(kFriend, raft::AppendResponse{.match = status().last}); }
  void confirm_reads() {
    for (uint64_t round = 1; round <= 9; ++round) step(kFriend, raft::HeartbeatResponse{round});
  }
  // Without running what it leads to.
  void step_only(base::NodeId from, raft::Body body) {
    node.replica().step(raft::Message{{1}, from, {1}, term_, std::move(body)});
  }
  void lead() {
    while (status().soft_state.role != raft::RoleKind::kPreCandidate) continue;
    term_ = base::Term{status().soft_state.term.value + 1};
    step(kFriend, raft::VoteResponse{.is_pre_vote = true, .is_granted = true});
    step(kFriend, raft::VoteResponse{.is_pre_vote = false, .is_granted = true});
    acknowledge();
    ASSERT_TRUE(node.replica().is_serving());
  }
  // Node 3 leads, and has all that this node has.
  void lose_leadership() {
    const raft::NodeStatus before = status();
    const base::Term old_term = term_;
    ++term_.value;
    raft::Entry noop{.index = before.last.next(),
                     .term = term_,
                     .kind = raft::EntryKind::kNoop,
                     .stamp = {},
                     .seed = 0,
                     .payload = nullptr};
    step(kRival, raft::Append{.previous = before.last,
                              .previous_term = old_term,
                              .last = noop.index,
                              .commit = noop.index,
                              .entries = {noop}});
    ASSERT_FALSE(node.replica().is_serving());
    ASSERT_EQ(node.replica().leader(), kRival);
  }
  // From the rival, which leads: an entry of this time with this call (none: a tick), committed.
  void follow_entry(uint64_t stamp_ms, const std::vector<std::string>& words = {}) {
    machine::BatchBuilder payload;
    payload.start({.value_threshold_bytes = 1024, .string_bytes_max = 1 << 20});
    const std::vector<base::ByteView> views(words.begin(), words.end());
    if (!words.empty()) payload.add_call({{}, views}, false);
    const raft::NodeStatus before = status();
    raft::Entry entry{
        .index = before.last.next(),
        .term = term_,
        .kind = raft::EntryKind::kCommands,
        .stamp = base::Stamp{stamp_ms},
        .seed = 1,
        .payload = std::make_shared<const base::Bytes>(words.empty() ? "" : payload.take())};
    step(kRival, raft::Append{.previous = before.last,
                              .previous_term = term_,
                              .last = entry.index,
                              .commit = entry.index,
                              .entries = {entry}});
    ASSERT_EQ(node.replica().applied(), entry.index);
  }
  // From here on nothing is proposed: the friend is to lead, and does not take it.
  void begin_to_hand_over() {
    node.replica().transfer({.to = kFriend, .timeout_ms = 1, .goes_unready = true, .done = {}});
    node.run_for_ms(100);
    ASSERT_GE(node.replica().hand_over_phase(), replica::HandOverPhase::kEnding);
  }

  TestNode node;

 private:
  base::Term term_;
};

}  // namespace alfheim::server
