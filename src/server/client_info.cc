#include "server/client_info.h"

namespace alfheim::server {

void ClientRegistry::add(std::shared_ptr<ClientInfo> info) {
  const std::lock_guard lock(mutex_);
  clients_[info->id] = std::move(info);
}

void ClientRegistry::remove(uint64_t id) {
  const std::lock_guard lock(mutex_);
  clients_.erase(id);
}

std::vector<std::shared_ptr<const ClientInfo>> ClientRegistry::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const ClientInfo>> all;
  all.reserve(clients_.size());
  for (const auto& [id, info] : clients_) all.push_back(info);
  return all;
}

std::vector<std::shared_ptr<ClientInfo>> ClientRegistry::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ClientInfo>> all;
  all.reserve(clients_.size());
  for (const auto& [id, info] : clients_) all.push_back(info);
  return all;
}

size_t ClientRegistry::count() const {
  const std::lock_guard lock(mutex_);
  return clients_.size();
}

bool ClientRegistry::close(uint64_t id) const {
  uint32_t loop = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = clients_.find(id);
    if (found == clients_.end()) return false;
    loop = found->second->loop;
  }
  closer_(loop, id);
  return true;
}

}  // namespace alfheim::server
