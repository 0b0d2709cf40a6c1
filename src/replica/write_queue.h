// replica/write_queue: what Readies want durable, in the order of their numbers.
//
// One write at a time. While a write is under way, Readies queue up; the next write takes all of
// them at once, so a follower that gets many small appends syncs as seldom as its disk can bear. A
// Ready that wants nothing durable passes at once where nothing waits before it, else in its turn:
// what it sends behind the disk, and its number, speak for all before it (raft/ready.h).
//
// A log without room keeps the write here, and all that is behind it, until retry().
//
// Thread: the core strand; the write itself runs on the log strand. Lifetime: hands outlive it,
// and it outlives what it posted.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "env/executor.h"
#include "raft/ready.h"
#include "vlog/log.h"

namespace alfheim::replica {

class WriteQueue {
 public:
  struct Hands {
    env::Strand& core;
    env::Strand& log_strand;
    vlog::Log& log;
  };
  struct Events {
    // All up to this Ready is durable; the messages of these Readies may leave. `was_written`: by
    // a write, and not because it wanted none.
    std::function<void(uint64_t number, std::vector<raft::Message> messages, bool was_written)>
        on_durable;
    std::function<void(const base::Error&)> on_no_room;  // the write waits here
    std::function<void(base::Error)> on_failed;          // the node must stop
    std::function<void()> on_written;  // log strand, behind each write: how full is the disk?
  };
  WriteQueue(const Hands& hands, Events events) : hands_(hands), events_(std::move(events)) {}

  // Takes what must be durable, and the messages that wait for it.
  void add(raft::Ready ready);
  bool is_writing() const { return !waiting_.empty() || is_under_way_; }
  bool is_parked() const { return is_parked_; }
  void retry();
  // The node stops: what has no room is given up, and nothing is durable from now on.
  void abandon();
  bool is_abandoned() const { return is_abandoned_; }
  // Those that ended well, each one write and one sync.
  uint64_t write_count() const { return write_count_; }

 private:
  // A part of one write, or several Readies in one.
  struct Write {
    uint64_t number = 0;  // of the newest Ready in it
    std::optional<raft::HardState> hard_state;
    std::vector<raft::Entry> entries;
    std::vector<raft::Message> messages;
    bool needs_persist() const { return hard_state.has_value() || !entries.empty(); }
  };
  void start_next();
  void post(Write write);
  base::Status persist(const Write& write);  // log strand
  void on_ended(Write write, base::Status status);

  Hands hands_;
  Events events_;
  std::deque<Write> waiting_;  // by number
  uint64_t write_count_ = 0;
  bool is_under_way_ = false;
  bool is_parked_ = false;
  bool is_abandoned_ = false;
};

}  // namespace alfheim::replica
