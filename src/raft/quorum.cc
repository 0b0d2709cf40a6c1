#include "raft/quorum.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/mutant.h"

namespace alfheim::raft {
namespace {

using base::LogIndex;
using base::NodeId;

VoteResult count_in(const std::vector<NodeId>& voters, size_t needed,
                    const std::function<Vote(NodeId)>& vote_of) {
  ALF_CHECK(!voters.empty());
  size_t granted = 0;
  size_t missing = 0;
  for (const NodeId id : voters) {
    switch (vote_of(id)) {
      case Vote::kGranted: ++granted; break;
      case Vote::kMissing: ++missing; break;
      case Vote::kRefused: break;
    }
  }
  ALF_CHECK(granted + missing <= voters.size());
  if (granted >= needed) return VoteResult::kWon;
  return granted + missing >= needed ? VoteResult::kPending : VoteResult::kLost;
}

size_t majority_of(const std::vector<NodeId>& voters) {
  return voters.size() / 2 + (ALF_MUTANT(HalfElects) ? 0 : 1);
}

uint64_t value_in(const std::vector<NodeId>& voters,
                  const std::function<uint64_t(NodeId)>& value_of) {
  ALF_CHECK(!voters.empty());
  std::vector<uint64_t> values;
  values.reserve(voters.size());
  for (const NodeId id : voters) values.push_back(value_of(id));
  // The n-th largest, n being the majority: that many have it.
  const size_t majority = voters.size() / 2 + (ALF_MUTANT(HalfCommits) ? 0 : 1);
  const auto middle = values.begin() + static_cast<ptrdiff_t>(majority - 1);
  std::nth_element(values.begin(), middle, values.end(),
                   [](uint64_t left, uint64_t right) { return left > right; });
  return *middle;
}

}  // namespace

VoteResult count_votes(const Configuration& configuration,
                       const std::function<Vote(NodeId)>& vote_of) {
  const VoteResult incoming =
      count_in(configuration.voters, majority_of(configuration.voters), vote_of);
  if (!configuration.is_joint() || ALF_MUTANT(JointCountsNewOnly)) return incoming;
  const VoteResult outgoing =
      count_in(configuration.outgoing, majority_of(configuration.outgoing), vote_of);
  if (incoming == VoteResult::kLost || outgoing == VoteResult::kLost) return VoteResult::kLost;
  return incoming == outgoing ? incoming : VoteResult::kPending;
}

VoteResult count_all_votes(const Configuration& configuration,
                           const std::function<Vote(NodeId)>& vote_of) {
  ALF_CHECK(!configuration.is_joint());
  return count_in(configuration.voters, configuration.voters.size(), vote_of);
}

uint64_t quorum_value(const Configuration& configuration,
                      const std::function<uint64_t(NodeId)>& value_of) {
  std::vector<NodeId> voters = configuration.voters;
  if (ALF_MUTANT(LearnerCounted)) {
    voters.insert(voters.end(), configuration.learners.begin(), configuration.learners.end());
  }
  const uint64_t incoming = value_in(voters, value_of);
  if (!configuration.is_joint() || ALF_MUTANT(JointCountsNewOnly)) return incoming;
  return std::min(incoming, value_in(configuration.outgoing, value_of));
}

LogIndex quorum_index(const Configuration& configuration,
                      const std::function<LogIndex(NodeId)>& match_of) {
  return LogIndex{quorum_value(configuration, [&](NodeId id) { return match_of(id).value; })};
}

}  // namespace alfheim::raft
