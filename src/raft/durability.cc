#include "raft/durability.h"

#include <algorithm>

#include "base/check.h"

namespace alfheim::raft {

using base::LogIndex;

void Durability::started(uint64_t number, LogIndex last, HardState hard_state) {
  ALF_CHECK(writes_.empty() || writes_.back().number < number);
  ALF_CHECK(hard_state.term >= hard_state_.term);
  writes_.push_back({number, last, hard_state});
}

void Durability::truncated_after(LogIndex index) {
  last_ = std::min(last_, index);
  for (Write& write : writes_) write.last = std::min(write.last, index);
}

void Durability::finished(uint64_t number) {
  while (!writes_.empty() && writes_.front().number <= number) {
    last_ = std::max(last_, writes_.front().last);
    ALF_CHECK(writes_.front().hard_state.term >= hard_state_.term);
    hard_state_ = writes_.front().hard_state;
    writes_.pop_front();
  }
}

void Durability::check_invariants(LogIndex log_last) const {
  ALF_CHECK(last_ <= log_last);
  for (const Write& write : writes_) {
    ALF_CHECK(write.last <= log_last);
    ALF_CHECK(write.hard_state.term >= hard_state_.term);
  }
}

}  // namespace alfheim::raft
