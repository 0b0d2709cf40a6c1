// server/topology: the group as clients of Redis Cluster and Sentinel see it: one shard, whose
// master is the leader and whose replicas are the other members.
//
// While no leader is known this node stands for it: it lives, and whoever comes waits here until
// somebody leads; a client that is told of no master gives up.
//
// Thread: any. Lifetime: values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/services.h"

namespace alfheim::server {

struct TopologyNode {
  base::NodeId id;
  std::string node_id;  // 40 hex digits
  std::string name;
  env::PeerAddress client;  // where this client reaches it
  uint16_t raft_port = 0;
  bool is_self = false;
  bool is_leader = false;
  bool is_connected = true;
  uint64_t match = 0;  // of its log, where this node leads; else what it holds itself, or 0
};

struct Topology {
  std::vector<TopologyNode> nodes;  // the leader, or who is taken for it, first; the dead last
  uint64_t term = 0;
  bool has_leader = false;  // it is known, and lives as far as this node can tell
  size_t voter_count = 0;
};

// The member that goes by this name, id as RAFT MEMBERS shows it, or CLUSTER MYID; 0: none does.
base::NodeId find_member(const Services& services, std::string_view word);

// As seen by the client of `session`: a node that listens everywhere is where that client met it.
Topology topology_of(const Services& services, const SessionState& session);

}  // namespace alfheim::server
