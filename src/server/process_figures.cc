#include "server/process_figures.h"

#include <dirent.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "base/format.h"

// There only in programs that are linked with jemalloc; tests and sanitizers have libc's.
extern "C" __attribute__((weak)) int mallctl(const char* name, void* old_value, size_t* old_bytes,
                                             void* new_value, size_t new_bytes);

namespace alfheim::server {
namespace {

uint64_t page_bytes() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

uint64_t jemalloc_figure(const char* name) {
  size_t value = 0;
  size_t size = sizeof value;
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

void ask_allocator(MemoryFigures& figures) {
  if (mallctl == nullptr) {
    const struct mallinfo2 info = mallinfo2();
    figures.allocated_bytes = info.uordblks + info.hblkhd;
    figures.active_bytes = info.arena + info.hblkhd;
    figures.allocator = "libc";
    return;
  }
  // The figures stand still until the epoch is moved.
  uint64_t epoch = 1;
  size_t size = sizeof epoch;
  if (mallctl("epoch", &epoch, &size, &epoch, size) != 0) return;
  figures.allocated_bytes = jemalloc_figure("stats.allocated");
  figures.active_bytes = jemalloc_figure("stats.active");
  const char* version = nullptr;
  size = sizeof version;
  figures.allocator = "jemalloc";
  if (mallctl("version", &version, &size, nullptr, 0) == 0 && version != nullptr) {
    const std::string_view text(version);
    figures.allocator = base::format("jemalloc-{}", text.substr(0, text.find('-')));
  }
}

uint64_t count_entries(const char* directory) {
  DIR* entries = opendir(directory);
  if (entries == nullptr) return 0;
  uint64_t count = 0;
  while (const dirent* entry = readdir(entries)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(entries);
  return count;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

MemoryFigures memory_figures() {
  MemoryFigures figures;
  ask_allocator(figures);
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  if (std::ifstream statm("/proc/self/statm"); statm >> total_pages >> resident_pages) {
    figures.resident_bytes = resident_pages * page_bytes();
  }
  figures.total_system_bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * page_bytes();
  return figures;
}

void return_freed_memory_when_idle() {
  if (mallctl == nullptr) return;
  bool is_wanted = true;
  // Where it cannot, memory comes back later: nothing else changes.
  static_cast<void>(mallctl("background_thread", nullptr, nullptr, &is_wanted, sizeof is_wanted));
}

void return_freed_memory_now() {
  if (mallctl == nullptr) return;
  // 4096 is MALLCTL_ARENAS_ALL, which jemalloc's header defines; only its function is declared
  // here.
  static_cast<void>(mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0));
}

CpuFigures cpu_figures() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return {};
  return {.user_seconds = seconds(usage.ru_utime), .system_seconds = seconds(usage.ru_stime)};
}

uint64_t peak_resident_bytes() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

uint64_t thread_count() { return count_entries("/proc/self/task"); }

uint64_t open_file_count() {
  const uint64_t count = count_entries("/proc/self/fd");
  return count > 0 ? count - 1 : 0;  // the one that was open for counting
}

std::string executable_path() {
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  return length > 0 ? std::string(path.data(), static_cast<size_t>(length)) : std::string();
}

std::string operating_system() {
  utsname names{};
  if (uname(&names) != 0) return {};
  return base::format("{} {} {}", names.sysname, names.release, names.machine);
}

base::Status allow_open_files(uint64_t count_min) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return base::Error{base::ErrorCode::kIo,
                       base::format("read the limit of open files: {}", std::strerror(errno))};
  }
  const rlimit wanted{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  const bool is_raised = setrlimit(RLIMIT_NOFILE, &wanted) == 0;
  const rlim_t allowed = is_raised ? wanted.rlim_cur : limit.rlim_cur;
  if (allowed < count_min) {
    return base::Error{base::ErrorCode::kLimit,
                       base::format("raise the limit of open files to {}: {} are allowed",
                                    count_min, static_cast<uint64_t>(allowed))};
  }
  return base::ok();
}

}  // namespace alfheim::server
