#include "replica/snapshot_fetcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"
#include "base/mutant.h"

namespace alfheim::replica {
namespace {

constexpr size_t kWindowPieces = 4;
// What does not come is asked for again after as many times what the last piece took: on a slow or
// paced way the answers would else come twice and more, and take the place of what is missing. At
// most so long, for the sender gives up who asks for nothing (snapshot_sender_kept.cc, kSilentMs).
constexpr uint64_t kAskAgainMs = 2'000;
constexpr uint64_t kAskAgainMsMax = 40'000;
constexpr uint64_t kAskAgainPieces = 3;
// Nothing came for so long: what another node offers is taken instead.
constexpr uint64_t kStalledMs = 10'000;
// Whoever reads what it has staged asks for no piece; so often it says that it lives.
constexpr uint64_t kAliveMs = 10'000;
constexpr uint64_t kRoomRetryMs = 5'000;
constexpr uint64_t kTroubleRetryMs = 30'000;
// As often a file came whole and was not what the list says: the sender's is rotten.
constexpr uint32_t kBadFilesMax = 3;

}  // namespace

template <typename Work, typename Then>
void SnapshotFetcher::work(Work work, Then then) {
  ALF_CHECK(!is_pool_busy_);
  is_pool_busy_ = true;
  hands_.executor.post_to_pool(env::Lane::kLong, [this, epoch = epoch_, work = std::move(work),
                                                  then = std::move(then)]() mutable {
    auto result = work();
    hands_.core.post([this, epoch, then = std::move(then), result = std::move(result)]() mutable {
      is_pool_busy_ = false;
      if (is_stopping_) return;
      if (fetch_ && epoch == epoch_) return then(std::move(result));
      if (fetch_) advance();  // it had to wait for this
    });
  });
}

void SnapshotFetcher::offer(base::NodeId from, const raft::SnapshotMark& mark) {
  if (is_stopping_ || !events_.is_wanted(mark)) return;
  const Offer offer{from, mark};
  if (!fetch_) return start(offer);
  if (fetch_->phase == Phase::kReady || fetch_->offer.mark.id == mark.id) return;
  const bool is_news = !next_ || next_->mark.id != mark.id;
  next_ = offer;  // what is under way goes on as long as it comes
  if (is_news) ask_for_missing();
}

// Another snapshot is offered: the sender of this one may have been started anew, and forgotten
// what it was asked for, or have given it up. Its answer tells, long before it was asked again by
// itself where the pieces came slowly. A sender that is at it has the questions already, and minds
// none twice.
void SnapshotFetcher::ask_for_missing() {
  if (fetch_->phase == Phase::kListing && fetch_->files.empty()) return ask_list();
  if (fetch_->phase != Phase::kFetching) return;
  for (auto& [offset, piece] : fetch_->asked) ask(offset, piece);
}

void SnapshotFetcher::start(const Offer& offer) {
  ++epoch_;
  fetch_.emplace();
  fetch_->offer = offer;
  fetch_->heard_ms = hands_.clock.monotonic_ms();
  next_.reset();
  ask_list();
}

// Another offer is taken at once. Without one the leader, which is told, probes this node again,
// and makes another snapshot where it still needs one: this one it would be offered in vain, for
// raft names each but once.
void SnapshotFetcher::give_up() {
  send(net::SnapshotDone{fetch_->offer.mark.id, true});
  const std::optional<Offer> next = std::exchange(next_, std::nullopt);
  ++epoch_;
  fetch_.reset();
  if (next && events_.is_wanted(next->mark)) start(*next);
}

void SnapshotFetcher::wait(uint64_t delay_ms, const base::Error& why) {
  if (events_.on_trouble) events_.on_trouble(why.message);
  fetch_->phase = Phase::kWaiting;
  fetch_->asked_ms = hands_.clock.monotonic_ms() + delay_ms;
}

void SnapshotFetcher::on_tick() {
  if (!fetch_ || is_stopping_ || fetch_->phase == Phase::kReady) return;
  if (!events_.is_wanted(fetch_->offer.mark)) return give_up();  // the log brought it
  const uint64_t now_ms = hands_.clock.monotonic_ms();
  const uint64_t stalled_ms = std::max(kStalledMs, ask_again_ms());
  if (next_ && now_ms >= fetch_->heard_ms + stalled_ms) return give_up();
  switch (fetch_->phase) {
    case Phase::kListing:
      if (fetch_->files.empty() && now_ms >= fetch_->asked_ms + kAskAgainMs) ask_list();
      return;
    case Phase::kWaiting:
      if (now_ms >= fetch_->asked_ms) ask_list();
      return;
    case Phase::kFetching:
      if (fetch_->asked.empty() && now_ms >= fetch_->asked_ms + kAliveMs) {
        fetch_->asked_ms = now_ms;
        send(net::SnapshotListRequest{fetch_->offer.mark.id});  // only whether it is gone matters
      }
      for (auto& [offset, piece] : fetch_->asked) {
        if (now_ms >= piece.asked_ms + ask_again_ms()) ask(offset, piece);
      }
      return;
    case Phase::kReady: return;
  }
}

// ---- the list ----

void SnapshotFetcher::ask_list() {
  fetch_->phase = Phase::kListing;
  fetch_->files.clear();
  fetch_->asked.clear();
  fetch_->arrived.clear();
  fetch_->asked_ms = hands_.clock.monotonic_ms();
  send(net::SnapshotListRequest{fetch_->offer.mark.id});
}

void SnapshotFetcher::on_note(base::NodeId from, const net::NoteBody& body) {
  if (!fetch_ || is_stopping_ || from != fetch_->offer.from) return;
  if (const auto* list = std::get_if<net::SnapshotList>(&body)) on_list(*list);
  if (const auto* chunk = std::get_if<net::SnapshotChunk>(&body)) on_chunk(*chunk);
}

void SnapshotFetcher::on_list(const net::SnapshotList& list) {
  if (list.snapshot_id != fetch_->offer.mark.id || fetch_->phase == Phase::kReady) return;
  if (list.files.empty()) return give_up();  // it is gone
  if (fetch_->phase != Phase::kListing || !fetch_->files.empty()) return;
  fetch_->heard_ms = hands_.clock.monotonic_ms();
  for (const net::SnapshotFile& file : list.files) {
    const bool is_first = fetch_->files.empty();
    const bool is_sound =
        is_first ? file.name == upkeep::kManifestName : upkeep::is_snapshot_file(file.name);
    if (!is_sound) {
      if (events_.on_trouble) {
        events_.on_trouble(base::format("fetch snapshot {:016x}: \"{}\" is no name of its files",
                                        list.snapshot_id, file.name));
      }
      return give_up();
    }
    fetch_->files.push_back({file.name, file.bytes, file.crc});
  }
  advance();
}

void SnapshotFetcher::on_opened(base::Result<std::vector<uint64_t>> held) {
  if (!held) {
    const bool lacks_room = held.error().code == base::ErrorCode::kNoSpace;
    return wait(lacks_room ? kRoomRetryMs : kTroubleRetryMs, held.error());
  }
  fetch_->held = std::move(held).value();
  fetch_->current = 0;
  fetch_->phase = Phase::kFetching;
  begin_file();
  advance();
}

// ---- the files ----

void SnapshotFetcher::begin_file() {
  fetch_->asked.clear();
  fetch_->arrived.clear();
  if (fetch_->current < fetch_->files.size()) fetch_->next_offset = fetch_->held[fetch_->current];
}

// What is to be done next on the pool, if nothing is.
void SnapshotFetcher::advance() {
  if (is_pool_busy_ || !fetch_) return;
  if (fetch_->phase == Phase::kListing && !fetch_->files.empty()) {
    return work(
        [this, id = fetch_->offer.mark.id, files = fetch_->files] {
          return hands_.staging.open(id, files, options_.kept_free_bytes);
        },
        [this](base::Result<std::vector<uint64_t>> held) { on_opened(std::move(held)); });
  }
  if (fetch_->phase != Phase::kFetching) return;
  if (fetch_->current == fetch_->files.size()) return finish();
  const uint64_t held = fetch_->held[fetch_->current];
  if (held == fetch_->files[fetch_->current].bytes) return verify_file();
  ask_pieces();
  if (fetch_->arrived.contains(held)) write_arrived();
}

void SnapshotFetcher::ask_pieces() {
  const uint64_t file_bytes = fetch_->files[fetch_->current].bytes;
  while (fetch_->asked.size() + fetch_->arrived.size() < kWindowPieces &&
         fetch_->next_offset < file_bytes) {
    const uint64_t offset = fetch_->next_offset;
    const uint64_t length = std::min(options_.piece_bytes, file_bytes - offset);
    fetch_->next_offset += length;
    Asked& piece = fetch_->asked[offset];
    piece.length = length;
    piece.first_ms = hands_.clock.monotonic_ms();
    ask(offset, piece);
  }
}

void SnapshotFetcher::ask(uint64_t offset, Asked& piece) {
  piece.asked_ms = hands_.clock.monotonic_ms();
  send(net::SnapshotRead{.snapshot_id = fetch_->offer.mark.id,
                         .file_number = static_cast<uint32_t>(fetch_->current),
                         .offset = offset,
                         .length = static_cast<uint32_t>(piece.length)});
}

uint64_t SnapshotFetcher::ask_again_ms() const {
  return std::clamp(kAskAgainPieces * fetch_->piece_ms, kAskAgainMs, kAskAgainMsMax);
}

void SnapshotFetcher::on_chunk(const net::SnapshotChunk& chunk) {
  if (chunk.snapshot_id != fetch_->offer.mark.id || fetch_->phase != Phase::kFetching) return;
  const auto asked = fetch_->asked.find(chunk.offset);
  if (chunk.file_number != fetch_->current || asked == fetch_->asked.end()) return;  // an old one
  const base::ByteView bytes = chunk.bytes == nullptr ? base::ByteView() : *chunk.bytes;
  const bool is_whole = bytes.size() == asked->second.length && base::crc32c(bytes) == chunk.crc;
  if (!is_whole && !ALF_MUTANT(ChunkNotVerified)) return;  // as if it were lost
  fetch_->heard_ms = hands_.clock.monotonic_ms();
  fetch_->piece_ms = fetch_->heard_ms - asked->second.first_ms;
  fetch_->asked.erase(asked);
  fetch_->arrived[chunk.offset] = chunk.bytes;
  advance();
}

void SnapshotFetcher::write_arrived() {
  const uint64_t offset = fetch_->held[fetch_->current];
  auto bytes = std::move(fetch_->arrived.at(offset));
  fetch_->arrived.erase(offset);
  const uint64_t length = bytes->size();
  work([this, id = fetch_->offer.mark.id, name = fetch_->files[fetch_->current].name, offset,
        bytes = std::move(bytes)] { return hands_.staging.write(id, name, offset, *bytes); },
       [this, length](base::Status written) {
         if (!written) {
           const bool lacks_room = written.error().code == base::ErrorCode::kNoSpace;
           return wait(lacks_room ? kRoomRetryMs : kTroubleRetryMs, written.error());
         }
         fetch_->held[fetch_->current] += length;
         advance();
       });
}

void SnapshotFetcher::verify_file() {
  work([this, id = fetch_->offer.mark.id,
        file = fetch_->files[fetch_->current]] { return hands_.staging.verify(id, file); },
       [this](base::Result<bool> is_whole) {
         fetch_->heard_ms = hands_.clock.monotonic_ms();  // it was this node that took its time
         if (!is_whole) return wait(kTroubleRetryMs, is_whole.error());
         if (*is_whole) {
           ++fetch_->current;
         } else {
           fetch_->held[fetch_->current] = 0;
           if (++fetch_->bad_count >= kBadFilesMax) {
             if (events_.on_trouble) {
               events_.on_trouble(
                   base::format("fetch snapshot {:016x}: {} is not what the list "
                                "says, however often it comes",
                                fetch_->offer.mark.id, fetch_->files[fetch_->current].name));
             }
             return give_up();
           }
         }
         begin_file();
         advance();
       });
}

void SnapshotFetcher::finish() {
  work([this, id = fetch_->offer.mark.id,
        files = fetch_->files] { return hands_.staging.finish(id, files); },
       [this](base::Result<upkeep::SnapshotManifest> manifest) {
         on_finished(std::move(manifest));
       });
}

void SnapshotFetcher::on_finished(base::Result<upkeep::SnapshotManifest> manifest) {
  if (!manifest && manifest.error().code != base::ErrorCode::kCorruption) {
    return wait(kTroubleRetryMs, manifest.error());
  }
  if (!manifest) {
    if (events_.on_trouble) events_.on_trouble(manifest.error().message);
    return give_up();
  }
  const raft::SnapshotMark& mark = fetch_->offer.mark;
  const bool is_it = manifest->last == mark.index && manifest->last_term == mark.term &&
                     vlog::is_same_group(manifest->origin, options_.identity);
  if (!is_it && events_.on_trouble) {
    events_.on_trouble(
        base::format("fetch snapshot {:016x}: it is another one than was offered", mark.id));
  }
  if (!is_it || !events_.is_wanted(mark)) return give_up();
  fetch_->phase = Phase::kReady;
  ++fetched_count_;
  send(net::SnapshotDone{mark.id, false});
  events_.on_ready();
}

// ---- the rest ----

void SnapshotFetcher::send(net::NoteBody body) {
  hands_.transport.send(net::PeerNote{options_.identity.group, options_.identity.node,
                                      fetch_->offer.from, std::move(body)});
}

void SnapshotFetcher::stop() {
  is_stopping_ = true;
  hands_.staging.cancel();
}

uint64_t SnapshotFetcher::ready() const {
  const bool is_ready = fetch_ && fetch_->phase == Phase::kReady;
  if (is_ready && ALF_MUTANT(InstalledWithoutAsking)) return fetch_->offer.mark.id;
  return is_ready && events_.is_wanted(fetch_->offer.mark) ? fetch_->offer.mark.id : 0;
}

std::optional<SnapshotFetching> SnapshotFetcher::fetching() const {
  if (!fetch_) return std::nullopt;
  SnapshotFetching status{.from = fetch_->offer.from, .snapshot_id = fetch_->offer.mark.id};
  for (const upkeep::SnapshotFile& file : fetch_->files) status.bytes_total += file.bytes;
  for (const uint64_t bytes : fetch_->held) status.bytes_done += bytes;
  return status;
}

}  // namespace alfheim::replica
