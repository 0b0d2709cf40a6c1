#include "replica/in_flight.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace alfheim::replica {

using base::LogIndex;

void InFlight::proposed(LogIndex index, base::Term term, Batch& batch) {
  ALF_CHECK(proposed_.empty() || proposed_.back().index < index);
  proposed_.push_back(Proposed{index, term, std::move(batch.waiters), std::move(batch.followers)});
}

void InFlight::take_up(const std::vector<raft::Entry>& entries) {
  if (entries.empty()) return;
  while (!entries_.empty() && entries_.back().entry.index >= entries.front().index) {
    CommittedEntry& last = entries_.back();
    std::vector<CommittedEntry>& list =
        ALF_MUTANT(DisplacedTakenForRefuted) ? refuted_ : displaced_;
    if (!last.waiters.empty() || !last.followers.empty()) list.push_back(std::move(last));
    entries_.pop_back();
  }
  for (const raft::Entry& entry : entries) {
    CommittedEntry item{entry, {}, {}};
    if (!proposed_.empty() && proposed_.front().index == entry.index) {
      Proposed& front = proposed_.front();
      // A proposal leaves with the Ready behind it, so nothing can have taken its place before.
      ALF_CHECK_MSG(front.term == entry.term, "a proposal that raft did not hand out");
      item.waiters = std::move(front.waiters);
      item.followers = std::move(front.followers);
      proposed_.pop_front();
    }
    const auto is_same = [&](const CommittedEntry& other) {
      const bool is_same_term = other.entry.term == entry.term || ALF_MUTANT(AnsweredByAnothers);
      return other.entry.index == entry.index && is_same_term;
    };
    const auto back = std::find_if(displaced_.begin(), displaced_.end(), is_same);
    if (back != displaced_.end()) {
      item = std::move(*back);
      if (ALF_MUTANT(AnsweredByAnothers)) item.entry = entry;
      displaced_.erase(back);
    }
    ALF_CHECK(entries_.empty() || entries_.back().entry.index.next() == entry.index);
    entries_.push_back(std::move(item));
  }
  ALF_CHECK(proposed_.empty() || proposed_.front().index > entries.back().index);
}

std::vector<CommittedEntry> InFlight::take_until(LogIndex index) {
  std::vector<CommittedEntry> taken;
  while (!entries_.empty() && entries_.front().entry.index <= index) {
    taken.push_back(std::move(entries_.front()));
    entries_.pop_front();
  }
  if (taken.empty() || displaced_.empty()) return taken;
  const base::Term committed = taken.back().entry.term;
  const auto first = std::stable_partition(
      displaced_.begin(), displaced_.end(),
      [&](const CommittedEntry& item) { return item.entry.term >= committed; });
  refuted_.insert(refuted_.end(), std::make_move_iterator(first),
                  std::make_move_iterator(displaced_.end()));
  displaced_.erase(first, displaced_.end());
  return taken;
}

std::vector<CommittedEntry> InFlight::take_refuted() { return std::exchange(refuted_, {}); }

std::vector<ReplyTo> InFlight::take_followers() {
  std::vector<ReplyTo> all;
  const auto take = [&all](std::vector<ReplyTo>& followers) {
    all.insert(all.end(), followers.begin(), followers.end());
    followers.clear();
  };
  for (CommittedEntry& item : entries_) take(item.followers);
  for (CommittedEntry& item : displaced_) take(item.followers);
  for (Proposed& item : proposed_) take(item.followers);
  return all;
}

std::vector<ReplyTo> InFlight::all_waiters() const {
  std::vector<ReplyTo> all;
  const auto note = [&all](const auto& item) {
    all.insert(all.end(), item.waiters.begin(), item.waiters.end());
    all.insert(all.end(), item.followers.begin(), item.followers.end());
  };
  std::for_each(entries_.begin(), entries_.end(), note);
  std::for_each(displaced_.begin(), displaced_.end(), note);
  std::for_each(proposed_.begin(), proposed_.end(), note);
  return all;
}

std::vector<CommittedEntry> InFlight::take_all() {
  std::vector<CommittedEntry> all(std::make_move_iterator(entries_.begin()),
                                  std::make_move_iterator(entries_.end()));
  entries_.clear();
  for (std::vector<CommittedEntry>* list : {&displaced_, &refuted_}) {
    all.insert(all.end(), std::make_move_iterator(list->begin()),
               std::make_move_iterator(list->end()));
    list->clear();
  }
  for (Proposed& item : proposed_) {
    all.push_back(CommittedEntry{{}, std::move(item.waiters), std::move(item.followers)});
  }
  proposed_.clear();
  return all;
}

}  // namespace alfheim::replica
