// raft/progress: what a leader knows of one peer's log, and how it sends to it.
//
// Probe: the peer's log is not known; one message at a time. Replicate: messages follow each
// other without waiting, within a window of messages and bytes. Snapshot: the peer needs
// entries that the log no longer has; it gets heartbeats, and what is offered to it.
//
// Thread: one at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/ids.h"
#include "raft/message.h"

namespace alfheim::raft {

enum class ProgressState : uint8_t { kProbe, kReplicate, kSnapshot };

class Progress {
 public:
  Progress(base::LogIndex next, uint32_t inflight_messages_max, uint64_t inflight_bytes_max)
      : next_(next),
        inflight_messages_max_(inflight_messages_max),
        inflight_bytes_max_(inflight_bytes_max) {}

  ProgressState state() const { return state_; }
  base::LogIndex match() const { return match_; }
  base::LogIndex next() const { return next_; }
  base::LogIndex commit_sent() const { return commit_sent_; }
  bool is_paused() const;
  bool is_window_full() const;
  // The next message goes out even where it carries nothing: its answer tells what was lost.
  bool has_free_try() const { return has_free_try_; }

  // Something was heard from the peer since the last check of the quorum.
  bool is_active() const { return is_active_; }
  void set_active(bool is_active) {
    is_active_ = is_active;
    if (is_active) silent_ticks_ = 0;
  }
  // Since something was heard; of a peer that was never heard: many.
  uint32_t silent_ticks() const { return silent_ticks_; }
  void tick() {
    if (silent_ticks_ < kNeverHeard) ++silent_ticks_;
  }

  // The newest round of heartbeats that the peer has answered in this term, with a promise to elect
  // nobody else for a while.
  uint64_t promised_round() const { return promised_round_; }
  void promised(uint64_t round) { promised_round_ = std::max(promised_round_, round); }
  // Whether the last answer was such a one.
  bool has_promised() const { return has_promised_; }
  void set_promised(bool has_promised) { has_promised_ = has_promised; }

  size_t inflight_messages() const { return inflight_.size(); }
  uint64_t inflight_bytes() const { return inflight_bytes_; }

  void become_probe();
  void become_replicate();
  void become_snapshot();
  // The snapshot that is offered to the peer; only where it needs one, and until it does not.
  void offer(const SnapshotMark& mark);
  void withdraw_offer() { offered_.reset(); }
  const std::optional<SnapshotMark>& offered() const { return offered_; }

  // An Append (next - 1, last] of `bytes` was sent, with this commit index.
  void sent(base::LogIndex last, uint64_t bytes, base::LogIndex commit);
  // The peer agrees up to `match`; false where that is old news.
  bool acknowledged(base::LogIndex match);
  // The peer refused `previous` and hinted; false where the refusal is stale.
  bool rejected(base::LogIndex previous, base::LogIndex hint);
  // An answer to a heartbeat: a probe that was lost may be sent again, a full window gets one try.
  void heard();

  void check_invariants(base::LogIndex log_last) const;

 private:
  struct Inflight {
    base::LogIndex last;
    uint64_t bytes;
  };
  ProgressState state_ = ProgressState::kProbe;
  base::LogIndex match_;
  base::LogIndex next_;
  base::LogIndex commit_sent_;
  std::optional<SnapshotMark> offered_;
  uint64_t promised_round_ = 0;
  bool has_promised_ = false;
  bool is_active_ = false;
  static constexpr uint32_t kNeverHeard = UINT32_MAX;
  uint32_t silent_ticks_ = kNeverHeard;
  bool is_probe_sent_ = false;
  bool has_free_try_ = false;
  std::deque<Inflight> inflight_;
  uint64_t inflight_bytes_ = 0;
  uint32_t inflight_messages_max_;
  uint64_t inflight_bytes_max_;
};

}  // namespace alfheim::raft
