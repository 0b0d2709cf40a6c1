// net/link_wire_raft: the fields of Raft's messages; link_codec's own.
//
// The term stands in front of each and is link_codec's.
//
// Thread: any. Lifetime: values. Format: docs/formats/link.md (version 1).
#pragma once

#include "net/link_wire.h"
#include "raft/message.h"

namespace alfheim::net::wire {

template <>
struct Wire<raft::VoteRequest> {
  static constexpr auto kType = FrameType::kVoteRequest;
  static constexpr std::string_view kName = "VoteRequest";
  static void put(Writer& out, const raft::VoteRequest& body) {
    out.byte(static_cast<uint8_t>((body.is_pre_vote ? 1 : 0) | (body.is_transfer ? 2 : 0)));
    out.number(body.last.value);
    out.number(body.last_term.value);
  }
  static bool get(Reader& in, raft::VoteRequest& body) {
    uint8_t flags = 0;
    if (!in.flags(flags, 3)) return false;
    body.is_pre_vote = (flags & 1) != 0;
    body.is_transfer = (flags & 2) != 0;
    return in.number(body.last.value) && in.number(body.last_term.value);
  }
};

template <>
struct Wire<raft::VoteResponse> {
  static constexpr auto kType = FrameType::kVoteResponse;
  static constexpr std::string_view kName = "VoteResponse";
  static void put(Writer& out, const raft::VoteResponse& body) {
    out.byte(static_cast<uint8_t>((body.is_pre_vote ? 1 : 0) | (body.is_granted ? 2 : 0)));
    base::put_u64(out.fields, body.data_uid);
  }
  static bool get(Reader& in, raft::VoteResponse& body) {
    uint8_t flags = 0;
    if (!in.flags(flags, 3)) return false;
    body.is_pre_vote = (flags & 1) != 0;
    body.is_granted = (flags & 2) != 0;
    return in.fields.get_u64(body.data_uid);
  }
};

// The entries carried begin behind `previous` and follow one another, so no index is written.
template <>
struct Wire<raft::Append> {
  static constexpr auto kType = FrameType::kAppend;
  static constexpr std::string_view kName = "Append";
  static void put(Writer& out, const raft::Append& body) {
    ALF_CHECK(body.entries.size() <= kFrameEntriesMax);
    out.number(body.previous.value);
    out.number(body.previous_term.value);
    out.number(body.commit.value);
    out.number(body.entries.size());
    base::LogIndex expected = body.previous;
    for (const raft::Entry& entry : body.entries) {
      expected = expected.next();
      ALF_CHECK(entry.index == expected);
      out.byte(static_cast<uint8_t>(entry.kind));
      out.number(entry.term.value);
      out.number(entry.stamp.ms);
      base::put_u64(out.fields, entry.seed);
      out.payloads.push_back(entry.payload);
    }
  }
  static bool get(Reader& in, raft::Append& body) {
    uint64_t count = 0;
    if (!in.number(body.previous.value) || !in.number(body.previous_term.value) ||
        !in.number(body.commit.value) || !in.number(count)) {
      return false;
    }
    if (count > kFrameEntriesMax || !in.has_payloads(count)) return false;
    if (body.previous.value > std::numeric_limits<uint64_t>::max() - count) return false;
    body.last = body.previous.plus(count);
    body.entries.resize(count);
    for (size_t i = 0; i < count; ++i) {
      if (!get_entry(in, body.entries[i])) return false;
      body.entries[i].index = body.previous.plus(i + 1);
      body.entries[i].payload = std::move(in.payloads[i]);
    }
    in.payloads.clear();
    return true;
  }
  static bool get_entry(Reader& in, raft::Entry& entry) {
    uint8_t kind = 0;
    if (!in.fields.get_u8(kind)) return false;
    if (kind < static_cast<uint8_t>(raft::EntryKind::kNoop)) return false;
    if (kind > static_cast<uint8_t>(raft::EntryKind::kFragment)) return false;
    entry.kind = static_cast<raft::EntryKind>(kind);
    return in.number(entry.term.value) && in.number(entry.stamp.ms) &&
           in.fields.get_u64(entry.seed);
  }
};

template <>
struct Wire<raft::AppendResponse> {
  static constexpr auto kType = FrameType::kAppendResponse;
  static constexpr std::string_view kName = "AppendResponse";
  static void put(Writer& out, const raft::AppendResponse& body) {
    out.byte(body.is_rejected ? 1 : 0);
    out.number(body.match.value);
    out.number(body.rejected_previous.value);
    out.number(body.hint.value);
    out.number(body.hint_term.value);
  }
  static bool get(Reader& in, raft::AppendResponse& body) {
    return in.truth(body.is_rejected) && in.number(body.match.value) &&
           in.number(body.rejected_previous.value) && in.number(body.hint.value) &&
           in.number(body.hint_term.value);
  }
};

template <>
struct Wire<raft::Heartbeat> {
  static constexpr auto kType = FrameType::kHeartbeat;
  static constexpr std::string_view kName = "Heartbeat";
  static void put(Writer& out, const raft::Heartbeat& body) {
    out.number(body.commit.value);
    out.number(body.round);
  }
  static bool get(Reader& in, raft::Heartbeat& body) {
    return in.number(body.commit.value) && in.number(body.round);
  }
};

template <>
struct Wire<raft::HeartbeatResponse> {
  static constexpr auto kType = FrameType::kHeartbeatResponse;
  static constexpr std::string_view kName = "HeartbeatResponse";
  static void put(Writer& out, const raft::HeartbeatResponse& body) {
    out.number(body.round);
    out.number(body.promise_ms);
  }
  static bool get(Reader& in, raft::HeartbeatResponse& body) {
    return in.number(body.round) && in.number(body.promise_ms);
  }
};

template <>
struct Wire<raft::ReadRequest> {
  static constexpr auto kType = FrameType::kReadRequest;
  static constexpr std::string_view kName = "ReadRequest";
  static void put(Writer& out, const raft::ReadRequest& body) {
    base::put_u64(out.fields, body.incarnation);
    out.number(body.id.value);
  }
  static bool get(Reader& in, raft::ReadRequest& body) {
    return in.fields.get_u64(body.incarnation) && in.number(body.id.value);
  }
};

template <>
struct Wire<raft::ReadResponse> {
  static constexpr auto kType = FrameType::kReadResponse;
  static constexpr std::string_view kName = "ReadResponse";
  static void put(Writer& out, const raft::ReadResponse& body) {
    out.byte(body.is_granted ? 1 : 0);
    base::put_u64(out.fields, body.incarnation);
    out.number(body.id.value);
    out.number(body.index.value);
  }
  static bool get(Reader& in, raft::ReadResponse& body) {
    return in.truth(body.is_granted) && in.fields.get_u64(body.incarnation) &&
           in.number(body.id.value) && in.number(body.index.value);
  }
};

template <>
struct Wire<raft::TransferNow> {
  static constexpr auto kType = FrameType::kTransferNow;
  static constexpr std::string_view kName = "TransferNow";
  static void put(Writer&, const raft::TransferNow&) {}
  static bool get(Reader&, raft::TransferNow&) { return true; }
};

template <>
struct Wire<raft::SnapshotOffer> {
  static constexpr auto kType = FrameType::kSnapshotOffer;
  static constexpr std::string_view kName = "SnapshotOffer";
  static void put(Writer& out, const raft::SnapshotOffer& body) {
    out.number(body.mark.id);
    out.number(body.mark.index.value);
    out.number(body.mark.term.value);
  }
  static bool get(Reader& in, raft::SnapshotOffer& body) {
    return in.number(body.mark.id) && in.number(body.mark.index.value) &&
           in.number(body.mark.term.value);
  }
};

}  // namespace alfheim::net::wire
