// server/client_info: what the node knows of each client connection, for everyone to see.
//
// A session updates its own ClientInfo as it works; CLIENT LIST, INFO and metrics read them
// from any thread. Numbers are atomics; the few strings are guarded by the info's mutex.
//
// Thread: any. Lifetime: shared by the session and whoever lists clients at that moment.
#pragma once

#include <absl/container/btree_map.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "command/table.h"
#include "env/network.h"

namespace alfheim::server {

struct ClientNames {
  std::string name;
  std::string library_name;
  std::string library_version;
};

struct ClientInfo {
  uint64_t id = 0;
  env::PeerAddress peer;
  env::PeerAddress local;
  int file_descriptor = -1;
  uint32_t loop = 0;
  uint64_t created_ms = 0;  // monotonic
  std::atomic<uint64_t> active_ms{0};  // monotonic, last request
  std::atomic<uint32_t> database{0};
  std::atomic<uint32_t> protocol{2};
  std::atomic<uint32_t> watch_count{0};
  std::atomic<int32_t> queued_count{-1};  // of an open MULTI, -1 without
  std::atomic<uint64_t> input_bytes{0};   // read, not yet executed
  std::atomic<uint64_t> input_free_bytes{0};
  std::atomic<uint64_t> output_bytes{0};  // replies not yet taken by the kernel
  std::atomic<uint64_t> pending_requests{0};
  std::atomic<uint64_t> memory_bytes{0};  // all that the session holds (server/client_memory.h)
  std::atomic<const command::Row*> last_row{nullptr};  // of the table, which outlives it
  std::atomic<bool> is_no_evict{false};
  std::atomic<bool> is_no_touch{false};
  std::atomic<bool> is_evicted{false};  // chosen to be closed, for want of memory

  ClientNames names() const {
    const std::lock_guard lock(mutex_);
    return names_;
  }
  void edit_names(const std::function<void(ClientNames&)>& edit) {
    const std::lock_guard lock(mutex_);
    edit(names_);
  }

 private:
  mutable std::mutex mutex_;  // guards names_
  ClientNames names_;
};

// All connected clients by id, ascending. Closing one is asked of the loop it lives on.
class ClientRegistry {
 public:
  using Closer = std::function<void(uint32_t loop, uint64_t id)>;

  uint64_t next_id() { return last_id_.fetch_add(1) + 1; }
  void add(std::shared_ptr<ClientInfo> info);
  void remove(uint64_t id);
  std::vector<std::shared_ptr<const ClientInfo>> list() const;
  std::vector<std::shared_ptr<ClientInfo>> all() const;
  size_t count() const;
  uint64_t accepted_count() const { return last_id_.load(); }
  // Set once at assembly.
  void set_closer(Closer closer) { closer_ = std::move(closer); }
  // Closes the connection after its pending replies; false where there is none of that id.
  bool close(uint64_t id) const;

 private:
  mutable std::mutex mutex_;  // guards clients_
  absl::btree_map<uint64_t, std::shared_ptr<ClientInfo>> clients_;
  std::atomic<uint64_t> last_id_{0};
  Closer closer_;
};

}  // namespace alfheim::server
