// server/watch_table: tells sessions that a key they watch was written on this node.
//
// EXEC's real check is made in apply, by the log index of the key's last write: it holds on
// every node and across leaders. That index is gone with the key, so a key that was missing
// when it was watched, made and deleted since, looks untouched to it; Redis says it was
// touched, and this table is how the session knows.
//
// Thread: any; a mutex guards the table, which apply only enters while somebody watches.
// Lifetime: of the node.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/hash.h"
#include "machine/machine.h"

namespace alfheim::server {

// Shared by the session and the table: set by apply, read by the session.
using WatchFlag = std::shared_ptr<std::atomic<bool>>;

class WatchTable : public machine::WriteObserver {
 public:
  void watch(const base::Bytes& record_key, const WatchFlag& flag);
  void forget(const base::Bytes& record_key, const WatchFlag& flag);

  bool is_observing() const override { return count_.load(std::memory_order_relaxed) > 0; }
  void on_key_written(base::ByteView record_key) override;

 private:
  std::mutex mutex_;  // guards flags_
  absl::flat_hash_map<std::string, std::vector<WatchFlag>, base::BytesHash, base::BytesEqual>
      flags_;
  std::atomic<size_t> count_{0};
};

}  // namespace alfheim::server
