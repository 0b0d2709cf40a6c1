#include "server/watch_table.h"

#include <algorithm>

namespace alfheim::server {

void WatchTable::watch(const base::Bytes& record_key, const WatchFlag& flag) {
  const std::lock_guard lock(mutex_);
  flags_[record_key].push_back(flag);
  count_.fetch_add(1);
}

void WatchTable::forget(const base::Bytes& record_key, const WatchFlag& flag) {
  const std::lock_guard lock(mutex_);
  const auto found = flags_.find(record_key);
  if (found == flags_.end()) return;
  const size_t removed = std::erase(found->second, flag);
  if (found->second.empty()) flags_.erase(found);
  count_.fetch_sub(removed);
}

void WatchTable::on_key_written(base::ByteView record_key) {
  const std::lock_guard lock(mutex_);
  const auto found = flags_.find(record_key);
  if (found == flags_.end()) return;
  for (const WatchFlag& flag : found->second) flag->store(true, std::memory_order_release);
}

}  // namespace alfheim::server
