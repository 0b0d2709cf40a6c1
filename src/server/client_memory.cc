#include "server/client_memory.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace alfheim::server {
void ClientMemory::move(uint64_t from_bytes, uint64_t to_bytes) {
  if (to_bytes < from_bytes) {
    const uint64_t less = from_bytes - to_bytes;
    ALF_CHECK(used_bytes_.fetch_sub(less, std::memory_order_relaxed) >= less);
    return;
  }
  const uint64_t more = to_bytes - from_bytes;
  const uint64_t used = used_bytes_.fetch_add(more, std::memory_order_relaxed) + more;
  uint64_t peak = peak_bytes_.load(std::memory_order_relaxed);
  while (used > peak && !peak_bytes_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {
  }
}

std::vector<ClientMemory::Client> ClientMemory::choose(std::vector<Client> clients) const {
  const uint64_t budget = budget_bytes();
  uint64_t used = used_bytes();
  std::vector<std::pair<uint64_t, Client>> candidates;  // sizes as of now: they go on moving
  for (Client& client : clients) {
    const uint64_t bytes = client->memory_bytes.load(std::memory_order_relaxed);
    if (client->is_evicted.load(std::memory_order_relaxed)) {
      used -= std::min(used, bytes);
    } else if (bytes > 0 && !client->is_no_evict.load(std::memory_order_relaxed)) {
      candidates.emplace_back(bytes, std::move(client));
    }
  }
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second->id < b.second->id;
  });
  std::vector<Client> chosen;
  for (auto& [bytes, client] : candidates) {
    if (budget == 0 || used <= budget) break;
    // Two loops may choose at the same time: each client is closed, and told of, once.
    if (client->is_evicted.exchange(true)) continue;
    used -= std::min(used, bytes);
    chosen.push_back(std::move(client));
  }
  return chosen;
}

bool ClientMemory::try_begin_purge(uint64_t now_ms) {
  if (!is_tight() && !was_closing_.load(std::memory_order_relaxed)) return false;
  if (now_ms < purge_from_ms_.load(std::memory_order_relaxed)) return false;
  if (is_purging_.exchange(true, std::memory_order_acquire)) return false;
  // Another may have begun and ended since the look above.
  if (now_ms < purge_from_ms_.load(std::memory_order_relaxed)) {
    is_purging_.store(false, std::memory_order_release);
    return false;
  }
  was_closing_.store(false, std::memory_order_relaxed);
  return true;
}

void ClientMemory::end_purge(uint64_t now_ms) {
  ALF_CHECK(is_purging_.load(std::memory_order_relaxed));
  purge_from_ms_.store(now_ms + kPurgeMs, std::memory_order_relaxed);
  is_purging_.store(false, std::memory_order_release);
}

}  // namespace alfheim::server
