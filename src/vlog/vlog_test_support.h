// vlog/vlog_test_support: what the room's tests share. Only *_test.cc include it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"
#include "vlog/log.h"

namespace alfheim::vlog {

inline constexpr const char* kDir = "/log";

inline raft::Entry entry_of(uint64_t index, uint64_t term, std::string payload) {
  raft::Entry entry{.index = {index},
                    .term = {term},
                    .kind = raft::EntryKind::kCommands,
                    .stamp = {1000 + index},
                    .seed = index * 7,
                    .payload = nullptr};
  if (!payload.empty()) entry.payload = std::make_shared<const base::Bytes>(std::move(payload));
  return entry;
}

inline bool is_same(const raft::Entry& a, const raft::Entry& b) {
  return a.index == b.index && a.term == b.term && a.kind == b.kind && a.stamp == b.stamp &&
         a.seed == b.seed && a.bytes() == b.bytes();
}

// A log on a simulated disk that can be closed, killed, crashed and opened again.
class LogWorld {
 public:
  explicit LogWorld(uint64_t seed = 1) : disk({.seed = seed}), random(seed) {}

  Log::Options options() const {
    return {.dir = kDir,
            .identity = {.cluster_uid = 0xa1f, .node = {1}, .group = {1}},
            .segment_bytes = segment_bytes,
            .memory_tail_bytes = memory_tail_bytes,
            .prewritten_segment_count = spare_count,
            .progress = {}};
  }
  base::Status try_open() {
    log.reset();
    auto opened = Log::open(disk, random, options());
    if (!opened.is_ok()) return std::move(opened).error();
    log = std::move(opened).value();
    return base::ok();
  }
  void open() {
    auto status = try_open();
    ASSERT_TRUE(status.is_ok()) << status.error().message;
  }
  void close_and_reopen() {
    ASSERT_TRUE(log->close().is_ok());
    open();
  }
  void crash_and_reopen(const sim::CrashOptions& how = {}) {
    log.reset();
    disk.crash(how);
    open();
  }
  void append(uint64_t index, uint64_t term, std::string payload) {
    const std::vector<raft::Entry> entries{entry_of(index, term, std::move(payload))};
    auto status = log->append(entries);
    ASSERT_TRUE(status.is_ok()) << status.error().message;
  }
  void append_many(uint64_t first, uint64_t last, uint64_t term, size_t bytes = 100) {
    for (uint64_t index = first; index <= last; ++index) {
      append(index, term, std::string(bytes, static_cast<char>('a' + (index + term) % 26)));
    }
  }
  std::string payload_at(uint64_t index) const {
    auto entry = log->read_entry({index});
    return entry.is_ok() ? std::string(entry->bytes()) : "<" + entry.error().message + ">";
  }
  std::vector<std::string> segment_paths() {
    std::vector<std::string> paths;
    auto names = disk.list(kDir);
    for (const std::string& name : *names) {
      if (name.ends_with(".seg")) paths.push_back(std::string(kDir) + "/" + name);
    }
    return paths;
  }

  sim::SimDisk disk;
  sim::SimRandom random;
  uint64_t segment_bytes = 64 * 1024;
  uint64_t memory_tail_bytes = 0;  // so that reads go to the files
  uint32_t spare_count = 0;
  std::unique_ptr<Log> log;
};

}  // namespace alfheim::vlog
