// net/testing_messages: one message of each kind with a different number in each field, for
// tests, and messages as text, so that tests compare all that they hold.
//
// Thread: any. Lifetime: values.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/format.h"
#include "base/text.h"
#include "net/link_codec.h"

namespace alfheim::net {

inline constexpr base::NodeId kTestingFrom{3};
inline constexpr base::NodeId kTestingTo{5};

inline FramePayload testing_payload(std::string bytes) {
  return std::make_shared<const base::Bytes>(std::move(bytes));
}

inline PeerMessage testing_raft(raft::Body body) {
  return raft::Message{
      .group = {7}, .from = kTestingFrom, .to = kTestingTo, .term = {300}, .body = std::move(body)};
}

inline PeerMessage testing_note(NoteBody body) {
  return PeerNote{.group = {7}, .from = kTestingFrom, .to = kTestingTo, .body = std::move(body)};
}

inline raft::Append testing_append(uint64_t previous, std::vector<std::string> payloads) {
  raft::Append append{.previous = {previous},
                      .previous_term = {299},
                      .last = {previous},
                      .commit = {previous},
                      .entries = {}};
  for (std::string& bytes : payloads) {
    append.last = append.last.next();
    append.entries.push_back({.index = append.last,
                              .term = {300},
                              .kind = raft::EntryKind::kFragment,
                              .stamp = {1'700'000'000'000},
                              .seed = 0x1122334455667788,
                              .payload = testing_payload(std::move(bytes))});
  }
  return append;
}

struct TestingMessage {
  std::string name;
  PeerMessage message;
};

inline std::vector<TestingMessage> testing_messages() {
  using raft::EntryKind;
  raft::Append entries = testing_append(1000, {"payload of 1001", "", "payload of 1003"});
  entries.entries[1] = {.index = {1002},
                        .term = {300},
                        .kind = EntryKind::kNoop,
                        .stamp = {1},
                        .seed = 2,
                        .payload = nullptr};
  const auto chunk = testing_payload("bytes of a file");
  return {
      {"vote_request", testing_raft(raft::VoteRequest{true, false, {11}, {12}})},
      {"vote_request_transfer", testing_raft(raft::VoteRequest{false, true, {1u << 20}, {12}})},
      {"vote_response", testing_raft(raft::VoteResponse{true, false, 0})},
      {"vote_response_granted", testing_raft(raft::VoteResponse{false, true, 0xd3})},
      {"append_probe", testing_raft(testing_append(1000, {}))},
      {"append_entries", testing_raft(entries)},
      {"append_response", testing_raft(raft::AppendResponse{false, {21}, {}, {}, {}})},
      {"append_response_rejected", testing_raft(raft::AppendResponse{true, {}, {22}, {23}, {24}})},
      {"heartbeat", testing_raft(raft::Heartbeat{{31}, 32})},
      {"heartbeat_response", testing_raft(raft::HeartbeatResponse{33, 1000})},
      {"read_request", testing_raft(raft::ReadRequest{0x4142434445464748, {42}})},
      {"read_response", testing_raft(raft::ReadResponse{0x4142434445464748, {43}, true, {44}})},
      {"transfer_now", testing_raft(raft::TransferNow{})},
      {"snapshot_offer", testing_raft(raft::SnapshotOffer{{47, {45}, {46}}})},
      {"node_news", testing_note(NodeNews{"n3", "10.0.0.3:6379", "10.0.0.3:8379", true})},
      {"snapshot_list_request", testing_note(SnapshotListRequest{51})},
      {"snapshot_list", testing_note(SnapshotList{
                            52, {{"MANIFEST", 100, 0xa1b2c3d4}, {"index/1.sst", 1u << 20, 5}}})},
      {"snapshot_read", testing_note(SnapshotRead{53, 1, 1u << 20, 4096})},
      {"snapshot_chunk", testing_note(SnapshotChunk{54, 1, 1u << 20, base::crc32c(*chunk), chunk})},
      {"snapshot_done", testing_note(SnapshotDone{55, true})},
      {"take_over_request", testing_note(TakeOverRequest{})},
      {"sentinel_hosts", testing_note(SentinelHosts{{"10.0.0.9", "fe80::1"}})},
      {"member_book", testing_note(MemberBook{base::Bytes("\x02\x01", 2)})},
  };
}

inline Hello testing_hello() {
  return {.version_min = 1,
          .version_max = 1,
          .lane = Lane::kBulk,
          .cluster_uid = 0xa1f,
          .from = kTestingFrom,
          .to = kTestingTo,
          .data_uid = 0xd1,
          .name = "n3"};
}
inline Welcome testing_welcome() {
  return {.version = 1, .cluster_uid = 0xa1f, .from = kTestingTo, .data_uid = 0xd2, .name = "n5"};
}
inline Refuse testing_refuse() { return {RefuseCode::kNotAMember, "node 3 is no member"}; }

// A frame as it goes over the wire.
inline base::Bytes joined(const WireFrame& frame) {
  base::Bytes bytes = frame.head;
  for (const FramePayload& payload : frame.payloads) {
    if (payload) bytes += *payload;
  }
  return bytes;
}
inline base::Bytes joined(const PeerMessage& message, uint32_t seed) {
  base::Bytes bytes;
  for (const WireFrame& frame : encode_message(message, seed)) bytes += joined(frame);
  return bytes;
}

// ---- as text ----

inline std::string text_of(const raft::Body& body) {
  struct Visitor {
    std::string operator()(const raft::VoteRequest& b) const {
      return base::format("VoteRequest {} {} {} {}", b.is_pre_vote, b.is_transfer, b.last.value,
                          b.last_term.value);
    }
    std::string operator()(const raft::VoteResponse& b) const {
      return base::format("VoteResponse {} {} {}", b.is_pre_vote, b.is_granted, b.data_uid);
    }
    std::string operator()(const raft::Append& b) const {
      std::string text =
          base::format("Append {} {} {} {} {}", b.previous.value, b.previous_term.value,
                       b.last.value, b.commit.value, b.bytes_max);
      for (const raft::Entry& e : b.entries) {
        text += base::format(" [{} {} {} {} {:x} {} {}]", e.index.value, e.term.value,
                             static_cast<int>(e.kind), e.stamp.ms, e.seed, e.payload == nullptr,
                             base::to_quoted(e.bytes()));
      }
      return text;
    }
    std::string operator()(const raft::AppendResponse& b) const {
      return base::format("AppendResponse {} {} {} {} {}", b.is_rejected, b.match.value,
                          b.rejected_previous.value, b.hint.value, b.hint_term.value);
    }
    std::string operator()(const raft::Heartbeat& b) const {
      return base::format("Heartbeat {} {}", b.commit.value, b.round);
    }
    std::string operator()(const raft::HeartbeatResponse& b) const {
      return base::format("HeartbeatResponse {} promise_ms={}", b.round, b.promise_ms);
    }
    std::string operator()(const raft::ReadRequest& b) const {
      return base::format("ReadRequest {:x} {}", b.incarnation, b.id.value);
    }
    std::string operator()(const raft::ReadResponse& b) const {
      return base::format("ReadResponse {:x} {} {} {}", b.incarnation, b.id.value, b.is_granted,
                          b.index.value);
    }
    std::string operator()(const raft::TransferNow&) const { return "TransferNow"; }
    std::string operator()(const raft::SnapshotOffer& b) const {
      return base::format("SnapshotOffer {} {} {}", b.mark.id, b.mark.index.value,
                          b.mark.term.value);
    }
  };
  return std::visit(Visitor{}, body);
}

inline std::string text_of(const NoteBody& body) {
  struct Visitor {
    std::string operator()(const NodeNews& b) const {
      return base::format("NodeNews {} {} {} {}", b.name, b.resp_address, b.http_address,
                          b.is_in_lease_mode);
    }
    std::string operator()(const SnapshotListRequest& b) const {
      return base::format("SnapshotListRequest {}", b.snapshot_id);
    }
    std::string operator()(const SnapshotList& b) const {
      std::string text = base::format("SnapshotList {}", b.snapshot_id);
      for (const SnapshotFile& f : b.files) {
        text += base::format(" [{} {} {:x}]", f.name, f.bytes, f.crc);
      }
      return text;
    }
    std::string operator()(const SnapshotRead& b) const {
      return base::format("SnapshotRead {} {} {} {}", b.snapshot_id, b.file_number, b.offset,
                          b.length);
    }
    std::string operator()(const SnapshotChunk& b) const {
      return base::format("SnapshotChunk {} {} {} {:x} {}", b.snapshot_id, b.file_number, b.offset,
                          b.crc, b.bytes ? base::to_quoted(*b.bytes) : "null");
    }
    std::string operator()(const SnapshotDone& b) const {
      return base::format("SnapshotDone {} {}", b.snapshot_id, b.is_given_up);
    }
    std::string operator()(const TakeOverRequest&) const { return "TakeOverRequest"; }
    std::string operator()(const MemberBook& b) const {
      return "MemberBook " + base::to_quoted(b.configuration);
    }
    std::string operator()(const SentinelHosts& b) const {
      std::string text = "SentinelHosts";
      for (const std::string& host : b.hosts) text += " " + host;
      return text;
    }
  };
  return std::visit(Visitor{}, body);
}

inline std::string text_of(const PeerMessage& message) {
  std::string text = base::format("group {} {}->{} ", group_of(message).value,
                                  sender_of(message).value, receiver_of(message).value);
  if (const auto* raft = std::get_if<raft::Message>(&message)) {
    return text + base::format("term {} {}", raft->term.value, text_of(raft->body));
  }
  return text + text_of(std::get<PeerNote>(message).body);
}

}  // namespace alfheim::net
