// A session on a node that does not lead, or that must prove that it does (server/session.h).
#include "base/check.h"
#include "base/slot.h"
#include "server/config.h"
#include "server/directory.h"
#include "server/sentinel_hosts.h"
#include "server/session.h"
#include "server/session_host.h"

namespace alfheim::server {
namespace {

// How long a request waits for the group to find a leader.
constexpr uint64_t kLeaderWaitMs = 3000;

}  // namespace

// What asks for the group's state, or changes it. EXEC alone would do nothing.
bool Session::needs_leader(const command::Row& row) const {
  if (!row.is_session()) return true;
  return row.name == "watch" || row.name == "raft|hash" || row.name == "raft|snapshot" ||
         row.name == "raft|transfer" || row.name == "raft|add" || row.name == "raft|promote" ||
         row.name == "raft|remove" || row.name == "raft|tunnel" ||
         (row.name == "exec" && transaction_.is_open());
}

// After READONLY, on a node that follows: behind a barrier that its leader grants, or as it is
// here.
bool Session::may_read_here(const command::Row& row) const {
  const bool may_ask = host_.services().replica.leader() != base::NodeId{} && !is_barrier_late();
  return is_read_of_follower(row) && (may_ask || may_read_stale(row));
}

bool Session::is_read_of_follower(const command::Row& row) const {
  const replica::Replica& replica = host_.services().replica;
  return state_.is_readonly && !row.is_session() && !row.is_write() && !transaction_.is_open() &&
         replica.needs_barrier() && !replica.is_removed();
}

// The leader is heard, and does not answer: what this node asks may not reach it, nor ever will.
bool Session::is_barrier_late() const {
  return read_gate_.is_late(host_.services().clock.monotonic_ms(), kLeaderWaitMs);
}

// --follower-reads stale: whoever leads, and whether anybody does.
bool Session::may_read_stale(const command::Row& row) const {
  const Services& services = host_.services();
  return services.config.startup().group.reads_stale && !services.replica.is_serving() &&
         is_read_of_follower(row);
}

// Nobody is known to lead: the request waits here, not in the hands of a client that would only
// ask again, and again.
bool Session::waits_for_leader(const command::Row& row, std::span<const base::ByteView> words) {
  const replica::Replica& replica = host_.services().replica;
  const bool asks = needs_leader(row) || row.name.starts_with("sentinel|") ||
                    (row.name == "multi" && may_tunnel());
  if (replica.is_serving() || !state_.is_authenticated || !asks) return false;
  if (upstream_.mirror.is_bound()) return false;  // what it leads to alone can say more
  if (may_read_stale(row)) return false;
  // Once is enough, until somebody leads.
  if (leadership_.is_wait_over || ALF_MUTANT(NoLeaderSaidAtOnce)) return false;
  if (is_leader_known()) return false;
  stall(Stall::kLeader, 0, words);
  stalled_->reruns = true;
  stalled_->since_ms = host_.services().clock.monotonic_ms();
  return true;
}

// It leads and serves, or somebody else does whose address is known; or the wait is over.
bool Session::is_leader_known() {
  const replica::Replica& replica = host_.services().replica;
  if (replica.is_serving() || replica.is_removed()) return true;
  const base::NodeId leader = replica.leader();
  // A leader that has just died is still followed for an election timeout: whoever is sent to it
  // comes back at once.
  if (leader != replica.id() && host_.services().directory.is_reachable(leader)) return true;
  if (!stalled_ || stalled_->reason != Stall::kLeader) return false;
  const uint64_t now_ms = host_.services().clock.monotonic_ms();
  if (now_ms < stalled_->since_ms + kLeaderWaitMs) return false;
  leadership_.is_wait_over = true;
  return true;
}

std::string Session::redirection(const command::Row& row, const command::Arguments& args) const {
  const Services& services = host_.services();
  const base::NodeId leader = services.replica.leader();
  if (services.replica.is_removed()) return std::string(replica::kRemoved);
  // Who is served through a tunnel does not know MOVED.
  if (leader == services.replica.id() || is_plain()) return std::string(replica::kNoLeader);
  uint32_t slot = 0;
  const std::vector<size_t> keys = command::key_positions(row, args);
  if (!keys.empty()) slot = base::key_slot(args[keys.front()]);
  const std::string words = services.directory.redirection(leader, slot);
  return words.empty() ? std::string(replica::kNoLeader) : words;
}

// Only what was wholly received before the barrier was asked for may be read behind it.
bool Session::waits_for_barrier(std::span<const base::ByteView> words) {
  replica::Replica& replica = host_.services().replica;
  if (!replica.needs_barrier() || ALF_MUTANT(ReadWithoutBarrier)) return false;
  if (read_gate_.has_passed(cutter_.bytes_unconsumed())) return false;
  read_gate_.ask(host_.services().clock.monotonic_ms());
  stall(Stall::kBarrier, 0, words);
  replica.add_reader(reply_to(0));
  host_.submit();
  return true;
}

// Whatever reads stand in the input, nothing is to be waited for before they are answered.
bool Session::may_read_at_once() const {
  if (writes_pending_ > 0) return false;
  const replica::Replica& replica = host_.services().replica;
  return !replica.needs_barrier() || replica.lease().is_known() || read_gate_.has_passed(0);
}

// In lease mode a leader reads at once, and asks afterwards whether it still led: lacks_lease().
// Followers may have shown what is committed, so that must be applied here, too.
bool Session::begin_by_lease() {
  leadership_.is_by_lease = false;
  const replica::Replica& replica = host_.services().replica;
  if (!replica.lease().is_known() || !replica.is_serving()) return false;
  const size_t bytes_behind = cutter_.bytes_unconsumed();
  if (read_gate_.has_passed(bytes_behind)) return false;  // a barrier has proved more
  if (!read_gate_.is_shown(bytes_behind)) {
    const bool is_shown = replica.lease().needed() <= replica.applied();
    if (!is_shown && !ALF_MUTANT(LeaseReadBehindFollowers)) return false;
    read_gate_.note_shown();
  }
  leadership_.is_by_lease = true;
  return true;
}

// To be asked when the view was taken, with the time of then: if it ended before, what was read is
// worth nothing, and the request waits for a barrier like any other.
bool Session::lacks_lease(uint64_t now_ns, std::span<const base::ByteView> words) {
  if (!leadership_.is_by_lease) return false;
  if (host_.services().replica.lease().holds(now_ns) || ALF_MUTANT(ReadByEndedLease)) {
    ++turn_.lease_reads;
    read_gate_.end_wait();
    return false;
  }
  return waits_for_barrier(words);
}

void Session::end_stall_by(replica::ReplyKind kind) {
  if (!stalled_) return;
  const bool is_barrier = stalled_->reason == Stall::kBarrier;
  if (kind == replica::ReplyKind::kBarrier) {
    if (!is_barrier) return;
    read_gate_.pass();
    stalled_->is_over = true;
    return;
  }
  if (!is_barrier && stalled_->reason != Stall::kTick) return;
  stalled_->is_over = true;
  stalled_->reruns = true;
  stalled_->has_ticked = false;
}

// What this connection said it is, by what it asks for.
void Session::note_door(const command::Row& row) {
  using Door = SessionState::Door;
  const bool is_cluster = row.name.starts_with("cluster|") || row.name == "readonly" ||
                          row.name == "readwrite" || row.name == "asking";
  if (is_cluster) state_.door = Door::kCluster;
  if (!row.name.starts_with("sentinel|")) return;
  state_.door = Door::kSentinel;
  host_.services().sentinel_hosts.add_asker(state_.info->peer.host);
}

bool Session::is_from_sentinel() const {
  return state_.door == SessionState::Door::kUnknown &&
         host_.services().sentinel_hosts.contains(state_.info->peer.host);
}

bool Session::holds_what_a_leader_gave() const {
  return leadership_.gave_block && (transaction_.is_open() || transaction_.watch_count() > 0);
}

// On a node that does not lead (docs/decisions/013-connections-over-a-demotion.md).
bool Session::is_unsafe_here() const {
  return holds_what_a_leader_gave() || is_from_sentinel() || state_.is_tunnelled;
}

// What is owed is answered; what waits to be executed is not, and then the connection closes.
void Session::leave() {
  if (stalled_ && stalled_->request) stalled_.reset();
  state_.wants_close = true;
  resume();
}

void Session::on_leader_changed(bool is_demoted) {
  const bool is_wanted = stream_ != Stream::kClosed && !state_.wants_close;
  if (is_demoted && is_wanted && is_unsafe_here()) return leave();
  if (host_.services().replica.is_ready()) leadership_.is_wait_over = false;
  check_tunnel();
  if (stalled_ && stalled_->reason == Stall::kLeader) resume();
}

}  // namespace alfheim::server
