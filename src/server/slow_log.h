// server/slow_log: the last commands that took longer than slowlog-log-slower-than.
//
// Owns shortened copies of their words, as Redis does: at most 32 words of 128 bytes each.
// Length and threshold are Config's, read at each call.
//
// Thread: any; a mutex guards the entries. Lifetime: `config` outlives it.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "command/arguments.h"
#include "server/client_info.h"
#include "server/config.h"

namespace alfheim::server {

class SlowLog {
 public:
  struct Entry {
    uint64_t id = 0;
    uint64_t time_s = 0;  // wall time
    uint64_t duration_us = 0;
    std::vector<std::string> words;
    std::string client_address;
    std::string client_name;
  };

  explicit SlowLog(const Config& config) : config_(config) {}

  // Whether a command of this duration would be noted: ask before the words are gathered.
  bool wants(uint64_t duration_us) const {
    const int64_t threshold_us = config_.slowlog_threshold_us();
    return threshold_us >= 0 && duration_us >= static_cast<uint64_t>(threshold_us);
  }
  // Keeps the command where it was slow enough.
  void note(uint64_t wall_us, uint64_t duration_us, const command::Arguments& args,
            const ClientInfo& client);
  // Newest first.
  std::vector<Entry> newest(size_t count_max) const;
  size_t count() const;
  void clear();

 private:
  const Config& config_;
  mutable std::mutex mutex_;   // guards what follows
  std::deque<Entry> entries_;  // newest first
  uint64_t next_id_ = 0;
};

}  // namespace alfheim::server
