#include "replica/hand_over.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::replica {

using base::Error;
using base::ErrorCode;

namespace {

std::string name_of(base::NodeId id) { return base::format("{:016x}", id.value); }

}  // namespace

void HandOver::begin(HandOverOrder order) {
  const auto answer = [&order](base::Status status) {
    if (order.done) order.done(std::move(status));
  };
  // Whoever joins cannot wait: a target that is away may never catch up.
  if (order.joins && phase() == HandOverPhase::kCatchingUp) {
    finish(Error{ErrorCode::kUnavailable, "another order took its place"});
  }
  const raft::SoftState role = hands_.raft.soft_state();
  if (is_on()) {
    const bool is_same = order.joins || (target_.is_named && order.to == target_.id);
    if (!is_same) {
      return answer(Error{ErrorCode::kUnavailable, "leadership is being handed over already"});
    }
    if (order.done) waiters_.push_back(std::move(order.done));
    return;
  }
  if (role.role != raft::RoleKind::kLeader) {
    return answer(Error{ErrorCode::kUnavailable, "this node does not lead"});
  }
  if (order.to == role.leader) return answer(base::ok());  // it leads already
  base::Result<base::NodeId> chosen = choose(order.to);
  if (!chosen) return answer(std::move(chosen).error());
  target_ = {.id = *chosen,
             .is_named = order.to != base::NodeId{},
             .wanted = hands_.raft.status().last,
             .term = role.term,
             .timeout_ms = order.timeout_ms,
             .goes_unready = order.goes_unready};
  if (order.done) waiters_.push_back(std::move(order.done));
  enter(HandOverPhase::kCatchingUp);
}

// A voter that was named may be unreachable now: it has its time to come back.
base::Result<base::NodeId> HandOver::choose(base::NodeId wanted) const {
  if (wanted == base::NodeId{}) return best_voter();
  if (hands_.raft.configuration().is_voter(wanted)) return wanted;
  return Error{ErrorCode::kNotFound, base::format("node {} is no voter", name_of(wanted))};
}

base::Result<base::NodeId> HandOver::best_voter() const {
  const raft::NodeStatus status = hands_.raft.status();
  const raft::PeerStatus* best = nullptr;
  // A process that stands still keeps its links.
  const auto rank = [this](const raft::PeerStatus& peer) {
    return std::pair(hands_.raft.hears(peer.id), peer.match);
  };
  for (const raft::PeerStatus& peer : status.peers) {
    // Not one that ceases to vote: raft would refuse it.
    if (!raft::holds(status.configuration.voters, peer.id) || !is_connected(peer.id)) continue;
    if (best == nullptr || rank(peer) > rank(*best)) best = &peer;
  }
  if (best == nullptr) return Error{ErrorCode::kNotFound, "no other voter is connected"};
  return best->id;
}

bool HandOver::is_connected(base::NodeId id) const {
  if (hands_.transport == nullptr) return false;
  const std::vector<net::PeerLinkStatus> links = hands_.transport->status();
  return std::any_of(links.begin(), links.end(), [id](const net::PeerLinkStatus& link) {
    return link.endpoint.id == id && link.is_connected;
  });
}

base::Status HandOver::abort() {
  switch (phase()) {
    case HandOverPhase::kNone:
      return Error{ErrorCode::kNotFound, "leadership is not being handed over"};
    case HandOverPhase::kUnderWay: return Error{ErrorCode::kUnavailable, "the election has begun"};
    case HandOverPhase::kCatchingUp:
    case HandOverPhase::kEnding: break;
  }
  finish(Error{ErrorCode::kUnavailable, "it was called off"});
  return base::ok();
}

void HandOver::advance(bool is_busy) {
  if (!is_on()) return;
  const raft::SoftState role = hands_.raft.soft_state();
  const bool leads_on = role.role == raft::RoleKind::kLeader && role.term == target_.term;
  if (leads_on) return advance_leader(is_busy);
  advance_former_leader();
}

void HandOver::advance_leader(bool is_busy) {
  const uint64_t waited_ms = hands_.clock.monotonic_ms() - target_.since_ms;
  if (phase() == HandOverPhase::kCatchingUp) {
    if (!hands_.raft.configuration().is_voter(target_.id)) {
      return finish(Error{ErrorCode::kNotFound,
                          base::format("node {} is a voter no more", name_of(target_.id))});
    }
    const bool is_late = target_.timeout_ms > 0 && waited_ms >= target_.timeout_ms;
    if (!is_caught_up() && !is_late) return;
    if (!is_caught_up() && !target_.goes_unready) {
      return finish(
          Error{ErrorCode::kUnavailable, base::format("node {} did not catch up within {} ms",
                                                      name_of(target_.id), target_.timeout_ms)});
    }
    enter(HandOverPhase::kEnding);
  }
  if (phase() == HandOverPhase::kEnding) {
    if (is_busy) return;
    const base::Status begun = hands_.raft.transfer_leadership(target_.id);
    if (!begun) return finish(begun);
    return enter(HandOverPhase::kUnderWay);
  }
  if (hands_.raft.transferee() == target_.id) return;
  finish(Error{ErrorCode::kUnavailable,
               base::format("node {} did not take over within an election timeout of {} ms",
                            name_of(target_.id), hands_.election_ms)});
}

bool HandOver::is_caught_up() const {
  const std::vector<raft::PeerStatus> peers = hands_.raft.status().peers;
  return std::any_of(peers.begin(), peers.end(), [this](const raft::PeerStatus& peer) {
    return peer.id == target_.id && peer.match >= target_.wanted;
  });
}

void HandOver::advance_former_leader() {
  const base::NodeId leader = hands_.raft.soft_state().leader;
  if (leader == base::NodeId{}) {
    // The target may have voted for itself in vain: an ordinary election follows, of two timeouts.
    if (hands_.clock.monotonic_ms() - target_.since_ms < 2 * hands_.election_ms) return;
    return finish(Error{ErrorCode::kUnavailable, "no node is known to lead"});
  }
  const bool is_wanted = target_.is_named
                             ? leader == target_.id
                             : hands_.raft.soft_state().role != raft::RoleKind::kLeader;
  if (is_wanted) return finish(base::ok());
  finish(Error{ErrorCode::kUnavailable, base::format("node {} leads instead", name_of(leader))});
}

void HandOver::give_up() {
  if (is_on()) finish(Error{ErrorCode::kUnavailable, "the node stops"});
}

void HandOver::enter(HandOverPhase phase) {
  target_.since_ms = hands_.clock.monotonic_ms();
  phase_.store(phase, std::memory_order_release);
}

void HandOver::finish(const base::Status& status) {
  ALF_CHECK(is_on());
  phase_.store(HandOverPhase::kNone, std::memory_order_release);
  for (const auto& done : std::exchange(waiters_, {})) done(status);
}

}  // namespace alfheim::replica
