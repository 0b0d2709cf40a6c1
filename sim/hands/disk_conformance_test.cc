// What env/disk.h promises, asked of the real disk and of the simulated one alike: whatever is
// proved in the simulator holds for the machine only as far as the two agree here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <new>

#include "env/file_tree.h"
#include "env/posix/posix_disk.h"
#include "sim/hands/sim_disk.h"

namespace alfheim::sim {
namespace {

using base::ErrorCode;
using env::kBlockBytes;
using env::OpenOptions;
using env::ReadMode;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr OpenOptions kNew{.is_writable = true, .create_new = true};
constexpr OpenOptions kWrite{.is_writable = true};
constexpr OpenOptions kRead{};

class DiskConformance : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string_view("sim")) {
      disk_ = std::make_unique<SimDisk>();
      root_ = "/data";
      ASSERT_TRUE(disk_->make_dir(root_).is_ok());
      return;
    }
    disk_ = std::make_unique<env::PosixDisk>();
    std::string pattern = testing::TempDir() + "/alf_disk_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override {
    if (GetParam() == std::string_view("posix")) std::filesystem::remove_all(root_);
  }

  std::string at(std::string_view name) const { return root_ + "/" + std::string(name); }
  std::unique_ptr<env::File> make(std::string_view name, base::ByteView content = {}) {
    auto file = disk_->open(at(name), kNew);
    EXPECT_TRUE(file.is_ok());
    EXPECT_TRUE((*file)->write_at(0, content).is_ok());
    return std::move(file).value();
  }
  static std::string read(env::File& file, uint64_t offset, size_t length) {
    std::string out(length, '?');
    const auto got = file.read_at(offset, {out.data(), out.size()});
    EXPECT_TRUE(got.is_ok());
    out.resize(got.is_ok() ? *got : 0);
    return out;
  }
  std::string content(std::string_view name) {
    auto file = disk_->open(at(name), kRead);
    EXPECT_TRUE(file.is_ok()) << name;
    return file.is_ok() ? read(**file, 0, 1 << 16) : "";
  }
  std::vector<std::string> names(const std::string& path) {
    auto listed = disk_->list(path);
    EXPECT_TRUE(listed.is_ok());
    return std::move(listed).value();
  }

  std::unique_ptr<env::Disk> disk_;
  std::string root_;
};

template <typename T>
ErrorCode code_of(const T& result) {
  EXPECT_FALSE(result.is_ok());
  return result.is_ok() ? ErrorCode::kInternal : result.error().code;
}

TEST_P(DiskConformance, a_missing_file_is_not_found_and_not_made_by_open) {
  EXPECT_EQ(code_of(disk_->open(at("a"), kRead)), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(disk_->open(at("a"), kWrite)), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(disk_->open(at("none/a"), kNew)), ErrorCode::kNotFound);
  EXPECT_FALSE(*disk_->exists(at("a")));
  EXPECT_FALSE(*disk_->exists(at("none/a")));
}

TEST_P(DiskConformance, create_new_refuses_a_name_that_is_taken) {
  make("a", "first");
  EXPECT_EQ(code_of(disk_->open(at("a"), kNew)), ErrorCode::kAlreadyExists);
  EXPECT_EQ(content("a"), "first");
  EXPECT_TRUE(*disk_->exists(at("a")));
}

TEST_P(DiskConformance, a_directory_does_not_open_as_a_file) {
  ASSERT_TRUE(disk_->make_dir(at("d")).is_ok());
  EXPECT_EQ(code_of(disk_->open(at("d"), kRead)), ErrorCode::kIo);
}

TEST_P(DiskConformance, reads_are_short_only_at_the_end) {
  auto file = make("a", "0123456789");
  EXPECT_EQ(read(*file, 0, 10), "0123456789");
  EXPECT_EQ(read(*file, 4, 3), "456");
  EXPECT_EQ(read(*file, 8, 100), "89");
  EXPECT_EQ(read(*file, 10, 1), "");
  EXPECT_EQ(read(*file, 5000, 1), "");
  EXPECT_EQ(read(*file, 0, 0), "");
}

TEST_P(DiskConformance, a_passing_read_brings_the_same_bytes) {
  base::Bytes bytes;
  for (uint32_t i = 0; bytes.size() < 40'000; ++i) bytes += std::to_string(i);
  auto file = make("a", bytes);
  ASSERT_TRUE(file->sync().is_ok());
  for (const auto& [offset, length] : std::vector<std::pair<size_t, size_t>>{{0, 1},
                                                                             {1, 4095},
                                                                             {4095, 2},
                                                                             {4096, 4096},
                                                                             {5000, 16'384},
                                                                             {39'000, 5000},
                                                                             {50'000, 1}}) {
    std::string out(length, '?');
    const auto got = file->read_at(offset, {out.data(), out.size()}, ReadMode::kPassing);
    ASSERT_TRUE(got.is_ok()) << offset;
    out.resize(*got);
    EXPECT_EQ(out, offset < bytes.size() ? bytes.substr(offset, length) : "") << offset;
  }
  ASSERT_TRUE(file->write_at(5000, "new").is_ok());  // and not synced
  std::string out(3, '?');
  EXPECT_EQ(*file->read_at(5000, {out.data(), out.size()}, ReadMode::kPassing), 3u);
  EXPECT_EQ(out, "new");
}

TEST_P(DiskConformance, a_write_past_the_end_leaves_zeros_between) {
  auto file = make("a", "ab");
  ASSERT_TRUE(file->write_at(10'000, "z").is_ok());
  EXPECT_EQ(*file->size_bytes(), 10'001u);
  EXPECT_EQ(read(*file, 0, 4), std::string("ab\0\0", 4));
  EXPECT_EQ(read(*file, 9'998, 10), std::string("\0\0z", 3));
}

TEST_P(DiskConformance, two_files_of_one_path_share_their_bytes) {
  auto writer = make("a");
  auto reader = disk_->open(at("a"), kRead);
  ASSERT_TRUE(reader.is_ok());
  ASSERT_TRUE(writer->write_at(0, "shared").is_ok());
  EXPECT_EQ(read(**reader, 0, 100), "shared");
}

TEST_P(DiskConformance, a_file_opened_for_reading_refuses_writes) {
  make("a", "kept");
  auto reader = disk_->open(at("a"), kRead);
  ASSERT_TRUE(reader.is_ok());
  EXPECT_EQ(code_of((*reader)->write_at(0, "x")), ErrorCode::kIo);
  EXPECT_EQ(content("a"), "kept");
}

TEST_P(DiskConformance, what_was_just_written_is_in_memory) {
  auto file = make("a", "warm");
  std::string out(4, '?');
  const auto got = file->read_at(0, {out.data(), out.size()}, ReadMode::kMemoryOnly);
  // A file system that cannot tell answers kWouldBlock; a wrong answer is not allowed.
  if (got.is_ok()) {
    EXPECT_EQ(*got, 4u);
    EXPECT_EQ(out, "warm");
  } else {
    EXPECT_EQ(got.error().code, ErrorCode::kWouldBlock);
  }
}

TEST_P(DiskConformance, a_read_in_memory_past_the_end_is_empty) {
  auto file = make("a", "warm");
  char out = '?';
  const auto got = file->read_at(100, {&out, 1}, ReadMode::kMemoryOnly);
  ASSERT_TRUE(got.is_ok());
  EXPECT_EQ(*got, 0u);
}

TEST_P(DiskConformance, allocate_extends_with_zeros_and_never_shrinks) {
  auto file = make("a", "ab");
  ASSERT_TRUE(file->allocate(20'000).is_ok());
  EXPECT_EQ(*file->size_bytes(), 20'000u);
  EXPECT_EQ(read(*file, 0, 4), std::string("ab\0\0", 4));
  ASSERT_TRUE(file->allocate(100).is_ok());
  ASSERT_TRUE(file->allocate(0).is_ok());
  EXPECT_EQ(*file->size_bytes(), 20'000u);
}

TEST_P(DiskConformance, truncate_cuts_and_what_comes_back_is_zeros) {
  auto file = make("a", std::string(9'000, 'x'));
  ASSERT_TRUE(file->truncate(5).is_ok());
  EXPECT_EQ(*file->size_bytes(), 5u);
  ASSERT_TRUE(file->truncate(9'000).is_ok());
  EXPECT_EQ(read(*file, 3, 4), std::string("xx\0\0", 4));
  EXPECT_EQ(read(*file, 8'999, 4), std::string("\0", 1));
}

TEST_P(DiskConformance, durable_writes_direct_and_not_are_read_back) {
  const std::unique_ptr<char, decltype(&free)> block(
      static_cast<char*>(aligned_alloc(kBlockBytes, 2 * kBlockBytes)), &free);
  std::memset(block.get(), 'd', 2 * kBlockBytes);
  auto direct = disk_->open(at("a"), {.is_writable = true, .create_new = true, .is_direct = true});
  ASSERT_TRUE(direct.is_ok());
  ASSERT_TRUE((*direct)->write_at(0, "buffered").is_ok());
  ASSERT_TRUE((*direct)->write_at_durable(kBlockBytes, {block.get(), 2 * kBlockBytes}).is_ok());
  EXPECT_EQ(*(*direct)->size_bytes(), 3 * kBlockBytes);
  EXPECT_EQ(read(**direct, 0, 8), "buffered");
  EXPECT_EQ(read(**direct, 2 * kBlockBytes, 10), "dddddddddd");
  // A direct write over cached bytes is seen by readers of the cache.
  ASSERT_TRUE((*direct)->write_at_durable(0, {block.get(), kBlockBytes}).is_ok());
  EXPECT_EQ(read(**direct, 0, 8), "dddddddd");

  auto plain = make("b");
  ASSERT_TRUE(plain->write_at_durable(3, "odd sizes").is_ok());
  EXPECT_EQ(read(*plain, 3, 100), "odd sizes");
  EXPECT_TRUE(plain->sync().is_ok());
}

TEST_P(DiskConformance, a_misaligned_direct_write_is_our_own_bug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto file = disk_->open(at("a"), {.is_writable = true, .create_new = true, .is_direct = true});
  ASSERT_TRUE(file.is_ok());
  EXPECT_DEATH(static_cast<void>((*file)->write_at_durable(1, std::string(kBlockBytes, 'x'))),
               "kBlockBytes");
}

TEST_P(DiskConformance, rename_replaces_and_open_files_follow) {
  auto old_target = make("to", "old");
  auto moved = make("from", "new");
  ASSERT_TRUE(disk_->rename(at("from"), at("to")).is_ok());
  EXPECT_THAT(names(root_), ElementsAre("to"));
  EXPECT_EQ(content("to"), "new");
  EXPECT_EQ(read(*moved, 0, 10), "new");
  EXPECT_EQ(read(*old_target, 0, 10), "old");
  EXPECT_EQ(code_of(disk_->rename(at("from"), at("to"))), ErrorCode::kNotFound);
}

TEST_P(DiskConformance, rename_moves_between_directories_and_moves_directories) {
  ASSERT_TRUE(disk_->make_dir(at("d")).is_ok());
  make("a", "text");
  ASSERT_TRUE(disk_->rename(at("a"), at("d/b")).is_ok());
  EXPECT_EQ(content("d/b"), "text");
  ASSERT_TRUE(disk_->rename(at("d"), at("e")).is_ok());
  EXPECT_EQ(content("e/b"), "text");
  EXPECT_EQ(code_of(disk_->rename(at("e"), at("e/inside"))), ErrorCode::kIo);
  EXPECT_EQ(code_of(disk_->rename(at("e/b"), at("none/b"))), ErrorCode::kNotFound);
}

TEST_P(DiskConformance, rename_onto_a_link_of_itself_changes_nothing) {
  make("a", "text");
  ASSERT_TRUE(disk_->link(at("a"), at("b")).is_ok());
  ASSERT_TRUE(disk_->rename(at("a"), at("b")).is_ok());
  EXPECT_THAT(names(root_), ElementsAre("a", "b"));
}

TEST_P(DiskConformance, rename_of_a_file_onto_a_directory_is_refused) {
  make("a");
  ASSERT_TRUE(disk_->make_dir(at("d")).is_ok());
  EXPECT_EQ(code_of(disk_->rename(at("a"), at("d"))), ErrorCode::kIo);
}

TEST_P(DiskConformance, unlink_takes_the_name_but_not_the_open_file) {
  auto file = make("a", "still");
  ASSERT_TRUE(disk_->unlink(at("a")).is_ok());
  EXPECT_FALSE(*disk_->exists(at("a")));
  EXPECT_EQ(read(*file, 0, 10), "still");
  EXPECT_EQ(code_of(disk_->unlink(at("a"))), ErrorCode::kNotFound);
  ASSERT_TRUE(disk_->make_dir(at("d")).is_ok());
  EXPECT_EQ(code_of(disk_->unlink(at("d"))), ErrorCode::kIo);
}

TEST_P(DiskConformance, links_are_counted_and_share_the_file) {
  auto file = make("a", "one");
  EXPECT_EQ(*disk_->link_count(at("a")), 1u);
  ASSERT_TRUE(disk_->link(at("a"), at("b")).is_ok());
  EXPECT_EQ(*disk_->link_count(at("a")), 2u);
  ASSERT_TRUE(file->write_at(0, "two").is_ok());
  EXPECT_EQ(content("b"), "two");
  EXPECT_EQ(code_of(disk_->link(at("a"), at("b"))), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code_of(disk_->link(at("none"), at("c"))), ErrorCode::kNotFound);
  ASSERT_TRUE(disk_->unlink(at("a")).is_ok());
  EXPECT_EQ(*disk_->link_count(at("b")), 1u);
  EXPECT_EQ(code_of(disk_->link_count(at("a"))), ErrorCode::kNotFound);
}

TEST_P(DiskConformance, make_dir_is_content_with_a_directory_but_not_with_a_file) {
  EXPECT_TRUE(disk_->make_dir(at("d")).is_ok());
  EXPECT_TRUE(disk_->make_dir(at("d")).is_ok());
  make("a");
  EXPECT_EQ(code_of(disk_->make_dir(at("a"))), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code_of(disk_->make_dir(at("none/d"))), ErrorCode::kNotFound);
}

TEST_P(DiskConformance, remove_dir_takes_an_empty_directory_only) {
  ASSERT_TRUE(disk_->make_dir(at("d")).is_ok());
  make("d/a");
  make("b");
  EXPECT_EQ(code_of(disk_->remove_dir(at("d"))), ErrorCode::kIo);
  EXPECT_EQ(code_of(disk_->remove_dir(at("b"))), ErrorCode::kIo);
  EXPECT_EQ(code_of(disk_->remove_dir(at("none"))), ErrorCode::kNotFound);
  ASSERT_TRUE(disk_->unlink(at("d/a")).is_ok());
  EXPECT_TRUE(disk_->remove_dir(at("d")).is_ok());
  EXPECT_FALSE(*disk_->exists(at("d")));
}

TEST_P(DiskConformance, a_tree_is_removed_with_all_below_it_and_links_elsewhere_stay) {
  ASSERT_TRUE(disk_->make_dir(at("d")).is_ok());
  ASSERT_TRUE(disk_->make_dir(at("d/e")).is_ok());
  make("d/a");
  make("d/e/b", "kept");
  ASSERT_TRUE(disk_->link(at("d/e/b"), at("b")).is_ok());
  ASSERT_TRUE(env::remove_tree(*disk_, at("d")).is_ok());
  EXPECT_FALSE(*disk_->exists(at("d")));
  EXPECT_EQ(*disk_->link_count(at("b")), 1u);
  EXPECT_TRUE(env::remove_tree(*disk_, at("d")).is_ok()) << "nothing is there";
  EXPECT_TRUE(env::remove_tree(*disk_, at("b")).is_ok()) << "a file alone";
  EXPECT_FALSE(*disk_->exists(at("b")));
}

TEST_P(DiskConformance, list_is_sorted_and_names_directories_too) {
  EXPECT_THAT(names(root_), IsEmpty());
  make("b");
  make("a");
  ASSERT_TRUE(disk_->make_dir(at("c")).is_ok());
  EXPECT_THAT(names(root_), ElementsAre("a", "b", "c"));
  EXPECT_EQ(code_of(disk_->list(at("none"))), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(disk_->list(at("a"))), ErrorCode::kNotFound);
}

TEST_P(DiskConformance, sync_dir_wants_a_directory) {
  make("a");
  EXPECT_TRUE(disk_->sync_dir(root_).is_ok());
  EXPECT_EQ(code_of(disk_->sync_dir(at("none"))), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(disk_->sync_dir(at("a"))), ErrorCode::kNotFound);
}

TEST_P(DiskConformance, a_lock_excludes_a_second_one_until_it_goes) {
  auto first = disk_->lock(at("LOCK"));
  ASSERT_TRUE(first.is_ok());
  EXPECT_EQ(code_of(disk_->lock(at("LOCK"))), ErrorCode::kAlreadyExists);
  first.value().reset();
  EXPECT_TRUE(disk_->lock(at("LOCK")).is_ok());
  EXPECT_TRUE(*disk_->exists(at("LOCK")));
  EXPECT_EQ(code_of(disk_->lock(at("none/LOCK"))), ErrorCode::kNotFound);
}

TEST_P(DiskConformance, free_bytes_are_known_for_what_exists) {
  EXPECT_GT(*disk_->free_bytes(root_), 0u);
  EXPECT_EQ(code_of(disk_->free_bytes(at("none"))), ErrorCode::kNotFound);
}

TEST_P(DiskConformance, messages_name_the_call_and_the_path) {
  const auto missing = disk_->open(at("gone"), kRead);
  ASSERT_FALSE(missing.is_ok());
  EXPECT_THAT(missing.error().message, testing::HasSubstr(at("gone")));
}

INSTANTIATE_TEST_SUITE_P(Hands, DiskConformance, testing::Values("posix", "sim"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace alfheim::sim
