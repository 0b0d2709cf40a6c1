#include "replica/read_barriers.h"

#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace alfheim::replica {
namespace {

// A forwarded question, or its answer, may be lost on the way.
constexpr uint64_t kAnswerMs = 1000;
// Entries that a read needs are on their way here, or already here: so long and no longer.
constexpr uint64_t kApplyMs = 3000;

}  // namespace

void ReadBarriers::add(const ReplyTo& reader) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(reader);
  is_asked_.store(true, std::memory_order_release);
}

void ReadBarriers::ask(raft::Node& node, uint64_t now_ms) {
  if (!is_asked()) return;
  Asked asked{.since_ms = now_ms, .readers = {}};
  {
    const std::lock_guard lock(mutex_);
    asked.readers = std::exchange(waiting_, {});
    is_asked_.store(false, std::memory_order_release);
  }
  if (asked.readers.empty()) return;
  const raft::ReadId id{++last_id_};
  const base::Status status = node.read_index(id);
  if (!status) return put_refused(asked.readers);  // no leader is known, or too many wait
  ++round_count_;
  asked_.emplace(id, std::move(asked));
}

void ReadBarriers::granted(const raft::ReadState& read, uint64_t now_ms) {
  const auto found = asked_.find(read.id);
  if (found == asked_.end()) return;  // it took too long, and was asked again
  found->second.since_ms = now_ms;
  granted_.emplace(read.index, std::move(found->second));
  asked_.erase(found);
}

void ReadBarriers::refused(raft::ReadId id) {
  const auto found = asked_.find(id);
  if (found == asked_.end()) return;
  put_refused(found->second.readers);
  asked_.erase(found);
}

void ReadBarriers::expire(uint64_t now_ms) {
  // Ids count up, so the oldest come first.
  while (!asked_.empty() && asked_.begin()->second.since_ms + kAnswerMs <= now_ms) {
    put_refused(asked_.begin()->second.readers);
    asked_.erase(asked_.begin());
  }
  for (auto granted = granted_.begin(); granted != granted_.end();) {
    const bool is_old = granted->second.since_ms + kApplyMs <= now_ms;
    if (is_old) put_refused(granted->second.readers);
    granted = is_old ? granted_.erase(granted) : std::next(granted);
  }
}

void ReadBarriers::refuse_all() {
  for (auto& [id, asked] : asked_) put_refused(asked.readers);
  asked_.clear();
  const std::lock_guard lock(mutex_);
  put_refused(waiting_);
  waiting_.clear();
  is_asked_.store(false, std::memory_order_release);
}

std::vector<ReplyTo> ReadBarriers::take_passed(base::LogIndex applied) {
  std::vector<ReplyTo> passed;
  while (!granted_.empty() &&
         (granted_.begin()->first <= applied || ALF_MUTANT(BarrierBeforeApplied))) {
    std::vector<ReplyTo>& readers = granted_.begin()->second.readers;
    passed.insert(passed.end(), readers.begin(), readers.end());
    granted_.erase(granted_.begin());
  }
  return passed;
}

std::vector<ReplyTo> ReadBarriers::take_refused() { return std::exchange(refused_, {}); }

void ReadBarriers::put_refused(std::vector<ReplyTo>& readers) {
  refused_.insert(refused_.end(), readers.begin(), readers.end());
}

}  // namespace alfheim::replica
