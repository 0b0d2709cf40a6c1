#include "upkeep/orphan_filter.h"

#include "base/check.h"
#include "types/key_codec.h"
#include "upkeep/persisted_source.h"

namespace alfheim::upkeep {

void OrphanFilter::attach(const Hands& hands) {
  ALF_CHECK(hands.index != nullptr && hands.store != nullptr);
  const std::lock_guard lock(mutex_);
  hands_ = hands;
}

void OrphanFilter::detach() {
  const std::lock_guard lock(mutex_);
  hands_ = Hands{};
  judged_ = nullptr;
}

std::shared_ptr<const OrphanFilter::Judged> OrphanFilter::current() {
  const std::lock_guard lock(mutex_);
  if (hands_.index == nullptr) return nullptr;
  if (judged_ == nullptr || judged_->state.applied.value < hands_.index->persisted_applied()) {
    auto fresh = std::make_shared<Judged>();
    fresh->snapshot = hands_.store->snapshot();
    PersistedSource source(*fresh->snapshot);
    base::Result<PersistedState> state = hands_.persisted_state(source);
    if (!state) return nullptr;  // the owner meets the same error where it can act on it
    fresh->state = std::move(state).value();
    judged_ = std::move(fresh);
  }
  // A view that is older than the state judged by may still see what is dead in it. Between an
  // ingest and its finish the horizon is older, too, and everything is kept.
  if (hands_.index->filter_horizon() < judged_->state.applied.value) return nullptr;
  return judged_;
}

bool OrphanFilter::should_drop(base::ByteView key, base::ByteView value) {
  if (key.empty()) return false;
  const char kind = key.front();
  if (kind != types::kKindKey && kind != types::kKindExpiry && kind != types::kKindReference &&
      kind != types::kKindVersion && kind != types::kKindChunk) {
    return false;
  }
  const std::shared_ptr<const Judged> judged = current();
  if (judged == nullptr) return false;
  switch (kind) {
    case types::kKindKey: return is_dead_owner(*judged, key);
    case types::kKindVersion: return is_dead_owner(*judged, value);
    case types::kKindChunk: return is_orphan_chunk(*judged, key);
    case types::kKindExpiry: {
      uint64_t deadline_ms = 0;
      base::ByteView owner;
      return types::parse_expiry_key(key, deadline_ms, owner) && is_dead_owner(*judged, owner);
    }
    case types::kKindReference: {
      vlog::ValueAddress address;
      base::ByteView owner;
      return types::parse_reference_key(key, address, owner) && is_dead_owner(*judged, owner);
    }
    default: return false;
  }
}

bool OrphanFilter::is_dead_owner(const Judged& judged, base::ByteView record_key) {
  types::Epoch epoch;
  uint16_t slot = 0;
  base::ByteView user_key;
  if (!types::parse_key_record_key(record_key, epoch, slot, user_key)) return false;
  // Given after the state judged by: not known there, and alive.
  if (epoch.value >= judged.state.databases.next_epoch) return false;
  return !judged.state.databases.is_live(epoch);
}

bool OrphanFilter::is_orphan_chunk(const Judged& judged, base::ByteView key) {
  base::Reader reader(key.substr(1));
  types::Version version;
  if (!reader.get_u64_be(version.index.value) || !reader.get_u32_be(version.mutation)) {
    return false;
  }
  if (version.index > judged.state.applied) return false;  // made after the state judged by
  PersistedSource source(*judged.snapshot);
  base::Bytes scratch;
  const base::Result<std::optional<base::ByteView>> owner =
      source.get(types::version_key(version), scratch);
  if (!owner) return false;
  return !*owner || is_dead_owner(judged, **owner);
}

}  // namespace alfheim::upkeep
