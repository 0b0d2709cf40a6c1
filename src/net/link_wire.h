// net/link_wire: how the fields of one body are written and read; link_codec's own.
//
// A body has a Wire<Body> with its type, its name, one put and one get (link_wire_raft.h,
// link_wire_peer.h). A put checks what our own code must keep; a get returns false where the
// bytes cannot be such a body.
//
// Thread: any. Lifetime: a Reader borrows the frame.
// Format: docs/formats/link.md (version 1).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "net/link_codec.h"
#include "net/link_frame.h"

namespace alfheim::net::wire {

using base::Bytes;
using base::ByteView;

// What a body is written to: plain numbers and words, and payloads, which are shared.
struct Writer {
  Bytes fields;
  std::vector<FramePayload> payloads;

  void number(uint64_t value) { base::put_varint(fields, value); }
  void byte(uint8_t value) { base::put_u8(fields, value); }
  void text(ByteView value) {
    base::put_prefixed(fields, value.substr(0, std::min(value.size(), kTextBytesMax)));
  }
};

// What it is read from. Each get returns false where the bytes cannot be its own.
struct Reader {
  base::Reader fields;
  std::vector<FramePayload>& payloads;

  bool number(uint64_t& value) { return fields.get_varint(value); }
  bool number(uint32_t& value) {
    uint64_t wide = 0;
    if (!fields.get_varint(wide) || wide > std::numeric_limits<uint32_t>::max()) return false;
    value = static_cast<uint32_t>(wide);
    return true;
  }
  // Bits that this version does not know are corruption.
  bool flags(uint8_t& value, uint8_t known) {
    return fields.get_u8(value) && (value & ~known) == 0;
  }
  bool truth(bool& value) {
    uint8_t bits = 0;
    if (!flags(bits, 1)) return false;
    value = bits != 0;
    return true;
  }
  bool text(std::string& value, size_t bytes_max = kTextBytesMax) {
    ByteView bytes;
    if (!fields.get_prefixed(bytes) || bytes.size() > bytes_max) return false;
    value = bytes;
    return true;
  }
  bool has_payloads(size_t count) const { return payloads.size() == count; }
};

// One for each body: its type and name, how it is written, how it is read.
template <typename Body>
struct Wire;

}  // namespace alfheim::net::wire
