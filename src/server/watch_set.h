// server/watch_set: the keys that one connection watches, and the versions that EXEC carries.
//
// A key is added, and stands in the node's table of watches, before its version is read, so that
// no write falls between. Its version tells all that the table could, so only keys that were
// missing stay in the table. The set leaves the table as it goes. A large one costs a
// microsecond a key in all that is done to it: such a set is filled, read and destroyed on the
// pool (is_long), moved there and back by its session.
//
// Thread: one at a time; is_touched() is set from any. Lifetime: the table outlives it.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <memory>
#include <span>
#include <vector>

#include "machine/entry_codec.h"
#include "server/watch_table.h"

namespace alfheim::server {

class WatchSet {
 public:
  // What a loop may do in its turn; the sum of what is there and what is added.
  static constexpr size_t kLoopKeysMax = 256;

  explicit WatchSet(WatchTable& table);
  ~WatchSet();
  WatchSet(const WatchSet&) = delete;
  WatchSet& operator=(const WatchSet&) = delete;

  // Watched from now on; watched already: that one holds.
  void add(base::DatabaseIndex database, base::ByteView key);
  // What was added and has no version yet, for the caller to write it there; then settle().
  std::span<machine::Watch> unversioned() {
    return std::span<machine::Watch>(watches_).subspan(versioned_count_);
  }
  void settle();
  // Takes back what has no version.
  void forget_unversioned();

  std::span<const machine::Watch> watches() const { return watches_; }
  size_t count() const { return watches_.size(); }
  bool is_long() const { return count() > kLoopKeysMax; }
  // A key that was missing has been written since.
  bool is_touched() const { return flag_->load(std::memory_order_acquire); }
  size_t memory_bytes() const { return memory_bytes_; }
  // At most what so many more keys will take.
  static size_t memory_bytes_of(size_t key_count, size_t key_bytes);

 private:
  using Names = absl::flat_hash_set<WatchedKey, WatchedKeyHash, WatchedKeyEqual>;
  static WatchedKeyView name_of(const machine::Watch& watch) { return {watch.database, watch.key}; }

  WatchTable& table_;
  const WatchFlag flag_;
  std::vector<machine::Watch> watches_;
  size_t versioned_count_ = 0;  // those with a version come first
  Names names_;                 // of all; only looked up
  size_t memory_bytes_ = 0;
};

}  // namespace alfheim::server
