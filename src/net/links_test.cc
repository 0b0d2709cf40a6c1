#include "net/links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "net/links_testing.h"
#include "net/testing_messages.h"
#include "net/testing_socket.h"

namespace alfheim::net {
namespace {

// The message as node `from` sends it to `to`.
PeerMessage addressed(PeerMessage message, const TestNode& from, const TestNode& to) {
  std::visit(
      [&](auto& one) {
        one.from = from.endpoint.id;
        one.to = to.endpoint.id;
      },
      message);
  return message;
}

PeerMessage heartbeat(const TestNode& from, const TestNode& to, uint64_t round) {
  return addressed(testing_raft(raft::Heartbeat{{1}, round}), from, to);
}

uint64_t round_of(const PeerMessage& message) {
  return std::get<raft::Heartbeat>(std::get<raft::Message>(message).body).round;
}

// A stranger.
class RawPeer : public TestingSocket {
 public:
  using TestingSocket::TestingSocket;

  // The one frame that answers a greeting.
  Handshake answer() {
    const base::Bytes header = receive(kFrameHeaderBytes);
    const auto decoded = decode_frame_header(header, kHandshakeSeed, kHandshakeBytesMax);
    EXPECT_TRUE(decoded.is_ok());
    Frame frame;
    frame.header = *decoded;
    frame.front = receive(decoded->front_bytes);
    const auto handshake = decode_handshake(frame);
    EXPECT_TRUE(handshake.is_ok());
    return *handshake;
  }
};

Hello hello_to(const TestNode& node, uint64_t from) {
  return {.version_min = 1,
          .version_max = 1,
          .lane = Lane::kUrgent,
          .cluster_uid = 0xa1f,
          .from = {from},
          .to = node.endpoint.id,
          .data_uid = 7,
          .name = "raw"};
}

TEST(Links, MessagesOfAllKindsArriveAsTheyWereSent) {
  TestNode a({.id = 1}), b({.id = 2});
  a.run();
  b.run();
  a.set_peers({b.endpoint});
  b.set_peers({a.endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  ASSERT_TRUE(b.heard.wait_for_event("+1"));
  const auto exchange = [](TestNode& from, TestNode& to) {
    for (const TestingMessage& one : testing_messages()) {
      const PeerMessage message = addressed(one.message, from, to);
      from.send(message);
      const auto arrival = to.heard.next();
      ASSERT_TRUE(arrival.has_value()) << one.name;
      EXPECT_EQ(text_of(arrival->message), text_of(message));
    }
  };
  exchange(a, b);
  exchange(b, a);
  const auto status = a.status();
  ASSERT_EQ(status.size(), 1u);
  EXPECT_TRUE(status[0].is_connected);
  EXPECT_EQ(status[0].connect_count, 1u);
  EXPECT_EQ(status[0].sent_count, testing_messages().size());
  EXPECT_EQ(status[0].received_count, testing_messages().size());
  EXPECT_EQ(status[0].dropped_count, 0u);
  EXPECT_EQ(status[0].trouble, "");
  EXPECT_EQ(a.connection_count(), 4u);  // two lanes out, two in
}

TEST(Links, MessagesOfALaneArriveInTheOrderOfSending) {
  TestNode a({.id = 1}), b({.id = 2});
  a.run();
  b.run();
  a.set_peers({b.endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  a.on_core([&] {
    for (uint64_t round = 1; round <= 5000; ++round) a.links->send(heartbeat(a, b, round));
  });
  for (uint64_t round = 1; round <= 5000; ++round) {
    const auto arrival = b.heard.next();
    ASSERT_TRUE(arrival.has_value());
    ASSERT_EQ(round_of(arrival->message), round);
  }
}

TEST(Links, APeerThatIsStartedAnewIsConnectedAgain) {
  TestNode a({.id = 1});
  a.run();
  auto b = std::make_unique<TestNode>(TestNode::Options{.id = 2});
  b->run();
  a.set_peers({b->endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  const uint16_t port = b->endpoint.address.port;
  b.reset();
  ASSERT_TRUE(a.heard.wait_for_event("-2"));
  a.heard.wait_for_trouble("Connection refused");
  b = std::make_unique<TestNode>(TestNode::Options{.id = 2, .port = port});
  b->run();
  b->set_peers({a.endpoint});
  ASSERT_TRUE(b->heard.wait_for_event("+1"));
  ASSERT_TRUE(a.heard.wait_until([&] { return a.heard.events.size() == 3; }));
  EXPECT_EQ(a.heard.events_now().back(), "+2");
  a.send(heartbeat(a, *b, 9));
  const auto arrival = b->heard.next();
  ASSERT_TRUE(arrival.has_value());
  EXPECT_EQ(round_of(arrival->message), 9u);
  EXPECT_EQ(a.status()[0].connect_count, 2u);
  EXPECT_EQ(a.status()[0].trouble, "");
  // Said once, however often it was tried.
  EXPECT_EQ(a.heard.count_troubles("Connection refused"), 1u);
}

TEST(Links, AnAppendForAPeerThatIsNotThereIsToldAsDropped) {
  TestNode a({.id = 1}), b({.id = 2});  // b does not run
  a.run();
  a.send(addressed(testing_raft(testing_append(1, {"x"})), a, b));
  ASSERT_TRUE(a.heard.wait_until([&] { return a.heard.dropped_count == 1; }));
  a.set_peers({b.endpoint});
  a.send(addressed(testing_raft(testing_append(1, {"x"})), a, b));
  a.send(heartbeat(a, b, 1));
  ASSERT_TRUE(a.heard.wait_until([&] { return a.heard.dropped_count == 2; }));
  a.on_io([] {});
  EXPECT_EQ(a.status()[0].dropped_count, 2u);  // the heartbeat, too, of which nobody is told
}

TEST(Links, ANodeOfAnotherClusterIsRefused) {
  TestNode a({.id = 1, .cluster_uid = 0xbad}), b({.id = 2});
  a.run();
  b.run();
  a.set_peers({b.endpoint});
  a.heard.wait_for_trouble(
      "refused: node 2 belongs to cluster 0000000000000a1f, the caller to 0000000000000bad");
  b.heard.wait_for_trouble("link from node 1 (\"n1\") at 127.0.0.1: refused: node 2 belongs to");
  EXPECT_TRUE(a.heard.events_now().empty());
  EXPECT_THAT(a.status()[0].trouble, testing::StartsWith("refused: node 2 belongs to cluster"));
  a.send(heartbeat(a, b, 1));
  EXPECT_FALSE(a.status()[0].is_connected);
}

TEST(Links, WhoIsNoMemberIsRefusedWithTheOwnersWords) {
  std::atomic<bool> is_member = false;
  TestNode b({.id = 2, .judge = [&is_member](const Hello& hello) -> base::Status {
                EXPECT_EQ(hello.data_uid, 1001u);
                if (is_member) return base::ok();
                return base::Error{base::ErrorCode::kNotFound, "node 1 was removed"};
              }});
  std::atomic<int> refused_count = 0;
  TestNode a({.id = 1, .change = [&refused_count](LinkOptions& options) {
                options.refused_back_off_ms = 10;
                options.on_refused = [&refused_count](base::NodeId peer, const Refuse& refuse) {
                  EXPECT_EQ(peer.value, 2u);
                  EXPECT_EQ(refuse.code, RefuseCode::kNotAMember);
                  EXPECT_EQ(refuse.words, "node 1 was removed");
                  ++refused_count;
                };
              }});
  a.run();
  b.run();
  a.set_peers({b.endpoint});
  a.heard.wait_for_trouble("refused: node 1 was removed");
  is_member = true;
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  EXPECT_EQ(refused_count.load(), 1);
  // Who was let in is judged again when the members change.
  is_member = false;
  b.set_peers({});
  ASSERT_TRUE(a.heard.wait_for_event("-2"));
}

TEST(Links, AnotherNodeAtThePeersAddressIsRecognised) {
  TestNode a({.id = 1}), b({.id = 2});
  a.run();
  b.run();
  a.set_peers({PeerEndpoint{.id = {3}, .address = b.endpoint.address}});
  a.heard.wait_for_trouble("refused: this is node 2, the caller looks for node 3");
  EXPECT_TRUE(a.heard.events_now().empty());
}

TEST(Links, APeerThatIsNotNamedAnyMoreIsLeft) {
  TestNode a({.id = 1}), b({.id = 2}), c({.id = 3});
  a.run();
  b.run();
  c.run();
  a.set_peers({b.endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  a.set_peers({c.endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("-2"));
  ASSERT_TRUE(a.heard.wait_for_event("+3"));
  a.set_peers({});
  ASSERT_TRUE(a.heard.wait_for_event("-3"));
  while (a.connection_count() + b.connection_count() + c.connection_count() > 0) {
    std::this_thread::yield();
  }
}

TEST(Links, APeersNewAddressIsDialled) {
  TestNode a({.id = 1}), b({.id = 2});
  a.run();
  b.run();
  PeerEndpoint wrong = b.endpoint;
  wrong.address.port = 1;
  a.set_peers({wrong});
  a.heard.wait_for_trouble("connect to 127.0.0.1:1: Connection refused");
  a.set_peers({b.endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
}

TEST(Links, ABadFrameClosesTheConnectionWithOneLine) {
  TestNode node({.id = 2});
  node.run();
  RawPeer raw(node.endpoint.address.port);
  raw.send(encode_handshake(hello_to(node, 9)));
  const Handshake answer = raw.answer();
  ASSERT_TRUE(std::holds_alternative<Welcome>(answer));
  EXPECT_EQ(std::get<Welcome>(answer).from.value, 2u);
  const base::Bytes good = joined(testing_messages()[0].message, link_seed(0xa1f));
  base::Bytes bad = good;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  raw.send(good + bad + good);
  EXPECT_EQ(raw.receive_all(), "");  // closed
  ASSERT_TRUE(node.heard.wait_for_trouble(
      "link from node 9 (\"raw\") at 127.0.0.1: frame at offset_bytes="));
  EXPECT_THAT(node.heard.troubles_now().front(), testing::HasSubstr("body crc 0x"));
  // What came whole before it counts, and nothing behind it.
  const auto arrival = node.heard.next();
  ASSERT_TRUE(arrival.has_value());
  EXPECT_EQ(sender_of(arrival->message).value, 9u);
  EXPECT_TRUE(node.heard.arrivals.empty());
}

TEST(Links, StrangersAreSentAwayAndThosePeersThatHaveAWordAreServed) {
  TestNode node({.id = 2, .change = [](LinkOptions& o) { o.handshake_timeout_ms = 100; }});
  node.run();
  RawPeer silent(node.endpoint.address.port);
  RawPeer http(node.endpoint.address.port);
  http.send("GET / HTTP/1.1\r\nHost: node2.example:7379\r\n\r\n");
  EXPECT_EQ(http.receive_all(), "");
  node.heard.wait_for_trouble("link from somebody at 127.0.0.1: frame at offset_bytes=0: magic");
  EXPECT_EQ(silent.receive_all(), "");
  RawPeer later(node.endpoint.address.port);
  Hello hello = hello_to(node, 9);
  hello.version_min = 2;
  hello.version_max = 3;
  later.send(encode_handshake(hello));
  const Handshake answer = later.answer();
  ASSERT_TRUE(std::holds_alternative<Refuse>(answer));
  EXPECT_EQ(std::get<Refuse>(answer).code, RefuseCode::kNoCommonVersion);
}

TEST(Links, TheNewerConnectionOfALaneCounts) {
  TestNode node({.id = 2});
  node.run();
  RawPeer older(node.endpoint.address.port);
  older.send(encode_handshake(hello_to(node, 9)));
  ASSERT_TRUE(std::holds_alternative<Welcome>(older.answer()));
  RawPeer newer(node.endpoint.address.port);
  newer.send(encode_handshake(hello_to(node, 9)));
  ASSERT_TRUE(std::holds_alternative<Welcome>(newer.answer()));
  EXPECT_EQ(older.receive_all(), "");
  newer.send(joined(testing_messages()[0].message, link_seed(0xa1f)));
  EXPECT_TRUE(node.heard.next().has_value());
}

// The kernel gives the urgent lane up; the bulk lane may have megabytes in one that never ends.
TEST(Links, TheBulkLaneIsMadeAnewWithTheUrgentOne) {
  std::atomic<int> bulk_count = 0;
  TestNode a({.id = 1});
  TestNode b({.id = 2, .judge = [&](const Hello& hello) {
                if (hello.lane == Lane::kBulk) ++bulk_count;
                return base::ok();
              }});
  a.run();
  b.run();
  a.set_peers({b.endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  EXPECT_EQ(bulk_count, 1);
  RawPeer usurper(b.endpoint.address.port);
  Hello hello = hello_to(b, 1);
  hello.lane = Lane::kUrgent;
  usurper.send(encode_handshake(hello));
  ASSERT_TRUE(a.heard.wait_until([&] { return a.heard.events.size() == 3; }));
  EXPECT_EQ(a.heard.events_now().back(), "+2");
  EXPECT_EQ(bulk_count, 2);
}

// 128 Appends of 1 MiB are on the way to a peer all the time, and heartbeats are sent meanwhile.
// How many Appends are heard before a heartbeat that was sent after them is counted, not how long
// it takes: on a busy machine any thread may stand still for longer than megabytes take. Through
// one lane a heartbeat has all of them ahead of it; through its own at most those that the kernel
// holds (tcp_rmem, tcp_wmem: 10 to 36 MiB) and those that lie before the peer's core (4 MiB).
TEST(Links, HeartbeatsDoNotWaitForMegabytes) {
  constexpr int64_t kWindow = 128, kManyOnTheWay = 112, kAheadMax = 64;
  constexpr int kHeartbeats = 50;  // that found so many on the way
  // These outlive the nodes, whose cores use them to the end.
  std::atomic<int64_t> appends_heard = 0;
  std::atomic<uint64_t> heard_round = 0;
  std::vector<int64_t> when_heard(1), when_sent(1);  // by round: appends_heard
  int64_t sent = 0;
  int found_count = 0;
  std::promise<void> done;
  std::function<void()> tick;
  TestNode a({.id = 1, .change = [](LinkOptions& o) { o.bulk_bytes_max = 256 << 20; }});
  TestNode b({.id = 2, .change = [](LinkOptions& o) { o.undelivered_bytes_max = 4 << 20; }});
  b.heard.on_each = [&](PeerMessage message) {
    if (std::holds_alternative<raft::Append>(std::get<raft::Message>(message).body)) {
      ++appends_heard;
      return;
    }
    when_heard.push_back(appends_heard);
    heard_round = round_of(message);
  };
  a.run();
  b.run();
  a.set_peers({b.endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  const FramePayload payload = testing_payload(std::string(1 << 20, 'v'));
  // On the core, as replica would.
  tick = [&] {
    const uint64_t round = when_sent.size();
    const bool are_all_sent = found_count == kHeartbeats;
    if (are_all_sent && heard_round == round - 1) return done.set_value();
    a.core().post_after(1, tick);
    if (are_all_sent) return;
    if (sent - appends_heard >= kManyOnTheWay) ++found_count;
    a.links->send(heartbeat(a, b, round));
    when_sent.push_back(appends_heard);  // after it, so that no pause in between counts
    while (sent - appends_heard < kWindow) {
      raft::Append append = testing_append(static_cast<uint64_t>(++sent), {"x"});
      append.entries[0].payload = payload;
      a.links->send(addressed(testing_raft(append), a, b));
    }
  };
  a.on_core(tick);
  ASSERT_EQ(done.get_future().wait_for(kTestPatience), std::future_status::ready);
  ASSERT_EQ(when_heard.size(), when_sent.size());
  int64_t worst = 0;
  for (size_t i = 1; i < when_sent.size(); ++i) {
    worst = std::max(worst, when_heard[i] - when_sent[i]);
  }
  EXPECT_LE(worst, kAheadMax) << "of " << when_sent.size() - 1 << " heartbeats";
  RecordProperty("appends_ahead_of_a_heartbeat", static_cast<int>(worst));
  EXPECT_EQ(a.heard.dropped_count, 0);
}

TEST(Links, WhatOnePeerDoesNotTakeIsDroppedAndTheOtherGetsTheSameMemory) {
  TestNode a({.id = 1, .change = [](LinkOptions& o) { o.bulk_bytes_max = 2 * kFrameBytesMax; }});
  TestNode b({.id = 2});
  a.run();
  b.run();
  // A peer that is welcomed and then never reads.
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 8), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  const PeerEndpoint deaf{.id = {3}, .address = {"127.0.0.1", ntohs(address.sin_port)}};
  a.set_peers({b.endpoint, deaf});
  const base::Bytes welcome = encode_handshake(
      Welcome{.version = 1, .cluster_uid = 0xa1f, .from = {3}, .data_uid = 1, .name = "deaf"});
  int lanes[2];
  for (int& lane : lanes) {
    lane = ::accept(listener, nullptr, nullptr);
    ASSERT_GE(lane, 0);
    ASSERT_EQ(::send(lane, welcome.data(), welcome.size(), 0),
              static_cast<ssize_t>(welcome.size()));
  }
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  ASSERT_TRUE(a.heard.wait_for_event("+3"));
  const FramePayload payload = testing_payload(std::string(2 << 20, 'v'));
  for (int i = 0; i < 20; ++i) {
    for (const uint64_t to : {2, 3}) {
      raft::Append append = testing_append(1, {"x"});
      append.entries[0].payload = payload;
      PeerMessage message = addressed(testing_raft(append), a, b);
      std::get<raft::Message>(message).to = {to};
      a.send(std::move(message));
    }
    ASSERT_TRUE(b.heard.next().has_value());
  }
  ASSERT_TRUE(a.heard.wait_until([&] { return a.heard.dropped_count > 0; }));
  const auto status = a.status();
  EXPECT_EQ(status[0].dropped_count, 0u);
  EXPECT_EQ(status[1].dropped_count, static_cast<uint64_t>(a.heard.dropped_count));
  EXPECT_GT(status[1].unsent_bytes, 10u << 20);
  EXPECT_LE(status[1].unsent_bytes, 2 * kFrameBytesMax);
  // What waits for the deaf one is this memory and no other: one holder for each Append.
  EXPECT_GE(payload.use_count(), 5);
  for (const int lane : lanes) ::close(lane);
  ::close(listener);
  ASSERT_TRUE(a.heard.wait_for_event("-3"));
  // The other lane's end may be heard a turn later.
  while (payload.use_count() > 1) std::this_thread::yield();
}

// The core of the receiver stands still: what comes is not heaped up without end.
TEST(Links, BulkIsReadNoFurtherThanTheReceiverTakesIt) {
  TestNode a({.id = 1});
  TestNode b({.id = 2, .change = [](LinkOptions& o) { o.undelivered_bytes_max = 4 << 20; }});
  a.run();
  b.run();
  a.set_peers({b.endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  std::promise<void> go_on;
  std::promise<void> stands;
  b.core().post([&] {
    stands.set_value();
    go_on.get_future().wait();
  });
  stands.get_future().wait();
  const FramePayload payload = testing_payload(std::string(1 << 20, 'v'));
  for (uint64_t i = 0; i < 70; ++i) {
    raft::Append append = testing_append(i, {"x"});
    append.entries[0].payload = payload;
    a.send(addressed(testing_raft(append), a, b));
  }
  // The rest stays with the sender (the kernel holds some of it).
  a.on_io([] {});
  pollfd nothing{-1, 0, 0};
  ::poll(&nothing, 1, 300);
  EXPECT_GT(a.status()[0].unsent_bytes, 40u << 20);
  go_on.set_value();
  for (uint64_t i = 0; i < 70; ++i) ASSERT_TRUE(b.heard.next().has_value()) << i;
}

TEST(Links, StoppedLinksSayNothingMore) {
  TestNode a({.id = 1}), b({.id = 2});
  a.run();
  b.run();
  a.set_peers({b.endpoint});
  b.set_peers({a.endpoint});
  ASSERT_TRUE(a.heard.wait_for_event("+2"));
  ASSERT_TRUE(b.heard.wait_for_event("+1"));
  a.on_core([&] {
    a.links->stop();
    a.links->send(heartbeat(a, b, 1));
    a.links->set_peers({b.endpoint});
  });
  ASSERT_TRUE(b.heard.wait_for_event("-1"));
  EXPECT_EQ(a.heard.events_now().size(), 1u);
  EXPECT_TRUE(b.heard.arrivals.empty());
}

}  // namespace
}  // namespace alfheim::net
