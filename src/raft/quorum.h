// raft/quorum: the arithmetic of majorities, joint ones included. Pure functions.
#pragma once

#include <cstdint>
#include <functional>

#include "base/ids.h"
#include "raft/configuration.h"

namespace alfheim::raft {

enum class Vote : uint8_t { kMissing, kGranted, kRefused };
enum class VoteResult : uint8_t { kPending, kWon, kLost };

// What the votes amount to: won by a majority of both sets, lost as soon as one cannot be won.
VoteResult count_votes(const Configuration& configuration,
                       const std::function<Vote(base::NodeId)>& vote_of);

// The same where every voter is needed.
VoteResult count_all_votes(const Configuration& configuration,
                           const std::function<Vote(base::NodeId)>& vote_of);

// The largest number that a majority of both sets has reached.
uint64_t quorum_value(const Configuration& configuration,
                      const std::function<uint64_t(base::NodeId)>& value_of);

// The largest index that a majority of both sets has.
base::LogIndex quorum_index(const Configuration& configuration,
                            const std::function<base::LogIndex(base::NodeId)>& match_of);

}  // namespace alfheim::raft
