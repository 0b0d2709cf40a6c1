#include "server/promise.h"

#include <gtest/gtest.h>

#include "server/layout.h"
#include "sim/hands/sim_disk.h"

namespace alfheim::server {
namespace {

void make_directory(sim::SimDisk& disk) {
  ASSERT_TRUE(disk.make_dir("/data").is_ok());
  ASSERT_TRUE(disk.sync_dir("/").is_ok());
}

uint64_t kept(sim::SimDisk& disk, uint64_t promise_ms) {
  const base::Result<uint64_t> ms = keep_promise(disk, "/data", promise_ms);
  EXPECT_TRUE(ms.is_ok()) << (ms.is_ok() ? "" : ms.error().message);
  return ms.is_ok() ? *ms : 0;
}

TEST(Promise, TheLongestIsKeptOverAPowerLoss) {
  sim::SimDisk disk;
  make_directory(disk);
  EXPECT_EQ(kept(disk, 0), 0u);
  EXPECT_FALSE(*disk.exists(promise_path("/data")));  // nothing was promised
  EXPECT_EQ(kept(disk, 1000), 1000u);
  disk.go_down();
  disk.crash(sim::CrashOptions::lose_all_unsynced());
  EXPECT_EQ(kept(disk, 0), 1000u);  // in another mode now
  EXPECT_EQ(kept(disk, 0), 1000u);  // and stopped before it had waited
  EXPECT_EQ(kept(disk, 3000), 3000u);
  EXPECT_EQ(kept(disk, 1000), 3000u);
}

TEST(Promise, DamageIsReported) {
  sim::SimDisk disk;
  make_directory(disk);
  EXPECT_EQ(kept(disk, 1000), 1000u);
  auto file = disk.open(promise_path("/data"), {.is_writable = true});
  ASSERT_TRUE(file.is_ok());
  ASSERT_TRUE((*file)->write_at(20, "x").is_ok());
  const base::Result<uint64_t> ms = keep_promise(disk, "/data", 1000);
  ASSERT_FALSE(ms.is_ok());
  EXPECT_EQ(ms.error().code, base::ErrorCode::kCorruption);
}

}  // namespace
}  // namespace alfheim::server
