// The warm-up of an Index: records of the Store brought into memory (index/index.h).
#include <algorithm>
#include <array>
#include <mutex>

#include "base/check.h"
#include "base/mutant.h"
#include "index/index.h"
#include "index/memory.h"

namespace alfheim::index {
namespace {

// Under one lock: a fraction of the 200 µs.
constexpr size_t kAtOnce = 64;
// Of the budget, a quarter is left to what will be asked for.
constexpr uint64_t kKeptShare = 4;

}  // namespace

bool Index::has_room_to_warm() const {
  const uint64_t budget = options_.memory_budget_bytes;
  const uint64_t kept = std::max(2 * options_.dirty_budget_bytes, budget / kKeptShare);
  return memory_->memory_bytes() + kept < budget;
}

std::unique_ptr<WarmPart> Index::next_warm_part() {
  if (!has_room_to_warm()) warm_up_.is_over = true;
  if (warm_up_.is_over) return nullptr;
  return std::unique_ptr<WarmPart>(new WarmPart(snapshot_, warm_up_.from));
}

bool Index::take_warm(WarmPart& part) {
  ALF_CHECK(!progress_.is_slice_open && !warm_up_.is_over);
  if (part.snapshot_ != snapshot_ && !ALF_MUTANT(WarmedFromAnOldStore)) return false;
  if (!has_room_to_warm()) return false;
  const size_t count = std::min(kAtOnce, part.places_.size() - part.taken_);
  const std::unique_lock guard(lock_);
  if (progress_.seen_views_version != views_version_.load()) refresh_held();
  insert_warm(part, count);
  memory_->maintain(count);
  if (part.taken_ < part.places_.size()) return true;
  warm_up_.from = std::move(part.next_);
  warm_up_.is_over = warm_up_.is_whole = part.is_last_;
  return false;
}

void Index::insert_warm(WarmPart& part, size_t count) {
  std::array<ByteView, kAtOnce> keys;
  std::array<ByteView, kAtOnce> values;
  std::array<uint64_t, kAtOnce> hashes;
  // Hashes first, so that the table's memory is under way when it is needed.
  for (size_t i = 0; i < count; ++i) {
    const WarmPart::Place& place = part.places_[part.taken_++];
    keys[i] = ByteView(part.bytes_).substr(part.taken_bytes_, place.key_bytes);
    part.taken_bytes_ += place.key_bytes;
    values[i] = ByteView(part.bytes_).substr(part.taken_bytes_, place.value_bytes);
    part.taken_bytes_ += place.value_bytes;
    hashes[i] = memory_->hash(keys[i]);
    memory_->prefetch(hashes[i]);
  }
  for (size_t i = 0; i < count; ++i) {
    if (memory_->find(keys[i], hashes[i]) != nullptr) continue;
    Record* record = memory_->insert_clean(keys[i], hashes[i], values[i]);
    // Nobody asked for it: it goes before what somebody did.
    record->is_referenced.store(false, std::memory_order_relaxed);
    ++progress_.warmed_count;
  }
}

}  // namespace alfheim::index
