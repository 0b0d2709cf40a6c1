// Which snapshots a sender keeps, and for how long (replica/snapshot_sender.h).
#include <algorithm>

#include "base/format.h"
#include "base/mutant.h"
#include "replica/snapshot_sender.h"

namespace alfheim::replica {
namespace {

// A peer that asks for nothing for so long has given up, or died.
constexpr uint64_t kSilentMs = 60'000;
// What nobody has asked for since then is removed.
constexpr uint64_t kUnusedMs = 60'000;

constexpr base::LogIndex kNoIndex{UINT64_MAX};

}  // namespace

void SnapshotSender::on_tick(const raft::NodeStatus& status) {
  if (is_stopping_) return;
  const uint64_t now_ms = hands_.clock.monotonic_ms();
  std::set<base::NodeId> lagging;
  for (const raft::PeerStatus& peer : status.peers) {
    if (peer.state == raft::ProgressState::kSnapshot) lagging.insert(peer.id);
  }
  for (auto at = peers_.begin(); at != peers_.end();) {
    auto& [id, peer] = *at;
    look_at(id, peer, lagging.contains(id), now_ms);
    const bool is_over = now_ms >= peer.heard_ms + kSilentMs && !peer.reading;
    at = is_over ? peers_.erase(at) : std::next(at);
  }
  std::erase_if(wanted_, [&](base::NodeId id) { return !lagging.contains(id); });
  for (const base::NodeId id : wanted_) {
    if (!has_offer(id)) offer_newest(id);
  }
  remove_outrun();
  remove_unused(now_ms);
}

void SnapshotSender::look_at(base::NodeId id, Peer& peer, bool is_lagging, uint64_t now_ms) {
  if (!peer.is_offered) return;
  if (!is_lagging) {  // it is back, or gone
    peer.is_offered = false;
    refused_.erase(id);
  } else if (now_ms >= peer.heard_ms + kSilentMs) {
    end_offer(id, peer);
    back_off(id);
  }
}

// More is written than its peers fetch, or than is read for the sums, so that behind it more log is
// held than is worth it: a newer one takes its place. While no more comes than the snapshot has
// bytes they may make it. And on a full disk nothing is held: what the log does not go on from any
// more is of no use to them.
void SnapshotSender::remove_outrun() {
  std::set<uint64_t> offered;
  for (const auto& [id, peer] : peers_) {
    if (peer.is_offered && snapshots_.contains(peer.snapshot_id)) offered.insert(peer.snapshot_id);
  }
  const bool is_summing = making_ && making_->is_linked && !making_->is_abandoned;
  if (offered.empty() && !is_summing) return;
  const std::vector<vlog::SegmentInfo> segments = hands_.log.sealed_segments();
  for (const uint64_t id : offered) {
    const Snapshot& snapshot = snapshots_.at(id);
    const base::LogIndex mark = snapshot.made.mark.index;
    if (tells_outrun(id, why_outrun(segments, mark, snapshot.log_last, snapshot.made.bytes))) {
      remove(id);
    }
  }
  if (!is_summing) return;
  const base::LogIndex mark = making_->manifest.last;
  making_->is_abandoned =
      tells_outrun(making_->id, why_outrun(segments, mark, making_->log_last, making_->log_bytes));
}

// Whether it is outrun: `why` says so.
bool SnapshotSender::tells_outrun(uint64_t id, const std::string& why) const {
  if (!why.empty() && events_.on_trouble) {
    events_.on_trouble(base::format("snapshot {:016x}: {}, a newer one is made", id, why));
  }
  return !why.empty();
}

// Empty: it is not.
std::string SnapshotSender::why_outrun(std::span<const vlog::SegmentInfo> segments,
                                       base::LogIndex mark, base::LogIndex log_last,
                                       uint64_t bytes) const {
  if (mark.next() < hands_.log.first_index()) return "the log does not go on from it any more";
  uint64_t held_bytes = 0;
  for (const vlog::SegmentInfo& segment : segments) {
    if (segment.first_index > log_last) held_bytes += segment.data_bytes;
  }
  if (held_bytes <= std::max(options_.held_log_bytes_max, bytes)) return {};
  return base::format("{} bytes of log came while {} were to be read", held_bytes, bytes);
}

void SnapshotSender::remove_unused(uint64_t now_ms) {
  std::vector<uint64_t> unused;
  for (const auto& [id, snapshot] : snapshots_) {
    const uint64_t until_ms = std::max(snapshot.used_ms + kUnusedMs, snapshot.kept_until_ms);
    if (!is_offered(id) && now_ms >= until_ms) unused.push_back(id);
  }
  for (const uint64_t id : unused) remove(id);
}

bool SnapshotSender::has_offer(base::NodeId peer) const {
  const auto found = peers_.find(peer);
  return found != peers_.end() && found->second.is_offered;
}

bool SnapshotSender::is_offered(uint64_t id) const {
  return std::any_of(peers_.begin(), peers_.end(), [id](const auto& each) {
    return each.second.is_offered && each.second.snapshot_id == id;
  });
}

void SnapshotSender::remove(uint64_t id) {
  snapshots_.erase(id);
  if (is_stopping_) return;  // the next start finds it
  for (auto& [peer_id, peer] : peers_) {
    if (peer.is_offered && peer.snapshot_id == id) end_offer(peer_id, peer);
  }
  hands_.executor.post_to_pool(env::Lane::kUpkeep, [this, id] {
    base::Status removed = hands_.maker.remove(id);
    if (removed) return;
    hands_.core.post([this, error = std::move(removed).error()] {
      if (events_.on_trouble) events_.on_trouble(error.message);
    });
  });
}

base::LogIndex SnapshotSender::log_needed_from(bool is_disk_full) const {
  const bool is_held = making_ && !making_->is_linked && !ALF_MUTANT(LogStartPassesSnapshot);
  if (is_held) return hands_.log.first_index();
  base::LogIndex needed = kNoIndex;
  if (is_disk_full) return needed;
  // Whoever it is made for goes on behind it, however long the sums take.
  if (making_ && making_->is_linked) needed = making_->manifest.last.next();
  for (const auto& [id, peer] : peers_) {
    const auto found = snapshots_.find(peer.snapshot_id);
    if (!peer.is_offered || found == snapshots_.end()) continue;
    needed = std::min(needed, found->second.made.mark.index.next());
  }
  return needed;
}

}  // namespace alfheim::replica
