#include "server/body_budget.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace alfheim::server {

bool BodyBudget::has_room(uint64_t held_bytes, uint64_t to_bytes) const {
  const uint64_t taken = taken_bytes_.load(std::memory_order_relaxed);
  ALF_CHECK(taken >= held_bytes);
  const uint64_t others = taken - held_bytes;
  if (others == 0 || others + to_bytes <= bytes_max_) return true;
  return held_bytes > 0 && !is_overdrawn_;
}

bool BodyBudget::try_grow(Claim& claim, uint64_t to_bytes, const Wake& wake) {
  ALF_CHECK(to_bytes >= claim.bytes);
  Wake next;
  {
    const std::lock_guard lock(mutex_);
    const bool is_next =
        line_.empty() || line_.front().claim == &claim || (claim.bytes > 0 && !claim.is_waiting);
    if (!claim.is_overdrawn && (!is_next || !has_room(claim.bytes, to_bytes))) {
      if (claim.is_waiting) return false;
      Waiter waiter{&claim, claim.bytes, to_bytes, wake};
      const auto behind_holders = std::find_if(
          line_.begin(), line_.end(), [](const Waiter& other) { return other.held_bytes == 0; });
      line_.insert(claim.bytes > 0 ? behind_holders : line_.end(), std::move(waiter));
      claim.is_waiting = true;
      waiter_count_.store(line_.size(), std::memory_order_relaxed);
      return false;
    }
    const uint64_t taken = taken_bytes_.load(std::memory_order_relaxed);
    const uint64_t others = taken - claim.bytes;
    const bool is_over = others > 0 && others + to_bytes > bytes_max_;
    if (is_over) claim.is_overdrawn = is_overdrawn_ = true;
    taken_bytes_.store(others + to_bytes, std::memory_order_relaxed);
    claim.bytes = to_bytes;
    if (std::exchange(claim.is_waiting, false)) remove(claim);
    next = next_to_wake();
  }
  if (next) next();
  return true;
}

void BodyBudget::leave_line(Claim& claim) {
  if (!claim.is_waiting) return;
  Wake next;
  {
    const std::lock_guard lock(mutex_);
    claim.is_waiting = false;
    remove(claim);
    next = next_to_wake();
  }
  if (next) next();
}

void BodyBudget::give_back(Claim& claim) {
  if (claim.bytes == 0) return leave_line(claim);
  Wake next;
  {
    const std::lock_guard lock(mutex_);
    const uint64_t taken = taken_bytes_.load(std::memory_order_relaxed);
    ALF_CHECK(taken >= claim.bytes);
    taken_bytes_.store(taken - claim.bytes, std::memory_order_relaxed);
    if (claim.is_overdrawn) is_overdrawn_ = false;
    if (claim.is_waiting) remove(claim);
    claim = Claim{};
    next = next_to_wake();
  }
  if (next) next();
}

void BodyBudget::remove(const Claim& claim) {
  const auto found = std::find_if(line_.begin(), line_.end(),
                                  [&](const Waiter& waiter) { return waiter.claim == &claim; });
  ALF_CHECK(found != line_.end());
  line_.erase(found);
  waiter_count_.store(line_.size(), std::memory_order_relaxed);
}

// Each that is granted wakes the next, so that room for many is not kept waiting.
BodyBudget::Wake BodyBudget::next_to_wake() const {
  if (line_.empty() || !has_room(line_.front().held_bytes, line_.front().to_bytes)) return {};
  return line_.front().wake;
}

}  // namespace alfheim::server
