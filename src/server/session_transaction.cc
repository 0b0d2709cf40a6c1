// MULTI, EXEC, DISCARD, WATCH, UNWATCH and RESET of a session (server/session.h).
#include "base/check.h"
#include "base/format.h"
#include "server/session.h"
#include "server/session_host.h"
#include "types/key_codec.h"

namespace alfheim::server {
namespace {

constexpr size_t kArrayHeaderBytesMax = 24;  // "*", a number, CR LF

}  // namespace

bool Session::execute_transaction(const command::Row& row, const command::Arguments& args,
                                  std::span<const base::ByteView> words) {
  if (row.name == "multi") {
    if (transaction_.is_open()) {
      answer([](resp::ReplyWriter& reply) { reply.error("MULTI calls can not be nested"); });
      return true;
    }
    transaction_.open(state_.database);
    state_.info->queued_count.store(0);
    answer([](resp::ReplyWriter& reply) { reply.ok(); });
    return true;
  }
  if (row.name == "exec") {
    execute_exec(words);
    return true;
  }
  if (row.name == "discard") {
    if (!transaction_.is_open()) {
      answer([](resp::ReplyWriter& reply) { reply.error("DISCARD without MULTI"); });
      return true;
    }
    end_transaction();
    answer([](resp::ReplyWriter& reply) { reply.ok(); });
    return true;
  }
  if (row.name == "watch") {
    execute_watch(args, words);
    return true;
  }
  if (row.name == "unwatch") {
    host_.destroy_watches(transaction_.take_watches());
    state_.info->watch_count.store(0);
    answer([](resp::ReplyWriter& reply) { reply.ok(); });
    return true;
  }
  // RESET goes on to its own handler.
  if (row.name == "reset") end_transaction();
  return false;
}

void Session::end_transaction() {
  transaction_.discard();
  host_.destroy_watches(transaction_.take_watches());
  state_.info->queued_count.store(-1);
  state_.info->watch_count.store(0);
}

void Session::execute_exec(std::span<const base::ByteView> words) {
  if (!transaction_.is_open()) {
    return answer([](resp::ReplyWriter& reply) { reply.error("EXEC without MULTI"); });
  }
  // Its reads go through the log, too, and so does the judgement of what it watches.
  const uint32_t flags = transaction_.flags();
  const bool needs_log =
      (flags & (command::kWrite | command::kReadOnly)) != 0 || transaction_.watch_count() > 0;
  if (is_without_room(flags) || (needs_log && host_.services().replica.refuses_writes())) {
    host_.services().counters.refused_writes.fetch_add(1, std::memory_order_relaxed);
    end_transaction();
    return answer([](resp::ReplyWriter& reply) {
      reply.error_with_code(base::format("EXECABORT Transaction discarded because of: {}",
                                         replica::kRefusedByFullDisk));
    });
  }
  if (stall_for_room(words)) return;
  // The connection's own earlier writes may touch what it watches: they are applied first.
  if (transaction_.watch_count() > 0 && writes_pending_ > 0) {
    return stall(Stall::kDrain, 0, words);
  }
  const bool has_failed = transaction_.has_failed();
  const bool is_touched = transaction_.is_touched();
  const bool is_growth = (transaction_.flags() & command::kDenyOom) != 0;
  const base::DatabaseIndex database = transaction_.database();
  std::unique_ptr<WatchSet> watches = transaction_.take_watches();
  QueuedBlock block = transaction_.take();
  end_transaction();
  if (has_failed) {
    host_.destroy_watches(std::move(watches));
    return answer([](resp::ReplyWriter& reply) {
      reply.error_with_code("EXECABORT Transaction discarded because of previous errors.");
    });
  }
  if (is_touched) {
    host_.destroy_watches(std::move(watches));
    return answer([](resp::ReplyWriter& reply) { reply.null_array(); });
  }
  if (block.calls.count == 0 && (watches == nullptr || watches->count() == 0)) {
    return answer_local_block(block.session_commands);
  }
  // Where session commands are among them, a SELECT moves it when the reply comes.
  if (block.session_commands.empty()) state_.database = database;
  propose_block(std::move(block), std::move(watches), is_growth);
}

void Session::propose_block(QueuedBlock block, std::unique_ptr<WatchSet> watches, bool is_growth) {
  const auto watched = watches ? watches->watches() : std::span<const machine::Watch>();
  const bool is_for_pool =
      (watches && watches->is_long()) ||
      machine::block_bytes(watched, block.calls) > replica::kInlineBodyBytesMax;
  const uint64_t slot = add_pending_write();
  const replica::ReplyTo to = reply_to(slot);
  const size_t command_count = block.command_count();
  const bool has_calls = block.calls.count > 0;
  if (is_for_pool) {
    note_sent(slot, block.calls.bytes.capacity() + (watches ? watches->memory_bytes() : 0));
    host_.encode_block_on_pool({to, std::move(watches), std::move(block.calls), is_growth});
  } else {
    base::Bytes body;
    machine::put_block(body, watched, block.calls);
    note_sent(slot, body.size());
    host_.services().replica.batcher().add_body(machine::OperationKind::kBlock, body, to);
  }
  if (!block.session_commands.empty() || !has_calls) {
    // Their effects on the session (SELECT, HELLO) come with the reply: nothing may pass them.
    block_ = BlockPlan{slot, std::move(block.session_commands), command_count, to.protocol};
    stall(Stall::kReply, slot, {});
  } else if (is_for_pool) {
    stall(Stall::kDrain, slot, {});
  }
}

// A block without data commands: nothing is replicated, nothing is watched.
void Session::answer_local_block(const std::vector<QueuedCommand>& commands) {
  answer([&](resp::ReplyWriter& reply) {
    reply.array_header(commands.size());
    for (const QueuedCommand& queued : commands) execute_in_block(queued, reply);
  });
}

void Session::execute_in_block(const QueuedCommand& queued, resp::ReplyWriter& reply) {
  const command::Arguments args(queued.request.words());
  if (queued.row->name == "unwatch") return reply.ok();
  const SessionHandler handler = find_session_handler(queued.row->name);
  if (handler == nullptr) return reply.error("Command not allowed inside a transaction");
  handler(SessionCall{host_.services(), state_, args, reply});
}

void Session::finish_block(const replica::Reply& reply, const replica::ReplyBatch& batch) {
  base::Bytes bytes;
  resp::ReplyWriter writer(bytes, reply.to.protocol);
  const bool has_plan = block_ && block_->slot == reply.to.slot;
  if (reply.kind == replica::ReplyKind::kWatchFailed) {
    writer.null_array();
  } else {
    const size_t part_count = reply.ends_end - reply.ends_begin;
    bytes.reserve(reply.end - reply.begin + kArrayHeaderBytesMax);
    writer.array_header(has_plan ? block_->command_count : part_count);
    size_t part = reply.ends_begin;
    size_t begin = reply.begin;
    const auto next_part = [&] {
      ALF_CHECK(part < reply.ends_end);
      const size_t end = batch.ends[part++];
      writer.raw(base::ByteView(batch.bytes).substr(begin, end - begin));
      begin = end;
    };
    if (!has_plan) {
      // A hundred thousand replies one by one would take the loop a millisecond.
      writer.raw(base::ByteView(batch.bytes).substr(reply.begin, reply.end - reply.begin));
      part = reply.ends_end;
    } else {
      size_t place = 0;
      for (const QueuedCommand& queued : block_->session_commands) {
        for (; place < queued.place; ++place) next_part();
        execute_in_block(queued, writer);
        ++place;
      }
    }
    while (part < reply.ends_end) next_part();
    ALF_CHECK(part == reply.ends_end);
  }
  forget_block_plan(reply.to.slot);
  fill(reply.to.slot, bytes);
}

void Session::forget_block_plan(uint64_t slot) {
  if (!block_ || block_->slot != slot) return;
  block_.reset();
  if (stalled_ && stalled_->slot == slot) stalled_->is_over = true;
}

void Session::execute_watch(const command::Arguments& args, std::span<const base::ByteView> words) {
  if (transaction_.is_open()) {
    return answer(
        [](resp::ReplyWriter& reply) { reply.error("WATCH inside MULTI is not allowed"); });
  }
  Services& services = host_.services();
  if (!services.replica.is_serving()) return abort();
  // The versions must reflect the connection's own earlier writes.
  if (writes_pending_ > 0) return stall(Stall::kDrain, 0, words);
  if (waits_for_barrier(words)) return;
  const base::Stamp clock = read_clock();
  if (words.size() + transaction_.watch_count() > WatchSet::kLoopKeysMax) {
    return watch_on_pool(words, clock);
  }
  WatchSet& set = transaction_.watches();
  for (size_t i = 1; i < args.count(); ++i) set.add(state_.database, args[i]);
  for (machine::Watch& watch : set.unversioned()) {
    const base::Result<base::LogIndex> version =
        machine::key_version(services.machine, watch.database, watch.key, clock);
    if (version) {
      watch.version = *version;
      continue;
    }
    set.forget_unversioned();
    // What the tick removes was expired already: that must not count as a touch.
    if (types::Database::is_needs_tick(version.error())) return wait_for_tick(clock, words);
    if (version.error().code == base::ErrorCode::kWouldBlock) return watch_on_pool(words, clock);
    host_.report("watch", version.error());
    return abort();
  }
  set.settle();
  end_watch();
}

void Session::end_watch() {
  state_.info->watch_count.store(static_cast<uint32_t>(transaction_.watch_count()));
  answer([](resp::ReplyWriter& reply) { reply.ok(); });
}

void Session::watch_on_pool(std::span<const base::ByteView> words, base::Stamp clock) {
  WatchSet& set = transaction_.watches();
  SessionHost::LongWatch watch{id(), own(words), state_.database, clock, nullptr};
  watching_bytes_ = set.memory_bytes() + watch.request.size_bytes() +
                    WatchSet::memory_bytes_of(words.size(), watch.request.size_bytes());
  watch.set = transaction_.take_watches();
  stall(Stall::kReply, kNoSlot, {});
  host_.watch_on_pool(std::move(watch));
}

void Session::on_watched(SessionHost::LongWatch watch) {
  ALF_CHECK(stalled_ && stalled_->slot == kNoSlot);
  watching_bytes_ = 0;
  transaction_.put_watches(std::move(watch.set));
  if (watch.is_early) {
    stalled_->request = std::move(watch.request);
    stalled_->reason = Stall::kTick;
    stalled_->slot = 0;
    stalled_->clock = watch.clock;
    host_.services().replica.batcher().add_follower(reply_to(0));
    return host_.submit();
  }
  stalled_->is_over = true;
  end_watch();
  resume();
}

}  // namespace alfheim::server
