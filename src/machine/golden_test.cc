// Every format that was ever written stays readable: the files under tests/golden/machine.
//
// Each file is made again here and must have the same bytes: where a change of the writer alters
// them, it is a new version. What was written lies in the test's temporary directory, and its
// bytes are printed when they differ, for the files and for docs/formats.
#include <gtest/gtest.h>

#include "base/testing_golden.h"
#include "machine/entry_codec.h"
#include "machine/state.h"

namespace alfheim::machine {
namespace {

using base::Bytes;
using Words = std::vector<base::ByteView>;

Bytes golden(const std::string& name, const Bytes& written) {
  return base::golden_bytes(ALF_SOURCE_DIR, "machine/v1/" + name, written);
}

BatchBuilder started() {
  BatchBuilder builder;
  builder.start({.value_threshold_bytes = 1024, .string_bytes_max = 512 * 1024 * 1024});
  return builder;
}

Operation only_operation(base::ByteView payload) {
  auto reader = PayloadReader::open(payload);
  EXPECT_TRUE(reader.is_ok());
  EXPECT_EQ(reader->header().value_threshold_bytes, 1024u);
  EXPECT_EQ(reader->header().string_bytes_max, 512u * 1024 * 1024);
  const auto operation = reader->next();
  EXPECT_TRUE(operation.is_ok());
  EXPECT_FALSE(reader->has_next());
  return *operation;
}

TEST(MachineGoldenTest, ACommandAndARead) {
  BatchBuilder builder = started();
  builder.add_call({base::DatabaseIndex{0}, Words{"SET", "foo", "bar"}}, false);
  builder.add_call({base::DatabaseIndex{1}, Words{"GET", "foo"}}, true);
  const Bytes bytes = golden("commands", builder.take());
  auto reader = PayloadReader::open(bytes);
  ASSERT_TRUE(reader.is_ok());
  const auto set = reader->next();
  const auto get = reader->next();
  ASSERT_TRUE(set.is_ok() && get.is_ok());
  EXPECT_EQ(set->body.substr(5), "SETfoobar");
  EXPECT_EQ(get->flags, kOperationIsRead);
  EXPECT_EQ(parse_call_shape(get->body, get->body.size())->database, base::DatabaseIndex{1});
}

TEST(MachineGoldenTest, ABlockWithAWatch) {
  Bytes call;
  put_call(call, {base::DatabaseIndex{0}, Words{"INCR", "n"}});
  const Watch watch{base::DatabaseIndex{0}, "n", base::LogIndex{300}};
  Bytes body;
  put_block(body, std::span(&watch, 1), std::span(&call, 1));
  BatchBuilder builder = started();
  builder.add_body(OperationKind::kBlock, 0, body);
  const Bytes bytes = golden("block", builder.take());
  const auto block = parse_block(only_operation(bytes).body);
  ASSERT_TRUE(block.is_ok());
  EXPECT_EQ(block->watches.at(0).key, "n");
  EXPECT_EQ(block->watches.at(0).version, base::LogIndex{300});
  EXPECT_EQ(block->calls.at(0).body, call);
}

TEST(MachineGoldenTest, ACommandInFragments) {
  const vlog::ValueAddress pieces[] = {{base::LogIndex{258}, 0, 1048576, 0x01020304},
                                       {base::LogIndex{259}, 0, 37, 0xa0b0c0d0}};
  Bytes body;
  put_fragmented_body(body, 1048576 + 37, pieces);
  BatchBuilder builder = started();
  builder.add_body(OperationKind::kCommand, kOperationIsFragments, body);
  const Bytes bytes = golden("fragments", builder.take());
  const auto list = parse_fragmented_body(only_operation(bytes).body);
  ASSERT_TRUE(list.is_ok());
  EXPECT_EQ(list->length_bytes, 1048613u);
  EXPECT_EQ(list->pieces.at(1), pieces[1]);
}

TEST(MachineGoldenTest, AStateHash) {
  BatchBuilder builder = started();
  builder.add_body(OperationKind::kStateHash, 0, {});
  EXPECT_EQ(only_operation(golden("state_hash", builder.take())).kind, OperationKind::kStateHash);
}

TEST(MachineGoldenTest, AMachineState) {
  MachineState state;
  state.applied = base::LogIndex{300};
  state.applied_term = base::Term{7};
  state.log_time = base::Stamp{1'700'000'000'000};
  state.databases.at(base::DatabaseIndex{0}).key_count = 200;
  state.databases.at(base::DatabaseIndex{0}).deadline_count = 3;
  state.databases.at(base::DatabaseIndex{1}).last_swap = base::LogIndex{258};
  state.databases.flush(base::DatabaseIndex{2});
  state.configuration = "conf";
  const auto decoded = MachineState::decode(golden("machine_state", state.encode()));
  ASSERT_TRUE(decoded.is_ok());
  EXPECT_EQ(decoded->applied, base::LogIndex{300});
  EXPECT_EQ(decoded->databases.at(base::DatabaseIndex{0}).key_count, 200u);
  EXPECT_EQ(decoded->databases.at(base::DatabaseIndex{1}).last_swap, base::LogIndex{258});
  EXPECT_EQ(decoded->databases.at(base::DatabaseIndex{2}).epoch, types::Epoch{17});
  EXPECT_EQ(decoded->configuration, "conf");
}

}  // namespace
}  // namespace alfheim::machine
