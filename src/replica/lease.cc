#include "replica/lease.h"

namespace alfheim::replica {
namespace {

// Rounds that no quorum has answered: of a leader that is cut off, and about to find it out.
constexpr size_t kNotedMax = 1024;

}  // namespace

void Lease::note(const raft::Ready& ready, const env::Clock& clock) {
  needed_.store(ready.commit.value, std::memory_order_release);
  // Rounds count anew in each term.
  if (ready.soft_state.term != term_) noted_.clear();
  term_ = ready.soft_state.term;
  if (ready.heartbeat_round == 0) return;
  // The first Ready that names a round is when it began.
  if (!noted_.empty() && noted_.back().round >= ready.heartbeat_round) return;
  if (noted_.size() == kNotedMax) {
    noted_.back().round = ready.heartbeat_round;  // as if it had begun earlier: a shorter lease
    return;
  }
  noted_.push_back({ready.heartbeat_round, clock.monotonic_ns()});
}

void Lease::renew(const raft::Node& node) {
  const uint64_t round = node.lease();
  if (round == 0) return end_ns_.store(0, std::memory_order_release);
  while (!noted_.empty() && noted_.front().round < round) noted_.pop_front();
  // A quorum cannot have answered what was not noted before it left.
  const uint64_t end_ns = noted_.empty() ? 0 : noted_.front().at_ns + node.lease_ms() * 1'000'000;
  end_ns_.store(end_ns, std::memory_order_release);
}

}  // namespace alfheim::replica
