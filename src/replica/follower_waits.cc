#include "replica/follower_waits.h"

#include <algorithm>
#include <utility>

namespace alfheim::replica {

void FollowerWaits::add(FollowerWait wait, const raft::Node& node, uint64_t now_ms) {
  const uint64_t end_ms = wait.timeout_ms == 0 || wait.timeout_ms > UINT64_MAX - now_ms
                              ? UINT64_MAX
                              : now_ms + wait.timeout_ms;
  waiting_.push_back({.wait = std::move(wait), .end_ms = end_ms});
  look(node, now_ms);
}

void FollowerWaits::look(const raft::Node& node, uint64_t now_ms) {
  if (waiting_.empty()) return;
  const bool leads = node.is_leader();
  std::vector<Waiting> over;
  std::erase_if(waiting_, [&](Waiting& one) {
    if (one.wait.owner && one.wait.owner->expired()) return true;
    // Who does not lead any more knows nothing newer.
    if (leads) one.holders = node.holder_count(one.wait.index);
    const bool is_over = !leads || one.holders >= one.wait.count || now_ms >= one.end_ms;
    if (is_over) over.push_back(std::move(one));
    return is_over;
  });
  for (const Waiting& one : over) one.wait.done(one.holders);
}

}  // namespace alfheim::replica
