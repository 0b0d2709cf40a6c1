// The reads of a session: on the loop, on the pool, or behind its own writes (server/session.h).
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"
#include "server/config.h"
#include "server/session.h"
#include "server/session_host.h"

namespace alfheim::server {
namespace {

// Reads of one connection on the pool at a time; more wait in its input buffer. How large a
// reply will be is not known before it is read: so few to begin with, and then as many as bring
// so many bytes, if they are as large as the last one was. More would keep the pool, and then the
// loop, from others for long.
constexpr size_t kPoolReadsMax = 64;
constexpr size_t kPoolBytesMax = 2 * base::kMiB;
// Reads that travel through the log at a time, and how many bytes of replies they may bring, if
// they are as large as the last ones.
constexpr size_t kTravellingReadsMax = 64;
constexpr size_t kTravellingBytesMax = 2 * base::kMiB;

bool is_long_read(const command::Row& row, size_t word_count) {
  return (row.flags & command::kLong) != 0 || word_count > kLoopWordsMax;
}

}  // namespace

void Session::execute_read(const command::Row& row, const command::Arguments& args,
                           std::span<const base::ByteView> words) {
  Services& services = host_.services();
  ++turn_.reads;
  const bool is_long = is_long_read(row, words.size());
  if (writes_pending_ > 0 && !ALF_MUTANT(GetMissesOwnSet)) {
    const machine::CallView call{state_.database, words};
    const size_t bytes = machine::call_bytes(call);
    if (is_long || bytes > replica::kInlineBodyBytesMax || travelling_.count >= travelling_max()) {
      return stall(Stall::kDrain, 0, words);
    }
    if (stall_for_room(words)) return;
    const uint64_t slot = add_pending_write();
    ++travelling_.count;
    services.replica.batcher().add_call(call, bytes, true, reply_to(slot));
    return;
  }
  if (!begin_by_lease() && !may_read_stale(row) && waits_for_barrier(words)) return;
  if (is_long) return read_on_pool(row, words, nullptr);
  const base::Stamp clock = read_clock();
  const machine::ReadRequest request{row,
                                     args,
                                     state_.database,
                                     clock,
                                     chance_for(row),
                                     command::Limits{services.config.bulk_bytes_max()},
                                     &turn_.lookups};
  // Straight into the output where nothing waits before it; taken back if it fails.
  const bool is_direct = replies_.is_direct() && state_.reply_mode == SessionState::ReplyMode::kOn;
  base::Bytes& out = is_direct ? replies_.output() : scratch_;
  if (!is_direct) scratch_.clear();
  const size_t begin = out.size();
  resp::ReplyWriter reply(out, state_.protocol);
  std::unique_ptr<machine::BegunRead> begun;
  const base::Status status = has_early_view()
                                  ? pool_reads_.early_view.get()->run(request, reply)
                                  : machine::read_point(services.machine, request, reply, &begun);
  const uint64_t now_ns = services.clock.monotonic_ns();
  if (lacks_lease(now_ns, words)) return out.resize(begin);
  if (status) {
    if (!is_direct) replies_.add_ready(scratch_, is_muted_now());
    return note_done(row, args, now_ns);
  }
  out.resize(begin);
  if (types::Database::is_needs_tick(status.error())) return wait_for_tick(clock, words);
  if (status.error().code == base::ErrorCode::kWouldBlock) {
    return read_on_pool(row, words, std::move(begun));
  }
  host_.report("read", status.error());
  answer([&](resp::ReplyWriter& writer) {
    writer.error(base::format("the value cannot be read: {}", status.error().message));
  });
}

void Session::read_on_pool(const command::Row& row, std::span<const base::ByteView> words,
                           std::unique_ptr<machine::BegunRead> begun) {
  Services& services = host_.services();
  const base::Stamp clock = read_clock();
  const bool is_long = is_long_read(row, words.size());
  if (is_long && pool_reads_.long_count >= kLongReadsMax) return stall(Stall::kPool, 0, words);
  const std::optional<base::Stamp> deadline = services.machine.next_deadline();
  // The pool cannot stop the connection to wait for a tick, so it comes first; once is enough,
  // however many keys fall due meanwhile: log time has passed the clock of this read. What has
  // begun has found its key, and not due.
  const bool lacks_tick = !begun && !ticked_clock_ && deadline && *deadline <= clock;
  // Without one it is read all the same, and fails if it meets a key that is due.
  if (lacks_tick && !services.replica.refuses_writes()) return wait_for_tick(clock, words);
  std::shared_ptr<machine::ReadView> view;
  if (!begun) {
    view =
        has_early_view() ? pool_reads_.early_view.get() : machine::ReadView::open(services.machine);
    if (lacks_lease(services.clock.monotonic_ns(), words)) return;
  }
  services.counters.pool_reads.fetch_add(1, std::memory_order_relaxed);
  ++pool_reads_.count;
  if (is_long) ++pool_reads_.long_count;
  OwnedRequest request = own(words);
  pool_reads_.request_bytes += request.size_bytes();
  SessionHost::PoolRead read{.to = reply_to(add_pending_slot()),
                             .row = &row,
                             .request = std::move(request),
                             .database = state_.database,
                             .clock = clock,
                             .lacks_tick = lacks_tick,
                             .random = chance_for(row),
                             .limits = command::Limits{services.config.bulk_bytes_max()},
                             .begun = std::move(begun),
                             .lane = is_long ? env::Lane::kLong : env::Lane::kShort};
  read.view = std::move(view);
  host_.read_on_pool(std::move(read));
  note_memory();  // what it will bring counts before the next request is cut
}

void Session::on_pool_reply(SessionHost::PoolReply reply) {
  if (stream_ == Stream::kClosed) return;
  ALF_CHECK(pool_reads_.count > 0);
  --pool_reads_.count;
  if (reply.lane == env::Lane::kLong) --pool_reads_.long_count;
  pool_reads_.request_bytes -= reply.request_bytes;
  const size_t bytes = reply.whole != nullptr ? reply.whole->size() : reply.bytes.size();
  pool_reads_.reply_bytes = bytes;
  pool_reads_.count_max = std::clamp(kPoolBytesMax / (bytes + 1), size_t{1}, kPoolReadsMax);
  if (reply.whole != nullptr) {
    replies_.fill_whole(reply.to.slot, std::move(reply.whole));
  } else {
    replies_.fill(reply.to.slot, reply.bytes);
  }
  resume();
}

// One look at the clock for all requests of a turn: they are here already.
base::Stamp Session::read_clock() {
  if (ticked_clock_) return *ticked_clock_;
  // A node that follows reads by log time: its leader moves that past what it calls expired.
  const replica::Replica& replica = host_.services().replica;
  if (!turn_.clock) {
    turn_.clock = replica.is_serving() ? host_.services().replica.clock_now() : base::Stamp{};
  }
  return *turn_.clock;
}

// Commands of bounded work name their keys; none of them draws lots.
uint64_t Session::chance_for(const command::Row& row) {
  return row.is_point() ? 0 : host_.services().random.next_u64();
}

// Where nothing can be written the key that fell due can neither be removed nor be served.
void Session::wait_for_tick(base::Stamp clock, std::span<const base::ByteView> words) {
  if (host_.services().replica.refuses_writes()) {
    host_.services().counters.error_replies.fetch_add(1, std::memory_order_relaxed);
    return answer(
        [](resp::ReplyWriter& reply) { reply.error_with_code(replica::kRefusedByFullDisk); });
  }
  host_.services().replica.batcher().add_follower(reply_to(0));
  stall(Stall::kTick, 0, words);
  stalled_->clock = clock;
}

size_t Session::travelling_max() const {
  return std::clamp(kTravellingBytesMax / (travelling_.reply_bytes + 1), size_t{1},
                    kTravellingReadsMax);
}

// Which of them were reads is not known any more: all are gone when nothing is under way. The
// largest reply says how large the next may be.
void Session::note_travelled(const replica::Reply& reply, std::span<const size_t> ends) {
  uint64_t largest = 0;
  size_t begin = reply.begin;
  for (const size_t end : ends) {
    largest = std::max<uint64_t>(largest, end - begin);
    begin = end;
  }
  travelling_.reply_bytes = std::max(largest, travelling_.reply_bytes / 2);
  travelling_.count = std::min(travelling_.count, writes_pending_);
}

}  // namespace alfheim::server
