#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/format.h"
#include "server/directory.h"
#include "server/options.h"
#include "server/raft_text.h"
#include "server/session_commands.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kHelp[] = {
    "RAFT <subcommand>. Subcommands are:",
    "INFO",
    "    Return the state of the Raft group as this node sees it.",
    "MEMBERS",
    "    Return the members of the group, and how far each is.",
    "ADD <id> <host:port> [LEARNER]",
    "    Add the node that is started with --id <id>, --raft-addr <host:port> and --join. It "
    "learns",
    "    and, unless LEARNER is given, votes once it has caught up.",
    "PROMOTE <node>",
    "    Make a voter of a learner that has caught up.",
    "REMOVE <node>",
    "    Remove a member for ever: its id is never used again. It stops serving.",
    "TRANSFER [<node>]",
    "    Hand leadership over to that voter (its name, its id, or its CLUSTER MYID), or to the one",
    "    whose log is furthest. Answers when it leads.",
    "HASH",
    "    Return a hash of the group's logical content and the log index it stands for.",
    "SNAPSHOT",
    "    Store the index, so that log which nobody needs goes, and make a snapshot of this node,",
    "    which leads: whoever needs one within ten minutes, such as a node that is added, gets it.",
    "    Return the log index it ends at, and its bytes.",
    "HELP",
    "    Prints this help.",
};

void field(const SessionCall& call, std::string_view name, uint64_t value) {
  call.reply.bulk(name);
  call.reply.integer(static_cast<int64_t>(value));
}

void field(const SessionCall& call, std::string_view name, std::string_view value) {
  call.reply.bulk(name);
  call.reply.bulk(value);
}

// One on its way: with whom, how much of it.
void snapshot(const SessionCall& call, base::NodeId peer, uint64_t done, uint64_t total) {
  call.reply.map_header(4);
  field(call, "peer", node_text(peer));
  field(call, "bytes-done", done);
  field(call, "bytes-total", total);
  field(call, "percent", percent_of(done, total));
}

void snapshots(const SessionCall& call, const replica::SnapshotStatus& status) {
  field(call, "snapshots-made", status.made_count);
  field(call, "snapshots-fetched", status.fetched_count);
  call.reply.bulk("snapshots-sending");
  call.reply.array_header(status.sending.size());
  for (const replica::SnapshotSending& each : status.sending) {
    snapshot(call, each.peer, each.bytes_done, each.bytes_total);
  }
  call.reply.bulk("snapshots-fetching");
  call.reply.array_header(status.fetching ? 1 : 0);
  if (status.fetching) {
    snapshot(call, status.fetching->from, status.fetching->bytes_done,
             status.fetching->bytes_total);
  }
}

// Of a leader: each other member, and how it gets on.
void peers(const SessionCall& call, const replica::ReplicaStatus& status) {
  call.reply.bulk("peers");
  call.reply.array_header(status.peers.size());
  for (const replica::PeerFigures& peer : status.peers) {
    call.reply.map_header(13);
    field(call, "id", node_text(peer.raft.id));
    field(call, "name", peer_name(call.services, peer.raft.id));
    field(call, "part", status.raft.configuration.is_voter(peer.raft.id) ? "voter" : "learner");
    field(call, "match", peer.raft.match.value);
    field(call, "next", peer.raft.next.value);
    field(call, "state", progress_name(peer.raft.state));
    field(call, "inflight-messages", peer.raft.inflight_messages);
    field(call, "inflight-bytes", peer.raft.inflight_bytes);
    field(call, "lag-entries", peer.lag.entries);
    field(call, "lag-bytes", peer.lag.bytes);
    field(call, "lag-ms", peer.lag.ms);
    field(call, "connected", peer.is_connected ? 1 : 0);
    field(call, "promises", peer.raft.has_promised ? 1 : 0);
  }
}

}  // namespace

std::string_view role_name(raft::RoleKind role) {
  switch (role) {
    case raft::RoleKind::kFollower: return "follower";
    case raft::RoleKind::kPreCandidate: return "pre-candidate";
    case raft::RoleKind::kCandidate: return "candidate";
    case raft::RoleKind::kLeader: return "leader";
  }
  ALF_CHECK(false);
  return {};
}

// A joint configuration's two sets are told apart.
static std::string_view part_name(const raft::Configuration& configuration, base::NodeId member) {
  if (configuration.is_learner(member)) return "learner";
  if (!configuration.is_joint()) return "voter";
  if (!raft::holds(configuration.voters, member)) return "voter that leaves";
  return raft::holds(configuration.outgoing, member) ? "voter" : "voter that comes";
}

std::string_view progress_name(raft::ProgressState state) {
  switch (state) {
    case raft::ProgressState::kProbe: return "probe";
    case raft::ProgressState::kReplicate: return "replicate";
    case raft::ProgressState::kSnapshot: return "snapshot";
  }
  ALF_CHECK(false);
  return {};
}

std::string_view state_name(const replica::Replica& replica) {
  if (replica.is_serving()) return "serving";
  return replica.is_ready() ? "following" : "starting";
}

std::string node_text(base::NodeId id) {
  return id.value == 0 ? std::string() : base::format("{:016x}", id.value);
}

std::string peer_name(const Services& services, base::NodeId id) {
  const std::optional<NodeAddresses> known = services.directory.find(id);
  return known && !known->name.empty() ? known->name : node_text(id);
}

uint64_t percent_of(uint64_t done, uint64_t total) { return total == 0 ? 0 : done * 100 / total; }

uint64_t lease_left_ms(const Services& services) {
  const uint64_t end_ns = services.replica.lease().end_ns();
  const uint64_t now_ns = services.clock.monotonic_ns();
  return end_ns > now_ns ? (end_ns - now_ns) / 1'000'000 : 0;
}

void raft_help_command(const SessionCall& call) { reply_lines(call, kHelp); }

void raft_info_command(const SessionCall& call) {
  const replica::ReplicaStatus status = call.services.replica.status_snapshot();
  const raft::NodeStatus& raft = status.raft;
  call.reply.map_header(28);
  field(call, "name", call.services.identity.name);
  field(call, "id", node_text(raft.id));
  field(call, "role", role_name(raft.soft_state.role));
  field(call, "state", state_name(call.services.replica));
  field(call, "leader", node_text(raft.soft_state.leader));
  field(call, "term", raft.soft_state.term.value);
  field(call, "vote", node_text(raft.hard_state.vote));
  field(call, "log-first", raft.log_first.value);
  field(call, "log-last", raft.last.value);
  field(call, "durable", raft.durable.value);
  field(call, "commit", raft.commit.value);
  field(call, "applied", status.applied.value);
  field(call, "persisted", status.persisted.value);
  field(call, "uncommitted-bytes", raft.uncommitted_bytes);
  field(call, "entries-proposed", status.entries_proposed);
  field(call, "writes", status.writes);
  field(call, "elections-begun", raft.counts.elections_begun);
  field(call, "elections-won", raft.counts.elections_won);
  field(call, "read-mode", read_mode_name(call.services.replica.read_mode()));
  field(call, "read-barriers", status.read_barriers);
  field(call, "read-rounds", raft.counts.read_rounds);
  field(call, "lease-reads", call.services.counters.lease_reads);
  field(call, "lease-left-ms", lease_left_ms(call.services));
  snapshots(call, status.snapshots);
  peers(call, status);
}

void raft_members_command(const SessionCall& call) {
  const replica::ReplicaStatus status = call.services.replica.status_snapshot();
  const raft::NodeStatus& raft = status.raft;
  const std::vector<base::NodeId> members = raft.configuration.everybody();
  call.reply.array_header(members.size());
  for (const base::NodeId member : members) {
    const auto peer =
        std::find_if(raft.peers.begin(), raft.peers.end(),
                     [member](const auto& candidate) { return candidate.id == member; });
    const bool is_self = member == raft.id;
    const bool is_known = peer != raft.peers.end();
    const raft::Member& listed = *raft.configuration.find(member);
    call.reply.map_header(7);
    field(call, "id", node_text(member));
    field(call, "name", listed.name);
    field(call, "address", listed.address);
    field(call, "part", part_name(raft.configuration, member));
    field(call, "role", member == raft.soft_state.leader ? "leader" : "follower");
    field(call, "match", is_self ? raft.durable.value : (is_known ? peer->match.value : 0));
    field(call, "state",
          is_self ? "self" : (is_known ? progress_name(peer->state) : std::string_view("unknown")));
  }
}

// From here on the connection is another node's client's, who knows no MOVED: it is closed where
// that would be the answer.
void raft_tunnel_command(const SessionCall& call) {
  call.session.is_tunnelled = true;
  call.reply.ok();
}

}  // namespace alfheim::server
