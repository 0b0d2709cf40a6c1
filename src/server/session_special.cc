// Session commands that need more than an answer at once: DEBUG SLEEP, RAFT HASH, RAFT SNAPSHOT,
// RAFT TRANSFER (server/session.h).
#include <cmath>

#include "base/format.h"
#include "base/number.h"
#include "server/session.h"
#include "server/session_host.h"
#include "server/slow_log.h"
#include "server/topology.h"

namespace alfheim::server {
namespace {

constexpr double kSleepSecondsMax = 3600;

}  // namespace

bool Session::execute_special(const command::Row& row, const command::Arguments& args) {
  if (row.name == "debug|sleep") {
    execute_debug_sleep(args);
    return true;
  }
  if (row.name == "raft|hash") {
    const uint64_t slot = add_pending_write();
    host_.services().replica.batcher().add_body(machine::OperationKind::kStateHash, {},
                                                reply_to(slot));
    return true;
  }
  if (row.name == "raft|transfer") {
    execute_raft_transfer(args);
    return true;
  }
  if (row.name == "raft|snapshot") {
    execute_raft_snapshot();
    return true;
  }
  return false;
}

// Answers when another node leads, or when it is clear that none will.
void Session::execute_raft_transfer(const command::Arguments& args) {
  Services& services = host_.services();
  const auto refuse = [this](std::string_view words) {
    answer([words](resp::ReplyWriter& reply) { reply.error(words); });
  };
  if (args.count() > 3) return refuse("wrong number of arguments for 'raft|transfer' command");
  replica::HandOverOrder order;
  if (args.count() == 3) {
    order.to = find_member(services, args[2]);
    if (order.to == base::NodeId{}) {
      return refuse(base::format("no member is called '{}'. Try RAFT MEMBERS.", args[2]));
    }
  }
  order.timeout_ms = services.replica.election_timeout_ms();
  const uint64_t slot = add_pending_slot();
  stall(Stall::kReply, slot, {});
  order.done = [&host = host_, session = id(), slot](base::Status status) {
    host.hands().loop.post([&host, session, slot, status = std::move(status)] {
      Session* self = host.find(session);
      if (self != nullptr) self->finish_raft_transfer(slot, status);
    });
  };
  services.replica.transfer(std::move(order));
}

void Session::finish_raft_transfer(uint64_t slot, const base::Status& status) {
  base::Bytes bytes;
  resp::ReplyWriter reply(bytes, state_.protocol);
  if (status) {
    reply.ok();
  } else {
    reply.error(base::format("leadership was not handed over: {}", status.error().message));
  }
  if (stalled_ && stalled_->slot == slot) stalled_->is_over = true;
  fill(slot, bytes);
  resume();
}

// The connection waits: its making takes as long as reading all of the node's files.
void Session::execute_raft_snapshot() {
  const uint64_t slot = add_pending_slot();
  stall(Stall::kReply, slot, {});
  using Made = replica::SnapshotSender::Made;
  host_.services().replica.make_snapshot(
      [&host = host_, session = id(), slot, protocol = state_.protocol](base::Result<Made> made) {
        base::Bytes bytes;
        resp::ReplyWriter reply(bytes, protocol);
        if (made) {
          reply.array_header(2);
          reply.integer(static_cast<int64_t>(made->mark.index.value));
          reply.integer(static_cast<int64_t>(made->bytes));
        } else {
          reply.error(made.error().message);
        }
        host.hands().loop.post([&host, session, slot, bytes = std::move(bytes)] {
          Session* self = host.find(session);
          if (self == nullptr) return;
          if (self->stalled_ && self->stalled_->slot == slot) self->stalled_->is_over = true;
          self->fill(slot, bytes);
          self->resume();
        });
      });
}

// Sleeps this connection only: nobody else waits for it.
void Session::execute_debug_sleep(const command::Arguments& args) {
  const std::optional<double> seconds = base::parse_double(args[2]);
  if (!seconds || std::isnan(*seconds) || *seconds < 0 || *seconds > kSleepSecondsMax) {
    return answer([](resp::ReplyWriter& reply) { reply.error("value is not a valid float"); });
  }
  const uint64_t slot = add_pending_slot();
  stall(Stall::kReply, slot, {});
  const uint64_t begin_ns = host_.services().clock.monotonic_ns();
  OwnedRequest request(std::vector<base::ByteView>{args[0], args[1], args[2]});
  host_.hands().loop.post_after(
      static_cast<uint64_t>(*seconds * 1000),
      [&host = host_, session = id(), slot, begin_ns, request = std::move(request)] {
        Session* self = host.find(session);
        if (self == nullptr) return;
        const command::Arguments words(request.words());
        self->note_slow(begin_ns, host.services().clock.monotonic_ns(),
                        *host.services().table.find(words), words);
        if (self->stalled_ && self->stalled_->slot == slot) self->stalled_->is_over = true;
        self->fill(slot, "+OK\r\n");
        self->resume();
      });
}

}  // namespace alfheim::server
