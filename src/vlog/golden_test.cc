// Every format that was ever written stays readable: the files under tests/golden/vlog.
//
// They hold a whole directory of version 1, stored without its blocks of zeros (see unpack).
// The same work is done again here and must give the same bytes: where a change of the writer
// alters them, it is a new version. What was written then lies in the test's temporary directory.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/crc32c.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"
#include "vlog/inspect.h"
#include "vlog/log_world.h"

namespace alfheim::vlog {
namespace {

const std::string kGoldenDir = std::string(ALF_SOURCE_DIR) + "/tests/golden/vlog/v1/";
const char* const kGoldenNames[] = {"META", "00000000000000000001.seg", "00000000000000000003.seg"};

// u64 file length, then (u64 block number, 4096 bytes) for each block that is not all zeros.
base::Bytes pack(base::ByteView bytes) {
  base::Bytes out;
  base::put_u64(out, bytes.size());
  for (size_t at = 0; at < bytes.size(); at += env::kBlockBytes) {
    const base::ByteView block = bytes.substr(at, env::kBlockBytes);
    if (block.find_first_not_of('\0') == base::ByteView::npos) continue;
    base::put_u64(out, at / env::kBlockBytes);
    out += block;
  }
  return out;
}

base::Bytes unpack(base::ByteView packed) {
  base::Reader reader(packed);
  uint64_t length = 0, number = 0;
  EXPECT_TRUE(reader.get_u64(length));
  base::Bytes out(length, '\0');
  base::ByteView block;
  while (!reader.is_empty()) {
    EXPECT_TRUE(reader.get_u64(number) && reader.get_bytes(env::kBlockBytes, block));
    out.replace(number * env::kBlockBytes, block.size(), block);
  }
  return out;
}

base::Bytes read_file(env::Disk& disk, const std::string& path) {
  auto file = disk.open(path, {});
  if (!file.is_ok()) return {};
  base::Bytes bytes(*(*file)->size_bytes(), '\0');
  EXPECT_TRUE((*file)->read_at(0, bytes).is_ok());
  return bytes;
}

// A sealed segment, a truncation of its last entries by the next one, and an open tail that was
// copied forward from segment 2.
void build(LogWorld& world) {
  world.segment_bytes = 6 * 4096;
  world.open();
  world.append_many(1, 4, 1, 10);
  world.append(3, 2, "the new third");
  ASSERT_TRUE(world.log->save_hard_state({{2}, {1}}).is_ok());
  world.crash_and_reopen();
  world.append(4, 2, std::string(5000, 'z'));
  world.append(5, 2, "");
  ASSERT_TRUE(world.log->set_log_start({2}, {1}).is_ok());
  ASSERT_TRUE(world.log->close().is_ok());
}

std::string stored(const char* name) {
  std::ifstream in(kGoldenDir + name + ".packed", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Golden, TheWriterOfVersion1StillWritesTheSameBytes) {
  LogWorld world(42);
  build(world);
  for (const char* name : kGoldenNames) {
    const base::Bytes packed = pack(read_file(world.disk, std::string(kDir) + "/" + name));
    EXPECT_TRUE(packed == stored(name)) << name;
    std::ofstream out(testing::TempDir() + name + ".packed", std::ios::binary);
    out << packed;
  }
}

TEST(Golden, ADirectoryOfVersion1IsRead) {
  LogWorld world(7);
  world.segment_bytes = 6 * 4096;
  ASSERT_TRUE(world.disk.make_dir(kDir).is_ok());
  for (const char* name : kGoldenNames) {
    const std::string packed = stored(name);
    ASSERT_FALSE(packed.empty());
    auto file =
        world.disk.open(std::string(kDir) + "/" + name, {.is_writable = true, .create_new = true});
    ASSERT_TRUE(file.is_ok());
    ASSERT_TRUE((*file)->write_at(0, unpack(packed)).is_ok());
    ASSERT_TRUE((*file)->sync().is_ok());
  }
  auto inspected = verify_directory(world.disk, kDir, [](const Problem& problem) {
    ADD_FAILURE() << problem.path << ": " << problem.words;
  });
  ASSERT_TRUE(inspected.is_ok());
  world.open();
  EXPECT_EQ(world.log->hard_state(), (HardState{{2}, {1}}));
  EXPECT_EQ(world.log->first_index().value, 2u);
  EXPECT_EQ(world.log->last_index().value, 5u);
  EXPECT_EQ(world.log->term_at({2}), base::Term{1});
  EXPECT_EQ(world.log->term_at({3}), base::Term{2});
  EXPECT_EQ(world.payload_at(2), std::string(10, static_cast<char>('a' + 3)));
  EXPECT_EQ(world.payload_at(3), "the new third");
  EXPECT_EQ(world.payload_at(4), std::string(5000, 'z'));
  EXPECT_EQ(world.payload_at(5), "");
  EXPECT_EQ(world.log->last_stamp().ms, 1005u);
}

}  // namespace
}  // namespace alfheim::vlog
