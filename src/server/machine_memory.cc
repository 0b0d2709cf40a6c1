#include "server/machine_memory.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <string_view>

#include "base/limits.h"
#include "base/number.h"

namespace alfheim::server {
namespace {

// The first word of a file; "max" and the like are no number.
std::optional<uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  if (!(file >> word)) return std::nullopt;
  const std::optional<int64_t> value = base::parse_int64(word);
  if (!value || *value <= 0) return std::nullopt;
  return static_cast<uint64_t>(*value);
}

std::optional<uint64_t> physical_bytes(const std::string& root) {
  std::ifstream file(root + "proc/meminfo");
  std::string name;
  uint64_t kib = 0;
  if (!(file >> name >> kib) || name != "MemTotal:") return std::nullopt;
  return kib * base::kKiB;
}

// A group's limit holds for those below it, so each on the way up counts. Inside a container the
// path may be the host's, and only the top is there.
uint64_t lowest_limit(const std::string& top, std::string group, std::string_view name) {
  uint64_t lowest = UINT64_MAX;
  for (;;) {
    const std::string directory = top + (group == "/" ? "" : group);
    if (const auto limit = number_in(directory + "/" + std::string(name))) {
      lowest = std::min(lowest, *limit);
    }
    if (group.empty() || group == "/") return lowest;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

bool has_memory(std::string_view controllers) {
  while (!controllers.empty()) {
    const size_t end = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, end) == "memory") return true;
    controllers.remove_prefix(std::min(end + 1, controllers.size()));
  }
  return false;
}

// Lines of /proc/self/cgroup are "0::/group" (version 2) and "4:memory:/group" (version 1, where
// several controllers may share a tree: "4:memory,cpu:/group"). Above memory.high the kernel takes
// memory back by force and slows its users down, so it is a limit as memory.max is.
uint64_t group_limit(const std::string& root) {
  std::ifstream file(root + "proc/self/cgroup");
  uint64_t limit = UINT64_MAX;
  for (std::string line; std::getline(file, line);) {
    const std::string_view text(line);
    const size_t first = text.find(':');
    const size_t second = text.find(':', std::min(first, text.size() - 1) + 1);
    if (first == text.npos || second == text.npos) continue;
    const std::string_view controllers = text.substr(first + 1, second - first - 1);
    const std::string group(text.substr(second + 1));
    const std::string top = root + "sys/fs/cgroup";
    const auto note = [&](const std::string& tree, std::string_view name) {
      limit = std::min(limit, lowest_limit(tree, group, name));
    };
    if (controllers.empty()) {
      note(top, "memory.max");
      note(top, "memory.high");
    } else if (has_memory(controllers)) {
      note(top + "/memory", "memory.limit_in_bytes");
      if (controllers != "memory") {
        note(top + "/" + std::string(controllers), "memory.limit_in_bytes");
      }
    }
  }
  return limit;
}

// Of a machine that says nothing of itself.
constexpr uint64_t kUnknownMachineBytes = base::kGiB;

}  // namespace

uint64_t machine_memory_bytes(const std::string& root) {
  return std::min(physical_bytes(root).value_or(kUnknownMachineBytes), group_limit(root));
}

}  // namespace alfheim::server
