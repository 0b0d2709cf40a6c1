// replica/follower_waits: who waits until so many other members hold an entry (WAIT, WAITAOF).
//
// What was answered is held by a majority; a client that wants more of them, or to know how many,
// waits here.
//
// Thread: the core strand; owners may go on any. Lifetime: of the replica; what is not done when it
// ends is never told.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "raft/node.h"

namespace alfheim::replica {

struct FollowerWait {
  base::LogIndex index;
  size_t count = 0;         // of other members, that are to hold it
  uint64_t timeout_ms = 0;  // 0: for ever
  // Whose wait it is: once that is gone nobody is told. Empty: somebody always is.
  std::optional<std::weak_ptr<const void>> owner;
  // How many hold it: `count` or more, or as many as there were when the time was up, or this node
  // ceased to lead.
  std::function<void(size_t holders)> done;
};

class FollowerWaits {
 public:
  void add(FollowerWait wait, const raft::Node& node, uint64_t now_ms);
  // After what may have changed who holds what, and now and then for those whose time is up.
  void look(const raft::Node& node, uint64_t now_ms);
  size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    FollowerWait wait;
    uint64_t end_ms = 0;  // UINT64_MAX: never
    size_t holders = 0;   // when it was looked at last
  };
  std::vector<Waiting> waiting_;
};

}  // namespace alfheim::replica
