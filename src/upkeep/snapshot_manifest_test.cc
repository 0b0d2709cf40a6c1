#include "upkeep/snapshot_manifest.h"

#include <gtest/gtest.h>

#include "base/testing_golden.h"

namespace alfheim::upkeep {
namespace {

SnapshotManifest example() {
  return {.id = 0x1122334455667788,
          .origin = {.cluster_uid = 0xa1f, .node = {1}, .group = {1}},
          .applied = {900},
          .log_first = {700},
          .previous_term = {3},
          .last = {1000},
          .last_term = {4},
          .trims = {{.segment_id = 7, .last_index = {650}}},
          .files = {{.name = "index/CURRENT", .bytes = 16, .crc = 0x01020304},
                    {.name = "index/000012.sst", .bytes = 4096, .crc = 5},
                    {.name = "log/00000000000000000007.seg", .bytes = 65536, .crc = 6}}};
}

SnapshotManifest sorted_example() {
  SnapshotManifest manifest = example();
  std::swap(manifest.files[0], manifest.files[1]);
  return manifest;
}

TEST(SnapshotManifest, IsReadAsItWasWritten) {
  const auto manifest = decode_manifest(encode_manifest(sorted_example()));
  ASSERT_TRUE(manifest.is_ok()) << manifest.error().message;
  EXPECT_EQ(*manifest, sorted_example());
}

// Version 1 as it was first written: what other nodes send must stay readable.
TEST(SnapshotManifest, TheBytesOfVersion1AreKept) {
  const base::Bytes golden =
      base::golden_bytes(ALF_SOURCE_DIR, "upkeep/v1/MANIFEST", encode_manifest(sorted_example()));
  const auto manifest = decode_manifest(golden);
  ASSERT_TRUE(manifest.is_ok()) << manifest.error().message;
  EXPECT_EQ(*manifest, sorted_example());
}

TEST(SnapshotManifest, CutShortOrChangedAnywhereItIsCorrupt) {
  const base::Bytes whole = encode_manifest(sorted_example());
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto cut = decode_manifest(base::ByteView(whole).substr(0, length));
    ASSERT_FALSE(cut.is_ok()) << length;
    EXPECT_EQ(cut.error().code, base::ErrorCode::kCorruption);
    base::Bytes changed = whole;
    changed[length] = static_cast<char>(changed[length] ^ 1);
    ASSERT_FALSE(decode_manifest(changed).is_ok()) << length;
  }
  EXPECT_FALSE(decode_manifest(whole + "x").is_ok());
}

struct NameCase {
  const char* given;
  bool is_fine;
};
constexpr NameCase kNames[] = {
    {"index/000012.sst", true},
    {"index/MANIFEST-000004", true},
    {"log/00000000000000000007.seg", true},
    {"MANIFEST", false},
    {"index", false},
    {"index/", false},
    {"index/.", false},
    {"index/..", false},
    {"index/a/b", false},
    {"index/../../LOCK", false},
    {"/index/a", false},
    {"log/META", false},
    {"log/00000000000000000000.seg", false},
    {"log/7.seg", false},
    {"log/00000000000000000007.copy", false},
    {"logs/00000000000000000007.seg", false},
};

// A peer chooses the names: none may lead out of the snapshot's directory, or stand for a file that
// the log keeps for itself.
TEST(SnapshotManifest, OnlySegmentsAndFilesOfTheIndexAreNamed) {
  for (const NameCase& each : kNames) {
    EXPECT_EQ(is_snapshot_file(each.given), each.is_fine) << each.given;
  }
  EXPECT_FALSE(is_snapshot_file("index/" + std::string(kSnapshotNameBytesMax, 'a')));
  EXPECT_FALSE(is_snapshot_file(std::string_view("index/a\0b", 9)));
}

}  // namespace
}  // namespace alfheim::upkeep
