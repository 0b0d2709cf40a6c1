#include "server/watch_set.h"

#include "base/check.h"

namespace alfheim::server {

WatchSet::WatchSet(WatchTable& table)
    : table_(table), flag_(std::make_shared<std::atomic<bool>>(false)) {}

WatchSet::~WatchSet() {
  forget_unversioned();
  for (const machine::Watch& watch : watches_) {
    if (watch.version == base::LogIndex{}) table_.forget(name_of(watch), flag_);
  }
}

void WatchSet::add(base::DatabaseIndex database, base::ByteView key) {
  const WatchedKeyView name{database, key};
  if (names_.contains(name)) return;
  names_.emplace(name);
  table_.watch(name, flag_);
  watches_.push_back(machine::Watch{database, base::Bytes(key), base::LogIndex{}});
  memory_bytes_ += memory_bytes_of(1, key.size());
}

void WatchSet::settle() {
  for (const machine::Watch& watch : unversioned()) {
    if (watch.version != base::LogIndex{}) table_.forget(name_of(watch), flag_);
  }
  versioned_count_ = watches_.size();
}

void WatchSet::forget_unversioned() {
  for (const machine::Watch& watch : unversioned()) {
    table_.forget(name_of(watch), flag_);
    names_.erase(names_.find(name_of(watch)));
    memory_bytes_ -= memory_bytes_of(1, watch.key.size());
  }
  watches_.resize(versioned_count_);
}

// The key stands here twice and once more in the table of watches.
size_t WatchSet::memory_bytes_of(size_t key_count, size_t key_bytes) {
  constexpr size_t kPerKey = sizeof(machine::Watch) + 2 * sizeof(WatchedKey) +
                             sizeof(std::vector<WatchFlag>) + sizeof(WatchFlag);
  return key_count * kPerKey + 3 * key_bytes;
}

}  // namespace alfheim::server
