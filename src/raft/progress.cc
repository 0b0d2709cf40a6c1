#include "raft/progress.h"

#include <algorithm>

#include "base/check.h"

namespace alfheim::raft {

using base::LogIndex;

bool Progress::is_paused() const {
  switch (state_) {
    case ProgressState::kProbe: return is_probe_sent_;
    case ProgressState::kReplicate: return is_window_full() && !has_free_try_;
    case ProgressState::kSnapshot: return true;
  }
  return true;
}

bool Progress::is_window_full() const {
  return state_ == ProgressState::kReplicate &&
         (inflight_.size() >= inflight_messages_max_ || inflight_bytes_ >= inflight_bytes_max_);
}

void Progress::become_probe() {
  state_ = ProgressState::kProbe;
  next_ = match_.next();
  commit_sent_ = LogIndex{};
  is_probe_sent_ = false;
  has_free_try_ = false;
  offered_.reset();
  inflight_.clear();
  inflight_bytes_ = 0;
}

void Progress::become_replicate() {
  become_probe();
  state_ = ProgressState::kReplicate;
}

void Progress::become_snapshot() {
  become_probe();
  state_ = ProgressState::kSnapshot;
}

void Progress::offer(const SnapshotMark& mark) {
  ALF_CHECK(state_ == ProgressState::kSnapshot);
  ALF_CHECK(mark.index > match_);
  offered_ = mark;
}

void Progress::sent(LogIndex last, uint64_t bytes, LogIndex commit) {
  ALF_CHECK(!is_paused());
  ALF_CHECK(last.next() >= next_);
  commit_sent_ = std::max(commit_sent_, std::min(commit, last));
  has_free_try_ = false;
  if (state_ == ProgressState::kProbe) {
    is_probe_sent_ = true;
  } else if (last >= next_) {
    next_ = last.next();
    inflight_.push_back({last, bytes});
    inflight_bytes_ += bytes;
  }
}

bool Progress::acknowledged(LogIndex match) {
  while (!inflight_.empty() && inflight_.front().last <= match) {
    ALF_CHECK(inflight_bytes_ >= inflight_.front().bytes);
    inflight_bytes_ -= inflight_.front().bytes;
    inflight_.pop_front();
  }
  if (match <= match_) return false;
  match_ = match;
  next_ = std::max(next_, match_.next());
  is_probe_sent_ = false;
  return true;
}

bool Progress::rejected(LogIndex previous, LogIndex hint) {
  if (state_ == ProgressState::kSnapshot) return false;
  if (state_ == ProgressState::kReplicate) {
    if (previous <= match_) return false;  // refused before it agreed: overtaken on the way
    become_probe();
    return true;
  }
  if (previous.next() != next_) return false;  // not the probe that is out
  next_ = std::max(std::min(previous, hint.next()), match_.next());
  is_probe_sent_ = false;
  return true;
}

void Progress::heard() {
  is_probe_sent_ = false;
  has_free_try_ = state_ == ProgressState::kReplicate;
}

void Progress::check_invariants(LogIndex log_last) const {
  ALF_CHECK(match_ < next_);
  ALF_CHECK(match_ <= log_last);
  ALF_CHECK(next_ <= log_last.next());
  ALF_CHECK(state_ == ProgressState::kReplicate || inflight_.empty());
  ALF_CHECK(state_ == ProgressState::kSnapshot || !offered_);
  ALF_CHECK(inflight_.empty() || inflight_.back().last < next_);
  ALF_CHECK(!inflight_.empty() || inflight_bytes_ == 0);
}

}  // namespace alfheim::raft
