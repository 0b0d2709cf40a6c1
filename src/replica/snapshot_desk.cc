#include "replica/snapshot_desk.h"

namespace alfheim::replica {
namespace {

// By the log on disk: what stands there may have been acknowledged, and what does not was not.
bool lacks(const vlog::Log& log, const raft::SnapshotMark& mark) {
  return mark.index >= log.first_index() && log.term_at(mark.index) != mark.term;
}

}  // namespace

SnapshotDesk::SnapshotDesk(const Hands& hands, const Options& options, const Events& events)
    : sender_(SnapshotSender::Hands{hands.clock, hands.random, hands.executor, hands.core,
                                    hands.log_strand, hands.log, hands.snapshots.maker,
                                    hands.transport},
              {hands.log.identity().node, hands.log.identity().group, options.bytes_per_second,
               options.held_log_bytes_max},
              {events.on_offer, events.on_failed, events.on_fatal, events.on_trouble}) {
  if (hands.transport == nullptr) return;
  fetcher_.emplace(
      SnapshotFetcher::Hands{hands.clock, hands.executor, hands.core, hands.snapshots.staging,
                             *hands.transport},
      SnapshotFetcher::Options{hands.log.identity(), options.piece_bytes, options.kept_free_bytes},
      SnapshotFetcher::Events{
          [&log = hands.log](const raft::SnapshotMark& mark) { return lacks(log, mark); },
          events.on_ready, events.on_trouble});
}

void SnapshotDesk::take_up(const raft::Ready& ready, base::LogIndex applied) {
  role_ = ready.soft_state;
  sender_.want(ready.snapshots_wanted);
  sender_.note(role_, applied);
  if (ready.snapshot_offered && fetcher_) {
    fetcher_->offer(ready.snapshot_offered->from, ready.snapshot_offered->mark);
  }
}

void SnapshotDesk::on_note(base::NodeId from, const net::NoteBody& body) {
  sender_.on_note(from, body);
  if (fetcher_) fetcher_->on_note(from, body);
}

void SnapshotDesk::on_tick(const raft::NodeStatus& status) {
  sender_.on_tick(status);
  if (fetcher_) fetcher_->on_tick();
}

void SnapshotDesk::stop() {
  sender_.stop();
  if (fetcher_) fetcher_->stop();
}

SnapshotStatus SnapshotDesk::status() const {
  SnapshotStatus status{.sending = sender_.sending(),
                        .fetching = std::nullopt,
                        .is_making = sender_.is_making(),
                        .made_count = sender_.made_count(),
                        .fetched_count = 0};
  if (fetcher_) {
    status.fetching = fetcher_->fetching();
    status.fetched_count = fetcher_->fetched_count();
  }
  return status;
}

}  // namespace alfheim::replica
