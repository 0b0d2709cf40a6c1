// raft/configuration: who belongs to the group, and in which part.
//
// `voters` decide. While `outgoing` is not empty the group is in joint consensus: every
// decision needs a majority of both sets (Raft dissertation §4.3). `learners` receive the
// log and never count. Lists are sorted and hold no id twice, so that equal memberships
// are equal values on every node. Knows no addresses: those are the links' business.
//
// Thread: a value. Format: docs/raft.md, "A configuration's bytes" (version 1); it is the
// payload of EntryKind::kConfiguration and a part of the persisted index.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace alfheim::raft {

struct Configuration {
  std::vector<base::NodeId> voters;
  std::vector<base::NodeId> outgoing;
  std::vector<base::NodeId> learners;

  friend bool operator==(const Configuration&, const Configuration&) = default;

  bool is_joint() const { return !outgoing.empty(); }
  bool is_voter(base::NodeId id) const;  // in voters or in outgoing
  bool is_learner(base::NodeId id) const;
  bool is_member(base::NodeId id) const { return is_voter(id) || is_learner(id); }
  // The group of one: this node decides alone.
  bool is_sole_voter(base::NodeId id) const;
  // Everybody once, sorted.
  std::vector<base::NodeId> members() const;
};

// The group that `voters` found together; sorts and removes repetitions.
Configuration make_configuration(std::vector<base::NodeId> voters);

// kInvalidArgument where there is no voter, an id is 0, a list is unsorted, or a learner votes.
base::Status check_configuration(const Configuration& configuration);

base::Bytes encode_configuration(const Configuration& configuration);
base::Result<Configuration> decode_configuration(base::ByteView bytes);

}  // namespace alfheim::raft
