#include "raft/log_shape.h"

#include <algorithm>

#include "base/check.h"

namespace alfheim::raft {

using base::LogIndex;
using base::Term;

LogShape::LogShape(const RestoredState& state)
    : first_(state.log_first),
      previous_term_(state.previous_term),
      last_(state.last),
      runs_(state.runs),
      commit_(state.applied) {
  check_invariants();
}

std::optional<Term> LogShape::term_at(LogIndex index) const {
  if (index > last_ || index.next() < first_) return std::nullopt;
  if (index < first_) return previous_term_;
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), index,
                       [](LogIndex wanted, const TermRun& run) { return wanted < run.first; });
  ALF_CHECK(after != runs_.begin());
  return std::prev(after)->term;
}

LogIndex LogShape::last_with_term_at_most(LogIndex index, Term term) const {
  const auto above =
      std::upper_bound(runs_.begin(), runs_.end(), term,
                       [](Term wanted, const TermRun& run) { return wanted < run.term; });
  // Terms never fall along the log, so the entries wanted end where the first higher run begins.
  const LogIndex end = above == runs_.end() ? last_ : LogIndex{above->first.value - 1};
  return std::min(index, end);
}

LogIndex LogShape::append(Term term, uint64_t bytes) {
  ALF_CHECK(term.value > 0);
  ALF_CHECK(term >= last_term());
  last_ = last_.next();
  if (runs_.empty() || runs_.back().term != term) runs_.push_back({last_, term});
  sizes_.push_back(bytes);
  uncommitted_bytes_ += bytes;
  return last_;
}

void LogShape::truncate_after(LogIndex index) {
  ALF_CHECK_MSG(index >= commit_, "a committed entry is never truncated");
  ALF_CHECK(index <= last_);
  while (last_ > index) {
    if (!sizes_.empty()) {
      ALF_CHECK(uncommitted_bytes_ >= sizes_.back());
      uncommitted_bytes_ -= sizes_.back();
      sizes_.pop_back();
      last_ = LogIndex{last_.value - 1};
    } else {
      last_ = index;  // older than this life: their sizes were never counted
    }
  }
  while (!runs_.empty() && runs_.back().first > last_) runs_.pop_back();
}

void LogShape::start_at(LogIndex first) {
  ALF_CHECK(first >= first_);
  ALF_CHECK_MSG(first <= commit_.next(), "only committed entries leave the log");
  const auto term_before = term_at(LogIndex{first.value - 1});
  ALF_CHECK(term_before.has_value());
  previous_term_ = *term_before;
  while (runs_.size() > 1 && runs_[1].first <= first) runs_.erase(runs_.begin());
  if (first > last_) {
    runs_.clear();
  } else if (runs_.front().first < first) {
    runs_.front().first = first;
  }
  first_ = first;
  while (sizes_.size() > last_.value - first_.value + 1) sizes_.pop_front();
}

void LogShape::commit_to(LogIndex index) {
  ALF_CHECK(index >= commit_);
  ALF_CHECK(index <= last_);
  while (commit_ < index) {
    commit_ = commit_.next();
    const uint64_t bytes = bytes_at(commit_).value_or(0);
    ALF_CHECK(bytes <= uncommitted_bytes_);
    uncommitted_bytes_ -= bytes;
  }
  const uint64_t uncommitted_count = last_.value - commit_.value;
  while (sizes_.size() > uncommitted_count + kSizesKept) sizes_.pop_front();
}

std::optional<uint64_t> LogShape::bytes_at(LogIndex index) const {
  const uint64_t from_end = last_.value - index.value;
  if (index > last_ || from_end >= sizes_.size()) return std::nullopt;
  return sizes_[sizes_.size() - 1 - from_end];
}

void LogShape::check_invariants() const {
  ALF_CHECK(first_.value > 0);
  ALF_CHECK(first_ <= last_.next());
  ALF_CHECK(commit_ <= last_);
  ALF_CHECK(commit_.next() >= first_);
  ALF_CHECK(runs_.empty() == (last_ < first_));
  ALF_CHECK(runs_.empty() || runs_.front().first == first_);
  ALF_CHECK(runs_.empty() || runs_.front().term >= previous_term_);
  ALF_CHECK(runs_.empty() || runs_.back().first <= last_);
  for (size_t i = 1; i < runs_.size(); ++i) {
    ALF_CHECK(runs_[i - 1].first < runs_[i].first);
    ALF_CHECK(runs_[i - 1].term < runs_[i].term);
  }
  ALF_CHECK(sizes_.size() <= last_.next().value - first_.value);
}

}  // namespace alfheim::raft
