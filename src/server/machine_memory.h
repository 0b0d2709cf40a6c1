// server/machine_memory: how much memory this process may count on.
//
// Thread: any. Reads /proc and /sys; what cannot be read limits nothing.
#pragma once

#include <cstdint>
#include <string>

namespace alfheim::server {

// The machine's memory, or what the control group leaves of it (a container, systemd's MemoryMax).
// `root` is "/" but in tests.
uint64_t machine_memory_bytes(const std::string& root = "/");

}  // namespace alfheim::server
