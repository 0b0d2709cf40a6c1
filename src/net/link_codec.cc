#include "net/link_codec.h"

#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "net/link_wire_peer.h"
#include "net/link_wire_raft.h"

namespace alfheim::net {
namespace {

using base::Bytes;
using base::ByteView;

using wire::Reader;
using wire::Wire;
using wire::Writer;

// ---- over all bodies of a variant ----

template <typename Variant, typename Visit, size_t... kIndexes>
bool any_alternative(const Visit& visit, std::index_sequence<kIndexes...>) {
  return (visit(std::type_identity<std::variant_alternative_t<kIndexes, Variant>>()) || ...);
}
// Calls `visit` with each alternative's type, until it returns true.
template <typename Variant, typename Visit>
bool any_alternative(const Visit& visit) {
  return any_alternative<Variant>(visit, std::make_index_sequence<std::variant_size_v<Variant>>());
}

template <typename Variant>
bool is_type_of(uint8_t type) {
  return any_alternative<Variant>([&](auto alternative) {
    return static_cast<uint8_t>(Wire<typename decltype(alternative)::type>::kType) == type;
  });
}

// False: no such type, or its fields are not as they should be.
template <typename Variant>
bool get_body(uint8_t type, Reader& in, Variant& body) {
  return any_alternative<Variant>([&](auto alternative) {
    using Body = typename decltype(alternative)::type;
    if (static_cast<uint8_t>(Wire<Body>::kType) != type) return false;
    return Wire<Body>::get(in, body.template emplace<Body>());
  });
}

template <typename Variant>
FrameType put_body(Writer& out, const Variant& variant) {
  return std::visit(
      [&out](const auto& body) {
        using Body = std::decay_t<decltype(body)>;
        Wire<Body>::put(out, body);
        return Wire<Body>::kType;
      },
      variant);
}

template <typename Variant>
std::string_view name_in(uint8_t type) {
  std::string_view name;
  any_alternative<Variant>([&](auto alternative) {
    using Body = typename decltype(alternative)::type;
    if (static_cast<uint8_t>(Wire<Body>::kType) != type) return false;
    name = Wire<Body>::kName;
    return true;
  });
  return name;
}

base::Error bad_frame(uint8_t type) {
  return base::Error{base::ErrorCode::kCorruption,
                     base::format("frame of type {} ({}): its fields are not those of version {}",
                                  type, frame_type_name(type), kFrameVersion)};
}

// Nothing may be left over.
bool is_used_up(const Reader& in) { return in.fields.is_empty() && in.payloads.empty(); }

WireFrame frame_of(base::GroupId group, FrameType type, Writer out, uint32_t seed) {
  WireFrame frame;
  frame.head = encode_frame(static_cast<uint8_t>(type), group, out.fields, out.payloads, seed);
  frame.payloads = std::move(out.payloads);
  return frame;
}

WireFrame encode_one(const raft::Message& message, const raft::Body& body, uint32_t seed) {
  Writer out;
  out.number(message.term.value);
  const FrameType type = put_body(out, body);
  return frame_of(message.group, type, std::move(out), seed);
}

// The longest prefix of the entries from `first` on that is one frame; at least one of them.
size_t end_of_frame(const std::vector<raft::Entry>& entries, size_t first) {
  size_t end = first;
  size_t bytes = 0;
  while (end < entries.size() && end - first < kFrameEntriesMax) {
    bytes += entries[end].bytes().size();
    if (end > first && bytes > kFrameAppendBytesMax) break;
    ++end;
  }
  return end;
}

// Several Appends in a row say what the one said: each builds on the last entry before it.
std::vector<WireFrame> encode_append(const raft::Message& message, const raft::Append& append,
                                     uint32_t seed) {
  std::vector<WireFrame> frames;
  size_t first = 0;
  do {
    const size_t end = end_of_frame(append.entries, first);
    raft::Append part{.previous = append.previous,
                      .previous_term = append.previous_term,
                      .last = {},
                      .commit = append.commit,
                      .entries = {append.entries.begin() + static_cast<ptrdiff_t>(first),
                                  append.entries.begin() + static_cast<ptrdiff_t>(end)}};
    if (first > 0) {
      part.previous = append.entries[first - 1].index;
      part.previous_term = append.entries[first - 1].term;
    }
    frames.push_back(encode_one(message, std::move(part), seed));
    first = end;
  } while (first < append.entries.size());
  return frames;
}

// Fields, and what Writer puts around an entry; generous.
constexpr size_t kMessageBytes = 128;
constexpr size_t kEntryBytes = 48;

}  // namespace

Lane lane_of(const PeerMessage& message) {
  if (const auto* raft = std::get_if<raft::Message>(&message)) {
    return std::holds_alternative<raft::Append>(raft->body) ? Lane::kBulk : Lane::kUrgent;
  }
  const NoteBody& body = std::get<PeerNote>(message).body;
  const bool is_large =
      std::holds_alternative<SnapshotChunk>(body) || std::holds_alternative<SnapshotList>(body);
  return is_large ? Lane::kBulk : Lane::kUrgent;
}

size_t size_of(const PeerMessage& message) {
  size_t bytes = kMessageBytes;
  if (const auto* raft = std::get_if<raft::Message>(&message)) {
    if (const auto* append = std::get_if<raft::Append>(&raft->body)) {
      for (const raft::Entry& entry : append->entries) bytes += kEntryBytes + entry.bytes().size();
    }
    return bytes;
  }
  const NoteBody& body = std::get<PeerNote>(message).body;
  if (const auto* chunk = std::get_if<SnapshotChunk>(&body)) {
    bytes += chunk->bytes ? chunk->bytes->size() : 0;
  } else if (const auto* list = std::get_if<SnapshotList>(&body)) {
    for (const SnapshotFile& file : list->files) bytes += kEntryBytes + file.name.size();
  }
  return bytes;
}

std::vector<WireFrame> encode_message(const PeerMessage& message, uint32_t seed) {
  std::vector<WireFrame> frames;
  if (const auto* note = std::get_if<PeerNote>(&message)) {
    Writer out;
    const FrameType type = put_body(out, note->body);
    frames.push_back(frame_of(note->group, type, std::move(out), seed));
    return frames;
  }
  const auto& raft = std::get<raft::Message>(message);
  if (const auto* append = std::get_if<raft::Append>(&raft.body)) {
    return encode_append(raft, *append, seed);
  }
  frames.push_back(encode_one(raft, raft.body, seed));
  return frames;
}

base::Result<PeerMessage> decode_message(Frame frame, base::NodeId from, base::NodeId to) {
  const uint8_t type = frame.header.type;
  Reader in{base::Reader(frame.fields()), frame.payloads};
  if (is_type_of<NoteBody>(type)) {
    PeerNote note{.group = frame.header.group, .from = from, .to = to, .body = {}};
    if (!get_body(type, in, note.body) || !is_used_up(in)) return bad_frame(type);
    return PeerMessage(std::move(note));
  }
  raft::Message message{
      .group = frame.header.group, .from = from, .to = to, .term = {}, .body = {}};
  if (!in.number(message.term.value)) return bad_frame(type);
  if (!get_body(type, in, message.body) || !is_used_up(in)) return bad_frame(type);
  return PeerMessage(std::move(message));
}

Bytes encode_handshake(const Handshake& handshake) {
  Writer out;
  const FrameType type = put_body(out, handshake);
  Bytes bytes = frame_of(base::GroupId{0}, type, std::move(out), kHandshakeSeed).head;
  ALF_CHECK(bytes.size() <= kFrameHeaderBytes + kHandshakeBytesMax);
  return bytes;
}

base::Result<Handshake> decode_handshake(const Frame& frame) {
  std::vector<FramePayload> payloads = frame.payloads;
  Reader in{base::Reader(frame.fields()), payloads};
  Handshake handshake;
  if (!get_body(frame.header.type, in, handshake) || !in.payloads.empty()) {
    return bad_frame(frame.header.type);
  }
  // Later versions may say more behind it; what stands here stays as it is.
  return handshake;
}

std::string_view frame_type_name(uint8_t type) {
  std::string_view name = name_in<raft::Body>(type);
  if (name.empty()) name = name_in<NoteBody>(type);
  if (name.empty()) name = name_in<Handshake>(type);
  return name.empty() ? "unknown" : name;
}

}  // namespace alfheim::net
