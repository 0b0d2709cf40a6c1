// server/watch_table: tells sessions that a key they watch was written on this node.
//
// EXEC's real check is made in apply, by the log index of the key's last write: it holds on
// every node and across leaders. That index is gone with the key, so a key that was missing
// when it was watched, made and deleted since, looks untouched to it; Redis says it was
// touched, and this table is how the session knows.
//
// Keys stand here by the number of their database, not by its epoch: what is missing is watched
// through FLUSHALL and SWAPDB alike.
//
// Thread: any; apply only enters while somebody watches. The table has many parts, each with its
// mutex, so that nobody waits while one that holds a million keys grows. Lifetime: of the node.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/hash.h"
#include "machine/machine.h"

namespace alfheim::server {

// Shared by the watcher and the table: set by apply, read by the session.
using WatchFlag = std::shared_ptr<std::atomic<bool>>;

struct WatchedKeyView {
  base::DatabaseIndex database;
  base::ByteView key;
};
struct WatchedKey {
  base::DatabaseIndex database;
  base::Bytes key;

  explicit WatchedKey(const WatchedKeyView& view) : database(view.database), key(view.key) {}
  WatchedKeyView view() const { return {database, key}; }
};
struct WatchedKeyHash {
  using is_transparent = void;
  size_t operator()(const WatchedKeyView& at) const {
    return base::hash64(at.key, at.database.value);
  }
  size_t operator()(const WatchedKey& at) const { return (*this)(at.view()); }
};
struct WatchedKeyEqual {
  using is_transparent = void;
  bool operator()(const WatchedKeyView& a, const WatchedKeyView& b) const {
    return a.database == b.database && a.key == b.key;
  }
  bool operator()(const WatchedKey& a, const WatchedKey& b) const {
    return (*this)(a.view(), b.view());
  }
  bool operator()(const WatchedKey& a, const WatchedKeyView& b) const {
    return (*this)(a.view(), b);
  }
};

class WatchTable : public machine::WriteObserver {
 public:
  void watch(const WatchedKeyView& key, const WatchFlag& flag);
  void forget(const WatchedKeyView& key, const WatchFlag& flag);

  bool is_observing() const override { return count_.load(std::memory_order_relaxed) > 0; }
  void on_key_written(base::DatabaseIndex database, base::ByteView key) override;

 private:
  static constexpr size_t kParts = 256;
  struct Part {
    std::mutex mutex;  // guards flags
    absl::flat_hash_map<WatchedKey, std::vector<WatchFlag>, WatchedKeyHash, WatchedKeyEqual> flags;
  };
  Part& part_of(const WatchedKeyView& key) { return parts_[WatchedKeyHash()(key) >> 56]; }

  std::array<Part, kParts> parts_;
  std::atomic<size_t> count_{0};
};

}  // namespace alfheim::server
