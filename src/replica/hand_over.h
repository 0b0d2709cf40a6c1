// replica/hand_over: leadership on its way to another node, and who waits to hear of it.
//
// An order has three steps. First the target catches up with what the log held when the order came,
// while clients notice nothing. Then nothing new is proposed, and what cannot be left half done
// (the pieces of a long write) ends. Then raft hands over, which takes an election without a
// timeout, or fails within an election timeout, and this node goes on. What waited in the batcher
// meanwhile was never proposed: it is redirected, or proposed after all.
//
// Thread: the core strand; phase() any. Lifetime: hands outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "env/clock.h"
#include "net/peer_transport.h"
#include "raft/node.h"

namespace alfheim::replica {

enum class HandOverPhase : uint8_t { kNone, kCatchingUp, kEnding, kUnderWay };

struct HandOverOrder {
  base::NodeId to;            // 0: the best_voter()
  uint64_t timeout_ms = 0;    // for the target to catch up; 0: as long as it takes
  bool goes_unready = false;  // after that time it is tried all the same
  // Where one is ending or under way, it waits for that one's end; one whose target has yet to
  // catch up is called off for it.
  bool joins = false;
  // On the core strand, once. ok: the target leads (with `to` 0 or `joins`: another node).
  // kUnavailable: not the leader, another order is under way, or it was not taken over.
  // kNotFound: no such voter, or none that is connected.
  std::function<void(base::Status)> done;  // may be empty
};

class HandOver {
 public:
  struct Hands {
    raft::Node& raft;
    const env::Clock& clock;
    net::PeerTransport* transport;  // null: a group of one
    uint64_t election_ms = 0;
  };
  explicit HandOver(const Hands& hands) : hands_(hands) {}

  void begin(HandOverOrder order);
  // Where raft has not been asked yet. kNotFound: none is under way. kUnavailable: too late.
  base::Status abort();
  // Looks whether the next step is due. `is_busy`: something proposed in part must end first.
  void advance(bool is_busy);
  // The node stops: nobody is kept waiting.
  void give_up();

  // Of those that are connected, and rather of those that have answered of late, who holds most of
  // the log. kNotFound: nobody is connected.
  base::Result<base::NodeId> best_voter() const;

  HandOverPhase phase() const { return phase_.load(std::memory_order_acquire); }
  bool is_on() const { return phase() != HandOverPhase::kNone; }
  // Nothing new may be proposed: raft would refuse it, and its clients would not know.
  bool holds_back() const {
    return phase() >= HandOverPhase::kEnding || hands_.raft.transferee() != base::NodeId{};
  }

 private:
  struct Target {
    base::NodeId id;
    bool is_named = false;
    base::LogIndex wanted;  // that it must hold
    base::Term term;        // of the leadership that is given away
    uint64_t timeout_ms = 0;
    bool goes_unready = false;
    uint64_t since_ms = 0;  // of the phase
  };

  base::Result<base::NodeId> choose(base::NodeId wanted) const;
  bool is_connected(base::NodeId id) const;
  bool is_caught_up() const;
  void advance_leader(bool is_busy);
  void advance_former_leader();
  void enter(HandOverPhase phase);
  void finish(const base::Status& status);

  Hands hands_;
  Target target_;
  std::vector<std::function<void(base::Status)>> waiters_;
  std::atomic<HandOverPhase> phase_{HandOverPhase::kNone};
};

}  // namespace alfheim::replica
