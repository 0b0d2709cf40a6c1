#include "server/client_memory.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace alfheim::server {
namespace {

// Whoever waits for a body's room asks more often than this (SessionHost::resume_later).
constexpr uint64_t kWaiterMs = 1000;

}  // namespace

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

bool BodyBudget::try_grow(Claim& claim, uint64_t to_bytes, uint64_t now_ms) {
  ALF_CHECK(to_bytes >= claim.bytes);
  const std::lock_guard lock(mutex_);
  const uint64_t taken = taken_bytes_.load(std::memory_order_relaxed);
  ALF_CHECK(taken >= claim.bytes);
  const uint64_t others = taken - claim.bytes;
  if (others > 0 && others + to_bytes > bytes_max_ && !claim.is_overdrawn) {
    if (claim.bytes == 0 || is_overdrawn_) {
      refused_ms_.store(now_ms, std::memory_order_relaxed);
      return false;
    }
    claim.is_overdrawn = is_overdrawn_ = true;
  }
  taken_bytes_.store(others + to_bytes, std::memory_order_relaxed);
  claim.bytes = to_bytes;
  return true;
}

void BodyBudget::give_back(Claim& claim) {
  const std::lock_guard lock(mutex_);
  const uint64_t taken = taken_bytes_.load(std::memory_order_relaxed);
  ALF_CHECK(taken >= claim.bytes);
  taken_bytes_.store(taken - claim.bytes, std::memory_order_relaxed);
  if (claim.is_overdrawn) is_overdrawn_ = false;
  claim = Claim{};
}

bool BodyBudget::has_waiters(uint64_t now_ms) const {
  const uint64_t refused_ms = refused_ms_.load(std::memory_order_relaxed);
  return refused_ms > 0 && now_ms < refused_ms + kWaiterMs;
}

}  // namespace alfheim::server
