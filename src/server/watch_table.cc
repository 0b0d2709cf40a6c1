#include "server/watch_table.h"

#include <algorithm>

namespace alfheim::server {
namespace {

constexpr size_t kKeptCapacity = 16;

}  // namespace

void WatchTable::watch(const WatchedKeyView& key, const WatchFlag& flag) {
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  part.flags.try_emplace(WatchedKey(key)).first->second.push_back(flag);
  count_.fetch_add(1);
}

void WatchTable::forget(const WatchedKeyView& key, const WatchFlag& flag) {
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  const auto found = part.flags.find(key);
  if (found == part.flags.end()) return;
  const size_t removed = std::erase(found->second, flag);
  if (found->second.empty()) part.flags.erase(found);
  // A part that many keys went through gives its memory back.
  if (part.flags.empty() && part.flags.capacity() > kKeptCapacity) {
    decltype(part.flags)().swap(part.flags);
  }
  count_.fetch_sub(removed);
}

void WatchTable::on_key_written(base::DatabaseIndex database, base::ByteView key) {
  const WatchedKeyView written{database, key};
  Part& part = part_of(written);
  const std::lock_guard lock(part.mutex);
  const auto found = part.flags.find(written);
  if (found == part.flags.end()) return;
  for (const WatchFlag& flag : found->second) flag->store(true, std::memory_order_release);
}

}  // namespace alfheim::server
