// raft/one_node_testing: one node in a test, that is fed by hand.
//
// Thread: one at a time. Lifetime: values.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "raft/node.h"

namespace alfheim::raft {

struct Shape {
  uint64_t nodes = 1;
  std::vector<uint64_t> terms = {};  // of entries 1, 2, ...
  uint64_t term = 0;
  uint64_t vote = 0;
  uint64_t applied = 0;
};

inline RestoredState restored(const Shape& shape) {
  RestoredState state{
      .hard_state = {.term = base::Term{shape.term}, .vote = base::NodeId{shape.vote}},
      .log_first = base::LogIndex{1},
      .previous_term = {},
      .last = base::LogIndex{shape.terms.size()},
      .runs = {},
      .applied = base::LogIndex{shape.applied},
      .configuration = {}};
  for (size_t i = 0; i < shape.terms.size(); ++i) {
    const base::Term term{shape.terms[i]};
    if (i == 0 || state.runs.back().term != term)
      state.runs.push_back({base::LogIndex{i + 1}, term});
  }
  std::vector<base::NodeId> voters;
  for (uint64_t id = 1; id <= shape.nodes; ++id) voters.push_back(base::NodeId{id});
  state.configuration = make_configuration(voters);
  return state;
}

inline Node::Options options(uint64_t seed = 1) {
  return {
      .id = base::NodeId{1}, .group = base::GroupId{7}, .seed = seed, .uncommitted_bytes_max = 100};
}

inline Message from(uint64_t sender, uint64_t term, Body body) {
  return {base::GroupId{7}, base::NodeId{sender}, base::NodeId{1}, base::Term{term},
          std::move(body)};
}

inline Proposal proposal(const std::string& payload) {
  return {.stamp = {5}, .seed = 6, .payload = std::make_shared<const base::Bytes>(payload)};
}

inline Entry entry(uint64_t index, uint64_t term) {
  return {.index = base::LogIndex{index}, .term = base::Term{term}, .kind = EntryKind::kCommands};
}

// Takes all Readies at once and acknowledges them.
inline Ready finish(Node& node) {
  Ready all;
  while (node.has_ready()) {
    Ready ready = node.take_ready();
    node.persisted(ready.number);
    if (ready.hard_state) all.hard_state = ready.hard_state;
    for (auto list : {&Ready::messages, &Ready::messages_after_persist}) {
      for (Message& message : ready.*list) all.messages.push_back(std::move(message));
    }
    for (Entry& each : ready.entries) all.entries.push_back(each);
    for (const ReadState& read : ready.reads) all.reads.push_back(read);
    for (const ReadId& read : ready.reads_refused) all.reads_refused.push_back(read);
    for (const base::NodeId& peer : ready.snapshots_wanted) all.snapshots_wanted.push_back(peer);
    if (ready.snapshot_offered) all.snapshot_offered = ready.snapshot_offered;
    all.heartbeat_round = std::max(all.heartbeat_round, ready.heartbeat_round);
    all.commit = ready.commit;
    all.applicable = ready.applicable;
    all.soft_state = ready.soft_state;
    node.check_invariants();
  }
  return all;
}

inline Node leader_of_one() {
  Node node(options(), restored({}));
  node.tick();
  finish(node);
  EXPECT_TRUE(node.is_leader_established());
  return node;
}

// Node 1 of three, elected in term 1 by node 2.
inline Node leader_of_three() {
  Node node(options(), restored({.nodes = 3}));
  node.campaign();
  finish(node);
  node.step(from(2, 1, VoteResponse{.is_pre_vote = true, .is_granted = true}));
  finish(node);
  node.step(from(2, 1, VoteResponse{.is_pre_vote = false, .is_granted = true}));
  EXPECT_TRUE(node.is_leader());
  return node;
}

// Node 1 leads 2 and 3 in term 1. Entries 1 to 4 are committed: 2 has them all, 3 nothing yet.
inline Node leader_of_one_that_lags() {
  Node node = leader_of_three();
  const Proposal one = proposal("a");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(node.propose({&one, 1}).is_ok());
  finish(node);
  node.step(from(2, 1, AppendResponse{.match = base::LogIndex{4}}));
  finish(node);
  EXPECT_EQ(node.status().commit, base::LogIndex{4});
  return node;
}

template <typename Kind>
std::vector<Kind> bodies(const Ready& ready) {
  std::vector<Kind> found;
  for (const Message& message : ready.messages) {
    if (const auto* body = std::get_if<Kind>(&message.body)) found.push_back(*body);
  }
  return found;
}

}  // namespace alfheim::raft
