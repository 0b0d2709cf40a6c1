#include "net/link_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/testing_golden.h"
#include "net/testing_messages.h"

namespace alfheim::net {
namespace {

using base::Bytes;
using base::ByteView;

constexpr uint64_t kClusterUid = 0xa1f;

uint32_t seed() { return link_seed(kClusterUid); }

// Feeds the reader at most `piece` bytes at a time; the frames that came, or why it stopped.
base::Result<std::vector<Frame>> read_frames(FrameReader& reader, ByteView bytes, size_t piece) {
  std::vector<Frame> frames;
  while (!bytes.empty()) {
    const std::span<char> room = reader.read_buffer();
    EXPECT_FALSE(room.empty());
    const size_t count = std::min({room.size(), piece, bytes.size()});
    std::copy_n(bytes.begin(), count, room.begin());
    reader.filled(count);
    bytes.remove_prefix(count);
    for (;;) {
      ALF_TRY(auto frame, reader.next());
      if (!frame.has_value()) break;
      frames.push_back(std::move(*frame));
    }
  }
  return frames;
}

base::Result<std::vector<PeerMessage>> read_messages(ByteView bytes, size_t piece = SIZE_MAX) {
  FrameReader reader;
  reader.expect(seed(), kFrameBytesMax);
  ALF_TRY(std::vector<Frame> frames, read_frames(reader, bytes, piece));
  std::vector<PeerMessage> messages;
  for (Frame& frame : frames) {
    ALF_TRY(PeerMessage message, decode_message(std::move(frame), kTestingFrom, kTestingTo));
    messages.push_back(std::move(message));
  }
  return messages;
}

std::string error_of(ByteView bytes) {
  const auto messages = read_messages(bytes);
  if (messages.is_ok()) return "no error";
  EXPECT_EQ(messages.error().code, base::ErrorCode::kCorruption);
  return messages.error().message;
}

// A whole frame around these fields, with right checksums.
Bytes framed(FrameType type, ByteView fields, std::vector<FramePayload> payloads = {}) {
  WireFrame frame;
  frame.head = encode_frame(static_cast<uint8_t>(type), {7}, fields, payloads, seed());
  frame.payloads = std::move(payloads);
  return joined(frame);
}

TEST(LinkCodec, EachMessageArrivesAsItWasSent) {
  for (const TestingMessage& one : testing_messages()) {
    const auto read = read_messages(joined(one.message, seed()));
    ASSERT_TRUE(read.is_ok()) << one.name << ": " << read.error().message;
    ASSERT_EQ(read->size(), 1u) << one.name;
    EXPECT_EQ(text_of(read->front()), text_of(one.message));
  }
}

TEST(LinkCodec, AStreamThatComesInPiecesOfAnySizeIsTheSame) {
  Bytes stream;
  std::string expected;
  for (const TestingMessage& one : testing_messages()) {
    stream += joined(one.message, seed());
    expected += text_of(one.message) + "\n";
  }
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    const auto read = read_messages(stream, piece);
    ASSERT_TRUE(read.is_ok()) << piece << ": " << read.error().message;
    std::string found;
    for (const PeerMessage& message : *read) found += text_of(message) + "\n";
    ASSERT_EQ(found, expected) << piece;
  }
}

TEST(LinkCodec, LargePayloadsComeWholeWhereverTheReadsEnd) {
  std::vector<std::string> payloads;
  for (const size_t size : {1u << 20, 1u, 70'000u, 0u, 9'000u, 1u << 20}) {
    payloads.emplace_back(size, static_cast<char>('a' + payloads.size()));
  }
  const PeerMessage message = testing_raft(testing_append(10, payloads));
  const Bytes stream = joined(message, seed()) + joined(message, seed());
  for (const size_t piece : {size_t{1021}, size_t{65536}, size_t{300'000}, SIZE_MAX}) {
    const auto read = read_messages(stream, piece);
    ASSERT_TRUE(read.is_ok()) << read.error().message;
    ASSERT_EQ(read->size(), 2u);
    for (const PeerMessage& one : *read) {
      const auto& append = std::get<raft::Append>(std::get<raft::Message>(one).body);
      ASSERT_EQ(append.entries.size(), payloads.size());
      for (size_t i = 0; i < payloads.size(); ++i) {
        EXPECT_TRUE(append.entries[i].bytes() == payloads[i]) << i;
      }
    }
  }
}

TEST(LinkCodec, AFlippedBitAnywhereIsCorruption) {
  for (const TestingMessage& one : testing_messages()) {
    const Bytes good = joined(one.message, seed());
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      Bytes bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
      const auto read = read_messages(bad);
      EXPECT_FALSE(read.is_ok()) << one.name << " bit " << bit;
    }
  }
}

TEST(LinkCodec, FramesOfAnotherClusterDoNotCount) {
  const Bytes bytes = joined(testing_messages()[0].message, link_seed(kClusterUid + 1));
  EXPECT_THAT(error_of(bytes), testing::StartsWith("frame at offset_bytes=0: header crc 0x"));
}

TEST(LinkCodec, AnAppendThatIsTooLargeBecomesSeveralInARow) {
  const std::string mebibyte(1 << 20, 'm');
  std::vector<std::string> payloads(10, mebibyte);
  payloads.push_back(mebibyte + mebibyte);
  const auto read = read_messages(joined(testing_raft(testing_append(100, payloads)), seed()));
  ASSERT_TRUE(read.is_ok()) << read.error().message;
  ASSERT_EQ(read->size(), 3u);
  uint64_t previous = 100;
  for (const PeerMessage& message : *read) {
    const auto& raft = std::get<raft::Message>(message);
    const auto& append = std::get<raft::Append>(raft.body);
    EXPECT_EQ(raft.term.value, 300u);
    EXPECT_EQ(append.previous.value, previous);
    EXPECT_EQ(append.previous_term.value, previous == 100 ? 299u : 300u);
    EXPECT_EQ(append.commit.value, 100u);
    EXPECT_EQ(append.last.value, append.entries.back().index.value);
    for (const raft::Entry& entry : append.entries) EXPECT_EQ(entry.index.value, ++previous);
  }
  EXPECT_EQ(previous, 111u);
}

TEST(LinkCodec, AnAppendOfVeryManyEntriesBecomesSeveralInARow) {
  const PeerMessage message =
      testing_raft(testing_append(0, std::vector<std::string>(2 * kFrameEntriesMax + 1, "x")));
  const auto read = read_messages(joined(message, seed()));
  ASSERT_TRUE(read.is_ok()) << read.error().message;
  ASSERT_EQ(read->size(), 3u);
  EXPECT_EQ(std::get<raft::Append>(std::get<raft::Message>((*read)[2]).body).last.value,
            2 * kFrameEntriesMax + 1);
}

TEST(LinkCodec, PayloadsAreNotCopied) {
  const auto payload = testing_payload(std::string(1 << 20, 'p'));
  raft::Append append = testing_append(10, {"x"});
  append.entries[0].payload = payload;
  const std::vector<WireFrame> once = encode_message(testing_raft(append), seed());
  const std::vector<WireFrame> again = encode_message(testing_raft(append), link_seed(1));
  EXPECT_EQ(once[0].payloads[0].get(), payload.get());
  EXPECT_EQ(again[0].payloads[0].get(), payload.get());
  EXPECT_LT(once[0].head.size(), 100u);
}

TEST(LinkCodec, WhatIsUrgentNeverWaitsBehindEntries) {
  for (const TestingMessage& one : testing_messages()) {
    const bool is_bulk = one.name.starts_with("append_probe") ||
                         one.name.starts_with("append_entries") || one.name == "snapshot_list" ||
                         one.name == "snapshot_chunk";
    EXPECT_EQ(lane_of(one.message), is_bulk ? Lane::kBulk : Lane::kUrgent) << one.name;
  }
}

TEST(LinkCodec, FieldsOutOfBoundsAreCorruption) {
  struct Case {
    const char* given;
    FrameType type;
    Bytes fields;
    std::vector<FramePayload> payloads;
  };
  const Bytes term = "\x01";
  const Bytes seed8(8, '\0');
  const auto text = [](size_t size) {
    Bytes bytes;
    base::put_prefixed(bytes, Bytes(size, 'n'));
    return bytes;
  };
  const auto file = [](ByteView name) {
    Bytes bytes("\x01\x01", 2);
    base::put_prefixed(bytes, name);
    return bytes + Bytes(5, '\0');
  };
  const Case cases[] = {
      {"no term", FrameType::kHeartbeat, "", {}},
      {"unknown flags", FrameType::kVoteResponse, term + "\x04", {}},
      {"bytes left over", FrameType::kTransferNow, term + "\x01", {}},
      {"a payload that nobody wants", FrameType::kTransferNow, term, {testing_payload("p")}},
      {"a type that there is not", static_cast<FrameType>(40), term, {}},
      {"a handshake in the midst", FrameType::kHello, term, {}},
      {"an entry without its payload",
       FrameType::kAppend,
       term + Bytes("\x01\x01\x01\x01\x01\x01\x01", 7) + seed8,
       {}},
      {"an entry of no kind",
       FrameType::kAppend,
       term + Bytes("\x01\x01\x01\x01\x05\x01\x01", 7) + seed8,
       {testing_payload("p")}},
      {"more entries than there are bytes",
       FrameType::kAppend,
       term + Bytes("\x01\x01\x01\x80\x80\x01", 6),
       {}},
      {"indexes beyond the last one",
       FrameType::kAppend,
       term + Bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10) +
           Bytes("\x01\x01\x01\x01\x01\x01", 6) + seed8,
       {testing_payload("p")}},
      {"a name too long", FrameType::kNodeNews, text(1025) + text(1) + text(1), {}},
      {"a file above its directory", FrameType::kSnapshotList, file("../x"), {}},
      {"a file at the root", FrameType::kSnapshotList, file("/etc/x"), {}},
      {"a file in a directory of no name", FrameType::kSnapshotList, file("a//x"), {}},
      {"a file without a name", FrameType::kSnapshotList, file(""), {}},
      {"a question for nothing", FrameType::kSnapshotRead, Bytes("\x01\x01\x01\x00", 4), {}},
      {"a question for too much",
       FrameType::kSnapshotRead,
       Bytes("\x01\x01\x01\x81\x80\x40", 6),
       {}},
      {"a chunk without bytes",
       FrameType::kSnapshotChunk,
       Bytes("\x01\x01\x01", 3) + Bytes(4, '0'),
       {}},
      {"a chunk too large",
       FrameType::kSnapshotChunk,
       Bytes("\x01\x01\x01", 3) + Bytes(4, '0'),
       {testing_payload(std::string(kChunkBytesMax + 1, 'c'))}},
  };
  for (const Case& one : cases) {
    EXPECT_THAT(error_of(framed(one.type, one.fields, one.payloads)),
                testing::HasSubstr("its fields are not those of version 1"))
        << one.given;
  }
  EXPECT_EQ(error_of(framed(FrameType::kSnapshotList, file("a/b.sst"))), "no error");
}

TEST(LinkCodec, AHeaderOutOfBoundsIsCorruption) {
  const auto with_header = [](size_t offset, uint32_t value) {
    Bytes bytes = framed(FrameType::kTransferNow, "\x01");
    std::copy_n(reinterpret_cast<const char*>(&value), sizeof value, bytes.data() + offset);
    const uint32_t crc = base::crc32c(ByteView(bytes).substr(4, kFrameHeaderBytes - 4), seed());
    std::copy_n(reinterpret_cast<const char*>(&crc), sizeof crc, bytes.data());
    return error_of(bytes);
  };
  EXPECT_EQ(with_header(16, 8 << 20), "no error");  // 8 MiB to come
  EXPECT_EQ(with_header(16, (8 << 20) + 1),
            "frame at offset_bytes=0: 8388609 bytes, at most 8388608");
  EXPECT_EQ(with_header(16, UINT32_MAX),
            "frame at offset_bytes=0: 4294967295 bytes, at most 8388608");
  EXPECT_EQ(with_header(20, 1), "frame at offset_bytes=0: 1 payloads in a front of 1 bytes");
  EXPECT_EQ(with_header(24, 1), "frame at offset_bytes=0: payloads of 0 bytes, expected 1");
  EXPECT_THAT(with_header(6, 2), testing::HasSubstr("version 2, expected 1"));
}

TEST(LinkCodec, HandshakesArriveAsTheyWereSentWhateverTheCluster) {
  const std::vector<Handshake> all = {testing_hello(), testing_welcome(), testing_refuse()};
  for (const Handshake& handshake : all) {
    FrameReader reader;  // as it begins: no cluster's seed
    const auto frames = read_frames(reader, encode_handshake(handshake), 1);
    ASSERT_TRUE(frames.is_ok()) << frames.error().message;
    ASSERT_EQ(frames->size(), 1u);
    const auto read = decode_handshake(frames->front());
    ASSERT_TRUE(read.is_ok()) << read.error().message;
    EXPECT_TRUE(*read == handshake);
  }
}

// One in 65,536 does, and ended its connection.
TEST(LinkCodec, AFrameWhoseChecksumBeginsLikeTlsIsAFrame) {
  Bytes bytes;
  for (uint64_t round = 0; !bytes.starts_with("\x16\x03"); ++round) {
    ASSERT_LT(round, 10'000'000u);
    bytes = joined(testing_raft(raft::Heartbeat{{31}, round}), seed());
  }
  const auto messages = read_messages(bytes);
  ASSERT_TRUE(messages.is_ok()) << messages.error().message;
  EXPECT_EQ(messages->size(), 1u);
}

TEST(LinkCodec, AStrangerGetsNoRoomForALargeFrame) {
  const Bytes bytes = encode_frame(64, {}, Bytes(kHandshakeBytesMax + 1, 'x'), {}, kHandshakeSeed);
  FrameReader reader;
  const auto frames = read_frames(reader, bytes, SIZE_MAX);
  ASSERT_FALSE(frames.is_ok());
  EXPECT_EQ(frames.error().message, "frame at offset_bytes=0: 4097 bytes, at most 4096");
}

TEST(LinkCodec, ARefusalOfALaterVersionIsStillOne) {
  const auto frame_with_code = [](char code) {
    Frame frame;
    frame.header.type = static_cast<uint8_t>(FrameType::kRefuse);
    frame.front = Bytes(1, code) + "\x02no and more";
    return decode_handshake(frame);
  };
  const auto later = frame_with_code(99);
  ASSERT_TRUE(later.is_ok());
  EXPECT_TRUE(*later == Handshake(Refuse{RefuseCode::kOther, "no"}));
}

// ---- every version that was ever sent stays readable ----

Bytes golden(const std::string& name, const Bytes& written) {
  return base::golden_bytes(ALF_SOURCE_DIR, "net/v1/" + name, written);
}

TEST(LinkGolden, MessagesHaveTheBytesOfTheirVersion) {
  for (const TestingMessage& one : testing_messages()) {
    const auto read = read_messages(golden(one.name, joined(one.message, seed())));
    EXPECT_TRUE(read.is_ok()) << one.name;
    if (!read.is_ok() || read->size() != 1) continue;
    EXPECT_EQ(text_of(read->front()), text_of(one.message));
  }
}

TEST(LinkGolden, HandshakesHaveTheBytesOfTheirVersion) {
  golden("hello", encode_handshake(testing_hello()));
  golden("welcome", encode_handshake(testing_welcome()));
  golden("refuse", encode_handshake(testing_refuse()));
}

}  // namespace
}  // namespace alfheim::net
