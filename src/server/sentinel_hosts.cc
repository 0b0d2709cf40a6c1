#include "server/sentinel_hosts.h"

namespace alfheim::server {

void SentinelHosts::add_asker(const std::string& host) {
  if (add(host) && announce_) announce_(host);
}

bool SentinelHosts::add(const std::string& host) {
  const std::lock_guard lock(mutex_);
  if (!hosts_.insert(host).second) return false;
  order_.push_back(host);
  if (order_.size() > kHostsMax) {
    hosts_.erase(order_.front());
    order_.pop_front();
  }
  return true;
}

bool SentinelHosts::contains(std::string_view host) const {
  const std::lock_guard lock(mutex_);
  return hosts_.find(host) != hosts_.end();
}

std::vector<std::string> SentinelHosts::all() const {
  const std::lock_guard lock(mutex_);
  return {order_.begin(), order_.end()};
}

}  // namespace alfheim::server
