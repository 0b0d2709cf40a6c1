#include "tools/check.h"

#include <gmock/gmock.h>

#include "tools/testing_directory.h"
#include "types/key_codec.h"

namespace alfheim::tools {
namespace {

using testing::HasSubstr;
using CheckTest = DirectoryTest;

TEST_F(CheckTest, ADirectoryLeftByACleanStopIsClean) {
  fill();
  stop();
  EXPECT_EQ(check(), 0u) << lines;
  EXPECT_GT(summary.log.segment_count, 2u);
  EXPECT_EQ(summary.index.key_count, 44u);
  EXPECT_GT(summary.index.orphan_count, 0u);
  EXPECT_GE(summary.log.value_count, 38u);
  EXPECT_THAT(summary.to_text(), HasSubstr("clean: 0 problems"));
}

TEST_F(CheckTest, AnEmptyDirectoryOfANewNodeIsClean) {
  stop();
  EXPECT_EQ(check(), 0u) << lines;
}

TEST_F(CheckTest, WhatAKilledProcessLeavesIsCleanToo) {
  fill();
  node->freeze();
  ASSERT_EQ(node->run({"SET", "after", std::string(5000, 'x')}), "+OK\r\n");
  node.reset();
  store.reset();
  EXPECT_EQ(check(), 0u) << lines;
  start();  // copies the tail forward
  stop();
  EXPECT_EQ(check(), 0u) << lines;
}

TEST_F(CheckTest, NothingIsChangedByACheck) {
  fill();
  stop();
  const auto before = content();
  const auto before_time = fs::last_write_time(server::index_dir(dir));
  ASSERT_EQ(check(), 0u);
  EXPECT_EQ(content(), before);
  EXPECT_EQ(fs::last_write_time(server::index_dir(dir)), before_time);
}

TEST_F(CheckTest, ADirectoryInUseIsRefused) {
  stop();
  const auto lock = disk.lock(server::lock_path(dir));
  ASSERT_TRUE(lock.is_ok());
  EXPECT_EQ(check(), UINT64_MAX);
  EXPECT_THAT(lines, HasSubstr("a running alfheimdb uses it"));
}

TEST_F(CheckTest, AnyOtherDirectoryIsRefused) {
  stop();
  dir += "/index";
  EXPECT_EQ(check(), UINT64_MAX);
  EXPECT_THAT(lines, HasSubstr("not a node's directory"));
  dir.resize(dir.size() - 6);
}

TEST_F(CheckTest, AFlippedByteInASegmentIsFoundWithItsPlace) {
  fill();
  stop();
  const std::string path = files("log/", ".seg").at(0);
  flip(path, 3 * 4096 + 200);
  EXPECT_GT(check(), 0u);
  EXPECT_THAT(lines, HasSubstr(path + ":"));
  EXPECT_THAT(lines, HasSubstr("offset_bytes="));
}

TEST_F(CheckTest, ATruncatedFooterIsFound) {
  fill();
  stop();
  const std::string path = files("log/", ".seg").at(0);
  fs::resize_file(path, fs::file_size(path) - 4096);
  EXPECT_GT(check(), 0u);
  EXPECT_THAT(lines, HasSubstr(path + ":"));
}

TEST_F(CheckTest, AMissingSegmentIsFoundByItsEntries) {
  fill();
  stop();
  const auto segments = files("log/", ".seg");
  fs::remove(segments.at(1));
  EXPECT_GT(check(), 0u);
  EXPECT_THAT(lines, HasSubstr(segments.at(2) + ":"));
  EXPECT_THAT(lines, HasSubstr("but no segment holds entries"));
  EXPECT_THAT(lines, HasSubstr("which no segment holds"));
}

TEST_F(CheckTest, TheMissingLastSegmentIsFoundByWhatTheIndexReflects) {
  fill();
  stop();
  fs::remove(files("log/", ".seg").back());
  EXPECT_GT(check(), 0u);
  EXPECT_THAT(lines, HasSubstr("but the log ends at"));
}

TEST_F(CheckTest, ARottenCopyOfMetaIsFound) {
  fill();
  stop();
  flip(server::log_dir(dir) + "/META", 40);
  EXPECT_GT(check(), 0u);
  EXPECT_THAT(lines, HasSubstr("/META:0: "));
}

TEST_F(CheckTest, ARottenBlockOfTheIndexIsFoundWithItsFile) {
  fill();
  stop();
  const std::string path = files("index/", ".sst").at(0);
  flip(path, 20);
  EXPECT_GT(check(), 0u);
  EXPECT_THAT(lines, HasSubstr(path));
  EXPECT_THAT(lines, HasSubstr("offset"));
}

TEST_F(CheckTest, AMissingFileOfTheIndexIsFound) {
  fill();
  stop();
  const std::string path = files("index/", ".sst").at(0);
  fs::remove(path);
  EXPECT_GT(check(), 0u);
  EXPECT_THAT(lines, HasSubstr(fs::path(path).stem().string()));
}

// Records that contradict each other, each written straight into the index.
class RecordCheckTest : public DirectoryTest {
 protected:
  void damage(const base::Bytes& key, std::optional<base::Bytes> value) {
    fill();
    const index::Mutation mutation{
        key, value ? std::optional<base::ByteView>(*value) : std::optional<base::ByteView>()};
    node->index().write(std::span(&mutation, 1), node->machine().applied().value);
    stop();
    EXPECT_GT(check(), 0u);
  }
  const types::Epoch epoch{1};
};

TEST_F(RecordCheckTest, AKeyWithoutItsRecordBreaksTheCountAndWhatNamesIt) {
  damage(types::key_record_key(epoch, "short"), std::nullopt);
  EXPECT_THAT(lines, HasSubstr("its key is gone"));
  EXPECT_THAT(lines, HasSubstr("database 0: the state counts 44 keys, there are 43"));
  EXPECT_THAT(lines, HasSubstr("database 0: the state counts 1 deadlines, there are 0"));
}

TEST_F(RecordCheckTest, AKeyRecordThatCannotBeParsedIsNamed) {
  damage(types::key_record_key(epoch, "key:1"), "\x63\x63");
  EXPECT_THAT(lines, HasSubstr("key:1"));
}

TEST_F(RecordCheckTest, AnAddressWithAWrongChecksumIsFoundInTheLog) {
  fill();
  auto found = node->look("key:9");
  ASSERT_TRUE(found.has_value());
  vlog::ValueAddress address = *types::decode_separated(found->record.body);
  const base::Bytes key = types::key_record_key(epoch, "key:9");
  const base::Bytes old_reference = types::reference_key(address, key);
  address.crc ^= 1;
  const base::Bytes reference = types::reference_key(address, key);
  const base::Bytes body = types::encode_separated(address);
  found->record.body = body;
  base::Bytes value;
  types::put_key_record(value, found->record);
  const index::Mutation mutations[] = {
      {key, value}, {old_reference, std::nullopt}, {reference, base::ByteView()}};
  node->index().write(mutations, node->machine().applied().value);
  stop();
  EXPECT_EQ(check(), 1u) << lines;
  EXPECT_THAT(lines, HasSubstr("computed"));
  EXPECT_THAT(lines, HasSubstr(".seg:"));
}

TEST_F(RecordCheckTest, AReferenceThatIsMissingIsFound) {
  fill();
  const auto found = node->look("key:9");
  const base::Bytes reference = types::reference_key(*types::decode_separated(found->record.body),
                                                     types::key_record_key(epoch, "key:9"));
  const index::Mutation mutation{reference, std::nullopt};
  node->index().write(std::span(&mutation, 1), node->machine().applied().value);
  stop();
  EXPECT_EQ(check(), 1u) << lines;
  EXPECT_THAT(lines, HasSubstr("reference record"));
}

TEST_F(RecordCheckTest, AVersionOfNobodyIsFound) {
  damage(types::version_key({base::LogIndex{3}, 0}), types::key_record_key(epoch, "key:1"));
  EXPECT_THAT(lines, HasSubstr("its key no longer has this version"));
}

TEST_F(RecordCheckTest, AnExpiryRecordOfAnotherDeadlineIsFound) {
  damage(types::expiry_key(5, types::key_record_key(epoch, "key:1")), "");
  EXPECT_THAT(lines, HasSubstr("its key has another deadline"));
}

TEST_F(RecordCheckTest, AStateRecordThatCannotBeDecodedIsNamed) {
  damage(types::meta_key(machine::kStateRecordName), "\x07");
  EXPECT_THAT(lines, HasSubstr("decode machine state"));
}

}  // namespace
}  // namespace alfheim::tools
