// server/sentinel_hosts: from which hosts clients asked SENTINEL where the master is.
//
// The connection that such a client then works on is a plain one: nothing on it says how it came,
// and it may lead to another node than the one that was asked. So nodes tell each other, and go by
// the host: whoever works from there, and does not speak Redis Cluster, expects what Redis and
// Sentinel do: that a master which is none any more closes its connections.
//
// Thread: any; a mutex guards it. Lifetime: of the node; nothing is kept on disk, for whoever is
// disconnected asks SENTINEL again. Bound: kHostsMax, the oldest go first.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace alfheim::server {

class SentinelHosts {
 public:
  static constexpr size_t kHostsMax = 1024;

  // Called for each host that add_asker() meets first; any thread. Before anybody asks.
  void set_announce(std::function<void(const std::string& host)> announce) {
    announce_ = std::move(announce);
  }

  // A client of this node asked.
  void add_asker(const std::string& host);
  // Whether it is new.
  bool add(const std::string& host);
  bool contains(std::string_view host) const;
  std::vector<std::string> all() const;

 private:
  std::function<void(const std::string& host)> announce_;
  mutable std::mutex mutex_;  // guards what follows
  std::set<std::string, std::less<>> hosts_;
  std::deque<std::string> order_;  // oldest first
};

}  // namespace alfheim::server
