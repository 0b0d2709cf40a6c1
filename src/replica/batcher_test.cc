#include "replica/batcher.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/crc32c.h"

namespace alfheim::replica {
namespace {

constexpr size_t kNoLimit = size_t{1} << 40;

class BatcherTest : public testing::Test {
 protected:
  // Adds a SET of a value of this size; its waiter is told by `session`.
  void add(uint64_t session, size_t value_bytes, bool is_read = false) {
    const std::string value(value_bytes, 'v');
    const std::vector<base::ByteView> words = {"set", "k", value};
    const machine::CallView call{{}, words};
    const size_t bytes = machine::call_bytes(call);
    batcher_.add_call(call, bytes, is_read, ReplyTo{.session = session});
  }
  // One that goes ahead in fragments.
  void add_large(uint64_t session, size_t value_bytes) {
    const std::string value(value_bytes, 'v');
    const std::vector<base::ByteView> words = {"set", "k", value};
    batcher_.add_large(cut_call(machine::CallView{{}, words}, true, ReplyTo{.session = session}));
  }
  static std::vector<uint64_t> sessions(const std::vector<ReplyTo>& waiters) {
    std::vector<uint64_t> result;
    for (const ReplyTo& to : waiters) result.push_back(to.session);
    return result;
  }
  static machine::PayloadReader reader(const Batch& batch) {
    base::Result<machine::PayloadReader> opened = machine::PayloadReader::open(batch.payload);
    EXPECT_TRUE(opened.is_ok());
    return std::move(opened).value();
  }
  static std::vector<machine::Operation> operations(const Batch& batch) {
    std::vector<machine::Operation> result;
    machine::PayloadReader payload = reader(batch);
    while (payload.has_next()) {
      const base::Result<machine::Operation> next = payload.next();
      EXPECT_TRUE(next.is_ok());
      result.push_back(*next);
    }
    return result;
  }

  Batcher batcher_{{.value_threshold_bytes = 1024, .string_bytes_max = 1 << 20}};
};

using Ids = std::vector<uint64_t>;

TEST_F(BatcherTest, OperationsShareOneBatchInTheirOrder) {
  EXPECT_TRUE(batcher_.is_empty());
  add(1, 10);
  add(2, 10, true);
  batcher_.add_body(machine::OperationKind::kStateHash, {}, ReplyTo{.session = 3});
  EXPECT_FALSE(batcher_.is_empty());
  const std::vector<Batch> batches = batcher_.take_batches(kNoLimit);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(sessions(batches[0].waiters), (Ids{1, 2, 3}));
  const std::vector<machine::Operation> list = operations(batches[0]);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].flags, 0);
  EXPECT_EQ(list[1].flags, machine::kOperationIsRead);
  EXPECT_EQ(list[2].kind, machine::OperationKind::kStateHash);
  EXPECT_TRUE(batcher_.is_empty());
  EXPECT_EQ(batcher_.queued_bytes(), 0u);
  EXPECT_TRUE(batcher_.take_batches(kNoLimit).empty());
}

TEST_F(BatcherTest, ABatchIsClosedAtItsSize) {
  for (uint64_t session = 1; session <= 25; ++session) add(session, 100 * 1024);
  const std::vector<Batch> batches = batcher_.take_batches(kNoLimit);
  EXPECT_EQ(batches.size(), 3u);
  uint64_t next = 1;
  for (const Batch& batch : batches) {
    EXPECT_LE(batch.payload.size(), kBatchBytesMax + 64);
    EXPECT_EQ(operations(batch).size(), batch.waiters.size());
    for (const ReplyTo& to : batch.waiters) EXPECT_EQ(to.session, next++);
  }
  EXPECT_EQ(next, 26u);
}

TEST_F(BatcherTest, TakesAsMuchAsIsAskedForAndAtLeastOne) {
  for (uint64_t session = 1; session <= 4; ++session) add(session, 500 * 1024);
  add(5, 500 * 1024);
  const std::vector<Batch> first = batcher_.take_batches(1);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(sessions(first[0].waiters), (Ids{1, 2}));
  EXPECT_FALSE(batcher_.is_empty());
  EXPECT_GT(batcher_.queued_bytes(), 3u * 500 * 1024);
  const std::vector<Batch> second = batcher_.take_batches(kNoLimit);
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(sessions(second[0].waiters), (Ids{3, 4}));
  EXPECT_EQ(sessions(second[1].waiters), (Ids{5}));
  EXPECT_TRUE(batcher_.is_empty());
}

TEST_F(BatcherTest, FollowersMakeATickWhereNothingElseGoes) {
  batcher_.add_follower(ReplyTo{.session = 7});
  batcher_.add_follower(ReplyTo{});
  EXPECT_FALSE(batcher_.is_empty());
  const std::vector<Batch> batches = batcher_.take_batches(kNoLimit);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].payload, "");
  EXPECT_TRUE(batches[0].waiters.empty());
  EXPECT_EQ(sessions(batches[0].followers), (Ids{7, 0}));
  EXPECT_TRUE(batcher_.is_empty());
}

TEST_F(BatcherTest, FollowersGoWithTheLastBatchTaken) {
  add(1, 600 * 1024 - 100 * 1024);
  add(2, 500 * 1024);
  add(3, 500 * 1024);
  batcher_.add_follower(ReplyTo{.session = 7});
  const std::vector<Batch> batches = batcher_.take_batches(kNoLimit);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_TRUE(batches[0].followers.empty());
  EXPECT_EQ(sessions(batches[1].followers), (Ids{7}));
}

TEST_F(BatcherTest, ANewHeaderHoldsFromTheNextOperationOn) {
  add(1, 10);
  batcher_.set_header({.value_threshold_bytes = 77, .string_bytes_max = 1 << 20});
  batcher_.set_header({.value_threshold_bytes = 88, .string_bytes_max = 1 << 20});
  add(2, 10);
  add(3, 10);
  const std::vector<Batch> batches = batcher_.take_batches(kNoLimit);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(reader(batches[0]).header().value_threshold_bytes, 1024u);
  EXPECT_EQ(reader(batches[1]).header().value_threshold_bytes, 88u);
  EXPECT_EQ(sessions(batches[1].waiters), (Ids{2, 3}));
  // Nothing open: nothing to close.
  batcher_.set_header({.value_threshold_bytes = 99, .string_bytes_max = 1 << 20});
  EXPECT_TRUE(batcher_.take_batches(kNoLimit).empty());
  EXPECT_TRUE(batcher_.is_empty());
}

TEST_F(BatcherTest, ALargeBodyIsQueuedApartAndItsOperationFollows) {
  add(1, 10);
  add_large(2, 3 * base::kFragmentBytes);
  const std::vector<Batch> before = batcher_.take_batches(kNoLimit);
  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(sessions(before[0].waiters), (Ids{1}));
  EXPECT_FALSE(batcher_.is_empty());
  EXPECT_GT(batcher_.queued_bytes(), kInlineBodyBytesMax);

  LargeOperation large;
  ASSERT_TRUE(batcher_.take_large(large));
  EXPECT_EQ(large.waiter.session, 2u);
  EXPECT_TRUE(large.is_growth);
  EXPECT_GT(large.body_bytes, 3 * base::kFragmentBytes);
  // In pieces that are what put_call says, each with its sum.
  ASSERT_EQ(large.pieces.size(), 4u);
  base::Bytes body;
  for (const LargeOperation::Piece& piece : large.pieces) {
    EXPECT_EQ(piece.crc, base::crc32c(*piece.bytes));
    body += *piece.bytes;
  }
  EXPECT_EQ(body.size(), large.body_bytes);
  EXPECT_EQ(large.pieces[0].bytes->size(), base::kFragmentBytes);
  base::DatabaseIndex database;
  std::vector<base::ByteView> words;
  ASSERT_TRUE(machine::parse_call(body, database, words).is_ok());
  EXPECT_EQ(words[2], std::string(3 * base::kFragmentBytes, 'v'));
  LargeOperation none;
  EXPECT_FALSE(batcher_.take_large(none));

  const Batch command = batcher_.make_fragmented(large, "a list");
  EXPECT_EQ(sessions(command.waiters), (Ids{2}));
  const std::vector<machine::Operation> list = operations(command);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].flags, machine::kOperationIsFragments);
  EXPECT_EQ(list[0].body, "a list");
}

TEST_F(BatcherTest, IsFullFromItsBoundOn) {
  const size_t body = 512 * 1024 - 64;
  uint64_t session = 0;
  while (!batcher_.is_full()) add(++session, body);
  EXPECT_GE(session * (body + 64), kQueuedBytesMax - 16 * 1024);
  EXPECT_LE((session - 1) * body, kQueuedBytesMax);
  batcher_.take_batches(kNoLimit);
  EXPECT_FALSE(batcher_.is_full());
}

}  // namespace
}  // namespace alfheim::replica
