// net/link_codec: the bytes of each message between nodes.
//
// A message becomes one frame, an Append that is too large for one several. Payloads of entries
// and chunks are not copied: a frame shares them with whoever else keeps or sends them.
// To add a message: a number in FrameType and a Wire<...> in link_wire_raft.h or link_wire_peer.h,
// with one put and one get; a body without one does not compile.
//
// Thread: any; pure functions. Lifetime: values.
// Format: docs/formats/link.md (version 1).
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "net/link_frame.h"
#include "net/peer_message.h"

namespace alfheim::net {

// Format: the first byte that tells what a frame is. Never renumber.
enum class FrameType : uint8_t {
  kVoteRequest = 1,
  kVoteResponse = 2,
  kAppend = 3,
  kAppendResponse = 4,
  kHeartbeat = 5,
  kHeartbeatResponse = 6,
  kReadRequest = 7,
  kReadResponse = 8,
  kTransferNow = 9,
  kSnapshotOffer = 10,
  // Up to 63: Raft's.
  kHello = 64,
  kWelcome = 65,
  kRefuse = 66,
  kNodeNews = 80,
  kSnapshotListRequest = 81,
  kSnapshotList = 82,
  kSnapshotRead = 83,
  kSnapshotChunk = 84,
  kSnapshotDone = 85,
  kTakeOverRequest = 86,
  kSentinelHosts = 87,
  kMemberBook = 88,
};

// Limits of this format, beside those of frames.
inline constexpr size_t kTextBytesMax = 1024;     // names, addresses, words of a refusal
inline constexpr size_t kFileNameBytesMax = 255;  // of a snapshot
inline constexpr size_t kFileCountMax = 16384;    // in a SnapshotList
inline constexpr size_t kHostCountMax = 4096;     // in a SentinelHosts
inline constexpr size_t kBookBytesMax = 64 * base::kKiB;
// An Append is cut into frames of at most so many entries, and bytes where it has more than one.
inline constexpr size_t kFrameEntriesMax = 16384;
inline constexpr size_t kFrameAppendBytesMax = 4 * base::kMiB;

// Bytes to write: `head`, then the payloads in order.
struct WireFrame {
  base::Bytes head;
  std::vector<FramePayload> payloads;
};

// The lane that a message travels on. All Appends share one: an empty one that overtook another
// would be rejected for the entries it builds on, and the leader would begin to probe.
Lane lane_of(const PeerMessage& message);

// What the message holds, for bounds: payloads and a little for the rest.
size_t size_of(const PeerMessage& message);

std::vector<WireFrame> encode_message(const PeerMessage& message, uint32_t seed);
// `from` and `to` are the ends of the link that the frame came over.
base::Result<PeerMessage> decode_message(Frame frame, base::NodeId from, base::NodeId to);

using Handshake = std::variant<Hello, Welcome, Refuse>;
base::Bytes encode_handshake(const Handshake& handshake);
base::Result<Handshake> decode_handshake(const Frame& frame);

// "Append", ...: for messages to people.
std::string_view frame_type_name(uint8_t type);

}  // namespace alfheim::net
