#include "vlog/log_world.h"

#include <gtest/gtest.h>

#include "base/check.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"

namespace alfheim::vlog {

raft::Entry entry_of(uint64_t index, uint64_t term, std::string payload) {
  raft::Entry entry{.index = {index},
                    .term = {term},
                    .kind = raft::EntryKind::kCommands,
                    .stamp = {1000 + index},
                    .seed = index * 7,
                    .payload = nullptr};
  if (!payload.empty()) entry.payload = std::make_shared<const base::Bytes>(std::move(payload));
  return entry;
}

bool is_same(const raft::Entry& a, const raft::Entry& b) {
  return a.index == b.index && a.term == b.term && a.kind == b.kind && a.stamp == b.stamp &&
         a.seed == b.seed && a.bytes() == b.bytes();
}

LogWorld::LogWorld(uint64_t seed)
    : owned_disk_(std::make_unique<sim::SimDisk>(sim::SimDisk::Options{.seed = seed})),
      owned_random_(std::make_unique<sim::SimRandom>(seed)),
      disk(*owned_disk_),
      random(*owned_random_) {}

// The log goes before the disk under it.
LogWorld::~LogWorld() { log.reset(); }

Log::Options LogWorld::options() const {
  return {.dir = kDir,
          .identity = {.cluster_uid = 0xa1f, .node = {1}, .group = {1}},
          .segment_bytes = segment_bytes,
          .memory_tail_bytes = memory_tail_bytes,
          .prewritten_segment_count = spare_count,
          .reserved_segment_count = reserve_count,
          .progress = {}};
}

base::Status LogWorld::try_open() {
  log.reset();
  auto opened = Log::open(disk, random, options());
  if (!opened.is_ok()) return std::move(opened).error();
  log = std::move(opened).value();
  return base::ok();
}

void LogWorld::open() {
  auto status = try_open();
  // Ends the run: nobody could go on with a null log.
  ALF_CHECK_MSG(status.is_ok(), status.is_ok() ? "" : status.error().message);
}

void LogWorld::close_and_reopen() {
  ASSERT_TRUE(log->close().is_ok());
  open();
}

void LogWorld::crash_and_reopen() { crash_and_reopen(sim::CrashOptions{}); }

void LogWorld::crash_and_reopen(const sim::CrashOptions& how) {
  log.reset();
  disk.crash(how);
  open();
}

void LogWorld::append(uint64_t index, uint64_t term, std::string payload) {
  const std::vector<raft::Entry> entries{entry_of(index, term, std::move(payload))};
  auto status = log->append(entries);
  ASSERT_TRUE(status.is_ok()) << status.error().message;
}

void LogWorld::append_many(uint64_t first, uint64_t last, uint64_t term, size_t bytes) {
  for (uint64_t index = first; index <= last; ++index) {
    append(index, term, std::string(bytes, static_cast<char>('a' + (index + term) % 26)));
  }
}

std::string LogWorld::payload_at(uint64_t index) const {
  auto entry = log->read_entry({index});
  return entry.is_ok() ? std::string(entry->bytes()) : "<" + entry.error().message + ">";
}

std::vector<std::string> LogWorld::segment_paths() {
  std::vector<std::string> paths;
  auto names = disk.list(kDir);
  for (const std::string& name : *names) {
    if (name.ends_with(".seg")) paths.push_back(std::string(kDir) + "/" + name);
  }
  return paths;
}

}  // namespace alfheim::vlog
