// A plain client of a node that does not lead: what only the leader can answer is carried there and
// back (server/session.h, docs/decisions/016-the-tunnel.md).
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "server/config.h"
#include "server/directory.h"
#include "server/session.h"
#include "server/session_host.h"

namespace alfheim::server {
namespace {

// How long a request waits for a way to a leader, as for a leader itself.
constexpr uint64_t kOpenMs = 3000;
constexpr uint64_t kRetryMs = 50;
// What was sent to a node that leads no more is answered by then, or not at all.
constexpr uint64_t kStaleMs = 3000;
// Requests under way, and bytes that the leader's kernel has not taken: from here on nothing more
// is cut.
constexpr size_t kRequestsMax = 1024;
constexpr size_t kUnsentBytesMax = 8 * base::kMiB;
// Larger requests, and those of more words, are put together on the pool.
constexpr size_t kLoopBytesMax = 256 * base::kKiB;
constexpr size_t kLoopWordCountMax = 4096;

}  // namespace

// A client that has not said that it follows MOVED, where such clients are served.
bool Session::is_plain() const {
  return host_.services().config.startup().group.serves_for_leader &&
         state_.door != SessionState::Door::kCluster;
}

// One that no other node speaks for.
bool Session::may_tunnel() const {
  return is_plain() && host_.hands().network != nullptr && !state_.is_tunnelled &&
         !transaction_.is_open() && transaction_.watch_count() == 0;
}

// What is about the group's keys. What is about the node, or the connection, is answered here.
bool Session::goes_upstream(const command::Row* row) const {
  if (upstream_.mirror.takes_all()) return true;
  if (row == nullptr) return false;
  if (!row->is_session() || row->name == "multi" || row->name == "watch") return true;
  if (row->name == "unwatch") return upstream_.mirror.has_watch();
  return needs_leader(*row) && (row->name != "raft|tunnel" || ALF_MUTANT(TunnelledCarriedOn));
}

// True: it is done with here, or waits.
bool Session::passes_upstream(const command::Row* row, const command::Arguments& args,
                              std::span<const base::ByteView> words) {
  if (upstream_.tunnel == nullptr && !may_tunnel()) return false;
  const bool resets = row != nullptr && row->name == "reset";
  const bool follows = upstream_.mirror.takes_all() && !resets;
  if (follows && row != nullptr && row->name == "client|reply") {
    leave();  // nobody could tell any more which answers come
    return true;
  }
  const bool is_refused_here = !state_.is_authenticated || command::check_call(row, args);
  const bool is_own = !follows && (is_refused_here || resets || !goes_upstream(row));
  // Answers come in the order of the requests.
  const bool must_wait = is_owed_upstream() && !ALF_MUTANT(AnswerOvertakesTunnel);
  if (is_own && must_wait) return stall_for_tunnel(words);
  const bool ends_it = !may_tunnel() || resets;
  if (ends_it && !follows && !is_owed_upstream()) drop_tunnel();
  if (is_own) return false;
  check_tunnel();  // who leads may have changed since it was told
  if (upstream_.tunnel == nullptr) {
    const bool is_tried = may_tunnel() && !host_.services().replica.is_serving() &&
                          !std::exchange(upstream_.has_given_up, false);
    if (is_tried && (replies_.has_pending() || open_tunnel())) return stall_for_tunnel(words);
    upstream_.tried_ms = 0;
    return false;
  }
  const bool is_stale = upstream_.stale_ms > 0 && !upstream_.mirror.is_bound();
  if (is_stale || !upstream_.tunnel->is_open()) return stall_for_tunnel(words);
  forward(row, words);
  return true;
}

bool Session::stall_for_tunnel(std::span<const base::ByteView> words) {
  stall(Stall::kTunnel, 0, words);
  stalled_->reruns = true;
  return true;
}

bool Session::is_tunnel_ready() {
  if (upstream_.tunnel != nullptr) {
    return upstream_.tunnel->is_open() && upstream_.tunnel->is_idle();
  }
  if (replies_.has_pending()) return false;
  return host_.services().clock.monotonic_ms() >= upstream_.retry_ms;
}

bool Session::open_tunnel() {
  Services& services = host_.services();
  const base::NodeId leader = services.replica.leader();
  const auto found = services.directory.find(leader);
  if (leader == services.replica.id() || !found || found->resp.port == 0) return false;
  if (services.replica.is_removed()) return false;
  if (upstream_.tried_ms == 0) upstream_.tried_ms = services.clock.monotonic_ms();
  base::Bytes greeting;
  size_t count = 1;
  if (services.config.has_password()) {
    put_request(greeting, {"AUTH", services.config.requirepass()});
    ++count;
  }
  put_request(greeting, {"RAFT", "TUNNEL", services.identity.name});
  upstream_.mirror.begin();
  count += upstream_.mirror.add_greetings(greeting, as_client());
  upstream_.tunnel = std::make_shared<Tunnel>(*this, leader, host_.tunnel_buffer());
  upstream_.tunnel->start(*host_.hands().network, host_.hands().loop, found->resp,
                          std::move(greeting), count);
  return true;
}

UpstreamMirror::Client Session::as_client() const {
  return {state_.protocol, state_.database, state_.info->names()};
}

void Session::drop_tunnel() {
  if (upstream_.tunnel == nullptr) return;
  upstream_.tunnel->close();
  upstream_.tunnel.reset();
  upstream_.mirror.end(*state_.info);
  upstream_.stale_ms = upstream_.encoding_bytes = 0;
}

// The way could not be opened: nothing of the client's was sent, so it is tried again, for a while.
void Session::retry_tunnel() {
  host_.note_tunnel_trouble(upstream_.tunnel->trouble());
  drop_tunnel();
  const uint64_t now_ms = host_.services().clock.monotonic_ms();
  if (now_ms >= upstream_.tried_ms + kOpenMs) {
    upstream_.has_given_up = true;
    upstream_.tried_ms = upstream_.retry_ms = 0;
    return resume();
  }
  upstream_.retry_ms = now_ms + kRetryMs;
  host_.hands().loop.post_after(kRetryMs, [&host = host_, session = id()] {
    if (Session* self = host.find(session)) self->resume();
  });
}

bool Session::has_upstream_room() const {
  return upstream_.tunnel == nullptr || (upstream_.tunnel->pending_count() < kRequestsMax &&
                                         upstream_.tunnel->unsent_bytes() <= kUnsentBytesMax);
}

void Session::forward(const command::Row* row, std::span<const base::ByteView> words) {
  base::Bytes greeting;
  const size_t count = upstream_.mirror.add_greetings(greeting, as_client());
  if (count > 0) upstream_.tunnel->greet(std::move(greeting), count);
  const auto reply_for = is_muted_now() ? Tunnel::ReplyFor::kNobody : Tunnel::ReplyFor::kClient;
  upstream_.mirror.note_request(row, words.size(), *state_.info);
  const size_t bytes = request_bytes_max(words);
  if (bytes > kLoopBytesMax || words.size() > kLoopWordCountMax) {
    return forward_on_pool(words, reply_for);
  }
  base::Bytes request;
  request.reserve(bytes);
  put_request(request, words);
  upstream_.tunnel->send(std::move(request), reply_for);
}

// Nothing later of the connection is looked at before it is sent.
void Session::forward_on_pool(std::span<const base::ByteView> words, Tunnel::ReplyFor reply_for) {
  OwnedRequest request = own(words);
  const uint64_t request_bytes = request.size_bytes();
  upstream_.encoding_bytes = request_bytes;
  stall(Stall::kReply, kNoSlot, {});
  host_.hands().executor.post_to_pool(env::Lane::kShort, [&host = host_, session = id(), reply_for,
                                                          request = std::move(request)]() mutable {
    base::Bytes bytes;
    bytes.reserve(request_bytes_max(request.words()));
    put_request(bytes, request.words());
    request = OwnedRequest();
    host.hands().loop.post([&host, session, reply_for, bytes = std::move(bytes)]() mutable {
      Session* self = host.find(session);
      if (self == nullptr || !self->stalled_) return;
      self->upstream_.encoding_bytes = 0;
      self->stalled_->is_over = true;
      // Gone meanwhile: it was not sent, and what was is judged by on_upstream_changed.
      if (self->upstream_.tunnel == nullptr) return self->leave();
      self->upstream_.tunnel->send_shared(host.reclaimer().share(std::move(bytes)), reply_for);
      self->resume();
    });
  });
}

void Session::on_upstream_bytes(base::Bytes bytes) {
  if (stream_ == Stream::kClosed) return;
  host_.services().counters.output_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
  connection_.send(std::move(bytes));
  check_output_limit();
  if (stream_ == Stream::kClosed) return;
  // Until the client has taken it: no more than that lies here for it.
  if (connection_.unsent_bytes() > kUnsentBytesMax) upstream_.tunnel->set_reading(false);
}

void Session::on_upstream_changed() {
  if (stream_ == Stream::kClosed) return;
  const std::shared_ptr<Tunnel> tunnel = upstream_.tunnel;
  if (tunnel->is_open()) {
    if (std::exchange(upstream_.tried_ms, 0) > 0) host_.note_tunnel_trouble({});
    return resume();
  }
  if (!tunnel->is_closed()) return;
  if (!tunnel->was_open()) return retry_tunnel();
  // Whether what it owes was done is not known, and is not done again.
  const bool is_known =
      tunnel->is_idle() && !upstream_.mirror.is_bound() && upstream_.encoding_bytes == 0;
  drop_tunnel();
  if (is_known || ALF_MUTANT(OpenOutcomeHidden)) return resume();
  leave();
}

// Another node leads than the one it leads to: what was not sent goes there.
void Session::check_tunnel() {
  if (upstream_.tunnel == nullptr) return;
  const replica::Replica& replica = host_.services().replica;
  const base::NodeId leader = replica.leader();
  const uint64_t now_ms = host_.services().clock.monotonic_ms();
  if (!upstream_.tunnel->was_open()) {
    if (now_ms >= upstream_.tried_ms + kOpenMs) retry_tunnel();
    return;
  }
  const bool is_stale = leader != base::NodeId{} && leader != upstream_.tunnel->leader();
  if (!is_stale) {
    upstream_.stale_ms = 0;
    return;
  }
  if (upstream_.mirror.is_bound() || is_owed_upstream() || upstream_.encoding_bytes > 0) {
    if (upstream_.stale_ms == 0) upstream_.stale_ms = now_ms;
    // It may be gone without a word, and nobody knows what it did.
    if (now_ms >= upstream_.stale_ms + kStaleMs) abort();
    return;
  }
  drop_tunnel();
  if (stalled_ && stalled_->reason == Stall::kTunnel) resume();
}

}  // namespace alfheim::server
