#include "server/machine_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "server/options.h"

namespace alfheim::server {
namespace {

// The files of a machine that is not this one.
struct Machine {
  explicit Machine(const std::string& name) : root(testing::TempDir() + name + "/") {
    std::filesystem::remove_all(root);
    put("proc/meminfo", "MemTotal:       8388608 kB\nMemFree:  100 kB\n");
  }
  ~Machine() { std::filesystem::remove_all(root); }
  void put(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  }
  uint64_t mib() const { return machine_memory_bytes(root) / base::kMiB; }
  std::string root;
};

TEST(MachineMemory, IsWhatTheMachineHasWhereNothingLimitsIt) {
  const Machine machine("machine-plain");
  EXPECT_EQ(machine.mib(), 8192u);
  machine.put("proc/self/cgroup", "0::/\n");
  machine.put("sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(machine.mib(), 8192u);
}

TEST(MachineMemory, IsTheLowestLimitOnTheWayUpItsGroups) {
  const Machine machine("machine-groups");
  machine.put("proc/self/cgroup", "0::/system.slice/db.service\n");
  machine.put("sys/fs/cgroup/system.slice/db.service/memory.max", "2147483648\n");
  EXPECT_EQ(machine.mib(), 2048u);
  machine.put("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
  EXPECT_EQ(machine.mib(), 1024u);
}

// What /proc names is the host's path; the container sees its own group as the top.
TEST(MachineMemory, FindsTheLimitOfAContainerAtTheTop) {
  const Machine machine("machine-container");
  machine.put("proc/self/cgroup", "0::/docker/abc\n");
  machine.put("sys/fs/cgroup/memory.max", "536870912\n");
  EXPECT_EQ(machine.mib(), 512u);
}

TEST(MachineMemory, KnowsGroupsOfTheFirstVersion) {
  const Machine machine("machine-first");
  machine.put("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/abc\nnonsense\n\n");
  machine.put("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1073741824\n");
  EXPECT_EQ(machine.mib(), 1024u);
}

TEST(MachineMemory, KnowsATreeThatSeveralControllersShare) {
  const Machine machine("machine-joint");
  machine.put("proc/self/cgroup", "4:cpu,memory,pids:/docker/abc\n5:memoryless:/x\n");
  machine.put("sys/fs/cgroup/memoryless/x/memory.limit_in_bytes", "1048576\n");
  machine.put("sys/fs/cgroup/cpu,memory,pids/docker/abc/memory.limit_in_bytes", "1073741824\n");
  EXPECT_EQ(machine.mib(), 1024u);
  // Mostly each controller has a link of its own to it.
  machine.put("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "536870912\n");
  EXPECT_EQ(machine.mib(), 512u);
}

TEST(MachineMemory, CountsWhereAGroupIsSlowedDown) {
  const Machine machine("machine-high");
  machine.put("proc/self/cgroup", "0::/system.slice/db.service\n");
  machine.put("sys/fs/cgroup/system.slice/db.service/memory.max", "2147483648\n");
  machine.put("sys/fs/cgroup/system.slice/db.service/memory.high", "max\n");
  EXPECT_EQ(machine.mib(), 2048u);
  machine.put("sys/fs/cgroup/system.slice/memory.high", "1610612736\n");
  EXPECT_EQ(machine.mib(), 1536u);
}

TEST(MachineMemory, AMachineThatSaysNothingIsASmallOne) {
  EXPECT_EQ(machine_memory_bytes(testing::TempDir() + "no-machine/"), base::kGiB);
}

TEST(Defaults, AreSharesOfTheMachine) {
  const StorageOptions large = defaults_for(24 * base::kGiB).storage;
  EXPECT_EQ(large.memory_budget_bytes, 6 * base::kGiB);
  EXPECT_EQ(large.block_cache_bytes, 1536 * base::kMiB);
  EXPECT_EQ(large.dirty_budget_bytes, 64 * base::kMiB);
  const StorageOptions small = defaults_for(512 * base::kMiB).storage;
  EXPECT_EQ(small.memory_budget_bytes, 128 * base::kMiB);
  EXPECT_EQ(small.block_cache_bytes, 32 * base::kMiB);
  EXPECT_EQ(small.dirty_budget_bytes, 32 * base::kMiB);
  const StorageOptions tiny = defaults_for(base::kMiB).storage;
  EXPECT_EQ(tiny.memory_budget_bytes, 32 * base::kMiB);
  EXPECT_EQ(tiny.block_cache_bytes, 8 * base::kMiB);
}

TEST(Defaults, ClientsHaveTheirShareOfASmallMachine) {
  const ClientOptions large = defaults_for(24 * base::kGiB).client;
  EXPECT_EQ(large.client_memory_bytes, 2 * base::kGiB);
  EXPECT_EQ(large.request_memory_bytes, base::kGiB);
  const ClientOptions small = defaults_for(512 * base::kMiB).client;
  EXPECT_EQ(small.client_memory_bytes, 128 * base::kMiB);
  EXPECT_EQ(small.request_memory_bytes, 64 * base::kMiB);
  const ClientOptions tiny = defaults_for(base::kMiB).client;
  EXPECT_EQ(tiny.client_memory_bytes, 32 * base::kMiB);
  EXPECT_EQ(tiny.request_memory_bytes, 16 * base::kMiB);
}

}  // namespace
}  // namespace alfheim::server
