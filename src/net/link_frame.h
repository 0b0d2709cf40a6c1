// net/link_frame: the frames of a link: their header, and how a stream is cut into them.
//
// A frame is a header, a front, and payloads (docs/formats/link.md). The front begins with the
// payloads' lengths, so that the reader can give each payload memory of its own and let the
// kernel write into it: the bytes of an entry are made once, here, and kept as they are by log
// and apply. Checksums are seeded by the cluster's uid, so that no other cluster's frame counts.
// Knows no types: that is link_codec's.
//
// Thread: one. Lifetime: owns its buffers; a Frame shares its payloads with whoever keeps them.
// Format: docs/formats/link.md (version 1).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/result.h"

namespace alfheim::net {

inline constexpr uint16_t kFrameMagic = 0x4c41;  // "AL"
inline constexpr uint8_t kFrameVersion = 1;
inline constexpr size_t kFrameHeaderBytes = 32;
// Format: the largest frame, without its header, and the most payloads in it.
inline constexpr size_t kFrameBytesMax = 8 * base::kMiB;
inline constexpr size_t kFramePayloadCountMax = 65536;
// Before a stranger has said who it is, it gets room for no more than that.
inline constexpr size_t kHandshakeBytesMax = 4096;
// Handshakes carry no cluster's seed: one of another cluster must be understood to be refused.
inline constexpr uint32_t kHandshakeSeed = 0;

static_assert(kFrameBytesMax >= 2 * base::kEntryBytesMax);

using FramePayload = std::shared_ptr<const base::Bytes>;

struct FrameHeader {
  uint8_t version = kFrameVersion;
  uint8_t type = 0;
  base::GroupId group;
  uint32_t front_bytes = 0;
  uint32_t payload_count = 0;
  uint32_t payload_bytes = 0;  // of all of them
  uint32_t body_crc = 0;       // of the front, then the payloads
};

struct Frame {
  FrameHeader header;
  base::Bytes front;
  std::vector<FramePayload> payloads;  // null where empty

  // The front behind the payloads' lengths.
  base::ByteView fields() const {
    return base::ByteView(front).substr(header.payload_count * sizeof(uint32_t));
  }
};

// The seed of a cluster's frames.
uint32_t link_seed(uint64_t cluster_uid);

// Header and front of a frame; the payloads' bytes are to be written behind it, in order.
// `fields` is the front behind the payloads' lengths.
base::Bytes encode_frame(uint8_t type, base::GroupId group, base::ByteView fields,
                         std::span<const FramePayload> payloads, uint32_t seed);

// kCorruption: not a header of this cluster and version, or beyond the bounds.
base::Result<FrameHeader> decode_frame_header(base::ByteView bytes, uint32_t seed,
                                              size_t frame_bytes_max);

class FrameReader {
 public:
  FrameReader();

  // What holds for the frames that come from now on.
  void expect(uint32_t seed, size_t frame_bytes_max);

  // Room for the next bytes of the stream, never empty; `filled` says how much came.
  std::span<char> read_buffer();
  void filled(size_t count);

  // The next whole frame; nullopt: more bytes are needed. kCorruption names the offset of the
  // frame in the stream; the reader is finished then.
  base::Result<std::optional<Frame>> next();
  // Where in the stream the frame that is being read begins.
  uint64_t offset_bytes() const { return offset_bytes_; }

 private:
  enum class Part : uint8_t { kHeader, kFront, kPayloads };

  size_t staged_bytes() const { return staged_end_ - staged_begin_; }
  // Takes at most `count` bytes off what is staged.
  base::ByteView take_staged(size_t count);
  // True: the part that is being read is whole.
  bool advance();
  base::Status begin_front();
  base::Status begin_payloads();
  void begin_payload();
  // True: all are whole.
  bool fill_payloads();
  base::Result<std::optional<Frame>> finish_frame();
  base::Error corrupt(const std::string& what) const;

  uint32_t seed_ = kHandshakeSeed;
  size_t frame_bytes_max_ = kHandshakeBytesMax;
  // Bytes that came and belong nowhere yet: from staged_begin_ to staged_end_.
  std::unique_ptr<char[]> staging_;
  size_t staged_begin_ = 0;
  size_t staged_end_ = 0;
  bool is_direct_ = false;  // the room that was handed out last is a payload's own
  Part part_ = Part::kHeader;
  Frame frame_;
  std::shared_ptr<base::Bytes> payload_;  // the one that is being filled
  size_t payload_filled_bytes_ = 0;
  uint32_t body_crc_ = 0;  // of what is whole
  uint64_t offset_bytes_ = 0;
};

}  // namespace alfheim::net
