// Session commands that need more than an answer at once: DEBUG SLEEP, RAFT HASH, RAFT SNAPSHOT,
// RAFT TRANSFER, RAFT ADD, RAFT PROMOTE, RAFT REMOVE, WAIT, WAITAOF (server/session.h).
#include <cmath>

#include "base/format.h"
#include "base/number.h"
#include "base/text.h"
#include "server/directory.h"
#include "server/option_text.h"
#include "server/session.h"
#include "server/session_commands.h"
#include "server/session_host.h"
#include "server/slow_log.h"
#include "server/storage.h"
#include "server/topology.h"

namespace alfheim::server {
namespace {

constexpr double kSleepSecondsMax = 3600;

std::string no_member(base::ByteView word) {
  return base::format("no member is called '{}'. Try RAFT MEMBERS.", word);
}

}  // namespace

bool Session::execute_special(const command::Row& row, const command::Arguments& args,
                              std::span<const base::ByteView> words) {
  if (row.name == "wait" || row.name == "waitaof") return execute_wait(row, args, words);
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
  if (row.name == "raft|add") {
    execute_raft_add(args);
    return true;
  }
  if (row.name == "raft|promote" || row.name == "raft|remove") {
    execute_raft_change_of(
        row.name == "raft|promote" ? raft::ChangeKind::kPromote : raft::ChangeKind::kRemove,
        args[2]);
    return true;
  }
  return false;
}

// Answers when another node leads, or when it is clear that none will.
void Session::execute_raft_transfer(const command::Arguments& args) {
  Services& services = host_.services();
  if (args.count() > 3)
    return answer_error("wrong number of arguments for 'raft|transfer' command");
  replica::HandOverOrder order;
  if (args.count() == 3) {
    order.to = find_member(services, args[2]);
    if (order.to == base::NodeId{}) return answer_error(no_member(args[2]));
  }
  order.timeout_ms = services.replica.election_timeout_ms();
  order.done = [done = answer_later()](const base::Status& status) {
    done([&status](resp::ReplyWriter& reply) {
      if (status) return reply.ok();
      reply.error(base::format("leadership was not handed over: {}", status.error().message));
    });
  };
  services.replica.transfer(std::move(order));
}

// Answers when a committed configuration says so.
void Session::execute_raft_change(const raft::Change& change) {
  host_.services().replica.change_members(
      change, [done = answer_later()](const base::Status& status) {
        done([&status](resp::ReplyWriter& reply) {
          if (status) return reply.ok();
          reply.error(base::format("the membership was not changed: {}", status.error().message));
        });
      });
}

void Session::execute_raft_add(const command::Arguments& args) {
  const Services& services = host_.services();
  const std::string name(args[2]);
  const bool stays_learner = args.count() == 5 && base::equals_ignore_case(args[4], "LEARNER");
  if (args.count() > 5 || (args.count() == 5 && !stays_learner)) {
    return answer_error("syntax error, expected RAFT ADD id host:port [LEARNER]");
  }
  if (const base::Status named = check_node_name(name); !named) {
    return answer_error(base::format("the new member's id: {}", named.error().message));
  }
  const auto address = parse_address(args[3]);
  if (!address || address->port == 0 || listens_everywhere(address->host)) {
    return answer_error(base::format(
        "'{}' is not where other nodes can reach one, expected its --raft-addr as HOST:PORT",
        args[3]));
  }
  if (listens_everywhere(services.identity.raft.host)) {
    const raft::NodeStatus status = services.replica.status_snapshot().raft;
    const raft::Member* self = status.configuration.find(services.replica.id());
    if (self != nullptr && self->address == address_text(services.identity.raft)) {
      return answer_error(base::format(
          "this node is known as {}, where others cannot reach it: start it with a --raft-addr "
          "that they can",
          self->address));
    }
  }
  execute_raft_change({.kind = raft::ChangeKind::kAddLearner,
                       .member = {.id = node_id_of(name),
                                  .name = name,
                                  .address = address_text(*address),
                                  .stays_learner = stays_learner}});
}

void Session::execute_raft_change_of(raft::ChangeKind kind, base::ByteView word) {
  const base::NodeId id = find_member(host_.services(), word);
  if (id == base::NodeId{}) return answer_error(no_member(word));
  execute_raft_change({.kind = kind, .member = {.id = id}});
}

// The connection waits: its making takes as long as reading all of the node's files.
void Session::execute_raft_snapshot() {
  using Made = replica::SnapshotSender::Made;
  host_.services().replica.make_snapshot([done = answer_later()](const base::Result<Made>& made) {
    done([&made](resp::ReplyWriter& reply) {
      if (!made) return reply.error(made.error().message);
      reply.array_header(2);
      reply.integer(static_cast<int64_t>(made->mark.index.value));
      reply.integer(static_cast<int64_t>(made->bytes));
    });
  });
}

// The connection waits until what is returned is called, on any thread, once.
Session::AnswerLater Session::answer_later() {
  const uint64_t slot = add_pending_slot();
  stall(Stall::kReply, slot, {});
  return [&host = host_, session = id(), slot,
          protocol = state_.protocol](const std::function<void(resp::ReplyWriter&)>& write) {
    base::Bytes bytes;
    resp::ReplyWriter reply(bytes, protocol);
    write(reply);
    host.hands().loop.post([&host, session, slot, bytes = std::move(bytes)] {
      Session* self = host.find(session);
      if (self != nullptr) self->end_reply_stall(slot, bytes);
    });
  };
}

void Session::end_reply_stall(uint64_t slot, base::ByteView bytes) {
  if (stalled_ && stalled_->slot == slot) stalled_->is_over = true;
  fill(slot, bytes);
  resume();
}

void Session::answer_error(std::string_view words) {
  answer([words](resp::ReplyWriter& reply) { reply.error(words); });
}

// Of its writes the last is applied, so it stands at that index or before. False: it is answered
// at once, by the handler.
bool Session::execute_wait(const command::Row& row, const command::Arguments& args,
                           std::span<const base::ByteView> words) {
  replica::Replica& replica = host_.services().replica;
  if (!replica.needs_barrier() || !replica.is_serving()) return false;
  if (writes_pending_ > 0) {
    stall(Stall::kDrain, 0, words);
    return true;
  }
  const bool is_aof = row.name == "waitaof";
  scratch_.clear();
  resp::ReplyWriter reply(scratch_, state_.protocol);
  const SessionCall call{host_.services(), state_, args, reply};
  const std::optional<WaitOrder> order = is_aof ? parse_waitaof(call) : parse_wait(call);
  if (!order) {
    replies_.add_ready(scratch_, is_muted_now());
    return true;
  }
  replica::FollowerWait wait{.index = replica.applied(),
                             .count = order->count,
                             .timeout_ms = order->timeout_ms,
                             .owner = std::weak_ptr<const void>(weak_from_this()),
                             .done = {}};
  wait.done = [done = answer_later(), is_aof](size_t holders) {
    done([is_aof, holders](resp::ReplyWriter& writer) {
      if (is_aof) {
        writer.array_header(2);
        writer.integer(1);
      }
      writer.integer(static_cast<int64_t>(holders));
    });
  };
  replica.wait_for_followers(std::move(wait));
  return true;
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
        self->end_reply_stall(slot, "+OK\r\n");
      });
}

}  // namespace alfheim::server
