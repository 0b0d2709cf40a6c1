// Fuzzes what comes over a link: net/link_frame and net/link_codec.
//
// The input's first byte chooses, the rest is a stream of frames. Bits of the first byte:
//   1  checksums stay as the input has them; otherwise each frame gets those of its bytes
//   2  a stranger's stream: handshakes, with little room
// The stream is read twice, whole and in pieces that the input's bytes choose: both must tell
// the same. What is decoded is encoded again and must come back equal.
#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "net/link_codec.h"
#include "net/testing_messages.h"
#include "tests/fuzz/fuzz_input.h"

namespace alfheim::fuzz {
namespace {

using net::kFrameHeaderBytes;

constexpr uint8_t kKeepsChecksums = 1;
constexpr uint8_t kIsStranger = 2;
constexpr uint64_t kClusterUid = 0xa1f;
// Of a header.
constexpr size_t kMagicOffset = 4;
constexpr size_t kFrontBytesOffset = 16;
constexpr size_t kPayloadBytesOffset = 24;
constexpr size_t kBodyCrcOffset = 28;

// Each frame that lies whole in the stream, and the last that does not, get a header that is
// right but for its lengths, count, type and group.
void reseal(base::Bytes& stream, uint32_t seed) {
  for (size_t at = 0; at + kFrameHeaderBytes <= stream.size();) {
    const uint64_t body_bytes = uint64_t{integer_at<uint32_t>(stream, at + kFrontBytesOffset)} +
                                integer_at<uint32_t>(stream, at + kPayloadBytesOffset);
    overwrite(stream, at + kMagicOffset, net::kFrameMagic);
    stream[at + kMagicOffset + 2] = static_cast<char>(net::kFrameVersion);
    const base::ByteView body =
        base::ByteView(stream).substr(at + kFrameHeaderBytes).substr(0, body_bytes);
    overwrite(stream, at + kBodyCrcOffset, base::crc32c(body, seed));
    reseal_front(stream, at, kFrameHeaderBytes, seed);
    at += kFrameHeaderBytes + body.size();
  }
}

// What was read, as text, and where and why it ended.
std::string tell(const net::Frame& frame, bool is_stranger) {
  if (is_stranger) {
    const auto handshake = net::decode_handshake(frame);
    if (!handshake.is_ok()) return handshake.error().message + "\n";
    const base::Bytes again = net::encode_handshake(*handshake);
    net::Frame second;
    const auto header =
        net::decode_frame_header(again, net::kHandshakeSeed, net::kHandshakeBytesMax);
    ALF_CHECK(header.is_ok());
    second.header = *header;
    second.front = again.substr(kFrameHeaderBytes);
    const auto same = net::decode_handshake(second);
    ALF_CHECK(same.is_ok());
    ALF_CHECK(*same == *handshake);
    return "handshake\n";
  }
  const auto message = net::decode_message(frame, net::kTestingFrom, net::kTestingTo);
  if (!message.is_ok()) {
    ALF_CHECK(message.error().code == base::ErrorCode::kCorruption);
    return message.error().message + "\n";
  }
  return net::text_of(*message) + "\n";
}

std::vector<net::Frame> read(base::ByteView stream, uint32_t seed, bool is_stranger,
                             base::ByteView pieces, std::string& end) {
  net::FrameReader reader;
  if (!is_stranger) reader.expect(seed, net::kFrameBytesMax);
  std::vector<net::Frame> frames;
  size_t turn = 0;
  while (!stream.empty()) {
    const std::span<char> room = reader.read_buffer();
    ALF_CHECK(!room.empty());
    const size_t piece =
        pieces.empty() ? SIZE_MAX : 1 + static_cast<uint8_t>(pieces[turn++ % pieces.size()]);
    const size_t count = std::min({room.size(), piece, stream.size()});
    std::copy_n(stream.begin(), count, room.begin());
    reader.filled(count);
    stream.remove_prefix(count);
    for (;;) {
      auto frame = reader.next();
      if (!frame.is_ok()) {
        ALF_CHECK(frame.error().code == base::ErrorCode::kCorruption);
        end = frame.error().message;
        return frames;
      }
      if (!frame->has_value()) break;
      frames.push_back(std::move(**frame));
    }
  }
  end = std::to_string(reader.offset_bytes());
  return frames;
}

// A message that was decoded, sent on, arrives as it is.
void send_again(const net::Frame& frame, uint32_t seed) {
  const auto message = net::decode_message(frame, net::kTestingFrom, net::kTestingTo);
  if (!message.is_ok()) return;
  std::string end;
  const base::Bytes stream = net::joined(*message, seed);
  const std::vector<net::Frame> frames = read(stream, seed, false, {}, end);
  ALF_CHECK(end == std::to_string(stream.size()));
  ALF_CHECK(!frames.empty());
  if (frames.size() > 1) return;  // a large Append, cut
  const auto same = net::decode_message(frames[0], net::kTestingFrom, net::kTestingTo);
  ALF_CHECK(same.is_ok());
  ALF_CHECK(net::text_of(*same) == net::text_of(*message));
}

void decode(base::Bytes stream, uint8_t choice) {
  const bool is_stranger = (choice & kIsStranger) != 0;
  const uint32_t seed = is_stranger ? net::kHandshakeSeed : net::link_seed(kClusterUid);
  if ((choice & kKeepsChecksums) == 0) reseal(stream, seed);
  std::string end_whole, end_pieces;
  const auto whole = read(stream, seed, is_stranger, {}, end_whole);
  const auto pieces = read(stream, seed, is_stranger, stream, end_pieces);
  ALF_CHECK(end_whole == end_pieces);
  ALF_CHECK(whole.size() == pieces.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    ALF_CHECK(tell(whole[i], is_stranger) == tell(pieces[i], is_stranger));
    if (!is_stranger) send_again(whole[i], seed);
  }
}

}  // namespace
}  // namespace alfheim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alfheim;
  fuzz::Input input(data, size);
  const uint8_t choice = input.take_u8();
  fuzz::decode(base::Bytes(input.take_rest()), choice);
  return 0;
}
