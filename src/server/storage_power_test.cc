#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "server/storage.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"

namespace alfheim::server {
namespace {

// The log on a simulated disk, the index's files beside it on the real one.
class StoragePowerTest : public testing::Test {
 protected:
  StoragePowerTest() {
    std::string pattern = testing::TempDir() + "alf-storage-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    for (std::string path = "/"; const auto& part : std::filesystem::path(root_)) {
      if (part == "/") continue;
      path += (path == "/" ? "" : "/") + part.string();
      EXPECT_TRUE(disk_.make_dir(path).is_ok());
      EXPECT_TRUE(disk_.sync_dir(std::filesystem::path(path).parent_path()).is_ok());
    }
    options_.storage.dir = root_ + "/data";
    std::filesystem::create_directory(options_.storage.dir);
  }
  ~StoragePowerTest() override { std::filesystem::remove_all(root_); }

  void open_and_lose_power() {
    const auto table = command::Table::make();
    {
      const auto storage = open_storage({disk_, random_, clock_, *table, {}}, options_, {});
      ASSERT_TRUE(storage.is_ok()) << storage.error().message;
    }
    disk_.crash(sim::CrashOptions::lose_all_unsynced());
  }

  std::string root_;
  sim::SimDisk disk_;
  sim::SimRandom random_{1};
  sim::SimClock clock_;
  Options options_;
};

TEST_F(StoragePowerTest, a_new_data_directory_is_there_after_a_loss_of_power) {
  open_and_lose_power();
  EXPECT_TRUE(*disk_.exists(options_.storage.dir + "/log/META"));
}

TEST_F(StoragePowerTest, so_is_one_that_a_killed_process_had_just_made) {
  ASSERT_TRUE(disk_.make_dir(options_.storage.dir).is_ok());
  disk_.kill_process();
  open_and_lose_power();
  EXPECT_TRUE(*disk_.exists(options_.storage.dir + "/log/META"));
}

}  // namespace
}  // namespace alfheim::server
