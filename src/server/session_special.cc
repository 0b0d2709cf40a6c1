// Session commands that need more than an answer at once: DEBUG SLEEP, RAFT HASH
// (server/session.h).
#include <cmath>

#include "base/number.h"
#include "server/session.h"
#include "server/session_host.h"
#include "server/slow_log.h"

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
  return false;
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
