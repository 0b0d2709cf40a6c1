// raft/configuration: who belongs to the group, in which part, and where it is found.
//
// `members` is the address book: everybody who has a part, once, sorted by id. `voters` decide.
// While `outgoing` is not empty the group is in joint consensus: every decision needs a majority
// of both sets (Raft dissertation §4.3). `learners` receive the log and never count. A voter that
// is demoted stays in `outgoing` until the joint ends, and stands in `learners_next` meanwhile.
// `retired` are ids that were removed: an id comes back never, for what it promised in its first
// life (votes, acknowledged entries) is forgotten. Lists are sorted and hold no id twice, so that
// equal memberships are equal values on every node.
//
// Without a voter it is blank: of a node that has not joined yet.
//
// Thread: a value. Format: docs/raft.md, "A configuration's bytes" (version 2; 1 is still read);
// it is the payload of EntryKind::kConfiguration and a part of the persisted index.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace alfheim::raft {

// Whether a sorted list names it.
bool holds(const std::vector<base::NodeId>& sorted, base::NodeId id);

struct Member {
  base::NodeId id;
  std::string name;       // at most kMemberNameBytesMax; "" where only the id is known
  std::string address;    // of its raft listener, "host:port"; at most kMemberAddressBytesMax
  uint64_t data_uid = 0;  // of its data directory; 0: not known yet
  // It learns until somebody promotes it; else its leader does as soon as it has caught up.
  bool stays_learner = false;
  friend bool operator==(const Member&, const Member&) = default;
};

inline constexpr size_t kMembersMax = 64;
inline constexpr size_t kMemberNameBytesMax = 64;
inline constexpr size_t kMemberAddressBytesMax = 255;
// So many nodes may be removed in the life of a group: the ids go with every configuration.
inline constexpr size_t kRetiredMax = 1024;

struct Configuration {
  std::vector<Member> members;
  std::vector<base::NodeId> voters;
  std::vector<base::NodeId> outgoing;
  std::vector<base::NodeId> learners;
  std::vector<base::NodeId> learners_next;
  std::vector<base::NodeId> retired;

  friend bool operator==(const Configuration&, const Configuration&) = default;

  bool is_blank() const { return voters.empty(); }
  bool is_joint() const { return !outgoing.empty(); }
  bool is_voter(base::NodeId id) const;  // in voters or in outgoing
  bool is_learner(base::NodeId id) const;
  bool is_retired(base::NodeId id) const;
  bool is_member(base::NodeId id) const { return is_voter(id) || is_learner(id); }
  // The group of one: this node decides alone.
  bool is_sole_voter(base::NodeId id) const;
  // Null where it is no member.
  const Member* find(base::NodeId id) const;
  // Everybody who has a part, once, sorted.
  std::vector<base::NodeId> everybody() const;
};

// The group that `founders` found together; sorts them, and takes the first of one id.
Configuration make_configuration(std::vector<Member> founders);
// The same of ids alone.
Configuration make_configuration(const std::vector<base::NodeId>& founders);
// `members` made anew from the other lists, without names and addresses.
Configuration with_unnamed_members(Configuration configuration);

// kInvalidArgument where there is no voter, an id is 0, a list is unsorted, a learner votes, a
// part and `members` do not name the same nodes, two share a name or an address, a member is
// retired, or something is above its bound.
base::Status check_configuration(const Configuration& configuration);

base::Bytes encode_configuration(const Configuration& configuration);
base::Result<Configuration> decode_configuration(base::ByteView bytes);

}  // namespace alfheim::raft
