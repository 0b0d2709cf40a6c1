#include "server/options.h"

#include <algorithm>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::server {
namespace {

constexpr uint64_t kMemoryShare = 4;  // one of so many parts
constexpr uint64_t kCacheShare = 16;
constexpr uint64_t kDirtyShare = 4;  // of the memory budget
constexpr uint64_t kClientShare = 4;
constexpr uint64_t kRequestShare = 8;
constexpr uint64_t kMachineBytesMin = 128 * base::kMiB;

}  // namespace

Options defaults_for(uint64_t machine_memory_bytes) {
  const uint64_t machine_mib = std::max(machine_memory_bytes, kMachineBytesMin) / base::kMiB;
  Options options;
  StorageOptions& storage = options.storage;
  storage.memory_budget_bytes = machine_mib / kMemoryShare * base::kMiB;
  storage.block_cache_bytes = machine_mib / kCacheShare * base::kMiB;
  // What is dirty is stored again and again where it is little, and late where it is much: beyond
  // the default of options.h a larger machine has no use for more.
  storage.dirty_budget_bytes =
      std::min(storage.dirty_budget_bytes, storage.memory_budget_bytes / kDirtyShare);
  ClientOptions& client = options.client;
  client.client_memory_bytes =
      std::min(client.client_memory_bytes, machine_mib / kClientShare * base::kMiB);
  client.request_memory_bytes =
      std::min(client.request_memory_bytes, machine_mib / kRequestShare * base::kMiB);
  return options;
}

std::string address_text(const env::PeerAddress& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return is_v6 ? base::format("[{}]:{}", address.host, address.port)
               : base::format("{}:{}", address.host, address.port);
}

std::string_view read_mode_name(raft::ReadMode mode) {
  return mode == raft::ReadMode::kLease ? "lease" : "index";
}

std::string_view log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  ALF_CHECK(false);
  return {};
}

}  // namespace alfheim::server
