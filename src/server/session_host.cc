#include "server/session_host.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"
#include "server/body_budget.h"
#include "server/client_memory.h"
#include "server/config.h"
#include "server/options.h"
#include "server/session.h"

namespace alfheim::server {
namespace {

// How soon a session that lacks room is looked at again.
constexpr uint64_t kResumeMs = 2;
// Between two looks at the clock.
constexpr size_t kResumesPerLook = 4;
// Each session is looked at once in so many checks: once a second.
constexpr uint64_t kCheckMs = 100;
constexpr uint64_t kCheckRounds = 10;
// A session that heard nothing for so long gives its buffers back.
constexpr uint64_t kRestMs = 1000;
// A body that comes more slowly gives way to those that wait.
constexpr uint64_t kBodyBytesPerSecondMin = 64 * base::kKiB;
// Larger replies of the pool are sent from where they lie.
constexpr size_t kWholeReplyBytesMin = 16 * base::kKiB;
// Between two times that the largest clients are looked for.
constexpr uint64_t kReliefMs = 2;
// What is read from a leader in one go.
constexpr size_t kTunnelBufferBytes = 64 * base::kKiB;

std::string client_name(const ClientInfo& info) {
  return base::format("{} ({})", info.id, address_text(info.peer));
}

}  // namespace

SessionHost::SessionHost(const Hands& hands) : hands_(hands), reclaimer_(hands.executor) {
  hands_.loop.post_after(kCheckMs, [this] { check_sessions(); });
}

// Operations of the kernel may keep a session a little longer than its host.
SessionHost::~SessionHost() {
  for (const auto& [id, session] : sessions_) session->abandon();
}

std::shared_ptr<env::ConnectionHandler> SessionHost::accept(env::Connection& connection) {
  Services& services = hands_.services;
  if (is_draining_) return nullptr;
  if (services.clients.count() >= services.config.clients_max()) {
    services.counters.rejected_connections.fetch_add(1, std::memory_order_relaxed);
    // Best effort: the words reach a client that has not gone yet.
    return refuse(connection, "-ERR max number of clients reached\r\n");
  }
  auto info = std::make_shared<ClientInfo>();
  info->id = services.clients.next_id();
  info->peer = connection.peer_address();
  info->local = connection.local_address();
  info->file_descriptor = connection.file_descriptor();
  info->loop = hands_.loop_number;
  info->created_ms = services.clock.monotonic_ms();
  info->active_ms.store(info->created_ms);
  auto session = std::make_shared<Session>(*this, connection, info);
  sessions_.emplace(info->id, session);
  services.clients.add(std::move(info));
  return session;
}

std::shared_ptr<env::ConnectionHandler> SessionHost::refuse(env::Connection& connection,
                                                            std::string_view words) {
  // A handler that reads nothing and is gone when its words are sent.
  class Refusal final : public env::ConnectionHandler {
   public:
    std::span<char> read_buffer() override { return buffer_; }
    void on_bytes(size_t) override {}
    void on_sent() override {}
    void on_closed() override {}

   private:
    char buffer_[64];
  };
  auto refusal = std::make_shared<Refusal>();
  hands_.loop.post([&connection, refusal, text = base::Bytes(words)] {
    connection.send(text);
    connection.close_after_sending();
  });
  return refusal;
}

std::span<char> SessionHost::tunnel_buffer() {
  tunnel_buffer_.resize(kTunnelBufferBytes);
  return tunnel_buffer_;
}

void SessionHost::note_tunnel_trouble(const std::string& words) {
  if (std::exchange(tunnel_trouble_, words) == words || words.empty()) return;
  warn(base::format("no way to the leader for plain clients (proxy): {}", words));
}

Session* SessionHost::find(uint64_t session) {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : found->second.get();
}

void SessionHost::deliver(replica::ReplyBatch batch) {
  hands_.loop.post([this, batch = std::move(batch)]() mutable {
    std::vector<uint64_t> touched;
    touched.reserve(batch.replies.size());
    for (const replica::Reply& reply : batch.replies) {
      Session* session = find(reply.to.session);
      if (session == nullptr) continue;  // closed while its reply was on the way
      session->on_reply(reply, batch);
      if (touched.empty() || touched.back() != reply.to.session) {
        touched.push_back(reply.to.session);
      }
    }
    resume(std::move(touched), 0);
    run_resumes();
    if (batch.bytes.size() >= Reclaimer::kLargeBytes) reclaimer_.destroy(std::move(batch.bytes));
  });
}

void SessionHost::close_client(uint64_t id) {
  hands_.loop.post([this, id] {
    // At once, as Redis: a client that does not read would never let its replies out.
    if (Session* session = find(id)) session->abort();
  });
}

void SessionHost::wake(uint64_t id) {
  hands_.loop.post([this, id] {
    if (Session* session = find(id)) session->resume();
  });
}

void SessionHost::on_leader_changed() {
  hands_.loop.post([this] {
    const bool is_serving = hands_.services.replica.is_serving();
    const bool is_demoted = std::exchange(was_serving_, is_serving) && !is_serving;
    for (const uint64_t id : session_ids()) {
      if (Session* session = find(id)) session->on_leader_changed(is_demoted);
    }
  });
}

// Oldest first: the order of a hash is another in each run, and the simulator repeats runs.
std::vector<uint64_t> SessionHost::session_ids() const {
  std::vector<uint64_t> ids;
  ids.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

void SessionHost::read_on_pool(PoolRead read) {
  const env::Lane lane = read.lane;
  hands_.executor.post_to_pool(lane, [this, read = std::move(read)]() mutable {
    const command::Arguments args(read.request.words());
    machine::ReadRequest request{*read.row,  args,        read.database,
                                 read.clock, read.random, read.limits};
    types::Lookups lookups;
    request.lookups = &lookups;
    base::Bytes bytes;
    resp::ReplyWriter reply(bytes, read.to.protocol);
    if (ALF_MUTANT(GetSeesLaterSet)) {
      read.begun.reset();
      read.view = machine::ReadView::open(hands_.services.machine);
    }
    base::Status status = read.run(request, reply);
    if (!status && types::Database::is_needs_tick(status.error()) && read.lacks_tick) {
      bytes.clear();
      reply.error_with_code(replica::kRefusedByFullDisk);
      status = base::ok();
    } else if (!status && types::Database::is_needs_tick(status.error())) {
      // Set after the request came, and due already: by log time, as of the view, it lives.
      bytes.clear();
      request.clock = base::Stamp{};
      status = read.run(request, reply);
    }
    if (!status) {
      report("read", status.error());
      bytes.clear();
      reply.error(base::format("the value cannot be read: {}", status.error().message));
    }
    read.begun.reset();
    read.view.reset();
    Counters& counters = hands_.services.counters;
    counters.keyspace_hits.fetch_add(lookups.hits, std::memory_order_relaxed);
    counters.keyspace_misses.fetch_add(lookups.misses, std::memory_order_relaxed);
    PoolReply done{read.to, read.lane, read.request.size_bytes(), {}, {}};
    if (bytes.size() >= kWholeReplyBytesMin) {
      done.whole = reclaimer_.share(std::move(bytes));
    } else {
      done.bytes = std::move(bytes);
    }
    hands_.loop.post([this, done = std::move(done)]() mutable {
      Session* session = find(done.to.session);
      if (session != nullptr) session->on_pool_reply(std::move(done));
    });
  });
}

void SessionHost::encode_on_pool(LongWrite write) {
  hands_.executor.post_to_pool(env::Lane::kShort, [this, write = std::move(write)]() mutable {
    const machine::CallView call{write.database, write.request.words()};
    const size_t bytes = machine::call_bytes(call);
    if (bytes > replica::kInlineBodyBytesMax) {
      return add_large(replica::cut_call(call, write.is_growth, write.to));
    }
    base::Bytes body;
    body.reserve(bytes);
    machine::put_call(body, call);
    add_encoded(write.to, [to = write.to, body = std::move(body)](replica::Batcher& batcher) {
      batcher.add_body(machine::OperationKind::kCommand, body, to);
    });
  });
}

void SessionHost::encode_block_on_pool(LongBlock block) {
  hands_.executor.post_to_pool(env::Lane::kShort, [this, block = std::move(block)]() mutable {
    base::Bytes body;
    const auto watches =
        block.watches ? block.watches->watches() : std::span<const machine::Watch>();
    machine::put_block(body, watches, block.calls);
    block.watches.reset();
    block.calls = machine::BlockCalls{};
    if (body.size() > replica::kInlineBodyBytesMax) {
      return add_large(replica::cut_block(std::move(body), block.is_growth, block.to));
    }
    add_encoded(block.to, [to = block.to, body = std::move(body)](replica::Batcher& batcher) {
      batcher.add_body(machine::OperationKind::kBlock, body, to);
    });
  });
}

// Both from the pool.
void SessionHost::add_large(replica::LargeOperation large) {
  const replica::ReplyTo to = large.waiter;
  add_encoded(to, [large = std::move(large)](replica::Batcher& batcher) mutable {
    batcher.add_large(std::move(large));
  });
}

void SessionHost::add_encoded(const replica::ReplyTo& to, AddToBatch add) {
  hands_.loop.post([this, id = to.session, add = std::move(add)]() mutable {
    if (find(id) == nullptr) return;  // it was not proposed, and never will be
    add(hands_.services.replica.batcher());
    submit();
  });
}

// On the pool. Each key stands in the table of watches before the state is taken that says its
// version.
base::Status SessionHost::watch_keys(LongWatch& watch) {
  const std::span<const base::ByteView> words = watch.request.words();
  for (const base::ByteView key : words.subspan(1)) watch.set->add(watch.database, key);
  const std::shared_ptr<machine::ReadView> view = machine::ReadView::open(hands_.services.machine);
  for (machine::Watch& key : watch.set->unversioned()) {
    base::Result<base::LogIndex> version = view->version(key.database, key.key, watch.clock);
    if (!version && types::Database::is_needs_tick(version.error())) {
      version = view->version(key.database, key.key, base::Stamp{});
    }
    if (!version) {
      watch.set->forget_unversioned();
      return std::move(version).error();
    }
    key.version = *version;
  }
  watch.set->settle();
  return base::ok();
}

void SessionHost::watch_on_pool(LongWatch watch) {
  const size_t key_count = watch.request.words().size() + watch.set->count();
  const env::Lane lane = key_count > WatchSet::kLoopKeysMax ? env::Lane::kLong : env::Lane::kShort;
  hands_.executor.post_to_pool(lane, [this, watch = std::move(watch)]() mutable {
    const base::Status status = watch_keys(watch);
    watch.is_early = !status && types::Database::is_needs_tick(status.error());
    const bool is_lost = !status && !watch.is_early;
    if (is_lost) report("watch", status.error());
    if (!watch.is_early) watch.request = OwnedRequest();
    hands_.loop.post([this, is_lost, watch = std::move(watch)]() mutable {
      Session* session = find(watch.session);
      if (session == nullptr || is_lost) destroy_watches(std::move(watch.set));
      if (session == nullptr) return;  // closed meanwhile
      if (is_lost) return session->abort();
      session->on_watched(std::move(watch));
    });
  });
}

void SessionHost::destroy_watches(std::unique_ptr<WatchSet> watches) {
  if (watches == nullptr || !watches->is_long()) return;
  hands_.executor.post_to_pool(env::Lane::kLong,
                               [watches = std::move(watches)]() mutable { watches.reset(); });
}

void SessionHost::report(std::string_view what, const base::Error& error) {
  warn(base::format("{}: {}: {}", what, base::error_code_name(error.code), error.message));
}

void SessionHost::submit() { hands_.services.replica.submit(); }

void SessionHost::resume_later(uint64_t session) {
  paused_.push_back(session);
  if (std::exchange(is_resume_set_, true)) return;
  hands_.loop.post_after(kResumeMs, [this] {
    is_resume_set_ = false;
    run_resumes();
  });
}

void SessionHost::run_resumes() {
  std::vector<uint64_t> paused = std::move(paused_);
  paused_.clear();
  resume(std::move(paused), 0);
}

// Each may cut hundreds of requests: many have theirs in several turns.
void SessionHost::resume(std::vector<uint64_t> ids, size_t begin) {
  for (size_t i = begin; i < ids.size(); ++i) {
    const bool is_look_due = i > begin && (i - begin) % kResumesPerLook == 0;
    if (is_look_due && hands_.loop.is_turn_over()) {
      return hands_.loop.post(
          [this, ids = std::move(ids), i]() mutable { resume(std::move(ids), i); });
    }
    if (Session* session = find(ids[i])) session->resume();
  }
}

// A tenth of the sessions each time: with ten thousand of them the loop is not held up for long.
void SessionHost::check_sessions() {
  ++check_round_;
  std::vector<uint64_t> ids;
  for (const auto& [id, session] : sessions_) {
    if (id % kCheckRounds == check_round_ % kCheckRounds) ids.push_back(id);
  }
  // Oldest first: the order of a hash is another in each run.
  std::sort(ids.begin(), ids.end());
  const uint64_t now_ms = hands_.services.clock.monotonic_ms();
  for (const uint64_t id : ids) {
    if (Session* session = find(id)) check_session(*session, now_ms);
  }
  return_freed_memory();
  hands_.loop.post_after(kCheckMs, [this] { check_sessions(); });
}

void SessionHost::check_session(Session& session, uint64_t now_ms) {
  if (session.is_closed()) return;
  Services& services = hands_.services;
  session.check_output_limit();
  session.on_leader_changed(false);  // it may have waited long enough for one
  session.note_memory();
  const uint64_t idle_ms = now_ms - std::min(now_ms, session.active_ms());
  const uint64_t timeout_s = services.config.timeout_s();
  if (timeout_s > 0 && session.is_idle() && idle_ms > timeout_s * 1000) return session.abort();
  if (is_in_the_way(session, now_ms)) {
    warn(
        base::format("client {} closed: it announced {} bytes, sends less than {} a second, and "
                     "others wait for room (request-body-timeout)",
                     client_name(session.info()), session.body().bytes, kBodyBytesPerSecondMin));
    return session.abort();
  }
  if (idle_ms >= kRestMs) session.release_idle();
}

// Judged by periods of request-body-timeout, so that a byte now and then is no excuse, and who
// was slow while nobody waited may still make haste.
bool SessionHost::is_in_the_way(Session& session, uint64_t now_ms) {
  const Services& services = hands_.services;
  const uint64_t period_ms = services.config.body_timeout_s() * 1000;
  if (period_ms == 0 || session.body().bytes == 0) return false;
  Session::BodyPace& pace = session.body_pace(now_ms);
  const auto restart = [&](bool was_slow) {
    pace = Session::BodyPace{.since_ms = now_ms,
                             .noted_ms = now_ms,
                             .unsent_bytes = pace.unsent_bytes,
                             .was_slow = was_slow};
  };
  // Who waits for room of its own is not read.
  if (session.body().is_waiting) restart(false);
  const uint64_t age_ms = now_ms - std::min(now_ms, pace.since_ms);
  const bool is_slow = pace.bytes < age_ms * kBodyBytesPerSecondMin / 1000;
  const bool is_known = pace.was_slow || age_ms >= period_ms;
  if (is_known && is_slow && services.bodies.has_waiters()) return true;
  if (age_ms >= period_ms) restart(is_slow);
  return false;
}

void SessionHost::relieve_later() {
  if (std::exchange(is_relief_set_, true)) return;
  hands_.loop.post([this] { relieve(); });
}

void SessionHost::relieve() {
  Services& services = hands_.services;
  // Those that are chosen need a moment to go, and it may be that nobody can be: the clients are
  // not looked through again in every turn until then.
  hands_.loop.post_after(kReliefMs, [this] { is_relief_set_ = false; });
  if (!services.client_memory.is_over()) return;
  services.client_memory.note_closing();
  for (const auto& client : services.client_memory.choose(services.clients.all())) {
    services.counters.evicted_clients.fetch_add(1, std::memory_order_relaxed);
    warn(
        base::format("client {} closed: it holds {} bytes, and all clients together {} of {} "
                     "(client-memory)",
                     client_name(*client), client->memory_bytes.load(),
                     services.client_memory.used_bytes(), services.client_memory.budget_bytes()));
    services.clients.close(client->id);
  }
}

// Buffers that grow leave their former memory behind, and whoever is closed leaves all: of the
// process that would be twice the budget again, as the allocator keeps it for ten seconds.
void SessionHost::return_freed_memory() {
  if (hands_.return_freed_memory == nullptr) return;
  const Services& services = hands_.services;
  if (!services.client_memory.try_begin_purge(services.clock.monotonic_ms())) return;
  hands_.executor.post_to_pool(env::Lane::kShort, [this] {
    hands_.return_freed_memory();
    hands_.services.client_memory.end_purge(hands_.services.clock.monotonic_ms());
  });
}

void SessionHost::close_for(const Limit& limit, Session& session, uint64_t bytes,
                            uint64_t bytes_max) {
  if (session.is_closed()) return;
  limit.counter.fetch_add(1, std::memory_order_relaxed);
  warn(base::format("client {} closed: {} {} bytes, allowed are {} ({})",
                    client_name(session.info()), limit.held, bytes, bytes_max, limit.option));
  session.abort();
}

void SessionHost::warn(const std::string& line) {
  if (hands_.on_trouble) hands_.on_trouble(line);
}

void SessionHost::on_session_closed(uint64_t session) {
  hands_.services.clients.remove(session);
  sessions_.erase(session);
  maybe_drained();
}

void SessionHost::drain(std::function<void()> done) {
  hands_.loop.post([this, done = std::move(done)]() mutable {
    ALF_CHECK(!is_draining_);
    is_draining_ = true;
    on_drained_ = std::move(done);
    for (const uint64_t id : session_ids()) {
      if (Session* session = find(id)) session->close_after_replies();
    }
    maybe_drained();
  });
}

void SessionHost::maybe_drained() {
  if (!is_draining_ || !sessions_.empty() || !on_drained_) return;
  std::exchange(on_drained_, nullptr)();
}

}  // namespace alfheim::server
