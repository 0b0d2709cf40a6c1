// net/peer_message: everything that nodes say to each other.
//
// A PeerMessage is a raft::Message, or a PeerNote: an envelope with a body that is not Raft's:
// what a node is called and where its clients find it, who belongs to the group, and the files of a
// snapshot, asked for and given piece by piece (the asking side keeps the pace, so a piece lost
// costs one question). Handshakes of links (Hello, Welcome, Refuse) are here too: who may connect
// is judged above.
//
// Thread: values. Format: docs/formats/link.md; the order of variants is not a format.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"
#include "raft/message.h"

namespace alfheim::net {

// Most bytes of a file that one SnapshotRead asks for, and one SnapshotChunk carries.
inline constexpr size_t kChunkBytesMax = base::kMiB;

// What a node tells of itself; the newest counts.
struct NodeNews {
  std::string name;
  std::string resp_address;  // as text, "host:port"; empty: none
  std::string http_address;
  bool is_in_lease_mode = false;  // --read-mode lease: it promises its leader time
  friend bool operator==(const NodeNews&, const NodeNews&) = default;
};

struct SnapshotListRequest {
  uint64_t snapshot_id = 0;
  friend bool operator==(const SnapshotListRequest&, const SnapshotListRequest&) = default;
};

struct SnapshotFile {
  std::string name;
  uint64_t bytes = 0;
  uint32_t crc = 0;  // crc32c of the whole file, seed 0
  friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};

// Files are named by their place in `files` from here on.
struct SnapshotList {
  uint64_t snapshot_id = 0;
  std::vector<SnapshotFile> files;
  friend bool operator==(const SnapshotList&, const SnapshotList&) = default;
};

struct SnapshotRead {
  uint64_t snapshot_id = 0;
  uint32_t file_number = 0;
  uint64_t offset = 0;
  uint32_t length = 0;  // 1..kChunkBytesMax
  friend bool operator==(const SnapshotRead&, const SnapshotRead&) = default;
};

// The answer to a SnapshotRead; shorter than asked only at the file's end.
struct SnapshotChunk {
  uint64_t snapshot_id = 0;
  uint32_t file_number = 0;
  uint64_t offset = 0;
  uint32_t crc = 0;  // crc32c of `bytes`, seed 0: made where they were read from the disk
  // Shared with the link that sends it; null is empty.
  std::shared_ptr<const base::Bytes> bytes;
};

// The receiver needs the snapshot's files no longer: it has all of it, or takes something else.
struct SnapshotDone {
  uint64_t snapshot_id = 0;
  bool is_given_up = false;
  friend bool operator==(const SnapshotDone&, const SnapshotDone&) = default;
};

// A follower asks its leader to hand leadership over to it.
struct TakeOverRequest {
  friend bool operator==(const TakeOverRequest&, const TakeOverRequest&) = default;
};

// Clients on these hosts asked SENTINEL, here or elsewhere.
struct SentinelHosts {
  std::vector<std::string> hosts;
  friend bool operator==(const SentinelHosts&, const SentinelHosts&) = default;
};

// Who belongs to the group, and where: for a node that has just been added, and could else answer
// nobody. Sent to whoever is connected.
struct MemberBook {
  base::Bytes configuration;  // as raft encodes it (docs/raft.md)
  friend bool operator==(const MemberBook&, const MemberBook&) = default;
};

using NoteBody =
    std::variant<NodeNews, SnapshotListRequest, SnapshotList, SnapshotRead, SnapshotChunk,
                 SnapshotDone, TakeOverRequest, SentinelHosts, MemberBook>;

struct PeerNote {
  base::GroupId group;
  base::NodeId from;
  base::NodeId to;
  NoteBody body;
};

using PeerMessage = std::variant<raft::Message, PeerNote>;

inline base::NodeId receiver_of(const PeerMessage& message) {
  return std::visit([](const auto& one) { return one.to; }, message);
}
inline base::NodeId sender_of(const PeerMessage& message) {
  return std::visit([](const auto& one) { return one.from; }, message);
}
inline base::GroupId group_of(const PeerMessage& message) {
  return std::visit([](const auto& one) { return one.group; }, message);
}

// ---- the handshake of one connection ----

// Two connections lead to each peer, so that megabytes never stand before a heartbeat.
enum class Lane : uint8_t {
  kUrgent = 1,  // votes, heartbeats, reads, answers, questions: small, and somebody waits
  kBulk = 2,    // Appends and chunks, in the order of sending
};

// The first frame of whoever dialled.
struct Hello {
  uint8_t version_min = 0;  // of the frames that it can speak
  uint8_t version_max = 0;
  Lane lane = Lane::kUrgent;
  uint64_t cluster_uid = 0;  // 0: a node that belongs to none yet
  base::NodeId from;         // 0: it has no id yet
  base::NodeId to;           // whom it takes the answerer for; 0: whoever answers there
  uint64_t data_uid = 0;     // of the sender's data directory: an id may come back without its data
  std::string name;
  friend bool operator==(const Hello&, const Hello&) = default;
};

// The answer: from now on frames of `version`, their checksums seeded by `cluster_uid`.
struct Welcome {
  uint8_t version = 0;
  uint64_t cluster_uid = 0;
  base::NodeId from;  // who answers
  uint64_t data_uid = 0;
  std::string name;
  friend bool operator==(const Welcome&, const Welcome&) = default;
};

// Sent in Refuse frames: never renumber. A code that is not known here is read as kOther.
enum class RefuseCode : uint8_t {
  kOther = 1,
  kOtherCluster = 2,     // the caller belongs to another cluster
  kOtherNode = 3,        // the node at this address is not the one that the caller looks for
  kNoCommonVersion = 4,  // no version of frames that both speak
  kNotAMember = 5,       // unknown here, or removed
  kOtherData = 6,        // the caller's id belongs to another data directory
};

struct Refuse {
  RefuseCode code = RefuseCode::kOther;
  std::string words;  // for the operator of the refused node
  friend bool operator==(const Refuse&, const Refuse&) = default;
};

}  // namespace alfheim::net
