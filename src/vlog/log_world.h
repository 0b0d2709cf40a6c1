// vlog/log_world: what the room's tests share: a log on a simulated disk that can be closed,
// killed, crashed and opened again. Only *_test.cc include it; log_world_test.cc is its body.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vlog/log.h"

namespace alfheim::sim {
class SimDisk;
class SimRandom;
struct CrashOptions;
}  // namespace alfheim::sim

namespace alfheim::vlog {

inline constexpr const char* kDir = "/log";

raft::Entry entry_of(uint64_t index, uint64_t term, std::string payload);
bool is_same(const raft::Entry& a, const raft::Entry& b);

class LogWorld {
 private:
  std::unique_ptr<sim::SimDisk> owned_disk_;
  std::unique_ptr<sim::SimRandom> owned_random_;

 public:
  explicit LogWorld(uint64_t seed = 1);
  ~LogWorld();

  Log::Options options() const;
  base::Status try_open();
  void open();
  void close_and_reopen();
  void crash_and_reopen();  // some of what was not synced is lost
  void crash_and_reopen(const sim::CrashOptions& how);
  void append(uint64_t index, uint64_t term, std::string payload);
  // One batch an entry.
  void append_many(uint64_t first, uint64_t last, uint64_t term, size_t bytes = 100);
  // The error in angle brackets where it cannot be read.
  std::string payload_at(uint64_t index) const;
  std::vector<std::string> segment_paths();

  sim::SimDisk& disk;
  sim::SimRandom& random;
  uint64_t segment_bytes = 64 * 1024;
  uint64_t memory_tail_bytes = 0;  // so that reads go to the files
  uint32_t spare_count = 0;
  uint32_t reserve_count = 0;
  std::unique_ptr<Log> log;
};

}  // namespace alfheim::vlog
