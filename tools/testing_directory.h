// tools/testing_directory: a node's directory made by the real objects, for these tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "env/posix/posix_disk.h"
#include "index/rocks_store.h"
#include "machine/testing_node.h"
#include "server/layout.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_random.h"
#include "tools/check.h"

namespace alfheim::tools {

namespace fs = std::filesystem;

class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "alfctl-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir = pattern;
    std::ofstream(server::lock_path(dir)).flush();
    start();
  }
  void TearDown() override {
    node.reset();
    store.reset();
    fs::remove_all(dir);
  }

  void start() {
    index::RocksStore::Options options;
    options.dir = server::index_dir(dir);
    auto opened = index::RocksStore::open(options);
    ASSERT_TRUE(opened.is_ok()) << opened.error().message;
    store = std::move(opened).value();
    node = std::make_unique<machine::TestingNode>(
        machine::TestingNode::Options{.disk = disk,
                                      .store = *store,
                                      .random = random,
                                      .clock = clock,
                                      .log_dir = server::log_dir(dir),
                                      .segment_bytes = 256 * 1024});
  }
  void stop() {
    node->close();
    node.reset();
    store.reset();
  }
  // Some of everything that an index can hold.
  void fill() {
    for (int i = 0; i < 40; ++i) {
      const std::string number = std::to_string(i);
      const std::string key = "key:" + number;
      const std::string value(static_cast<size_t>(i) * 1000, static_cast<char>('a' + i % 26));
      ASSERT_EQ(node->run({"SET", key, value}), "+OK\r\n");
      node->stamp.ms += 10;
    }
    ASSERT_EQ(node->run({"SET", "short", "lived", "PX", "100000"}), "+OK\r\n");
    ASSERT_EQ(node->run({"SETRANGE", "chunked", "200000", "end"}), ":200003\r\n");
    ASSERT_EQ(node->run({"INCR", "count"}), ":1\r\n");
    const std::string large(300'000, 'L');
    ASSERT_EQ(node->run_in_fragments(machine::OperationKind::kCommand,
                                     machine::call_of({"SET", "large", large}), 100'000),
              "+OK\r\n");
    ASSERT_EQ(node->run({"SET", "gone", std::string(2000, 'g')}, 3), "+OK\r\n");
    ASSERT_EQ(node->run({"FLUSHDB"}, 3), "+OK\r\n");
    node->tick();
  }

  uint64_t check() {
    lines.clear();
    CheckReport report(clock, {.problem = [&](const std::string& line) { lines += line + "\n"; },
                               .progress = [](const std::string&) {}});
    const auto checked = check_directory(disk, dir, report);
    if (!checked.is_ok()) {
      lines = "unreadable: " + checked.error().message;
      return UINT64_MAX;
    }
    summary = *checked;
    return summary.problem_count;
  }

  // Paths (below dir) and content of all files.
  std::map<std::string, std::string> content() const {
    std::map<std::string, std::string> files;
    for (const auto& file : fs::recursive_directory_iterator(dir)) {
      if (!file.is_regular_file()) continue;
      std::ifstream in(file.path(), std::ios::binary);
      files[fs::relative(file.path(), dir)] = {std::istreambuf_iterator<char>(in), {}};
    }
    return files;
  }
  // The files below `part` with this end, in order.
  std::vector<std::string> files(const std::string& part, const std::string& end) const {
    std::vector<std::string> found;
    for (const auto& [name, bytes] : content()) {
      if (name.starts_with(part) && name.ends_with(end)) found.push_back(dir + "/" + name);
    }
    return found;
  }
  static void flip(const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(offset));
    const char old = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(old ^ 0x10));
    ASSERT_TRUE(file.good());
  }

  std::string dir;
  env::PosixDisk disk;
  sim::SimClock clock;
  sim::SimRandom random{7};
  std::unique_ptr<index::RocksStore> store;
  std::unique_ptr<machine::TestingNode> node;
  std::string lines;
  CheckSummary summary;
};

}  // namespace alfheim::tools
