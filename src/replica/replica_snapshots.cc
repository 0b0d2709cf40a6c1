// A replica and its snapshots: what raft wants of them, and who asks by hand; what peers note.
#include "replica/replica.h"

namespace alfheim::replica {
namespace {

// So many times the log that is kept for peers that lag is kept for those that fetch a snapshot.
constexpr uint64_t kHeldPerRetained = 4;

}  // namespace

void Replica::open_snapshots() {
  if (hands_.snapshots == nullptr) return;
  SnapshotDesk::Options options = options_.snapshot;
  options.held_log_bytes_max = kHeldPerRetained * options_.log_retain_bytes;
  snapshots_ = std::make_unique<SnapshotDesk>(
      SnapshotDesk::Hands{hands_.clock, hands_.random, hands_.executor, hands_.core,
                          hands_.log_strand, hands_.log, *hands_.snapshots, hands_.transport},
      options,
      SnapshotDesk::Events{
          .on_offer =
              [this](base::NodeId peer, const raft::SnapshotMark& mark) {
                return raft_.offer_snapshot(peer, mark);
              },
          .on_failed = [this](base::NodeId peer) { raft_.snapshot_failed(peer); },
          .on_ready =
              [this] {
                if (events_.on_snapshot_ready && !stopping_) events_.on_snapshot_ready();
              },
          .on_fatal = [this](base::Error error) { fail(std::move(error)); },
          .on_trouble =
              [this](const std::string& line) {
                if (events_.on_trouble) events_.on_trouble(line);
              },
      });
}

void Replica::on_note(base::NodeId from, const net::NoteBody& body) {
  if (has_failed_ || is_closing_) return;
  if (const auto* book = std::get_if<net::MemberBook>(&body)) return roster_.on_book(*book);
  if (std::holds_alternative<net::TakeOverRequest>(body)) return on_take_over_request(from);
  if (snapshots_ != nullptr) snapshots_->on_note(from, body);
}

void Replica::look_at_snapshots() {
  if (snapshots_ == nullptr || stopping_) return;
  snapshots_->on_tick(raft_.status());
  handle_ready();
}

// The index first: what it holds need not be told by the log.
void Replica::make_snapshot(std::function<void(base::Result<SnapshotSender::Made>)> done) {
  applier_.freeze_now([this, done = std::move(done)]() mutable {
    hands_.core.post([this, done = std::move(done)]() mutable {
      if (snapshots_ == nullptr || has_failed_ || stopping_) {
        return done(base::Error{base::ErrorCode::kUnavailable, "this node makes no snapshots"});
      }
      snapshots_->make(std::move(done));
    });
  });
}

uint64_t Replica::snapshot_to_install() const {
  return snapshots_ != nullptr ? snapshots_->ready() : 0;
}

}  // namespace alfheim::replica
