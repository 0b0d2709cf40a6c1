#include "server/topology.h"

#include <algorithm>
#include <tuple>

#include "server/directory.h"
#include "server/raft_text.h"

namespace alfheim::server {
namespace {

TopologyNode self_of(const Services& services, const SessionState& session) {
  const Identity& identity = services.identity;
  TopologyNode self;
  self.id = services.replica.id();
  self.node_id = identity.node_id;
  self.name = identity.name;
  self.client = identity.resp;
  if (listens_everywhere(self.client.host)) self.client.host = session.info->local.host;
  self.raft_port = identity.raft.port;
  self.is_self = true;
  self.match = services.replica.applied().value;
  return self;
}

}  // namespace

base::NodeId find_member(const Services& services, std::string_view word) {
  for (const base::NodeId id : services.replica.status_snapshot().raft.configuration.everybody()) {
    const std::optional<NodeAddresses> known = services.directory.find(id);
    const bool is_known = known && (known->name == word || known->node_id == word);
    if (is_known || node_text(id) == word) return id;
  }
  return {};
}

Topology topology_of(const Services& services, const SessionState& session) {
  const replica::ReplicaStatus status = services.replica.status_snapshot();
  Topology topology;
  topology.term = status.raft.soft_state.term.value;
  const base::NodeId leader = services.replica.leader();
  // Whoever was removed does not hear any more who leads.
  topology.has_leader = !services.replica.is_removed() && (leader == services.replica.id() ||
                                                           services.directory.is_reachable(leader));
  topology.voter_count = status.raft.configuration.voters.size();
  for (const base::NodeId id : status.raft.configuration.everybody()) {
    TopologyNode node;
    if (id == services.replica.id()) {
      node = self_of(services, session);
    } else {
      const std::optional<NodeAddresses> known = services.directory.find(id);
      if (!known || known->resp.port == 0) continue;  // nobody could be sent there
      node.id = id;
      node.node_id = known->node_id;
      node.name = known->name;
      node.client = known->resp;
      node.raft_port = known->raft.port;
      node.is_connected = known->is_connected;
    }
    for (const raft::PeerStatus& peer : status.raft.peers) {
      if (peer.id == id) node.match = peer.match.value;
    }
    node.is_leader = topology.has_leader && id == leader;
    topology.nodes.push_back(std::move(node));
  }
  std::stable_sort(topology.nodes.begin(), topology.nodes.end(),
                   [](const TopologyNode& a, const TopologyNode& b) {
                     return std::make_tuple(!a.is_leader, !a.is_self, !a.is_connected, a.name) <
                            std::make_tuple(!b.is_leader, !b.is_self, !b.is_connected, b.name);
                   });
  if (topology.nodes.empty()) topology.nodes.push_back(self_of(services, session));
  return topology;
}

}  // namespace alfheim::server
