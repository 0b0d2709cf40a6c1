// server/config: the values that a running node goes by, as CONFIG GET and CONFIG SET see them.
//
// Owns the live copies of those options that may change while the node runs; startup() is
// what it was started with. Knows every parameter name that CONFIG answers to; names of Redis
// that have one true value here (appendonly yes, maxmemory-policy noeviction) are answered
// with it, and cannot be set to anything else.
//
// Thread: any; numbers are atomics, the rest is guarded by the mutex. Lifetime: of the node.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "server/options.h"

namespace alfheim::server {

class Config {
 public:
  // The options that may change.
  struct Live {
    ClientOptions client;
    ObservationOptions observation;
  };

  explicit Config(Options options);

  const Options& startup() const { return startup_; }

  // ---- live values ----
  bool has_password() const { return has_password_.load(std::memory_order_relaxed); }
  std::string requirepass() const;
  uint32_t clients_max() const { return clients_max_.load(std::memory_order_relaxed); }
  uint64_t bulk_bytes_max() const { return bulk_bytes_max_.load(std::memory_order_relaxed); }
  uint64_t query_buffer_bytes_max() const {
    return query_buffer_bytes_max_.load(std::memory_order_relaxed);
  }
  uint64_t client_memory_bytes() const {
    return client_memory_bytes_.load(std::memory_order_relaxed);
  }
  uint64_t body_timeout_s() const { return body_timeout_s_.load(std::memory_order_relaxed); }
  OutputLimit output_limit() const;
  uint64_t timeout_s() const { return timeout_s_.load(std::memory_order_relaxed); }
  uint64_t keepalive_s() const { return keepalive_s_.load(std::memory_order_relaxed); }
  int64_t slowlog_threshold_us() const {
    return slowlog_threshold_us_.load(std::memory_order_relaxed);
  }
  uint64_t slowlog_length_max() const {
    return slowlog_length_max_.load(std::memory_order_relaxed);
  }
  LogLevel log_level() const { return log_level_.load(std::memory_order_relaxed); }

  Live live() const;  // all of them at one moment

  // ---- by name ----
  using Pair = std::pair<std::string, std::string>;
  // Those whose name matches one of the patterns (globs, any case), each once, by name.
  std::vector<Pair> get(std::span<const std::string_view> patterns) const;
  // All of them, or none. The Error's message is the whole reply, with its "ERR ...".
  base::Status set(std::span<const std::pair<std::string_view, std::string_view>> pairs);
  // Called after each set() that succeeded, on the caller's thread. Set once at assembly.
  void set_listener(std::function<void(const Config&)> listener) {
    listener_ = std::move(listener);
  }

 private:
  void adopt(const Live& live);

  const Options startup_;
  mutable std::mutex mutex_;  // guards requirepass_, output_limit_
  std::string requirepass_;
  OutputLimit output_limit_;
  std::mutex set_mutex_;  // one set() at a time
  std::atomic<bool> has_password_;
  std::atomic<uint32_t> clients_max_;
  std::atomic<uint64_t> bulk_bytes_max_;
  std::atomic<uint64_t> query_buffer_bytes_max_;
  std::atomic<uint64_t> client_memory_bytes_;
  std::atomic<uint64_t> body_timeout_s_;
  std::atomic<uint64_t> timeout_s_;
  std::atomic<uint64_t> keepalive_s_;
  std::atomic<int64_t> slowlog_threshold_us_;
  std::atomic<uint64_t> slowlog_length_max_;
  std::atomic<LogLevel> log_level_;
  std::function<void(const Config&)> listener_;
};

}  // namespace alfheim::server
