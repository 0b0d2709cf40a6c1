#include "machine/call_loader.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"

namespace alfheim::machine {
namespace {

using base::Bytes;
using base::ByteView;

constexpr uint64_t kPieceBytes = 100 * 1024;

// A log that, as the real one, reads a whole value to test its checksum, and cuts off what was
// not asked for: what it appends to grows and may move.
class CheckingValues : public types::ValueSource {
 public:
  base::Status read(const vlog::ValueAddress& address, uint64_t from, uint64_t length,
                    Bytes& out) override {
    const Bytes& piece = pieces.at(address.index.value);
    const size_t begin = out.size();
    out.append(piece);
    out.erase(begin, from);
    out.resize(begin + length);
    out.shrink_to_fit();
    return base::ok();
  }
  std::vector<Bytes> pieces;
};

types::FragmentList cut_up(const Bytes& body, CheckingValues& values) {
  types::FragmentList list;
  list.length_bytes = body.size();
  for (size_t at = 0; at < body.size(); at += kPieceBytes) {
    const Bytes piece = body.substr(at, kPieceBytes);
    list.pieces.push_back(vlog::ValueAddress{.index = base::LogIndex{values.pieces.size()},
                                             .length_bytes = static_cast<uint32_t>(piece.size()),
                                             .crc = base::crc32c(piece)});
    values.pieces.push_back(piece);
  }
  return list;
}

TEST(CallLoader, WordsOfACallInFragmentsStayGoodWhileLaterOnesAreRead) {
  const std::unique_ptr<const command::Table> table = command::Table::make();
  const Bytes value(3 * kPieceBytes / 2, 'v');
  const Bytes short_value(500, 'w');
  const std::vector<ByteView> words = {"MSET",      "first", value, "second",
                                       short_value, "third", value};
  Bytes body;
  put_call(body, CallView{base::DatabaseIndex{3}, words});
  CheckingValues values;
  const types::FragmentList list = cut_up(body, values);
  const CallLoader loader(*table, values);
  LoadedCall call;
  ASSERT_TRUE(loader.load_fragments(list, PayloadHeader{64, 1 << 20}, call));
  EXPECT_EQ(call.database.value, 3u);
  const command::Arguments args = call.args();
  ASSERT_EQ(args.count(), words.size());
  for (const size_t i : {0u, 1u, 3u, 4u, 5u}) EXPECT_EQ(args[i], words[i]);
  for (const size_t i : {2u, 6u}) {
    ASSERT_NE(args.value(i).fragments, nullptr);
    EXPECT_EQ(args.value(i).length_bytes, value.size());
  }
  // The short value has its exact place.
  ASSERT_NE(args.value(4).fragments, nullptr);
  EXPECT_EQ(args.value(4).fragments->pieces[0].crc, base::crc32c(short_value));
}

}  // namespace
}  // namespace alfheim::machine
