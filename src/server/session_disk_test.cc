// Sessions on a disk that is full: what they are told, and in which order. The errors are those
// that a redis-server 7.0.15 gives when its memory is used up, with other words for the reason.
#include <gtest/gtest.h>

#include <string>

#include "server/session_testing.h"

namespace alfheim::server {
namespace {

const std::string kOom = "-OOM command not allowed when the disk is full.\r\n";
const std::string kOomExec =
    "-EXECABORT Transaction discarded because of: OOM command not allowed when the disk is full."
    "\r\n";
const std::string kFailedExec = "-EXECABORT Transaction discarded because of previous errors.\r\n";
constexpr uint64_t kPlentyBytes = uint64_t{1} << 40;

class SessionDisk : public testing::Test {
 protected:
  SessionDisk()
      : setup_{.has_data_commands = true, .disks = std::make_shared<TestDisks>()}, node_(setup_) {
    node_.serve();
  }
  // Nothing is free, and the node has looked.
  void fill_disk() {
    setup_.disks->disk.set_capacity_bytes(0);
    node_.run_for_ms(1500);
  }
  void make_room() {
    setup_.disks->disk.set_capacity_bytes(kPlentyBytes);
    node_.run_for_ms(1500);
  }

  TestSetup setup_;
  TestNode node_;
};

TEST_F(SessionDisk, GrowthIsRefusedWhileReadsAndDeletesGoOn) {
  TestClient client(node_);
  ASSERT_EQ(client.pipeline({{"MSET", "a", "1", "b", "2", "c", "3"}}), "+OK\r\n");
  fill_disk();
  EXPECT_EQ(client.pipeline({{"SET", "a", "2"},
                             {"GET", "a"},
                             {"APPEND", "a", "x"},
                             {"INCR", "a"},
                             {"SETBIT", "a", "1", "1"},
                             {"COPY", "a", "d"},
                             {"DEL", "a"},
                             {"GET", "a"},
                             {"UNLINK", "nothing"},
                             {"PEXPIRE", "b", "100000"},
                             {"PERSIST", "b"},
                             {"GETDEL", "b"},
                             {"DBSIZE"},
                             {"FLUSHDB"},
                             {"PING"}}),
            kOom + "$1\r\n1\r\n" + kOom + kOom + kOom + kOom +
                ":1\r\n$-1\r\n:0\r\n:1\r\n:1\r\n$1\r\n2\r\n:1\r\n+OK\r\n+PONG\r\n");
  EXPECT_EQ(node_.counters().refused_writes, 5u);
  make_room();
  EXPECT_EQ(client.pipeline({{"SET", "a", "2"}, {"GET", "a"}}), "+OK\r\n$1\r\n2\r\n");
}

TEST_F(SessionDisk, WordsAndArityAreCheckedFirst) {
  TestClient client(node_);
  fill_disk();
  EXPECT_EQ(client.pipeline({{"SET", "a"}}),
            "-ERR wrong number of arguments for 'set' command\r\n");
}

TEST_F(SessionDisk, ABlockWithGrowthIsRefusedWhereItIsQueued) {
  TestClient client(node_);
  ASSERT_EQ(client.pipeline({{"SET", "a", "1"}}), "+OK\r\n");
  fill_disk();
  EXPECT_EQ(client.pipeline({{"MULTI"},
                             {"DEL", "a"},
                             {"SET", "a", "2"},
                             {"EXEC"},
                             {"GET", "a"},
                             {"MULTI"},
                             {"DEL", "a"},
                             {"GET", "a"},
                             {"EXEC"},
                             {"EXEC"}}),
            "+OK\r\n+QUEUED\r\n" + kOom + kFailedExec +
                "$1\r\n1\r\n"
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n$-1\r\n"
                "-ERR EXEC without MULTI\r\n");
}

TEST_F(SessionDisk, ABlockThatWasQueuedBeforeIsRefusedAtExec) {
  TestClient client(node_);
  ASSERT_EQ(client.pipeline({{"WATCH", "a"}, {"MULTI"}, {"SET", "a", "2"}}),
            "+OK\r\n+OK\r\n+QUEUED\r\n");
  fill_disk();
  EXPECT_EQ(client.pipeline({{"EXEC"}, {"EXEC"}, {"EXISTS", "a"}}),
            kOomExec + "-ERR EXEC without MULTI\r\n:0\r\n");
  // Nothing is watched any more either.
  make_room();
  TestClient other(node_);
  ASSERT_EQ(other.pipeline({{"SET", "a", "3"}}), "+OK\r\n");
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"SET", "a", "4"}, {"EXEC"}}),
            "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
}

// Reads must not wait for log time, which stands still.
TEST_F(SessionDisk, WithoutAnyRoomForTheLogReadsAreAnsweredThoughAKeyIsDue) {
  TestClient client(node_);
  ASSERT_EQ(client.pipeline({{"SET", "due", "1", "PX", "60000"}, {"SET", "a", "1"}}),
            "+OK\r\n+OK\r\n");
  fill_disk();
  // The deletes' long names use up the segment.
  const std::string name(300'000, 'n');
  TestClient writer(node_);
  for (int i = 0; i < 40 && writer.call({"DEL", name}) == ":0\r\n"; ++i) continue;
  EXPECT_EQ(client.call({"DEL", "a"}), kOom);
  node_.run_for_ms(61'000);
  EXPECT_EQ(client.pipeline({{"GET", "a"},
                             {"GET", "due"},
                             {"EXISTS", "due", "a"},
                             {"SCAN", "0"},
                             {"KEYS", "a*"},
                             {"WATCH", "due"},
                             {"PING"},
                             {"GET", "a"}}),
            bulk_of("1") + kOom + kOom + kOom + kOom + kOom + "+PONG\r\n" + bulk_of("1"));
  EXPECT_EQ(client.pipeline({{"MULTI"}, {"GET", "a"}, {"EXEC"}}), "+OK\r\n+QUEUED\r\n" + kOomExec);
  make_room();
  EXPECT_EQ(client.pipeline({{"GET", "due"}, {"SCAN", "0"}, {"DEL", "a"}}),
            "$-1\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n:1\r\n");
}

TEST(SessionDiskCold, WithoutAnyRoomForTheLogColdReadsAreAnsweredThoughAKeyIsDue) {
  const TestSetup setup{.has_data_commands = true, .cold_per_1000 = 1000};
  {
    TestNode first(setup);
    first.serve();
    TestClient client(first);
    ASSERT_EQ(client.pipeline({{"SET", "due", "1", "PX", "60000"}, {"SET", "a", "1"}}),
              "+OK\r\n+OK\r\n");
    first.stop();
  }
  TestNode node(setup);
  node.serve();
  setup.disks->disk.set_capacity_bytes(0);
  node.run_for_ms(1500);
  TestClient client(node);
  TestClient writer(node);
  const std::string name(300'000, 'n');
  for (int i = 0; i < 40 && writer.call({"DEL", name}) == ":0\r\n"; ++i) continue;
  node.run_for_ms(61'000);
  EXPECT_EQ(client.call({"DEL", "a"}), kOom);
  EXPECT_EQ(client.pipeline({{"GET", "a"}, {"GET", "due"}, {"GET", "a"}}),
            bulk_of("1") + kOom + bulk_of("1"));
  EXPECT_GT(node.counters().pool_reads.load(), 0u);
}

TEST_F(SessionDisk, InfoAndMetricsTell) {
  fill_disk();
  const std::string full = node_.run({"INFO", "alfheimdb"});
  EXPECT_NE(full.find("\r\ndisk_full:1\r\n"), std::string::npos) << full;
  EXPECT_NE(full.find("\r\ndisk_free_bytes:0\r\n"), std::string::npos);
  EXPECT_NE(full.find("\r\ndisk_reserve_bytes:268435456\r\n"), std::string::npos);
  make_room();
  EXPECT_NE(node_.run({"INFO", "alfheimdb"}).find("\r\ndisk_full:0\r\n"), std::string::npos);
}

}  // namespace
}  // namespace alfheim::server
