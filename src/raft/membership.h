// raft/membership: how one configuration becomes the next, and which one is in force.
//
// A change of who votes goes through joint consensus (Raft dissertation §4.3): one entry brings the
// joint configuration, a second one leaves it. What changes no vote (a new learner, the removal of
// one, another address) is one entry. A configuration is in force from the moment it stands in the
// log, on every node, committed or not; a truncation brings back the one before.
//
// Thread: one at a time. Lifetime: values.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "raft/configuration.h"
#include "raft/ready.h"

namespace alfheim::raft {

enum class ChangeKind : uint8_t {
  kAddLearner,  // `member` is new, and receives the log
  kPromote,     // a learner begins to vote
  kDemote,      // a voter becomes a learner
  kRemove,      // for ever: its id is never used again
  kReplace,     // the name, address or (where not known yet) data directory of a member
};

// Of `member`, kAddLearner and kReplace take all, the others the id.
struct Change {
  ChangeKind kind = ChangeKind::kAddLearner;
  Member member;
};

// The configuration that `change` asks for, joint where votes change. `from` must not be joint.
// kInvalidArgument where it makes no sense, with a sentence.
base::Result<Configuration> changed_configuration(const Configuration& from, const Change& change);

// What follows a joint configuration: who ceased to vote learns, or is retired.
Configuration left_joint(const Configuration& joint);

class Membership {
 public:
  // As of the entries applied, and those in the log behind them, ascending.
  Membership(Configuration applied, std::vector<ConfigurationAt> behind);

  // In force: the newest of the log.
  const Configuration& current() const {
    return behind_.empty() ? applied_ : behind_.back().configuration;
  }
  // The entry that brought it; 0 where that is applied.
  base::LogIndex index() const { return behind_.empty() ? base::LogIndex{} : behind_.back().index; }
  const Configuration& applied() const { return applied_; }
  // Another one is in force whenever it has changed.
  uint64_t version() const { return version_; }
  // Whether entries up to `commit` hold a configuration that is not applied.
  bool has_unapplied(base::LogIndex commit) const {
    return !behind_.empty() && behind_.front().index <= commit;
  }

  // Whether the node votes in what is in force, or in one before it that is not yet known to be
  // over: entries of the log may be missed by everybody else who votes there.
  bool may_be_needed(base::NodeId id) const;

  void append(base::LogIndex index, Configuration configuration);
  void truncate_after(base::LogIndex index);
  void applied_to(base::LogIndex index);

  void check_invariants(base::LogIndex applied, base::LogIndex last) const;

 private:
  Configuration applied_;
  std::vector<ConfigurationAt> behind_;  // not applied, ascending
  uint64_t version_ = 0;
};

}  // namespace alfheim::raft
