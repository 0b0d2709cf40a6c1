// server/process_figures: what the operating system and the allocator say about this process.
//
// Thread: any. A figure that cannot be read is 0.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace alfheim::server {

struct MemoryFigures {
  uint64_t allocated_bytes = 0;  // asked for by the program
  uint64_t active_bytes = 0;     // in pages that the allocator uses for it
  uint64_t resident_bytes = 0;   // of the process (RSS)
  uint64_t total_system_bytes = 0;
  std::string allocator;  // "jemalloc-5.3.0" or "libc"
};
MemoryFigures memory_figures();

// Has the allocator give freed memory back to the system by a thread of its own. Else it does so
// only in passing, when memory is asked for: a node that falls idle would keep its peak.
void return_freed_memory_when_idle();

// Gives back now what is free in whole pages, where the allocator would keep it for ten seconds.
// Takes some milliseconds for each hundred MiB: for the pool, not for a loop.
void return_freed_memory_now();

struct CpuFigures {
  double user_seconds = 0;
  double system_seconds = 0;
};
CpuFigures cpu_figures();

uint64_t peak_resident_bytes();
uint64_t thread_count();
uint64_t open_file_count();
std::string executable_path();
std::string operating_system();  // "Linux 6.1.0 x86_64"

// Lets the process open as many files as are allowed: raises the soft limit to the hard one. Each
// segment of the log holds a descriptor or two, and how many there will be nobody knows. The Error
// says that fewer than `count_min` are allowed; the process can then serve fewer clients.
base::Status allow_open_files(uint64_t count_min);

}  // namespace alfheim::server
