#include "sim/hands/sim_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace alfheim::sim {
namespace {

using base::ErrorCode;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = DiskOperationKind;

constexpr env::OpenOptions kNew{.is_writable = true, .create_new = true};
constexpr env::OpenOptions kWrite{.is_writable = true};

std::unique_ptr<env::File> open(SimDisk& disk, const std::string& path, env::OpenOptions options) {
  auto file = disk.open(path, options);
  EXPECT_TRUE(file.is_ok()) << path;
  return file.is_ok() ? std::move(file).value() : nullptr;
}

std::string content(SimDisk& disk, const std::string& path) {
  auto file = open(disk, path, {});
  if (file == nullptr) return "";
  std::string out(*file->size_bytes(), '?');
  EXPECT_EQ(*file->read_at(0, {out.data(), out.size()}), out.size());
  return out;
}

// A file "/f" that holds `text` and is durable with its name.
std::unique_ptr<env::File> durable_file(SimDisk& disk, const std::string& text) {
  auto file = open(disk, "/f", kNew);
  EXPECT_TRUE(file->write_at(0, text).is_ok());
  EXPECT_TRUE(file->sync().is_ok());
  EXPECT_TRUE(disk.sync_dir("/").is_ok());
  return file;
}

bool is_io_error(const base::Status& status) {
  return !status.is_ok() && status.error().code == ErrorCode::kIo;
}

TEST(SimDisk, what_was_synced_survives_every_crash) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimDisk disk({.seed = seed});
    durable_file(disk, std::string(3000, 'a'));
    disk.crash({.torn_sector_ppm = 500'000});
    EXPECT_EQ(content(disk, "/f"), std::string(3000, 'a'));
  }
}

TEST(SimDisk, what_was_not_synced_can_be_lost_whole_or_kept_whole) {
  SimDisk disk;
  auto file = durable_file(disk, "old");
  ASSERT_TRUE(file->write_at(0, "new and longer").is_ok());
  EXPECT_EQ(disk.unsynced_sector_count(), 1u);
  disk.crash(CrashOptions::lose_all_unsynced());
  EXPECT_EQ(content(disk, "/f"), "old");
  EXPECT_EQ(disk.unsynced_sector_count(), 0u);

  file = open(disk, "/f", kWrite);
  ASSERT_TRUE(file->write_at(0, "new and longer").is_ok());
  disk.crash(CrashOptions::keep_all_unsynced());
  EXPECT_EQ(content(disk, "/f"), "new and longer");
}

TEST(SimDisk, a_crash_keeps_sectors_in_every_combination) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SimDisk disk({.seed = seed});
    auto file = durable_file(disk, std::string(3 * kSectorBytes, 'o'));
    ASSERT_TRUE(file->write_at(0, std::string(3 * kSectorBytes, 'n')).is_ok());
    disk.crash({.torn_sector_ppm = 0});
    const std::string found = content(disk, "/f");
    ASSERT_EQ(found.size(), 3 * kSectorBytes);
    std::string pattern;
    for (size_t i = 0; i < 3; ++i) {
      const std::string sector = found.substr(i * kSectorBytes, kSectorBytes);
      EXPECT_EQ(sector, std::string(kSectorBytes, sector[0]));  // none is torn
      pattern.push_back(sector[0]);
    }
    seen.insert(pattern);
  }
  EXPECT_EQ(seen.size(), 8u);  // ooo oon ono ... nnn: no order among them
}

TEST(SimDisk, a_torn_sector_mixes_old_new_and_garbage) {
  bool was_mixed = false;
  bool was_garbage = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimDisk disk({.seed = seed});
    auto file = durable_file(disk, std::string(kSectorBytes, 'o'));
    ASSERT_TRUE(file->write_at(0, std::string(kSectorBytes, 'n')).is_ok());
    disk.crash({.torn_sector_ppm = kAlwaysPpm});
    const std::string found = content(disk, "/f");
    const size_t old_count = std::count(found.begin(), found.end(), 'o');
    const size_t new_count = std::count(found.begin(), found.end(), 'n');
    was_mixed |= old_count > 0 && new_count > 0;
    was_garbage |= old_count + new_count < found.size();
  }
  EXPECT_TRUE(was_mixed);
  EXPECT_TRUE(was_garbage);
}

TEST(SimDisk, a_sector_written_twice_may_come_back_as_it_was_between) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimDisk disk({.seed = seed});
    auto file = durable_file(disk, "1");
    ASSERT_TRUE(file->write_at(0, "2").is_ok());
    ASSERT_TRUE(file->write_at(0, "3").is_ok());
    disk.crash({.torn_sector_ppm = 0});
    seen.insert(content(disk, "/f"));
  }
  EXPECT_THAT(seen, ElementsAre("1", "2", "3"));
}

TEST(SimDisk, a_durable_write_covers_its_own_bytes_only) {
  SimDisk disk;
  auto file = durable_file(disk, std::string(2 * kSectorBytes, 'o'));
  ASSERT_TRUE(file->write_at(0, "n").is_ok());
  ASSERT_TRUE(file->write_at_durable(kSectorBytes, std::string(2 * kSectorBytes, 'd')).is_ok());
  disk.crash(CrashOptions::lose_all_unsynced());
  const std::string found = content(disk, "/f");
  EXPECT_EQ(found, std::string(kSectorBytes, 'o') + std::string(2 * kSectorBytes, 'd'));
}

TEST(SimDisk, a_cut_is_not_durable_before_a_sync_and_brings_back_the_old_bytes) {
  SimDisk disk;
  const std::string text(5000, 'o');
  auto file = durable_file(disk, text);
  ASSERT_TRUE(file->truncate(100).is_ok());
  EXPECT_EQ(content(disk, "/f"), std::string(100, 'o'));
  disk.crash(CrashOptions::lose_all_unsynced());
  EXPECT_EQ(content(disk, "/f"), text);

  file = open(disk, "/f", kWrite);
  ASSERT_TRUE(file->truncate(100).is_ok());
  ASSERT_TRUE(file->sync().is_ok());
  disk.crash();
  EXPECT_EQ(content(disk, "/f"), std::string(100, 'o'));
}

TEST(SimDisk, a_lost_cut_never_zeroes_the_sectors_behind_it) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimDisk disk({.seed = seed});
    auto file = durable_file(disk, std::string(4096, 'o'));
    ASSERT_TRUE(file->truncate(512).is_ok());
    disk.crash({.torn_sector_ppm = 0});
    const std::string found = content(disk, "/f");
    EXPECT_TRUE(found == std::string(4096, 'o') || found == std::string(512, 'o')) << seed;
  }
}

TEST(SimDisk, block_damage_reaches_durable_bytes_beside_unsynced_ones) {
  size_t damaged_count = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk({.seed = seed});
    auto file = durable_file(disk, std::string(8192, 'o'));
    ASSERT_TRUE(file->write_at(0, "n").is_ok());
    disk.crash({.torn_sector_ppm = 0, .block_damage_ppm = kAlwaysPpm});
    const std::string found = content(disk, "/f");
    damaged_count += found.substr(512, 3584) != std::string(3584, 'o') ? 1 : 0;
    EXPECT_EQ(found.substr(4096), std::string(4096, 'o'));
  }
  EXPECT_GT(damaged_count, 25u);
}

TEST(SimDisk, a_synced_file_without_a_synced_name_can_be_gone) {
  SimDisk disk;
  auto file = open(disk, "/f", kNew);
  ASSERT_TRUE(file->write_at(0, "x").is_ok());
  ASSERT_TRUE(file->sync().is_ok());
  EXPECT_EQ(disk.unsynced_name_count(), 1u);
  disk.crash(CrashOptions::lose_all_unsynced());
  EXPECT_FALSE(*disk.exists("/f"));
}

TEST(SimDisk, rename_shows_the_old_or_the_new_name_never_neither_and_never_both) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimDisk disk({.seed = seed});
    durable_file(disk, "text");
    ASSERT_TRUE(disk.rename("/f", "/g").is_ok());
    ASSERT_TRUE(disk.rename("/g", "/h").is_ok());
    disk.crash();
    const std::vector<std::string> names = disk.list("/").value();
    ASSERT_EQ(names.size(), 1u);
    EXPECT_EQ(content(disk, "/" + names[0]), "text");
    seen.insert(names[0]);
  }
  EXPECT_THAT(seen, ElementsAre("f", "g", "h"));
}

TEST(SimDisk, a_crash_can_keep_the_newest_name_and_lose_what_it_leans_on) {
  SimDisk disk;
  for (const char* name : {"/manifest", "/current.new"}) {
    EXPECT_TRUE(open(disk, name, kNew)->sync().is_ok());
  }
  ASSERT_TRUE(disk.rename("/current.new", "/current").is_ok());
  CrashOptions options = CrashOptions::keep_all_unsynced();
  options.keeps_newest_name = true;
  disk.crash(options);
  EXPECT_THAT(*disk.list("/"), ElementsAre("current"));
}

TEST(SimDisk, rename_over_a_file_keeps_one_of_the_two_under_that_name) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimDisk disk({.seed = seed});
    durable_file(disk, "old");
    auto fresh = open(disk, "/tmp", kNew);
    ASSERT_TRUE(fresh->write_at(0, "new").is_ok());
    ASSERT_TRUE(fresh->sync().is_ok());
    ASSERT_TRUE(disk.rename("/tmp", "/f").is_ok());
    disk.crash();
    seen.insert(content(disk, "/f"));
  }
  EXPECT_THAT(seen, ElementsAre("new", "old"));
}

TEST(SimDisk, a_rename_across_directories_is_durable_when_either_is_synced) {
  for (const char* synced : {"/a", "/b"}) {
    SimDisk disk;
    ASSERT_TRUE(disk.make_dir("/a").is_ok());
    ASSERT_TRUE(disk.make_dir("/b").is_ok());
    ASSERT_TRUE(disk.sync_dir("/").is_ok());
    open(disk, "/a/x", kNew);
    ASSERT_TRUE(disk.rename("/a/x", "/b/y").is_ok());
    ASSERT_TRUE(disk.sync_dir(synced).is_ok());
    disk.crash(CrashOptions::lose_all_unsynced());
    EXPECT_THAT(disk.list("/a").value(), IsEmpty());
    EXPECT_THAT(disk.list("/b").value(), ElementsAre("y"));
  }
}

TEST(SimDisk, an_older_name_does_not_come_back_over_a_newer_one_at_a_later_sync) {
  SimDisk disk;
  for (const char* directory : {"/a", "/b"}) ASSERT_TRUE(disk.make_dir(directory).is_ok());
  ASSERT_TRUE(open(disk, "/a/1", kNew)->write_at_durable(0, "older").is_ok());
  ASSERT_TRUE(open(disk, "/b/2", kNew)->write_at_durable(0, "newer").is_ok());
  ASSERT_TRUE(disk.sync_dir("/").is_ok());
  ASSERT_TRUE(disk.rename("/a/1", "/a/x").is_ok());
  ASSERT_TRUE(disk.rename("/b/2", "/a/x").is_ok());
  ASSERT_TRUE(disk.sync_dir("/b").is_ok());
  ASSERT_TRUE(disk.sync_dir("/a").is_ok());
  disk.crash(CrashOptions::lose_all_unsynced());
  EXPECT_EQ(content(disk, "/a/x"), "newer");
}

TEST(SimDisk, directory_operations_on_different_files_are_kept_in_every_combination) {
  std::set<std::vector<std::string>> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimDisk disk({.seed = seed});
    for (const char* path : {"/a", "/b", "/c"}) open(disk, path, kNew);
    disk.crash();
    seen.insert(disk.list("/").value());
  }
  EXPECT_EQ(seen.size(), 8u);
}

TEST(SimDisk, an_unlink_can_be_undone_by_a_crash_until_its_directory_is_synced) {
  SimDisk disk;
  durable_file(disk, "text");
  ASSERT_TRUE(disk.unlink("/f").is_ok());
  disk.crash(CrashOptions::lose_all_unsynced());
  EXPECT_EQ(content(disk, "/f"), "text");
  ASSERT_TRUE(disk.unlink("/f").is_ok());
  ASSERT_TRUE(disk.sync_dir("/").is_ok());
  disk.crash(CrashOptions::lose_all_unsynced());
  EXPECT_FALSE(*disk.exists("/f"));
}

TEST(SimDisk, a_directory_that_was_not_synced_takes_its_files_along) {
  SimDisk disk;
  ASSERT_TRUE(disk.make_dir("/d").is_ok());
  ASSERT_TRUE(open(disk, "/d/f", kNew)->write_at_durable(0, "x").is_ok());
  ASSERT_TRUE(disk.sync_dir("/d").is_ok());
  disk.crash(CrashOptions::lose_all_unsynced());
  EXPECT_FALSE(*disk.exists("/d"));
}

TEST(SimDisk, files_and_locks_of_before_a_crash_are_dead) {
  SimDisk disk;
  auto file = durable_file(disk, "text");
  auto old_lock = disk.lock("/LOCK");
  ASSERT_TRUE(old_lock.is_ok());
  disk.crash();
  char out = 0;
  EXPECT_EQ(file->read_at(0, {&out, 1}).error().code, ErrorCode::kIo);
  EXPECT_TRUE(is_io_error(file->write_at(0, "x")));
  EXPECT_TRUE(is_io_error(file->write_at_durable(0, "x")));
  EXPECT_TRUE(is_io_error(file->sync()));
  EXPECT_TRUE(is_io_error(file->truncate(0)));
  EXPECT_TRUE(is_io_error(file->allocate(10)));
  EXPECT_FALSE(file->size_bytes().is_ok());
  auto new_lock = disk.lock("/LOCK");
  ASSERT_TRUE(new_lock.is_ok());
  old_lock.value().reset();  // frees nothing of the living
  EXPECT_EQ(disk.lock("/LOCK").error().code, ErrorCode::kAlreadyExists);
}

TEST(SimDisk, a_killed_process_leaves_the_page_cache_which_is_still_not_synced) {
  SimDisk disk;
  auto file = durable_file(disk, "old");
  ASSERT_TRUE(file->write_at(0, "new").is_ok());
  disk.kill_process();
  EXPECT_TRUE(is_io_error(file->sync()));
  EXPECT_EQ(content(disk, "/f"), "new");
  disk.crash(CrashOptions::lose_all_unsynced());
  EXPECT_EQ(content(disk, "/f"), "old");
}

TEST(SimDisk, a_failed_sync_finishes_the_file_and_a_retry_elsewhere_would_lie) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk({.seed = seed});
    const std::string fresh(64 * kSectorBytes, 'n');
    auto file = durable_file(disk, std::string(64 * kSectorBytes, 'o'));
    ASSERT_TRUE(file->write_at(0, fresh).is_ok());
    disk.fail_operation(Kind::kSync, 1, ErrorCode::kIo);
    EXPECT_TRUE(is_io_error(file->sync()));
    EXPECT_TRUE(is_io_error(file->sync()));
    EXPECT_TRUE(is_io_error(file->write_at(0, "x")));
    EXPECT_TRUE(is_io_error(file->write_at_durable(0, "x")));
    EXPECT_TRUE(open(disk, "/f", kWrite)->sync().is_ok());  // the lie
    EXPECT_EQ(content(disk, "/f"), fresh);                  // and the cache agrees with it
    disk.crash(CrashOptions::keep_all_unsynced());
    EXPECT_NE(content(disk, "/f"), fresh) << seed;
  }
}

TEST(SimDisk, bytes_written_anew_after_a_failed_sync_can_be_synced) {
  SimDisk disk;
  auto file = durable_file(disk, "old");
  ASSERT_TRUE(file->write_at(0, "mid").is_ok());
  disk.fail_operation(Kind::kSync, 1, ErrorCode::kIo);
  EXPECT_TRUE(is_io_error(file->sync()));
  auto other = open(disk, "/f", kWrite);
  ASSERT_TRUE(other->write_at(0, "new").is_ok());
  ASSERT_TRUE(other->sync().is_ok());
  disk.crash(CrashOptions::lose_all_unsynced());
  EXPECT_EQ(content(disk, "/f"), "new");
}

TEST(SimDisk, a_failed_durable_write_finishes_the_file) {
  SimDisk disk;
  auto file = durable_file(disk, "old");
  disk.fail_operation(Kind::kWriteDurable, 2, ErrorCode::kNoSpace);
  EXPECT_TRUE(file->write_at_durable(0, "one").is_ok());
  EXPECT_EQ(file->write_at_durable(0, "two").error().code, ErrorCode::kNoSpace);
  EXPECT_TRUE(is_io_error(file->write_at_durable(0, "three")));
  EXPECT_TRUE(is_io_error(file->sync()));
}

TEST(SimDisk, the_kth_operation_of_a_kind_fails_once) {
  SimDisk disk;
  disk.fail_operation(Kind::kCreate, 2, ErrorCode::kNoSpace);
  EXPECT_TRUE(disk.open("/a", kNew).is_ok());
  EXPECT_EQ(disk.open("/b", kNew).error().code, ErrorCode::kNoSpace);
  EXPECT_TRUE(disk.open("/b", kNew).is_ok());
}

TEST(SimDisk, a_full_disk_refuses_growth_but_not_overwriting) {
  SimDisk disk({.capacity_bytes = 8192});
  auto file = open(disk, "/f", kNew);
  ASSERT_TRUE(file->write_at(0, std::string(8192, 'x')).is_ok());
  EXPECT_EQ(*disk.free_bytes("/"), 0u);
  EXPECT_EQ(file->write_at(8192, "y").error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(file->allocate(9000).error().code, ErrorCode::kNoSpace);
  EXPECT_TRUE(file->write_at(0, "y").is_ok());
  EXPECT_TRUE(file->sync().is_ok());
  ASSERT_TRUE(disk.unlink("/f").is_ok());
  EXPECT_EQ(*disk.free_bytes("/"), 8192u);
}

TEST(SimDisk, rot_and_unreadable_sectors_hit_where_they_are_told) {
  SimDisk disk;
  auto file = durable_file(disk, std::string(2000, 'a'));
  disk.flip_bit("/f", 1500, 1);
  std::string expected(2000, 'a');
  expected[1500] = 'c';
  EXPECT_EQ(content(disk, "/f"), expected);
  disk.crash();
  EXPECT_EQ(content(disk, "/f"), expected);

  disk.make_unreadable("/f", 600, 1);
  file = open(disk, "/f", kWrite);
  char out[8];
  EXPECT_TRUE(file->read_at(0, {out, 8}).is_ok());
  EXPECT_EQ(file->read_at(510, {out, 8}).error().code, ErrorCode::kIo);
  ASSERT_TRUE(file->write_at(512, std::string(512, 'b')).is_ok());
  EXPECT_TRUE(file->read_at(510, {out, 8}).is_ok());
}

TEST(SimDisk, reads_from_memory_would_block_at_the_ordered_probability) {
  SimDisk disk({.cold_read_ppm = 250'000});
  auto file = durable_file(disk, "text");
  size_t cold_count = 0;
  for (int i = 0; i < 1000; ++i) {
    char out[4];
    const auto got = file->read_at(0, {out, 4}, env::ReadMode::kMemoryOnly);
    if (got.is_ok()) continue;
    EXPECT_EQ(got.error().code, ErrorCode::kWouldBlock);
    ++cold_count;
    EXPECT_TRUE(file->read_at(0, {out, 4}).is_ok());
  }
  EXPECT_GT(cold_count, 150u);
  EXPECT_LT(cold_count, 350u);
}

struct CrashPoint {
  DiskOrder order;
  bool may_be_old;
  bool may_be_new;
};

TEST(SimDisk, the_hook_crashes_before_during_or_after_a_durable_write) {
  const std::string before(4 * kSectorBytes, 'o');
  const std::string after(4 * kSectorBytes, 'n');
  for (const CrashPoint point : {CrashPoint{DiskOrder::kCrashBefore, true, false},
                                 CrashPoint{DiskOrder::kCrashAfter, false, true},
                                 CrashPoint{DiskOrder::kCrashDuring, true, true}}) {
    bool was_mixed = false;
    for (uint64_t seed = 0; seed < 50; ++seed) {
      SimDisk disk({.seed = seed});
      auto file = durable_file(disk, before);
      disk.set_operation_hook([&](const DiskOperation& operation) {
        return operation.kind == Kind::kWriteDurable ? point.order : DiskOrder::kProceed;
      });
      EXPECT_TRUE(is_io_error(file->write_at_durable(0, after)));
      EXPECT_TRUE(disk.is_down());
      EXPECT_FALSE(disk.exists("/f").is_ok());
      EXPECT_FALSE(disk.open("/f", {}).is_ok());
      disk.set_operation_hook(nullptr);
      disk.crash();
      EXPECT_FALSE(disk.is_down());
      const std::string found = content(disk, "/f");
      EXPECT_TRUE(found != before || point.may_be_old);
      EXPECT_TRUE(found != after || point.may_be_new);
      was_mixed |= found != before && found != after;
    }
    EXPECT_EQ(was_mixed, point.order == DiskOrder::kCrashDuring);
  }
}

// The smallest honest protocol: write aside, sync, rename, sync the directory. It must hold at
// every crash point; the same without the first sync must be caught.
bool replace_file(SimDisk& disk, const std::string& text, bool syncs_first) {
  auto aside = disk.open("/tmp", kNew);
  if (!aside.is_ok() || !(*aside)->write_at(0, text).is_ok()) return false;
  if (syncs_first && !(*aside)->sync().is_ok()) return false;
  return disk.rename("/tmp", "/f").is_ok() && disk.sync_dir("/").is_ok();
}

size_t broken_count(bool syncs_first) {
  const std::string before(1000, 'o');
  const std::string after(1000, 'n');
  size_t count = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    for (uint64_t point = 1; point <= 6; ++point) {
      for (const DiskOrder order :
           {DiskOrder::kCrashBefore, DiskOrder::kCrashDuring, DiskOrder::kCrashAfter}) {
        SimDisk disk({.seed = seed});
        durable_file(disk, before);
        const uint64_t crash_at = disk.change_count() + point;
        disk.set_operation_hook([&](const DiskOperation& operation) {
          return operation.change_number == crash_at ? order : DiskOrder::kProceed;
        });
        const bool is_acknowledged = replace_file(disk, after, syncs_first);
        disk.set_operation_hook(nullptr);
        disk.crash();
        const std::string found = content(disk, "/f");
        if (found != after && (is_acknowledged || found != before)) ++count;
      }
    }
  }
  return count;
}

TEST(SimDisk, an_honest_protocol_survives_every_crash_point_and_a_missing_sync_is_caught) {
  EXPECT_EQ(broken_count(true), 0u);
  EXPECT_GT(broken_count(false), 20u);
}

TEST(SimDisk, operations_are_counted_and_numbered) {
  SimDisk disk;
  std::vector<std::string> seen;
  disk.set_operation_hook([&](const DiskOperation& operation) {
    seen.push_back(std::string(disk_operation_name(operation.kind)) + " " +
                   std::to_string(operation.number) + "/" +
                   std::to_string(operation.change_number));
    return DiskOrder::kProceed;
  });
  durable_file(disk, "x");
  EXPECT_TRUE(disk.exists("/f").is_ok());
  EXPECT_THAT(seen, ElementsAre("create 1/1", "write 2/2", "sync 3/3", "sync directory 4/4",
                                "inspect 5/0"));
  EXPECT_EQ(disk.operation_count(), 5u);
  EXPECT_EQ(disk.change_count(), 4u);
}

TEST(SimDisk, one_seed_gives_one_outcome) {
  const auto run = [](uint64_t seed) {
    SimDisk disk({.seed = seed});
    for (const char* path : {"/a", "/b", "/c", "/d"}) {
      EXPECT_TRUE(open(disk, path, kNew)->write_at(0, std::string(5000, 'x')).is_ok());
    }
    disk.crash();
    std::string outcome;
    const std::vector<std::string> names = disk.list("/").value();
    for (const std::string& name : names) {
      outcome += name + content(disk, "/" + name);
    }
    return outcome;
  };
  for (uint64_t seed = 0; seed < 20; ++seed) EXPECT_EQ(run(seed), run(seed));
  EXPECT_NE(run(1), run(2));
}

}  // namespace
}  // namespace alfheim::sim
