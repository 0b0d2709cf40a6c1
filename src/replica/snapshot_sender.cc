#include "replica/snapshot_sender.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"
#include "base/mutant.h"

namespace alfheim::replica {
namespace {

// How long a peer that has all of a snapshot may take to stop, install it and start over it.
constexpr uint64_t kInstallMs = 600'000;
// One that was made by hand waits so long for peers that need it, such as one that joins.
constexpr uint64_t kByHandMs = 600'000;
constexpr uint64_t kRetryMs = 5'000;
// Who gave one up is given the next after that, then after twice as long, and so on.
constexpr uint64_t kRefusedMsMax = 600'000;
// More wait in vain: whoever asks keeps fewer under way.
constexpr size_t kQuestionsMax = 16;

// Reading for the sums is paced as well, at so many times what may be sent: unpaced, it took the
// disk from the clients for as long as it lasted; slower, nobody has begun to fetch for long.
constexpr uint64_t kSumsPerSent = 4;

base::Error unavailable(std::string_view words) {
  return base::Error{base::ErrorCode::kUnavailable, std::string(words)};
}

base::Error abandoned() {
  return unavailable("another node leads by now, or too much was written meanwhile");
}

}  // namespace

// ---- making ----

void SnapshotSender::offer_newest(base::NodeId peer) {
  const Snapshot* recent = newest();
  const auto refused = refused_.find(peer);
  const bool has_refused = refused != refused_.end();
  if (recent != nullptr && !(has_refused && refused->second.id == recent->made.mark.id)) {
    return offer(peer, *recent);
  }
  const uint64_t retry_ms = std::max(retry_ms_, has_refused ? refused->second.retry_ms : 0);
  if (!making_ && hands_.clock.monotonic_ms() >= retry_ms) begin({});
}

void SnapshotSender::make(std::function<void(base::Result<Made>)> done) {
  if (role_.role != raft::RoleKind::kLeader) return done(unavailable("this node does not lead"));
  if (making_ || is_stopping_) return done(unavailable("a snapshot is being made"));
  begin(std::move(done));
}

// The pin first: it holds what the index of a moment later names. Whatever moved the log's start
// was posted to the log strand before, so the pin and the seal see the same start. Of the log it
// takes what is applied, and no more: the rest may not be committed, perhaps for want of this very
// snapshot (a majority needs its receiver), and another leader may take it back.
void SnapshotSender::begin(std::function<void(base::Result<Made>)> done) {
  if (is_stopping_ || role_.role != raft::RoleKind::kLeader) return;
  making_.emplace();
  making_->id = hands_.random.next_u64() | 1;
  making_->term = role_.term;
  making_->done = std::move(done);
  hands_.log_strand.post([this, id = making_->id, last = applied_] {
    vlog::Pin pin = hands_.log.pin();
    hands_.executor.post_to_pool(
        env::Lane::kLong, [this, id, last, pin = std::move(pin)]() mutable {
          base::Result<base::LogIndex> applied = hands_.maker.begin(id);
          hands_.log_strand.post(
              [this, last, pin = std::move(pin), applied = std::move(applied)]() mutable {
                seal(std::move(pin), last, std::move(applied));
              });
        });
  });
}

void SnapshotSender::seal(vlog::Pin pin, base::LogIndex last,
                          base::Result<base::LogIndex> applied) {
  if (!applied) {
    hands_.core.post(
        [this, error = std::move(applied).error()]() mutable { fail_making(std::move(error)); });
    return;
  }
  last = ALF_MUTANT(SnapshotTakesTheTail) ? hands_.log.last_index() : std::max(last, *applied);
  base::Result<vlog::SealedLog> sealed = hands_.log.seal(std::move(pin), last);
  hands_.core.post([this, applied = *applied, sealed = std::move(sealed)]() mutable {
    on_sealed(applied, std::move(sealed));
  });
}

void SnapshotSender::on_sealed(base::LogIndex applied, base::Result<vlog::SealedLog> sealed) {
  ALF_CHECK(making_);
  if (!sealed) {
    const base::ErrorCode code = sealed.error().code;
    // The log was closed, or cannot be given to others: nothing has happened to it.
    if (code != base::ErrorCode::kUnavailable && code != base::ErrorCode::kLimit) {
      events_.on_fatal(sealed.error());
    }
    return fail_making(std::move(sealed).error());
  }
  if (making_->is_abandoned) return fail_making(abandoned());
  upkeep::SnapshotManifest& manifest = making_->manifest;
  manifest.id = making_->id;
  manifest.origin = hands_.log.identity();
  manifest.applied = applied;
  manifest.log_first = sealed->first_index;
  manifest.previous_term = sealed->previous_term;
  manifest.last = sealed->last_index;
  manifest.last_term = sealed->last_term;
  manifest.trims = sealed->trims;
  making_->log_last = hands_.log.last_index();
  for (const vlog::SealedLog::File& file : sealed->files) making_->log_bytes += file.bytes;
  hands_.executor.post_to_pool(
      env::Lane::kLong, [this, id = making_->id, sealed = std::move(*sealed)]() mutable {
        base::Status linked = hands_.maker.link(id, sealed);
        sealed.pins.clear();
        hands_.core.post(
            [this, linked = std::move(linked)]() mutable { on_linked(std::move(linked)); });
      });
}

void SnapshotSender::on_linked(base::Status linked) {
  ALF_CHECK(making_);
  if (!linked) return fail_making(std::move(linked).error());
  if (making_->is_abandoned) return fail_making(abandoned());
  making_->is_linked = true;
  making_->sums = std::make_shared<upkeep::SnapshotSums>(hands_.maker.sums(making_->manifest));
  sum_on();
}

void SnapshotSender::sum_on() {
  if (is_stopping_) return fail_making(unavailable("the node stops"));
  hands_.executor.post_to_pool(env::Lane::kLong, [this, sums = making_->sums] {
    base::Result<std::optional<uint64_t>> bytes = sums->read_on();
    hands_.core.post(
        [this, bytes = std::move(bytes)]() mutable { on_piece_summed(std::move(bytes)); });
  });
}

void SnapshotSender::on_piece_summed(base::Result<std::optional<uint64_t>> bytes) {
  ALF_CHECK(making_);
  if (!bytes) return fail_making(std::move(bytes).error());
  if (making_->is_abandoned) return fail_making(abandoned());
  if (*bytes) {
    const uint64_t wait_ms = delay_ms(**bytes / kSumsPerSent);
    if (wait_ms == 0) return sum_on();
    hands_.core.post_after(wait_ms, [this] { sum_on(); });
    return;
  }
  hands_.executor.post_to_pool(env::Lane::kLong, [this, sums = making_->sums] {
    base::Result<upkeep::SnapshotFile> itself = sums->write_manifest();
    hands_.core.post(
        [this, itself = std::move(itself)]() mutable { on_summed(std::move(itself)); });
  });
}

void SnapshotSender::on_summed(base::Result<upkeep::SnapshotFile> itself) {
  ALF_CHECK(making_);
  if (!itself) return fail_making(std::move(itself).error());
  making_->manifest = making_->sums->manifest();
  making_->manifest_file = std::move(itself).value();
  making_->is_summed = true;
  finish_if_applied();
}

// The machine may be a moment ahead of what this strand knows to be applied.
void SnapshotSender::finish_if_applied() {
  if (!making_ || !making_->is_summed) return;
  if (making_->is_abandoned) return fail_making(abandoned());
  const upkeep::SnapshotManifest& manifest = making_->manifest;
  if (applied_ < manifest.last) return;
  Snapshot snapshot;
  snapshot.made = {{manifest.id, manifest.last, manifest.last_term}, manifest.applied, 0};
  snapshot.files.push_back(making_->manifest_file);
  snapshot.files.insert(snapshot.files.end(), manifest.files.begin(), manifest.files.end());
  for (const upkeep::SnapshotFile& file : snapshot.files) snapshot.made.bytes += file.bytes;
  snapshot.log_last = making_->log_last;
  snapshot.used_ms = hands_.clock.monotonic_ms();
  ++made_count_;
  auto done = std::move(making_->done);
  if (done) snapshot.kept_until_ms = snapshot.used_ms + kByHandMs;
  making_.reset();
  const Snapshot& kept =
      snapshots_.emplace(snapshot.made.mark.id, std::move(snapshot)).first->second;
  for (const base::NodeId peer : wanted_) {
    if (!has_offer(peer)) offer(peer, kept);
  }
  if (done) done(kept.made);
}

void SnapshotSender::fail_making(base::Error error) {
  const uint64_t id = making_->id;
  auto done = std::move(making_->done);
  making_.reset();
  retry_ms_ = hands_.clock.monotonic_ms() + kRetryMs;
  remove(id);
  if (error.code != base::ErrorCode::kUnavailable && events_.on_trouble) {
    events_.on_trouble(error.message);
  }
  if (done) done(std::move(error));
}

void SnapshotSender::note(const raft::SoftState& role, base::LogIndex applied) {
  role_ = role;
  applied_ = applied;
  const bool is_leader = role.role == raft::RoleKind::kLeader;
  if (!is_leader) {
    wanted_.clear();
    refused_.clear();
    for (auto& [id, peer] : peers_) peer.is_offered = false;
  }
  if (making_ && (!is_leader || role.term != making_->term)) making_->is_abandoned = true;
  finish_if_applied();
}

// Which a peer can go on from, when it has installed it.
const SnapshotSender::Snapshot* SnapshotSender::newest() const {
  const Snapshot* best = nullptr;
  for (const auto& [id, snapshot] : snapshots_) {
    if (best == nullptr || best->made.mark.index < snapshot.made.mark.index) best = &snapshot;
  }
  if (best == nullptr) return nullptr;
  return hands_.log.term_at(best->made.mark.index) == best->made.mark.term ? best : nullptr;
}

// ---- sending ----

void SnapshotSender::offer(base::NodeId peer, const Snapshot& snapshot) {
  Peer& state = peers_[peer];
  if (state.snapshot_id != snapshot.made.mark.id) state.sent_bytes = 0;
  state.snapshot_id = snapshot.made.mark.id;
  state.heard_ms = hands_.clock.monotonic_ms();
  state.is_offered = events_.on_offer(peer, snapshot.made.mark).is_ok();
}

void SnapshotSender::on_note(base::NodeId from, const net::NoteBody& body) {
  if (const auto* request = std::get_if<net::SnapshotListRequest>(&body)) {
    answer_list(from, request->snapshot_id);
  } else if (const auto* question = std::get_if<net::SnapshotRead>(&body)) {
    on_question(from, *question);
  } else if (const auto* over = std::get_if<net::SnapshotDone>(&body)) {
    on_done(from, *over);
  }
}

// What waits for its turn, or for the pace, is asked for again: that is answered once.
void SnapshotSender::on_question(base::NodeId from, const net::SnapshotRead& question) {
  const auto found = snapshots_.find(question.snapshot_id);
  if (found == snapshots_.end()) return answer_list(from, question.snapshot_id);
  found->second.used_ms = hands_.clock.monotonic_ms();
  Peer& peer = peers_[from];
  peer.snapshot_id = question.snapshot_id;
  peer.heard_ms = found->second.used_ms;
  const bool waits =
      peer.reading == question ||
      std::find(peer.questions.begin(), peer.questions.end(), question) != peer.questions.end();
  if (!waits && peer.questions.size() < kQuestionsMax) peer.questions.push_back(question);
  pump(from);
}

void SnapshotSender::on_done(base::NodeId from, const net::SnapshotDone& over) {
  const auto found = peers_.find(from);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  peer.questions.clear();
  if (!over.is_given_up) {
    // It installs what it has, and is back before long; raft notices.
    peer.heard_ms = hands_.clock.monotonic_ms() + kInstallMs;
    refused_.erase(from);
  } else if (peer.is_offered && peer.snapshot_id == over.snapshot_id) {
    end_offer(from, peer);
    back_off(from);
    const auto given_up = snapshots_.find(over.snapshot_id);
    const bool is_kept = given_up == snapshots_.end() || given_up->second.kept_until_ms != 0 ||
                         is_offered(over.snapshot_id);
    if (!is_kept) remove(over.snapshot_id);
  }
}

// Another is made for it later, and after each that it does not take later still.
void SnapshotSender::back_off(base::NodeId id) {
  Refusal& refusal = refused_[id];
  refusal.wait_ms = std::clamp(2 * refusal.wait_ms, kRetryMs, kRefusedMsMax);
  refusal.retry_ms = hands_.clock.monotonic_ms() + refusal.wait_ms;
}

// The peer gets entries again, or, where it still needs one, another snapshot than this.
void SnapshotSender::end_offer(base::NodeId id, Peer& peer) {
  peer.is_offered = false;
  refused_[id].id = peer.snapshot_id;
  wanted_.erase(id);
  events_.on_failed(id);  // raft finds out whether it lives, and what it needs
}

// A list without files says that there is no such snapshot (any more).
void SnapshotSender::answer_list(base::NodeId from, uint64_t snapshot_id) {
  net::SnapshotList list{.snapshot_id = snapshot_id, .files = {}};
  const auto found = snapshots_.find(snapshot_id);
  if (found != snapshots_.end()) {
    found->second.used_ms = hands_.clock.monotonic_ms();
    Peer& peer = peers_[from];
    peer.snapshot_id = snapshot_id;
    peer.heard_ms = found->second.used_ms;
    for (const upkeep::SnapshotFile& file : found->second.files) {
      list.files.push_back({file.name, file.bytes, file.crc});
    }
  }
  send(from, std::move(list));
}

void SnapshotSender::pump(base::NodeId id) {
  Peer& peer = peers_[id];
  if (peer.reading || peer.questions.empty() || is_stopping_) return;
  const net::SnapshotRead question = peer.questions.front();
  peer.questions.pop_front();
  const auto found = snapshots_.find(question.snapshot_id);
  if (found == snapshots_.end()) return answer_list(id, question.snapshot_id);
  if (question.file_number >= found->second.files.size()) return pump(id);
  peer.reading = question;
  const std::string& name = found->second.files[question.file_number].name;
  auto read = [this, id, question, name] {
    hands_.executor.post_to_pool(env::Lane::kLong, [this, id, question, name] {
      base::Result<base::Bytes> bytes =
          hands_.maker.read(question.snapshot_id, name, question.offset, question.length);
      const uint32_t crc = bytes ? base::crc32c(*bytes) : 0;
      hands_.core.post([this, id, question, bytes = std::move(bytes), crc]() mutable {
        on_read(id, question, std::move(bytes), crc);
      });
    });
  };
  const uint64_t wait_ms = delay_ms(question.length);
  if (wait_ms == 0) return read();
  hands_.core.post_after(wait_ms, std::move(read));
}

void SnapshotSender::on_read(base::NodeId to, const net::SnapshotRead& question,
                             base::Result<base::Bytes> bytes, uint32_t crc) {
  const auto found = peers_.find(to);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  peer.reading.reset();
  // It is not silent while its questions wait here.
  peer.heard_ms = std::max(peer.heard_ms, hands_.clock.monotonic_ms());
  if (!bytes) {
    if (!snapshots_.contains(question.snapshot_id)) return answer_list(to, question.snapshot_id);
    if (events_.on_trouble) events_.on_trouble(bytes.error().message);
    return remove(question.snapshot_id);  // whoever asks on is told that it is gone
  }
  peer.sent_bytes += bytes->size();
  send(to, net::SnapshotChunk{.snapshot_id = question.snapshot_id,
                              .file_number = question.file_number,
                              .offset = question.offset,
                              .crc = crc,
                              .bytes = std::make_shared<const base::Bytes>(*std::move(bytes))});
  pump(to);
}

// All pieces follow each other at the pace that is allowed, whoever they are for.
uint64_t SnapshotSender::delay_ms(uint64_t bytes) {
  if (options_.bytes_per_second == 0) return 0;
  const uint64_t now_ns = hands_.clock.monotonic_ns();
  const uint64_t begin_ns = std::max(now_ns, free_at_ns_);
  free_at_ns_ = begin_ns + bytes * 1'000'000'000 / options_.bytes_per_second;
  return (begin_ns - now_ns) / 1'000'000;
}

void SnapshotSender::send(base::NodeId to, net::NoteBody body) {
  if (hands_.transport == nullptr) return;
  hands_.transport->send(net::PeerNote{options_.group, options_.id, to, std::move(body)});
}

void SnapshotSender::stop() {
  is_stopping_ = true;
  hands_.maker.cancel();
}

std::vector<SnapshotSending> SnapshotSender::sending() const {
  std::vector<SnapshotSending> all;
  for (const auto& [id, peer] : peers_) {
    const auto found = snapshots_.find(peer.snapshot_id);
    if (found == snapshots_.end()) continue;
    all.push_back({id, peer.snapshot_id, peer.sent_bytes, found->second.made.bytes});
  }
  return all;
}

}  // namespace alfheim::replica
