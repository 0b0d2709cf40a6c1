// server/directory: where clients reach each node of the group, as the nodes tell each other.
//
// Thread: any; a mutex guards it. Lifetime: of the node.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "env/network.h"

namespace alfheim::server {

// What Redis Cluster calls a node's id: 40 hex digits, the same for ever.
std::string cluster_node_id(uint64_t cluster_uid, base::NodeId node, base::GroupId group);

// Whether it is no address that somebody could be sent to, but "all of this machine's".
bool listens_everywhere(const std::string& host);

struct NodeAddresses {
  std::string name;       // --id
  std::string node_id;    // 40 hex digits: CLUSTER MYID of that node
  env::PeerAddress resp;  // as clients reach it
  env::PeerAddress raft;
  bool is_connected = true;  // what is sent to it is on its way; false: it may be dead

  // A node whose clients' address is "all of this machine's" is reached where its peers reach it,
  // once that is known.
  void settle_client_host();
};

class Directory {
 public:
  void put(base::NodeId id, NodeAddresses addresses);
  void set_connected(base::NodeId id, bool is_connected);
  void remove(const std::vector<base::NodeId>& ids);
  std::optional<NodeAddresses> find(base::NodeId id) const;
  // Clients may be sent there: its address is known, and it is connected.
  bool is_reachable(base::NodeId id) const;
  // "MOVED slot host:port", or nothing where that node's address is not known.
  std::string redirection(base::NodeId leader, uint32_t slot) const;

 private:
  mutable std::mutex mutex_;  // guards nodes_
  std::map<base::NodeId, NodeAddresses> nodes_;
};

}  // namespace alfheim::server
