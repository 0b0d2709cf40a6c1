// replica/lag_clock: how far behind a peer is, in time and in bytes, from where its log ends.
//
// A leader notes at each tick where its log ends and how many bytes it has written: a peer that
// holds the log up to an entry lags by what came since the newest note that it covers. So figures
// are as fine as a tick.
//
// Thread: one. Lifetime: a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/ids.h"

namespace alfheim::replica {

struct Lag {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t ms = 0;  // of one that lags by more than is noted: at least so much
};

class LagClock {
 public:
  // `log_bytes`: all that was ever appended.
  void note(base::LogIndex last, uint64_t log_bytes, uint64_t now_ms) {
    if (!notes_.empty() && (last < notes_.back().last || log_bytes < notes_.back().bytes)) {
      notes_.clear();  // another leader's log took the place of ours
    }
    // Where nothing was appended, the newer time counts for the same end.
    if (!notes_.empty() && notes_.back().last == last) notes_.pop_back();
    notes_.push_back({last, log_bytes, now_ms});
    if (notes_.size() > kNotesMax) notes_.pop_front();
  }
  // Of a peer that holds the log up to `match`, as of the newest note.
  Lag of(base::LogIndex match) const {
    if (notes_.empty() || match >= notes_.back().last) return {};
    const Note& newest = notes_.back();
    Note covered = notes_.front();
    for (auto note = notes_.rbegin(); note != notes_.rend(); ++note) {
      if (note->last > match) continue;
      covered = *note;
      break;
    }
    return {.entries = newest.last.value - match.value,
            .bytes = newest.bytes - covered.bytes,
            .ms = newest.at_ms - covered.at_ms};
  }

 private:
  struct Note {
    base::LogIndex last;
    uint64_t bytes = 0;
    uint64_t at_ms = 0;
  };
  static constexpr size_t kNotesMax = 3000;  // five minutes of writes, at ten ticks a second
  std::deque<Note> notes_;
};

}  // namespace alfheim::replica
