// net/link_wire_peer: the fields of handshakes and of notes; link_codec's own.
//
// What stands in a handshake stays for ever: nodes of any two versions must understand it.
//
// Thread: any. Lifetime: values. Format: docs/formats/link.md (version 1).
#pragma once

#include "net/link_wire.h"
#include "net/peer_message.h"

namespace alfheim::net::wire {

template <>
struct Wire<Hello> {
  static constexpr auto kType = FrameType::kHello;
  static constexpr std::string_view kName = "Hello";
  static void put(Writer& out, const Hello& body) {
    out.byte(body.version_min);
    out.byte(body.version_max);
    out.byte(static_cast<uint8_t>(body.lane));
    base::put_u64(out.fields, body.cluster_uid);
    base::put_u64(out.fields, body.from.value);
    base::put_u64(out.fields, body.to.value);
    base::put_u64(out.fields, body.data_uid);
    out.text(body.name);
  }
  static bool get(Reader& in, Hello& body) {
    uint8_t lane = 0;
    if (!in.fields.get_u8(body.version_min) || !in.fields.get_u8(body.version_max)) return false;
    if (body.version_min > body.version_max || !in.fields.get_u8(lane)) return false;
    body.lane = static_cast<Lane>(lane);
    if (body.lane != Lane::kUrgent && body.lane != Lane::kBulk) return false;
    return in.fields.get_u64(body.cluster_uid) && in.fields.get_u64(body.from.value) &&
           in.fields.get_u64(body.to.value) && in.fields.get_u64(body.data_uid) &&
           in.text(body.name);
  }
};

template <>
struct Wire<Welcome> {
  static constexpr auto kType = FrameType::kWelcome;
  static constexpr std::string_view kName = "Welcome";
  static void put(Writer& out, const Welcome& body) {
    out.byte(body.version);
    base::put_u64(out.fields, body.cluster_uid);
    base::put_u64(out.fields, body.from.value);
    base::put_u64(out.fields, body.data_uid);
    out.text(body.name);
  }
  static bool get(Reader& in, Welcome& body) {
    return in.fields.get_u8(body.version) && in.fields.get_u64(body.cluster_uid) &&
           in.fields.get_u64(body.from.value) && in.fields.get_u64(body.data_uid) &&
           in.text(body.name);
  }
};

template <>
struct Wire<Refuse> {
  static constexpr auto kType = FrameType::kRefuse;
  static constexpr std::string_view kName = "Refuse";
  static void put(Writer& out, const Refuse& body) {
    out.byte(static_cast<uint8_t>(body.code));
    out.text(body.words);
  }
  static bool get(Reader& in, Refuse& body) {
    uint8_t code = 0;
    if (!in.fields.get_u8(code) || !in.text(body.words)) return false;
    const bool is_known = code >= static_cast<uint8_t>(RefuseCode::kOther) &&
                          code <= static_cast<uint8_t>(RefuseCode::kOtherData);
    body.code = is_known ? static_cast<RefuseCode>(code) : RefuseCode::kOther;
    return true;
  }
};

template <>
struct Wire<NodeNews> {
  static constexpr auto kType = FrameType::kNodeNews;
  static constexpr std::string_view kName = "NodeNews";
  static void put(Writer& out, const NodeNews& body) {
    out.text(body.name);
    out.text(body.resp_address);
    out.text(body.http_address);
    out.byte(body.is_in_lease_mode ? 1 : 0);
  }
  static bool get(Reader& in, NodeNews& body) {
    return in.text(body.name) && in.text(body.resp_address) && in.text(body.http_address) &&
           in.truth(body.is_in_lease_mode);
  }
};

template <>
struct Wire<SnapshotListRequest> {
  static constexpr auto kType = FrameType::kSnapshotListRequest;
  static constexpr std::string_view kName = "SnapshotListRequest";
  static void put(Writer& out, const SnapshotListRequest& body) { out.number(body.snapshot_id); }
  static bool get(Reader& in, SnapshotListRequest& body) { return in.number(body.snapshot_id); }
};

// A path below the snapshot's directory, and nowhere else: a peer must not choose other files.
inline bool is_file_name(ByteView name) {
  if (name.size() > kFileNameBytesMax || name.find('\0') != ByteView::npos) return false;
  while (true) {
    const size_t end = std::min(name.find('/'), name.size());
    const ByteView part = name.substr(0, end);
    if (part.empty() || part == "." || part == "..") return false;
    if (end == name.size()) return true;
    name.remove_prefix(end + 1);
  }
}

template <>
struct Wire<SnapshotList> {
  static constexpr auto kType = FrameType::kSnapshotList;
  static constexpr std::string_view kName = "SnapshotList";
  static void put(Writer& out, const SnapshotList& body) {
    ALF_CHECK(body.files.size() <= kFileCountMax);
    out.number(body.snapshot_id);
    out.number(body.files.size());
    for (const SnapshotFile& file : body.files) {
      ALF_CHECK(is_file_name(file.name));
      base::put_prefixed(out.fields, file.name);
      out.number(file.bytes);
      base::put_u32(out.fields, file.crc);
    }
  }
  static bool get(Reader& in, SnapshotList& body) {
    uint64_t count = 0;
    if (!in.number(body.snapshot_id) || !in.number(count) || count > kFileCountMax) return false;
    body.files.reserve(std::min<size_t>(count, in.fields.rest().size()));
    for (; count > 0; --count) {
      SnapshotFile& file = body.files.emplace_back();
      if (!in.text(file.name, kFileNameBytesMax) || !is_file_name(file.name)) return false;
      if (!in.number(file.bytes) || !in.fields.get_u32(file.crc)) return false;
    }
    return true;
  }
};

template <>
struct Wire<SnapshotRead> {
  static constexpr auto kType = FrameType::kSnapshotRead;
  static constexpr std::string_view kName = "SnapshotRead";
  static void put(Writer& out, const SnapshotRead& body) {
    ALF_CHECK(body.length > 0);
    ALF_CHECK(body.length <= kChunkBytesMax);
    out.number(body.snapshot_id);
    out.number(body.file_number);
    out.number(body.offset);
    out.number(body.length);
  }
  static bool get(Reader& in, SnapshotRead& body) {
    return in.number(body.snapshot_id) && in.number(body.file_number) && in.number(body.offset) &&
           in.number(body.length) && body.length > 0 && body.length <= kChunkBytesMax;
  }
};

template <>
struct Wire<SnapshotChunk> {
  static constexpr auto kType = FrameType::kSnapshotChunk;
  static constexpr std::string_view kName = "SnapshotChunk";
  static void put(Writer& out, const SnapshotChunk& body) {
    ALF_CHECK(body.bytes == nullptr || body.bytes->size() <= kChunkBytesMax);
    out.number(body.snapshot_id);
    out.number(body.file_number);
    out.number(body.offset);
    base::put_u32(out.fields, body.crc);
    out.payloads.push_back(body.bytes);
  }
  static bool get(Reader& in, SnapshotChunk& body) {
    if (!in.number(body.snapshot_id) || !in.number(body.file_number) || !in.number(body.offset) ||
        !in.fields.get_u32(body.crc) || !in.has_payloads(1)) {
      return false;
    }
    body.bytes = std::move(in.payloads[0]);
    in.payloads.clear();
    return body.bytes == nullptr || body.bytes->size() <= kChunkBytesMax;
  }
};

template <>
struct Wire<SnapshotDone> {
  static constexpr auto kType = FrameType::kSnapshotDone;
  static constexpr std::string_view kName = "SnapshotDone";
  static void put(Writer& out, const SnapshotDone& body) {
    out.number(body.snapshot_id);
    out.byte(body.is_given_up ? 1 : 0);
  }
  static bool get(Reader& in, SnapshotDone& body) {
    return in.number(body.snapshot_id) && in.truth(body.is_given_up);
  }
};

template <>
struct Wire<TakeOverRequest> {
  static constexpr auto kType = FrameType::kTakeOverRequest;
  static constexpr std::string_view kName = "TakeOverRequest";
  static void put(Writer&, const TakeOverRequest&) {}
  static bool get(Reader&, TakeOverRequest&) { return true; }
};

template <>
struct Wire<SentinelHosts> {
  static constexpr auto kType = FrameType::kSentinelHosts;
  static constexpr std::string_view kName = "SentinelHosts";
  static void put(Writer& out, const SentinelHosts& body) {
    ALF_CHECK(body.hosts.size() <= kHostCountMax);
    out.number(body.hosts.size());
    for (const std::string& host : body.hosts) out.text(host);
  }
  static bool get(Reader& in, SentinelHosts& body) {
    uint64_t count = 0;
    if (!in.number(count) || count > kHostCountMax) return false;
    body.hosts.reserve(std::min<size_t>(count, in.fields.rest().size()));
    for (; count > 0; --count) {
      if (!in.text(body.hosts.emplace_back())) return false;
    }
    return true;
  }
};

template <>
struct Wire<MemberBook> {
  static constexpr auto kType = FrameType::kMemberBook;
  static constexpr std::string_view kName = "MemberBook";
  static void put(Writer& out, const MemberBook& body) {
    ALF_CHECK(body.configuration.size() <= kBookBytesMax);
    base::put_prefixed(out.fields, body.configuration);
  }
  static bool get(Reader& in, MemberBook& body) {
    return in.text(body.configuration, kBookBytesMax);
  }
};

}  // namespace alfheim::net::wire
