// What only the machine's disk has to show; what both disks promise is asked in
// sim/hands/disk_conformance_test.cc.
#include "env/posix/posix_disk.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "env/posix/page_cache.h"
#include "env/posix/posix_error.h"
#include "env/posix/posix_file.h"

namespace alfheim::env {
namespace {

using base::ErrorCode;

constexpr OpenOptions kNew{.is_writable = true, .create_new = true};
constexpr OpenOptions kNewDirect{.is_writable = true, .create_new = true, .is_direct = true};

struct TemporaryDirectory {
  explicit TemporaryDirectory(const std::string& parent) {
    path = parent + "/alf_posix_XXXXXX";
    if (mkdtemp(path.data()) == nullptr) path.clear();
  }
  ~TemporaryDirectory() {
    if (!path.empty()) std::filesystem::remove_all(path);
  }
  std::string path;
};

struct AlignedBlocks {
  explicit AlignedBlocks(size_t count, char fill)
      : size(count * kBlockBytes),
        bytes(static_cast<char*>(aligned_alloc(kBlockBytes, size)), &free) {
    std::memset(bytes.get(), fill, size);
  }
  base::ByteView view() const { return {bytes.get(), size}; }
  size_t size;
  std::unique_ptr<char, decltype(&free)> bytes;
};

void expect_durable_blocks_are_read_back(const std::string& path) {
  PosixDisk disk;
  auto file = disk.open(path, kNewDirect);
  ASSERT_TRUE(file.is_ok());
  ASSERT_TRUE((*file)->allocate(16 * kBlockBytes).is_ok());
  const AlignedBlocks blocks(3, 'b');
  ASSERT_TRUE((*file)->write_at_durable(2 * kBlockBytes, blocks.view()).is_ok());
  ASSERT_TRUE((*file)->write_at_durable(2 * kBlockBytes, blocks.view()).is_ok());
  std::string out(4 * kBlockBytes, '?');
  ASSERT_EQ(*(*file)->read_at(kBlockBytes, {out.data(), out.size()}, ReadMode::kMayBlock),
            out.size());
  EXPECT_EQ(out.substr(0, kBlockBytes), std::string(kBlockBytes, '\0'));
  EXPECT_EQ(out.substr(kBlockBytes), blocks.view());
}

TEST(PosixDisk, direct_writes_work_on_a_real_file_system) {
  const TemporaryDirectory directory(testing::TempDir());
  expect_durable_blocks_are_read_back(directory.path + "/f");
}

TEST(PosixDisk, direct_files_work_where_the_file_system_lives_in_memory) {
  if (!std::filesystem::exists("/dev/shm")) GTEST_SKIP() << "no tmpfs here";
  const TemporaryDirectory directory("/dev/shm");
  expect_durable_blocks_are_read_back(directory.path + "/f");
}

TEST(PosixDisk, cold_bytes_would_block_and_warm_bytes_do_not) {
  const TemporaryDirectory directory(testing::TempDir());
  const std::string path = directory.path + "/f";
  PosixDisk disk;
  auto file = disk.open(path, kNew);
  ASSERT_TRUE(file.is_ok());
  ASSERT_TRUE((*file)->write_at(0, std::string(1 << 20, 'c')).is_ok());
  ASSERT_TRUE((*file)->sync().is_ok());
  const FileDescriptor raw(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(posix_fadvise(raw.number(), 0, 0, POSIX_FADV_DONTNEED), 0);
  std::string out(1 << 20, '?');
  const std::span<char> room(out.data(), out.size());
  const auto cold = (*file)->read_at(0, room, ReadMode::kMemoryOnly);
  // Dropping the cache is only advice: a full answer is right too, a short one never is.
  if (cold.is_ok()) {
    EXPECT_EQ(*cold, out.size());
  } else {
    EXPECT_EQ(cold.error().code, ErrorCode::kWouldBlock);
  }
  EXPECT_EQ(*(*file)->read_at(0, room, ReadMode::kMayBlock), out.size());
  const auto warm = (*file)->read_at(0, room, ReadMode::kMemoryOnly);
  if (warm.is_ok()) {
    EXPECT_EQ(*warm, out.size());
    EXPECT_EQ(out, std::string(1 << 20, 'c'));
  } else {
    EXPECT_EQ(warm.error().code, ErrorCode::kWouldBlock);
  }
}

// What a test can tell of a real kernel: where it says what is cached, only kMayBlock fills it.
TEST(PosixDisk, only_reads_that_are_meant_to_fill_the_page_cache) {
  const TemporaryDirectory directory(testing::TempDir());
  const std::string path = directory.path + "/f";
  PosixDisk disk;
  auto file = disk.open(path, kNew);
  ASSERT_TRUE(file.is_ok());
  const std::string bytes(1 << 20, 'p');
  ASSERT_TRUE((*file)->write_at(0, bytes).is_ok());
  ASSERT_TRUE((*file)->sync().is_ok());
  const FileDescriptor raw(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(posix_fadvise(raw.number(), 0, 0, POSIX_FADV_DONTNEED), 0);
  constexpr uint64_t kOffset = 100'001;
  std::string out(16'384, '?');
  const std::span<char> room(out.data(), out.size());
  if (is_cached(raw.number(), kOffset, out.size()) != false) {
    GTEST_SKIP() << "this kernel does not say what is cached, or keeps all";
  }
  EXPECT_EQ((*file)->read_at(kOffset, room, ReadMode::kMemoryOnly).error().code,
            ErrorCode::kWouldBlock);
  EXPECT_EQ(is_cached(raw.number(), kOffset, out.size()), false);
  // The first fetch of a file shows that the kernel tells the truth of it.
  EXPECT_EQ(*(*file)->read_at(0, room, ReadMode::kPassing), out.size());
  EXPECT_EQ(is_cached(raw.number(), 0, out.size()), true);
  ASSERT_EQ(posix_fadvise(raw.number(), 0, 0, POSIX_FADV_DONTNEED), 0);
  EXPECT_EQ(*(*file)->read_at(0, room, ReadMode::kPassing), out.size());
  ASSERT_EQ(posix_fadvise(raw.number(), 0, 0, POSIX_FADV_DONTNEED), 0);
  out.assign(out.size(), '?');
  EXPECT_EQ(*(*file)->read_at(kOffset, room, ReadMode::kPassing), out.size());
  EXPECT_EQ(out, std::string(out.size(), 'p'));
  PassingReader direct;
  if (direct.read(raw.number(), kOffset, room)) {
    EXPECT_EQ(is_cached(raw.number(), kOffset, out.size()), false);
  }
  EXPECT_EQ(*(*file)->read_at(kOffset, room, ReadMode::kMayBlock), out.size());
  EXPECT_EQ(is_cached(raw.number(), kOffset, out.size()), true);
  EXPECT_EQ(*(*file)->read_at(kOffset, room, ReadMode::kMemoryOnly), out.size());
}

// Of a file on overlayfs the kernel calls nothing cached: what the cache has must not be fetched
// from the disk again and again. In a process of its own, which may mount.
TEST(PosixDisk, where_the_kernel_never_calls_anything_cached_the_cache_is_read) {
  const TemporaryDirectory directory(testing::TempDir());
  for (const char* name : {"/lower", "/upper", "/work", "/all"}) {
    ASSERT_EQ(mkdir((directory.path + name).c_str(), 0700), 0);
  }
  const std::string options = "lowerdir=" + directory.path + "/lower,upperdir=" + directory.path +
                              "/upper,workdir=" + directory.path + "/work";
  constexpr int kMayNotMount = 77;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string all = directory.path + "/all";
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("overlay", all.c_str(), "overlay", 0, options.c_str()) != 0) {
      _exit(kMayNotMount);
    }
    PosixDisk disk;
    auto file = disk.open(all + "/f", kNew);
    if (!file || !(*file)->write_at(0, std::string(40'000, 'p'))) _exit(1);
    std::string out(16'384, '?');
    const FileDescriptor before(open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (int i = 0; i < 3; ++i) {
      const auto got = (*file)->read_at(5000, {out.data(), out.size()}, ReadMode::kPassing);
      if (!got || *got != out.size() || out != std::string(out.size(), 'p')) _exit(2);
    }
    const FileDescriptor behind(open("/dev/null", O_RDONLY | O_CLOEXEC));
    _exit(behind.number() == before.number() + 1 ? 0 : 3);  // no second descriptor was opened
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kMayNotMount) GTEST_SKIP() << "overlayfs cannot be mounted here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Each file that is read so has a second descriptor, and there may be thousands of segments.
TEST(PassingReader, takes_none_of_the_last_descriptors) {
  const TemporaryDirectory directory(testing::TempDir());
  const std::string path = directory.path + "/f";
  PosixDisk disk;
  auto file = disk.open(path, kNew);
  ASSERT_TRUE(file.is_ok());
  ASSERT_TRUE((*file)->write_at(0, std::string(10'000, 'p')).is_ok());
  const FileDescriptor raw(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string out(1000, '?');
  const std::span<char> room(out.data(), out.size());
  if (!PassingReader().read(raw.number(), 0, room)) GTEST_SKIP() << "no O_DIRECT here";
  rlimit allowed{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &allowed), 0);
  const rlimit few{.rlim_cur = 256, .rlim_max = allowed.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<FileDescriptor> others;
  do {
    others.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  } while (others.back().is_open() && others.back().number() < 191);
  PassingReader last;
  EXPECT_FALSE(last.read(raw.number(), 0, room));
  const FileDescriptor next(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(next.number(), 192);
  others.pop_back();
  EXPECT_FALSE(last.read(raw.number(), 0, room));  // it does not ask again and again
  PassingReader another;
  EXPECT_TRUE(another.read(raw.number(), 0, room));
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &allowed), 0);
}

TEST(PassingReader, leaves_to_the_page_cache_what_it_cannot_read_whole) {
  const TemporaryDirectory directory(testing::TempDir());
  const std::string path = directory.path + "/f";
  PosixDisk disk;
  auto file = disk.open(path, kNew);
  ASSERT_TRUE(file.is_ok());
  ASSERT_TRUE((*file)->write_at(0, std::string(10'000, 'p')).is_ok());
  const FileDescriptor raw(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string out(2 << 20, '?');
  PassingReader reader;
  EXPECT_FALSE(reader.read(raw.number(), 0, {out.data(), PassingReader::kBytesMax + 1}));
  EXPECT_FALSE(reader.read(raw.number(), 9'000, {out.data(), 1'001}));
  EXPECT_EQ(out, std::string(out.size(), '?'));
}

// Runs `body` in a child that may not make a file longer than `bytes_max`, so that writes fail.
template <typename Body>
int exit_code_with_file_limit(rlim_t bytes_max, Body body) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes_max, bytes_max};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(100);
    _exit(body());
  }
  int state = 0;
  if (waitpid(child, &state, 0) != child) return -1;
  return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

TEST(PosixDisk, a_failed_durable_write_finishes_the_file) {
  const TemporaryDirectory directory(testing::TempDir());
  for (const bool is_direct : {false, true}) {
    const std::string path = directory.path + (is_direct ? "/direct" : "/plain");
    const int code = exit_code_with_file_limit(2 * kBlockBytes, [&] {
      PosixDisk disk;
      auto file = disk.open(path, is_direct ? kNewDirect : kNew);
      const AlignedBlocks two(2, 'x');
      if (!file.is_ok()) return 1;
      if (!(*file)->write_at_durable(0, two.view()).is_ok()) return 2;
      if ((*file)->write_at_durable(2 * kBlockBytes, two.view()).is_ok()) return 3;
      // Room or not, this file is never trusted again.
      if ((*file)->write_at_durable(0, two.view()).is_ok()) return 4;
      if ((*file)->write_at(0, "x").is_ok()) return 5;
      if ((*file)->sync().is_ok()) return 6;
      if ((*file)->truncate(0).is_ok()) return 7;
      return 0;
    });
    EXPECT_EQ(code, 0) << "direct: " << is_direct;
  }
}

TEST(PosixDisk, a_failed_buffered_write_is_an_error_but_the_file_goes_on) {
  const TemporaryDirectory directory(testing::TempDir());
  const std::string path = directory.path + "/f";
  const int code = exit_code_with_file_limit(10, [&] {
    PosixDisk disk;
    auto file = disk.open(path, kNew);
    if (!file.is_ok()) return 1;
    const base::Status refused = (*file)->write_at(0, "more than ten bytes");
    if (refused.is_ok() || refused.error().code != ErrorCode::kIo) return 2;
    if (!(*file)->write_at(0, "ten bytes!").is_ok()) return 3;
    return (*file)->sync().is_ok() ? 0 : 4;
  });
  EXPECT_EQ(code, 0);
}

// Lets this process's calls of `number` fail with `error` from now on, as a file system would.
bool refuse_system_calls(std::initializer_list<std::pair<int, int>> refused) {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const auto& [number, error] : refused) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Where blocks cannot be reserved they are written. They must be durable with their length: the
// durable write that follows syncs its own bytes, and a file that a crash cut short is corrupt.
TEST(PosixDisk, a_file_system_without_allocation_gets_zeros_that_are_durable) {
  const TemporaryDirectory directory(testing::TempDir());
  constexpr uint64_t kSizeBytes = 200'000;
  const auto allocate = [&](const std::string& name, bool syncs_fail) {
    return exit_code_with_file_limit(RLIM_INFINITY, [&] {
      const int sync_error = syncs_fail ? EIO : 0;
      PosixDisk disk;
      auto file = disk.open(directory.path + name, kNew);
      if (!file.is_ok()) return 1;
      if (!(*file)->write_at(0, "begin").is_ok()) return 2;
      if (!refuse_system_calls({{SYS_fallocate, EOPNOTSUPP}, {SYS_fdatasync, sync_error}}))
        return 3;
      const bool is_allocated = (*file)->allocate(kSizeBytes).is_ok();
      if (is_allocated == syncs_fail) return 4;
      // After a failed sync the file is finished.
      if ((*file)->write_at(0, "again").is_ok() == syncs_fail) return 5;
      if (*(*file)->size_bytes() != kSizeBytes) return 6;
      std::string out(kSizeBytes, '?');
      if (*(*file)->read_at(5, {out.data(), out.size()}) != kSizeBytes - 5) return 7;
      return out.find_first_not_of('\0') == kSizeBytes - 5 ? 0 : 8;
    });
  };
  EXPECT_EQ(allocate("/sound", false), 0);
  EXPECT_EQ(allocate("/failing", true), 0);
}

TEST(PosixDisk, a_device_without_room_answers_no_space) {
  // /dev/full is no regular file, so the disk refuses it; the mapping is asked directly.
  PosixDisk disk;
  EXPECT_EQ(disk.open("/dev/full", {.is_writable = true}).error().code, ErrorCode::kIo);
  EXPECT_EQ(error_from_errno("write", "f", ENOSPC).code, ErrorCode::kNoSpace);
  EXPECT_EQ(error_from_errno("write", "f", EDQUOT).code, ErrorCode::kNoSpace);
  EXPECT_EQ(error_from_errno("open", "f", ENOTDIR).code, ErrorCode::kNotFound);
  EXPECT_EQ(error_from_errno("open", "f", EACCES).code, ErrorCode::kIo);
  EXPECT_EQ(error_from_errno("write", "f", ENOSPC).message,
            "write f: ENOSPC (No space left on device)");
}

TEST(PosixDisk, a_lock_dies_with_the_process_that_held_it) {
  const TemporaryDirectory directory(testing::TempDir());
  const std::string path = directory.path + "/LOCK";
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    PosixDisk disk;
    const auto held = disk.lock(path);
    const char answer = held.is_ok() ? 'y' : 'n';
    if (write(ready[1], &answer, 1) != 1) _exit(1);
    while (true) pause();
  }
  char answer = '?';
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  PosixDisk disk;
  EXPECT_EQ(disk.lock(path).error().code, ErrorCode::kAlreadyExists);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(disk.lock(path).is_ok());
  close(ready[0]);
  close(ready[1]);
}

TEST(PosixDisk, descriptors_are_given_back) {
  const TemporaryDirectory directory(testing::TempDir());
  PosixDisk disk;
  const auto count_open = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = count_open();
  for (int i = 0; i < 20; ++i) {
    const std::string path = directory.path + "/" + std::to_string(i);
    ASSERT_TRUE(disk.open(path, kNewDirect).is_ok());
    ASSERT_FALSE(disk.open(path, kNew).is_ok());
    ASSERT_TRUE(disk.sync_dir(directory.path).is_ok());
    ASSERT_TRUE(disk.list(directory.path).is_ok());
    ASSERT_TRUE(disk.lock(directory.path + "/LOCK").is_ok());
  }
  EXPECT_EQ(count_open(), before);
}

}  // namespace
}  // namespace alfheim::env
