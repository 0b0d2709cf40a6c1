// raft/durability: what of the log and the hard state is on stable storage.
//
// Each Ready that was handed out is a write under way, known by its number alone. A
// truncation lowers the end of every write under way, so that its acknowledgement can
// never count for entries that were put in the place of those it wrote.
//
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <deque>

#include "base/ids.h"
#include "raft/ready.h"

namespace alfheim::raft {

class Durability {
 public:
  Durability(base::LogIndex last, HardState hard_state) : last_(last), hard_state_(hard_state) {}

  base::LogIndex last() const { return last_; }
  const HardState& hard_state() const { return hard_state_; }
  bool is_idle() const { return writes_.empty(); }

  // Ready `number` was handed out; with it durable, the log ends at `last`.
  void started(uint64_t number, base::LogIndex last, HardState hard_state);
  void truncated_after(base::LogIndex index);
  void finished(uint64_t number);

  void check_invariants(base::LogIndex log_last) const;

 private:
  struct Write {
    uint64_t number;
    base::LogIndex last;
    HardState hard_state;
  };
  base::LogIndex last_;
  HardState hard_state_;
  std::deque<Write> writes_;
};

}  // namespace alfheim::raft
