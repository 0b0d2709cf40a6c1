// replica/read_barriers: reads of many nodes' groups, from "asked" to "may take its view".
//
// Whoever would read on a node of a group of several first needs proof that nobody else leads: a
// round of heartbeats that begins after the read was wholly received (raft's read index), and the
// entries up to the index that it brings, applied. All that wait when the core looks share one
// id, and so one round.
//
// Thread: add() from any; all else on the core strand. Lifetime: of the replica.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "raft/node.h"
#include "replica/reply.h"

namespace alfheim::replica {

class ReadBarriers {
 public:
  // Any thread: `reader` is told (kBarrier), or that nobody leads whom this node knows (kRetry).
  void add(const ReplyTo& reader);
  bool is_asked() const { return is_asked_.load(std::memory_order_acquire); }

  // ---- core strand ----
  // Gives all that wait one id, and asks raft for it.
  void ask(raft::Node& node, uint64_t now_ms);
  void granted(const raft::ReadState& read, uint64_t now_ms);
  void refused(raft::ReadId id);
  // Forwarded reads whose answer was lost, and those whose entries are not applied here for long
  // (this node may be cut off, or its disk hang): asked again, by their sessions.
  void expire(uint64_t now_ms);
  void refuse_all();
  // Those who may read now, entries up to `applied` being applied; those who must ask again.
  std::vector<ReplyTo> take_passed(base::LogIndex applied);
  std::vector<ReplyTo> take_refused();
  uint64_t round_count() const { return round_count_; }

 private:
  struct Asked {
    uint64_t since_ms = 0;
    std::vector<ReplyTo> readers;
  };
  void put_refused(std::vector<ReplyTo>& readers);

  std::mutex mutex_;  // guards waiting_
  std::vector<ReplyTo> waiting_;
  std::atomic<bool> is_asked_{false};
  std::map<raft::ReadId, Asked> asked_;
  std::multimap<base::LogIndex, Asked> granted_;  // by the index they need applied
  std::vector<ReplyTo> refused_;
  uint64_t last_id_ = 0;
  uint64_t round_count_ = 0;
};

}  // namespace alfheim::replica
