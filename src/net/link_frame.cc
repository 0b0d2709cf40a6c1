#include "net/link_frame.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"
#include "base/mutant.h"
#include "net/tls_context.h"

namespace alfheim::net {
namespace {

using base::ByteView;

constexpr size_t kStagingBytes = 64 * base::kKiB;
// A payload that still wants so much gets its bytes from the kernel without a copy in between.
constexpr size_t kDirectBytesMin = 8 * base::kKiB;

base::Error bad(std::string what) {
  return base::Error{base::ErrorCode::kCorruption, std::move(what)};
}

uint32_t length_at(ByteView front, size_t number) {
  uint32_t length = 0;
  std::memcpy(&length, front.data() + number * sizeof length, sizeof length);
  return length;
}

}  // namespace

uint32_t link_seed(uint64_t cluster_uid) {
  return base::crc32c(ByteView(reinterpret_cast<const char*>(&cluster_uid), sizeof cluster_uid));
}

base::Bytes encode_frame(uint8_t type, base::GroupId group, ByteView fields,
                         std::span<const FramePayload> payloads, uint32_t seed) {
  ALF_CHECK(payloads.size() <= kFramePayloadCountMax);
  const size_t front_bytes = payloads.size() * sizeof(uint32_t) + fields.size();
  size_t payload_bytes = 0;
  for (const FramePayload& payload : payloads) payload_bytes += payload ? payload->size() : 0;
  ALF_CHECK_MSG(front_bytes + payload_bytes <= kFrameBytesMax, "whoever makes a frame cuts it");

  base::Bytes out(kFrameHeaderBytes, '\0');
  out.reserve(kFrameHeaderBytes + front_bytes);
  for (const FramePayload& payload : payloads) {
    base::put_u32(out, static_cast<uint32_t>(payload ? payload->size() : 0));
  }
  out.append(fields);
  uint32_t body_crc = base::crc32c(ByteView(out).substr(kFrameHeaderBytes), seed);
  for (const FramePayload& payload : payloads) {
    if (payload) body_crc = base::crc32c(*payload, body_crc);
  }
  base::Bytes header;
  base::put_u16(header, kFrameMagic);
  base::put_u8(header, kFrameVersion);
  base::put_u8(header, type);
  base::put_u64(header, group.value);
  base::put_u32(header, static_cast<uint32_t>(front_bytes));
  base::put_u32(header, static_cast<uint32_t>(payloads.size()));
  base::put_u32(header, static_cast<uint32_t>(payload_bytes));
  base::put_u32(header, body_crc);
  const uint32_t header_crc = base::crc32c(header, seed);
  std::memcpy(out.data(), &header_crc, sizeof header_crc);
  ALF_CHECK(sizeof header_crc + header.size() == kFrameHeaderBytes);
  std::memcpy(out.data() + sizeof header_crc, header.data(), header.size());
  return out;
}

base::Result<FrameHeader> decode_frame_header(ByteView bytes, uint32_t seed,
                                              size_t frame_bytes_max) {
  ALF_CHECK(bytes.size() >= kFrameHeaderBytes);
  bytes = bytes.substr(0, kFrameHeaderBytes);
  base::Reader reader(bytes);
  FrameHeader header;
  uint32_t crc = 0;
  uint16_t magic = 0;
  const bool is_read = reader.get_u32(crc) && reader.get_u16(magic) &&
                       reader.get_u8(header.version) && reader.get_u8(header.type) &&
                       reader.get_u64(header.group.value) && reader.get_u32(header.front_bytes) &&
                       reader.get_u32(header.payload_count) &&
                       reader.get_u32(header.payload_bytes) && reader.get_u32(header.body_crc);
  ALF_CHECK(is_read);
  ALF_CHECK(reader.is_empty());
  if (magic != kFrameMagic) {
    // As a connection under TLS begins; a frame's checksum may begin so, too.
    if (bytes.starts_with(kTlsFirstBytes)) {
      return bad("TLS where a frame was expected: this node is started without it");
    }
    return bad(base::format("magic {:#06x}, expected {:#06x}", magic, kFrameMagic));
  }
  const uint32_t computed = base::crc32c(bytes.substr(sizeof crc), seed);
  if (crc != computed) {
    return bad(base::format("header crc {:#010x} received, {:#010x} computed", crc, computed));
  }
  if (header.version != kFrameVersion) {
    return bad(base::format("version {}, expected {}", header.version, kFrameVersion));
  }
  const uint64_t body_bytes = uint64_t{header.front_bytes} + header.payload_bytes;
  if (body_bytes > frame_bytes_max) {
    return bad(base::format("{} bytes, at most {}", body_bytes, frame_bytes_max));
  }
  if (header.payload_count > kFramePayloadCountMax ||
      header.payload_count * sizeof(uint32_t) > header.front_bytes) {
    return bad(base::format("{} payloads in a front of {} bytes", header.payload_count,
                            header.front_bytes));
  }
  return header;
}

FrameReader::FrameReader() : staging_(new char[kStagingBytes]) {}

void FrameReader::expect(uint32_t seed, size_t frame_bytes_max) {
  ALF_CHECK(part_ == Part::kHeader);
  seed_ = seed;
  frame_bytes_max_ = frame_bytes_max;
}

std::span<char> FrameReader::read_buffer() {
  is_direct_ = staged_bytes() == 0 && payload_ != nullptr &&
               payload_->size() - payload_filled_bytes_ >= kDirectBytesMin;
  if (is_direct_) return std::span<char>(*payload_).subspan(payload_filled_bytes_);
  std::memmove(staging_.get(), staging_.get() + staged_begin_, staged_bytes());
  staged_end_ -= staged_begin_;
  staged_begin_ = 0;
  ALF_CHECK_MSG(staged_end_ < kStagingBytes, "next() was not asked until it had nothing");
  return {staging_.get() + staged_end_, kStagingBytes - staged_end_};
}

void FrameReader::filled(size_t count) {
  if (is_direct_) {
    payload_filled_bytes_ += count;
    ALF_CHECK(payload_filled_bytes_ <= payload_->size());
  } else {
    staged_end_ += count;
    ALF_CHECK(staged_end_ <= kStagingBytes);
  }
}

ByteView FrameReader::take_staged(size_t count) {
  const ByteView taken(staging_.get() + staged_begin_, std::min(count, staged_bytes()));
  staged_begin_ += taken.size();
  return taken;
}

base::Result<std::optional<Frame>> FrameReader::next() {
  for (;;) {
    if (!advance()) return std::optional<Frame>();
    if (part_ == Part::kPayloads) return finish_frame();
    if (part_ == Part::kHeader) {
      ALF_TRY_STATUS(begin_front());
    } else {
      ALF_TRY_STATUS(begin_payloads());
    }
  }
}

bool FrameReader::advance() {
  switch (part_) {
    case Part::kHeader: return staged_bytes() >= kFrameHeaderBytes;
    case Part::kFront: {
      const size_t missing = frame_.header.front_bytes - frame_.front.size();
      frame_.front.append(take_staged(missing));
      return frame_.front.size() == frame_.header.front_bytes;
    }
    case Part::kPayloads: return fill_payloads();
  }
  ALF_CHECK_MSG(false, "a frame has three parts");
  return false;
}

base::Status FrameReader::begin_front() {
  auto header = decode_frame_header(take_staged(kFrameHeaderBytes), seed_, frame_bytes_max_);
  if (!header.is_ok()) return corrupt(header.error().message);
  frame_.header = *header;
  frame_.front.reserve(header->front_bytes);
  part_ = Part::kFront;
  return base::ok();
}

base::Status FrameReader::begin_payloads() {
  uint64_t sum = 0;
  for (size_t i = 0; i < frame_.header.payload_count; ++i) sum += length_at(frame_.front, i);
  if (sum != frame_.header.payload_bytes) {
    return corrupt(
        base::format("payloads of {} bytes, expected {}", sum, frame_.header.payload_bytes));
  }
  body_crc_ = base::crc32c(frame_.front, seed_);
  frame_.payloads.reserve(frame_.header.payload_count);
  part_ = Part::kPayloads;
  begin_payload();
  return base::ok();
}

// The next one that is not empty gets its memory.
void FrameReader::begin_payload() {
  payload_ = nullptr;
  payload_filled_bytes_ = 0;
  while (frame_.payloads.size() < frame_.header.payload_count) {
    const uint32_t length = length_at(frame_.front, frame_.payloads.size());
    if (length > 0) {
      payload_ = std::make_shared<base::Bytes>(length, '\0');
      return;
    }
    frame_.payloads.push_back(nullptr);
  }
}

bool FrameReader::fill_payloads() {
  while (payload_ != nullptr) {
    const ByteView bytes = take_staged(payload_->size() - payload_filled_bytes_);
    if (!bytes.empty()) {
      std::memcpy(payload_->data() + payload_filled_bytes_, bytes.data(), bytes.size());
      payload_filled_bytes_ += bytes.size();
    }
    if (payload_filled_bytes_ < payload_->size()) return false;
    body_crc_ = base::crc32c(*payload_, body_crc_);
    frame_.payloads.push_back(std::move(payload_));
    begin_payload();
  }
  return true;
}

base::Result<std::optional<Frame>> FrameReader::finish_frame() {
  ALF_CHECK(frame_.payloads.size() == frame_.header.payload_count);
  if (body_crc_ != frame_.header.body_crc && !ALF_MUTANT(FrameBodyNotVerified)) {
    return corrupt(base::format("body crc {:#010x} received, {:#010x} computed",
                                frame_.header.body_crc, body_crc_));
  }
  offset_bytes_ += kFrameHeaderBytes + frame_.header.front_bytes + frame_.header.payload_bytes;
  part_ = Part::kHeader;
  return std::optional<Frame>(std::exchange(frame_, Frame{}));
}

base::Error FrameReader::corrupt(const std::string& what) const {
  return bad(base::format("frame at offset_bytes={}: {}", offset_bytes_, what));
}

}  // namespace alfheim::net
