// server/client_memory: how much memory client connections hold together, and who gives way.
//
// ClientMemory is the node's ledger. What each session holds (bytes read and not executed,
// requests that wait, blocks of MULTI and long writes until they are answered, replies that were
// not taken) stands in its account and is summed here. The sum has a budget, --client-memory:
//   above three quarters of it (is_tight), a session that still has replies to get rid of, and
//   holds more than its share, is not read any further until they are out: who reads their
//   replies goes on by themselves, who does not stays as large as they are;
//   above the budget (is_over), the largest connections are closed until the rest fits, as
//   Redis does with maxmemory-clients.
// What is small is never made to wait, so others are served while a few hold the budget.
//
// Thread: any; an account is its session's loop's. Lifetime: of the node; outlives open
// accounts.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "server/client_info.h"
#include "server/config.h"

namespace alfheim::server {

class ClientMemory {
 public:
  // A connection that holds no more than this never waits for others.
  static constexpr uint64_t kFreeBytes = 64 * base::kKiB;

  explicit ClientMemory(const Config& config) : config_(config) {}

  uint64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  // Since the start, or the last reset_peak.
  uint64_t peak_bytes() const { return peak_bytes_.load(std::memory_order_relaxed); }
  void reset_peak() { peak_bytes_.store(used_bytes(), std::memory_order_relaxed); }
  uint64_t budget_bytes() const { return config_.client_memory_bytes(); }  // 0: no limit
  bool is_over() const { return budget_bytes() > 0 && used_bytes() > budget_bytes(); }
  bool is_tight() const { return budget_bytes() > 0 && used_bytes() > budget_bytes() / 4 * 3; }
  bool must_wait(uint64_t held_bytes) const { return held_bytes > kFreeBytes && is_tight(); }
  void move(uint64_t from_bytes, uint64_t to_bytes);

  using Client = std::shared_ptr<ClientInfo>;
  // Who is to be closed so that the rest fits: the largest first, among equals the oldest. Not
  // those under CLIENT NO-EVICT; and what was chosen before counts as gone already. Marks them.
  std::vector<Client> choose(std::vector<Client> clients) const;

  // The allocator keeps what is freed for a while. Having it give that back is the work of a
  // whole process, so the node does it once at a time, and not again for kPurgeMs: while the
  // budget is tight, and once after somebody was closed. True: the caller does it, and says when
  // it is done.
  static constexpr uint64_t kPurgeMs = 1000;
  void note_closing() { was_closing_.store(true, std::memory_order_relaxed); }
  bool try_begin_purge(uint64_t now_ms);
  void end_purge(uint64_t now_ms);

 private:
  const Config& config_;
  std::atomic<uint64_t> used_bytes_{0};
  std::atomic<uint64_t> peak_bytes_{0};
  std::atomic<bool> was_closing_{false};  // since the last purge
  std::atomic<bool> is_purging_{false};
  std::atomic<uint64_t> purge_from_ms_{0};  // written by whoever purges
};

// One session's part of the ledger, shown in its ClientInfo.
class ClientAccount {
 public:
  explicit ClientAccount(ClientMemory& memory) : memory_(&memory) {}
  ~ClientAccount() { close(); }
  ClientAccount(const ClientAccount&) = delete;
  ClientAccount& operator=(const ClientAccount&) = delete;

  void set(uint64_t bytes, ClientInfo& info) {
    if (bytes == bytes_ || memory_ == nullptr) return;
    memory_->move(bytes_, bytes);
    bytes_ = bytes;
    info.memory_bytes.store(bytes, std::memory_order_relaxed);
  }
  // The connection is over, or the node is; the ledger is not touched any more.
  void close() {
    if (memory_ != nullptr) memory_->move(bytes_, 0);
    memory_ = nullptr;
    bytes_ = 0;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  ClientMemory* memory_;  // null once it is closed
  uint64_t bytes_ = 0;
};

}  // namespace alfheim::server
