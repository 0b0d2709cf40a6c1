#include "server/directory.h"

#include "base/format.h"
#include "server/options.h"

namespace alfheim::server {

std::string cluster_node_id(uint64_t cluster_uid, base::NodeId node, base::GroupId group) {
  return base::format("{:016x}{:016x}{:08x}", cluster_uid, node.value,
                      static_cast<uint32_t>(group.value));
}

bool listens_everywhere(const std::string& host) {
  return host == "0.0.0.0" || host == "::" || host == "*";
}

namespace {

bool is_known(const env::PeerAddress& client) {
  return client.port != 0 && !listens_everywhere(client.host);
}

}  // namespace

void NodeAddresses::settle_client_host() {
  if (listens_everywhere(resp.host) && !raft.host.empty()) resp.host = raft.host;
}

void Directory::put(base::NodeId id, NodeAddresses addresses) {
  const std::lock_guard lock(mutex_);
  nodes_[id] = std::move(addresses);
}

void Directory::set_connected(base::NodeId id, bool is_connected) {
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(id);
  if (found != nodes_.end()) found->second.is_connected = is_connected;
}

void Directory::remove(const std::vector<base::NodeId>& ids) {
  const std::lock_guard lock(mutex_);
  for (const base::NodeId id : ids) nodes_.erase(id);
}

bool Directory::is_reachable(base::NodeId id) const {
  const std::optional<NodeAddresses> found = find(id);
  return found && is_known(found->resp) && found->is_connected;
}

std::optional<NodeAddresses> Directory::find(base::NodeId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return std::nullopt;
  return found->second;
}

std::string Directory::redirection(base::NodeId leader, uint32_t slot) const {
  const std::optional<NodeAddresses> found = find(leader);
  if (!found || !is_known(found->resp)) return {};
  return base::format("MOVED {} {}", slot, address_text(found->resp));
}

}  // namespace alfheim::server
