#include "server/session.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"
#include "base/text.h"
#include "server/config.h"
#include "server/session_host.h"
#include "server/slow_log.h"
#include "server/write_shares.h"

namespace alfheim::server {
namespace {

// Replies that the kernel has not taken: from here on nothing more is cut.
constexpr size_t kUnsentBytesMax = 8 * base::kMiB;
// Replies that one turn may build: others have their turn before it goes on.
constexpr size_t kTurnBytesMax = 256 * base::kKiB;
// Writes of more words than this, or too large for an entry, are encoded on the pool.
constexpr size_t kEncodeWordsMax = 4096;
// What a session that writes beside others may have under way: at a microsecond each, those wait
// a fraction of a millisecond.
constexpr size_t kSharedWritesMax = 256;
// Requests that are cut in one turn: others have theirs before it goes on.
constexpr size_t kTurnRequestsMax = 256;
// The words of a shorter request are copied where it has to wait.
constexpr size_t kTakeBytesMin = 64 * base::kKiB;
// Bodies up to this size are read without asking the budget.
constexpr size_t kFreeBodyBytesMax = 64 * base::kKiB;

resp::RequestCutter::Options cutter_options(const Config& config) {
  resp::RequestCutter::Options options;
  options.bulk_bytes_max = config.bulk_bytes_max();
  options.is_authenticated = !config.has_password();
  return options;
}

// A browser that was sent here by a hostile page: what it "posts" would be run line by line
// (cross protocol scripting). Redis closes at these words, too.
bool is_http(base::ByteView name) {
  return base::equals_ignore_case(name, "post") || base::equals_ignore_case(name, "host:");
}

}  // namespace

Session::Session(SessionHost& host, env::Connection& connection, std::shared_ptr<ClientInfo> info)
    : host_(host),
      connection_(connection),
      cutter_(cutter_options(host.services().config)),
      transaction_(host.hands().watches),
      memory_{ClientAccount(host.services().client_memory)} {
  state_.info = std::move(info);
  state_.is_authenticated = !host.services().config.has_password();
}

Session::~Session() = default;

void Session::on_bytes(size_t count) {
  cutter_.commit(count);
  memory_.pace.bytes += count;
  read_gate_.note_received(count);
  cutter_.set_bulk_bytes_max(host_.services().config.bulk_bytes_max());
  host_.services().counters.input_bytes.fetch_add(count, std::memory_order_relaxed);
  state_.info->active_ms.store(host_.services().clock.monotonic_ms(), std::memory_order_relaxed);
  resume();
}

// Only what waits for its replies to leave is looked at again; others have nothing to do.
void Session::on_sent() {
  if (upstream_.tunnel != nullptr) upstream_.tunnel->set_reading(true);
  if (is_paused_) return resume();
  state_.info->output_bytes.store(connection_.unsent_bytes(), std::memory_order_relaxed);
  note_memory();
}

// As Redis: what came before the end is executed, and its replies are sent.
bool Session::on_end_of_input() {
  stream_ = Stream::kEnded;
  resume();
  return true;
}

void Session::on_closed() {
  stream_ = Stream::kClosed;
  transaction_.discard();
  host_.destroy_watches(transaction_.take_watches());
  release_body();
  reclaim_all();
  memory_.account.close();
  drop_early_view();
  drop_tunnel();
  host_.on_session_closed(id());
}

void Session::resume() {
  is_resume_set_ = false;
  if (is_cutting_ || stream_ == Stream::kClosed) return;
  is_cutting_ = true;
  turn_ = Turn{};
  turn_.begin_ns = turn_.mark_ns = host_.services().clock.monotonic_ns();
  const uint64_t now_ms = turn_.begin_ns / 1'000'000;
  if (memory_.body.bytes > 0) note_pace(now_ms);
  end_stall();
  cut_requests();
  is_cutting_ = false;
  flush_counts();
  if (stream_ == Stream::kClosed) return;
  if (!host_.services().replica.batcher().is_empty()) host_.submit();
  flush();
  note_input();
  const bool is_owed = replies_.has_pending() || is_owed_upstream() ||
                       (stalled_ && (stalled_->request || stalled_->slot == kNoSlot));
  const bool is_finished = state_.wants_close && !is_owed;
  if (is_finished) return connection_.close_after_sending();
  is_paused_ = state_.wants_close || stalled_ || is_turn_over_ || !may_cut();
  if (is_paused_) release_large_input();
  // Whoever does not read for another reason keeps nobody waiting in the line.
  if (is_paused_) host_.services().bodies.leave_line(memory_.body);
  connection_.set_reading(!is_paused_ && admit_body());
  if (memory_.body.bytes > 0) memory_.pace.unsent_bytes = connection_.unsent_bytes();
}

void Session::cut_requests() {
  while (stream_ != Stream::kClosed && !state_.wants_close && !stalled_ && !is_turn_over_ &&
         may_cut()) {
    if (may_read_at_once()) {
      read_ahead_.look(cutter_, host_.services().machine, state_.database);
    } else {
      read_ahead_.pass();
    }
    const resp::Cut cut = cutter_.next();
    if (cut == resp::Cut::kNeedMore) {
      if (ALF_MUTANT(ViewBeforeTheLastByte) && cutter_.bytes_unconsumed() > 0 &&
          pool_reads_.early_view.get() == nullptr) {
        pool_reads_.early_view.get() = machine::ReadView::open(host_.services().machine);
      }
      state_.wants_close = stream_ == Stream::kEnded;
      return;
    }
    if (cut == resp::Cut::kProtocolError) {
      if (is_owed_upstream()) return stall(Stall::kTunnel, 0, {});  // it stays, and comes behind
      answer([&](resp::ReplyWriter& reply) { reply.error(cutter_.error()); });
      state_.wants_close = true;
      return;
    }
    ++turn_.cut;
    execute(cutter_.argv());
    drop_early_view();
    reclaim_request();
    if (memory_.body.bytes > 0 && cutter_.bytes_wanted() == 0) release_body();
    const bool is_long = turn_.cut >= kTurnRequestsMax && cutter_.bytes_unconsumed() > 0;
    if (is_long || replies_.ready_bytes() >= kTurnBytesMax) return end_turn();
  }
}

// A few bytes of requests may ask for megabytes: the loop is not theirs alone.
void Session::end_turn() {
  if (stream_ == Stream::kClosed || std::exchange(is_turn_over_, true)) return;
  host_.hands().loop.post([self = shared_from_this()] {
    self->is_turn_over_ = false;
    self->resume();
  });
}

bool Session::may_cut() {
  if (writes_pending_ >= kSharedWritesMax && writes_pending_ >= writes_max()) return false;
  if (replies_.is_full() || pool_reads_.count >= pool_reads_.count_max) return false;
  if (!has_upstream_room()) return false;
  if (must_wait_for_memory()) return false;
  const size_t unsent = connection_.unsent_bytes() + replies_.ready_bytes() +
                        replies_.held_bytes() + pool_reads_.count * pool_reads_.reply_bytes;
  return unsent <= kUnsentBytesMax;
}

void Session::resume_later() {
  if (!std::exchange(is_resume_set_, true)) host_.resume_later(id());
}

void Session::abort() {
  stream_ = Stream::kClosed;
  connection_.close();
}

void Session::execute(std::span<const base::ByteView> words) {
  if (is_http(words.front())) return abort();
  Services& services = host_.services();
  ++turn_.commands;
  const command::Arguments args(words);
  const command::Row* row = services.table.find(args);
  take_mark(row);
  if (row != nullptr && waits_for_leader(*row, words)) return;
  if (passes_upstream(row, args, words)) return;
  if (is_refused(row, args)) {
    services.counters.error_replies.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  state_.info->last_row.store(row, std::memory_order_relaxed);
  if (!transaction_.is_open()) return execute_row(*row, args, words);
  const bool ends_or_leaves = row->name == "exec" || row->name == "discard" ||
                              row->name == "multi" || row->name == "watch" || row->name == "quit" ||
                              row->name == "reset";
  if (ends_or_leaves) return execute_row(*row, args, words);
  transaction_.add(words, *row);
  state_.info->queued_count.store(static_cast<int32_t>(transaction_.count()));
  if (is_above_query_limit("MULTI queued", transaction_.queued_bytes())) return;
  answer([](resp::ReplyWriter& reply) { reply.simple_string("QUEUED"); });
}

bool Session::is_refused(const command::Row* row, const command::Arguments& args) {
  const auto refuse = [&](std::string_view text) {
    if (row != nullptr && row->name == "exec") {
      // An EXEC that is refused ends its block all the same, and says why in its own words.
      end_transaction();
      const std::string_view words = text.substr(text.starts_with("ERR ") ? 4 : 0);
      answer([&](resp::ReplyWriter& reply) {
        reply.error_with_code(
            base::format("EXECABORT Transaction discarded because of: {}", words));
      });
      return true;
    }
    transaction_.mark_failed();
    answer([&](resp::ReplyWriter& reply) { reply.error_with_code(text); });
    return true;
  };
  if (const std::optional<std::string> problem = command::check_call(row, args)) {
    return refuse("ERR " + *problem);
  }
  if (!state_.is_authenticated && (row->flags & command::kNoAuth) == 0) {
    return refuse("NOAUTH Authentication required.");
  }
  if (transaction_.is_open() && (row->flags & command::kNoMulti) != 0) {
    return refuse("ERR Command not allowed inside a transaction");
  }
  if (needs_leader(*row) && !host_.services().replica.is_serving() && !may_read_here(*row)) {
    if (is_unsafe_here()) {
      leave();
      return true;
    }
    read_gate_.end_wait();
    // As Redis Cluster: also in the place of EXECABORT.
    if (row->name == "exec") end_transaction();
    transaction_.mark_failed();
    answer([&](resp::ReplyWriter& reply) { reply.error_with_code(redirection(*row, args)); });
    return true;
  }
  if (is_without_room(row->flags)) {
    host_.services().counters.refused_writes.fetch_add(1, std::memory_order_relaxed);
    return refuse(replica::kRefusedByFullDisk);
  }
  return false;
}

// Redis refuses the same rows when its memory is used up.
bool Session::is_without_room(uint32_t row_flags) const {
  const replica::Replica& replica = host_.services().replica;
  const uint32_t growing = ALF_MUTANT(DeletesRefused) ? command::kWrite : command::kDenyOom;
  return ((row_flags & growing) != 0 && replica.refuses_growth()) ||
         ((row_flags & command::kWrite) != 0 && replica.refuses_writes());
}

void Session::execute_row(const command::Row& row, const command::Arguments& args,
                          std::span<const base::ByteView> words) {
  read_ahead_.note(!row.is_session() && !row.is_write());
  if (row.is_session()) return execute_session(row, args, words);
  if (row.is_write()) return execute_write(row, words);
  execute_read(row, args, words);
}

void Session::execute_session(const command::Row& row, const command::Arguments& args,
                              std::span<const base::ByteView> words) {
  note_door(row);
  if (row.name == "multi" || row.name == "watch") {
    leadership_.gave_block = host_.services().replica.is_serving();
  }
  const bool is_watched_exec = row.name == "exec" && transaction_.watch_count() > 0;
  const uint64_t slot = replies_.next_slot();
  const size_t pending = writes_pending_;
  if (execute_transaction(row, args, words)) {
    if (is_watched_exec && writes_pending_ > pending) leadership_.watched_slot = slot;
    return;
  }
  if (execute_special(row, args, words)) return;
  const SessionHandler handler = find_session_handler(row.name);
  ALF_CHECK_MSG(handler != nullptr, "a session row without a handler");
  flush_counts();  // INFO counts itself
  const auto handle = [&](resp::ReplyWriter& reply) {
    handler(SessionCall{host_.services(), state_, args, reply});
  };
  if (row.name == "client|reply" || row.name == "reset") {
    // They decide about their own reply, too: ON and RESET are answered, OFF and SKIP are not.
    scratch_.clear();
    resp::ReplyWriter reply(scratch_, state_.protocol);
    handle(reply);
    replies_.add_ready(scratch_, state_.reply_mode == SessionState::ReplyMode::kOff);
  } else {
    answer(handle);
  }
  cutter_.set_authenticated(state_.is_authenticated);
  note_done(row, args);
}

bool Session::stall_for_room(std::span<const base::ByteView> words) {
  if (!host_.services().replica.is_overloaded()) return false;
  stall(Stall::kRoom, 0, words);
  resume_later();
  return true;
}

void Session::execute_write(const command::Row& row, std::span<const base::ByteView> words) {
  if (stall_for_room(words)) return;
  ++turn_.writes;
  if (words.size() > kEncodeWordsMax) return encode_on_pool(row, words);
  const machine::CallView call{state_.database, words};
  const size_t bytes = machine::call_bytes(call);
  if (bytes > replica::kInlineBodyBytesMax) return encode_on_pool(row, words);
  const uint64_t slot = add_pending_write();
  host_.services().replica.batcher().add_call(call, bytes, false, reply_to(slot));
}

// What goes ahead in fragments must not be overtaken by what follows it here, so nothing more is
// cut until it is applied.
void Session::encode_on_pool(const command::Row& row, std::span<const base::ByteView> words) {
  const uint64_t slot = add_pending_write();
  SessionHost::LongWrite write{reply_to(slot), own(words), state_.database,
                               (row.flags & command::kDenyOom) != 0};
  note_sent(slot, write.request.size_bytes());
  stall(Stall::kDrain, slot, {});
  host_.encode_on_pool(std::move(write));
}

OwnedRequest Session::own(std::span<const base::ByteView> words) {
  if (resumed_ != nullptr && words.data() == resumed_->words().data()) {
    return std::move(*std::exchange(resumed_, nullptr));
  }
  const bool is_cut = words.data() == cutter_.argv().data();
  if (is_cut && cutter_.memory_bytes() >= kTakeBytesMin) {
    if (auto taken = cutter_.take_request()) return OwnedRequest(std::move(*taken));
  }
  return OwnedRequest(words);
}

// Others' writes are applied behind those of this connection.
size_t Session::writes_max() {
  if (turn_.writes_max == 0) {
    const bool is_alone = host_.services().write_shares.is_alone(id(), turn_.begin_ns);
    turn_.writes_max = is_alone ? ReplyQueue::kSlotsMax : kSharedWritesMax;
  }
  return turn_.writes_max;
}

void Session::on_reply(const replica::Reply& reply, const replica::ReplyBatch& batch) {
  if (stream_ == Stream::kClosed) return;
  switch (reply.kind) {
    case replica::ReplyKind::kApplied:
      if (stalled_ && stalled_->reason == Stall::kTick) stalled_->is_over = true;
      return;
    case replica::ReplyKind::kNoTick:
      if (!stalled_ || stalled_->reason != Stall::kTick) return;
      stalled_->has_ticked = false;
      stalled_->is_over = true;
      return;
    case replica::ReplyKind::kBarrier:
    case replica::ReplyKind::kRetry: return end_stall_by(reply.kind);
    case replica::ReplyKind::kLost: return abort();
    case replica::ReplyKind::kRefused: return take_refusal(reply, batch);
    case replica::ReplyKind::kWatchFailed:
    case replica::ReplyKind::kReplied: break;
  }
  const auto ends = std::span<const size_t>(batch.ends)
                        .subspan(reply.ends_begin, reply.ends_end - reply.ends_begin);
  const size_t count = reply.is_block ? 1 : ends.size();
  ALF_CHECK(writes_pending_ >= count);
  writes_pending_ -= count;
  if (!sent_.parts.empty()) note_answered(reply.to.slot, count);
  if (travelling_.count > 0) note_travelled(reply, ends);
  if (reply.is_block) return finish_block(reply, batch);
  replies_.fill_run(reply.to.slot, batch.bytes, reply.begin, ends);
}

// An operation that the core found in a batch when the disk was full, or when another node leads.
void Session::take_refusal(const replica::Reply& reply, const replica::ReplyBatch& batch) {
  ALF_CHECK(writes_pending_ > 0);
  --writes_pending_;
  note_answered(reply.to.slot, 1);
  Counters& counters = host_.services().counters;
  const auto words = base::ByteView(batch.bytes).substr(reply.begin, reply.end - reply.begin);
  if (words.find(replica::kRefusedByFullDisk) != base::ByteView::npos) {
    counters.refused_writes.fetch_add(1, std::memory_order_relaxed);
  }
  counters.error_replies.fetch_add(1, std::memory_order_relaxed);
  forget_block_plan(reply.to.slot);
  // Another node would take the block without its WATCH, if the client sent it there again.
  const bool is_redirected = words.starts_with("-MOVED ") || words.starts_with("-CLUSTERDOWN ");
  const bool is_unsafe =
      reply.to.slot == leadership_.watched_slot || is_from_sentinel() || state_.is_tunnelled;
  if (is_redirected && is_unsafe) {
    replies_.mute_from(reply.to.slot);
    state_.wants_close = true;
    // What waits to be executed is not: its reply would stand in this one's place.
    if (stalled_ && stalled_->request) stalled_.reset();
  }
  // Who is served through a tunnel does not know MOVED, and may know that it was not done.
  if (is_redirected && is_plain()) {
    return fill(reply.to.slot, base::format("-{}\r\n", replica::kNoLeader));
  }
  fill(reply.to.slot, words);
}

void Session::close_after_replies() {
  state_.wants_close = true;
  resume();
}

bool Session::is_muted_now() {
  switch (state_.reply_mode) {
    case SessionState::ReplyMode::kOn: return false;
    case SessionState::ReplyMode::kOff: return true;
    case SessionState::ReplyMode::kSkipNext:
      state_.reply_mode = SessionState::ReplyMode::kOn;
      return true;
  }
  return false;
}

uint64_t Session::add_pending_slot() { return replies_.add_pending(is_muted_now()); }

uint64_t Session::add_pending_write() {
  ++writes_pending_;
  if (!std::exchange(turn_.has_written, true)) {
    host_.services().write_shares.note(id(), turn_.begin_ns);
  }
  return add_pending_slot();
}

replica::ReplyTo Session::reply_to(uint64_t slot) const {
  return replica::ReplyTo{.session = id(),
                          .slot = slot,
                          .loop = host_.hands().loop_number,
                          .protocol = state_.protocol};
}

void Session::fill(uint64_t slot, base::ByteView reply) { replies_.fill(slot, reply); }

void Session::stall(Stall reason, uint64_t slot, std::span<const base::ByteView> words) {
  ALF_CHECK(!stalled_);
  stalled_.emplace();
  stalled_->reason = reason;
  stalled_->slot = slot;
  if (!words.empty()) stalled_->request = own(words);
}

bool Session::is_stall_over() {
  switch (stalled_->reason) {
    case Stall::kDrain: return writes_pending_ == 0;
    case Stall::kReply:
    case Stall::kTick: return stalled_->is_over;
    case Stall::kPool: return pool_reads_.long_count < kLongReadsMax;
    case Stall::kRoom:
      if (!host_.services().replica.is_overloaded()) return true;
      resume_later();
      return false;
    case Stall::kBarrier: return stalled_->is_over;
    case Stall::kLeader: return is_leader_known();
    case Stall::kTunnel: return is_tunnel_ready();
  }
  return false;
}

void Session::end_stall() {
  while (stalled_) {
    if (!is_stall_over()) return;
    Stalled over = std::move(*stalled_);
    stalled_.reset();
    if (!over.request) continue;
    if (over.reason == Stall::kTick && over.has_ticked) ticked_clock_ = over.clock;
    const std::span<const base::ByteView> words = over.request->words();
    const command::Arguments args(words);
    resumed_ = &*over.request;
    if (over.reason == Stall::kBarrier && words.size() > 1 && may_read_at_once()) {
      read_ahead_.look_behind(words[1], cutter_, host_.services().machine, state_.database);
    }
    if (over.reruns) {
      execute(words);
    } else {
      execute_row(*host_.services().table.find(args), args, words);
    }
    resumed_ = nullptr;
    ticked_clock_.reset();
    if (over.request->size_bytes() >= Reclaimer::kLargeBytes) {
      host_.reclaimer().destroy(std::move(*over.request));
    }
  }
}

void Session::flush_counts() {
  Counters& counters = host_.services().counters;
  const auto add = [](std::atomic<uint64_t>& counter, uint64_t& count) {
    if (count > 0) counter.fetch_add(std::exchange(count, 0), std::memory_order_relaxed);
  };
  add(counters.commands, turn_.commands);
  add(counters.reads, turn_.reads);
  add(counters.lease_reads, turn_.lease_reads);
  add(counters.writes, turn_.writes);
  add(counters.keyspace_hits, turn_.lookups.hits);
  add(counters.keyspace_misses, turn_.lookups.misses);
}

void Session::flush() {
  const size_t ready_bytes = replies_.ready_bytes();
  if (ready_bytes == 0) return;
  host_.services().counters.output_bytes.fetch_add(ready_bytes, std::memory_order_relaxed);
  if (ready_bytes > replies_.output().size()) {
    for (ReplyQueue::Whole& piece : replies_.take_pieces()) {
      connection_.send_shared(std::move(piece));
    }
  }
  base::Bytes& output = replies_.output();
  connection_.send(std::move(output));
  output.clear();
  check_output_limit();
}

// As Redis: at once above the hard limit, after a while above the soft one.
void Session::check_output_limit() {
  const OutputLimit limit = host_.services().config.output_limit();
  const size_t unsent = connection_.unsent_bytes();
  const auto close_for = [&](uint64_t bytes_max) {
    host_.close_for({"client-output-buffer-limit", "it has not taken",
                     host_.services().counters.output_limit_closings},
                    *this, unsent, bytes_max);
  };
  if (limit.hard_bytes > 0 && unsent > limit.hard_bytes) return close_for(limit.hard_bytes);
  if (limit.soft_bytes == 0 || unsent <= limit.soft_bytes) {
    over_soft_limit_ms_ = 0;
    return;
  }
  const uint64_t now_ms = host_.services().clock.monotonic_ms();
  if (over_soft_limit_ms_ == 0) over_soft_limit_ms_ = now_ms;
  if (now_ms >= over_soft_limit_ms_ + limit.soft_seconds * 1000) close_for(limit.soft_bytes);
}

void Session::note_input() {
  ClientInfo& info = *state_.info;
  info.database.store(state_.database.value, std::memory_order_relaxed);
  info.protocol.store(state_.protocol == resp::ProtocolVersion::kResp3 ? 3 : 2,
                      std::memory_order_relaxed);
  info.input_bytes.store(cutter_.bytes_unconsumed(), std::memory_order_relaxed);
  info.input_free_bytes.store(cutter_.capacity_bytes() - cutter_.bytes_unconsumed(),
                              std::memory_order_relaxed);
  info.output_bytes.store(connection_.unsent_bytes(), std::memory_order_relaxed);
  const size_t upstream = upstream_.tunnel == nullptr ? 0 : upstream_.tunnel->pending_count();
  info.pending_requests.store(replies_.pending_count() + upstream, std::memory_order_relaxed);
  note_memory();
}

bool Session::is_above_query_limit(std::string_view held, uint64_t bytes) {
  const uint64_t bytes_max = host_.services().config.query_buffer_bytes_max();
  if (bytes <= bytes_max) return false;
  host_.close_for(
      {"client-query-buffer-limit", held, host_.services().counters.query_limit_closings}, *this,
      bytes, bytes_max);
  return true;
}

// Each large bulk asks for its own part: what the request holds before it stays granted.
bool Session::admit_body() {
  const uint64_t wanted = cutter_.bytes_wanted();
  const uint64_t request_bytes = cutter_.bytes_unconsumed() + wanted;
  if (is_above_query_limit("its request holds", request_bytes)) return false;
  if (wanted <= kFreeBodyBytesMax || request_bytes <= memory_.body.bytes) return true;
  const bool is_first = memory_.body.bytes == 0;
  const auto wake = [&host = host_, session = id()] { host.wake(session); };
  if (!host_.services().bodies.try_grow(memory_.body, request_bytes, wake)) return false;
  if (is_first) {
    const uint64_t now_ms = host_.services().clock.monotonic_ms();
    memory_.pace = BodyPace{.since_ms = now_ms, .noted_ms = now_ms};
  }
  return true;
}

void Session::release_body() { host_.services().bodies.give_back(memory_.body); }

// Each request begins where the one before it ended; where that one did not say when, now. Writes
// are not measured, so they need no mark.
void Session::take_mark(const command::Row* row) {
  const bool is_old = std::exchange(turn_.is_mark_old, true);
  if (is_old && row != nullptr && !row->is_write()) {
    turn_.mark_ns = host_.services().clock.monotonic_ns();
  }
}

void Session::note_done(const command::Row& row, const command::Arguments& args) {
  note_done(row, args, host_.services().clock.monotonic_ns());
}

void Session::note_done(const command::Row& row, const command::Arguments& args, uint64_t now_ns) {
  turn_.is_mark_old = false;
  note_slow(std::exchange(turn_.mark_ns, now_ns), now_ns, row, args);
}

// Never words that hold a password.
void Session::note_slow(uint64_t begin_ns, uint64_t end_ns, const command::Row& row,
                        const command::Arguments& args) {
  if ((row.flags & command::kSkipSlowlog) != 0 || row.name == "config|set" || row.name == "hello" ||
      row.name == "auth") {
    return;
  }
  Services& services = host_.services();
  const uint64_t duration_us = (end_ns - begin_ns) / 1000;
  if (!services.slow_log.wants(duration_us)) return;
  services.slow_log.note(services.clock.wall_us(), duration_us, args, *state_.info);
}

}  // namespace alfheim::server
