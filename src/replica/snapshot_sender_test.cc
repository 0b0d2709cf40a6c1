#include "replica/snapshot_sender.h"

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "index/twin_store.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_executor.h"
#include "sim/hands/sim_random.h"
#include "sim/hands/sim_scheduler.h"

namespace alfheim::replica {
namespace {

constexpr base::NodeId kSelf{1};
constexpr base::NodeId kPeer{2};
constexpr base::NodeId kThird{3};

class SnapshotSenderTest : public testing::Test, public net::PeerTransport {
 protected:
  SnapshotSenderTest()
      : core_(executor_.make_strand("core")),
        log_strand_(executor_.make_strand("log")),
        store_(twin_disk_),
        maker_({disk_, store_}, "/snapshots") {
    auto log = vlog::Log::open(disk_, random_,
                               {.dir = "/log",
                                .identity = {.cluster_uid = 1, .node = kSelf, .group = {1}},
                                .segment_bytes = 16384,
                                .prewritten_segment_count = 0});
    EXPECT_TRUE(log.is_ok());
    log_ = std::move(log).value();
    append(1, 40);
    twin_disk_->replace({std::make_shared<index::TwinDisk::Records>(), 30});
    open(0);
    lead();
  }
  void open(uint64_t bytes_per_second, uint64_t held_log_bytes_max = UINT64_MAX) {
    sender_.emplace(
        SnapshotSender::Hands{clock_, random_, executor_, core_, log_strand_, *log_, maker_, this},
        SnapshotSender::Options{kSelf, {1}, bytes_per_second, held_log_bytes_max},
        SnapshotSender::Events{
            [this](base::NodeId peer, const raft::SnapshotMark& mark) -> base::Status {
              offers_.push_back({peer, mark});
              return base::ok();
            },
            [this](base::NodeId peer) { failed_.push_back(peer); },
            [](const base::Error& error) { FAIL() << error.message; },
            [this](const std::string& line) { troubles_.push_back(line); }});
  }
  void append(uint64_t first, uint64_t last) {
    for (uint64_t index = first; index <= last; ++index) {
      raft::Entry entry;
      entry.index = {index};
      entry.term = {1};
      entry.payload = std::make_shared<const base::Bytes>(1000, 'x');
      ASSERT_TRUE(log_->append({&entry, 1}).is_ok());
    }
  }
  // Entries come, and the log begins behind what was offered so far.
  void outgrow() {
    append(41, 120);
    // The log's start never passes what the index holds (I3).
    twin_disk_->replace({std::make_shared<index::TwinDisk::Records>(), 110});
    ASSERT_TRUE(log_->set_log_start({100}, {1}).is_ok());
    sender_->note(role_, {120});
  }
  void lead(uint64_t term = 1) {
    role_ = {.role = raft::RoleKind::kLeader, .leader = kSelf, .term = {term}};
    sender_->note(role_, log_->last_index());
  }
  void follow() {
    role_ = {.role = raft::RoleKind::kFollower, .leader = kPeer, .term = {2}};
    sender_->note(role_, log_->last_index());
  }
  // Of these peers raft says that they need a snapshot.
  void run_for_ms(uint64_t duration_ms, const std::vector<base::NodeId>& lagging) {
    raft::NodeStatus status;
    for (const base::NodeId id : lagging) {
      status.peers.push_back({.id = id, .state = raft::ProgressState::kSnapshot});
    }
    for (uint64_t at = 0; at < duration_ms; at += 100) {
      sender_->on_tick(status);
      scheduler_.run_for_ms(100);
    }
  }
  void ask(base::NodeId from, net::NoteBody body) { sender_->on_note(from, body); }
  template <typename Body>
  std::vector<Body> sent() const {
    std::vector<Body> all;
    for (const net::PeerNote& note : sent_) {
      if (const auto* body = std::get_if<Body>(&note.body)) all.push_back(*body);
    }
    return all;
  }

  // ---- net::PeerTransport ----
  void set_receiver(net::PeerReceiver*) override {}
  void set_peers(std::vector<net::PeerEndpoint>) override {}
  std::vector<net::PeerLinkStatus> status() const override { return {}; }
  void send(net::PeerMessage message) override {
    sent_.push_back(std::get<net::PeerNote>(std::move(message)));
  }

  struct Offer {
    base::NodeId peer;
    raft::SnapshotMark mark;
  };
  sim::SimClock clock_;
  sim::SimScheduler scheduler_{clock_, 1};
  sim::SimExecutor executor_{scheduler_};
  sim::SimRandom random_{1};
  env::Strand& core_;
  env::Strand& log_strand_;
  sim::SimDisk disk_;
  std::shared_ptr<index::TwinDisk> twin_disk_ = std::make_shared<index::TwinDisk>();
  index::TwinStore store_;
  upkeep::SnapshotMaker maker_;
  std::unique_ptr<vlog::Log> log_;
  std::optional<SnapshotSender> sender_;
  raft::SoftState role_;
  std::vector<Offer> offers_;
  std::vector<base::NodeId> failed_;
  std::vector<std::string> troubles_;
  std::vector<net::PeerNote> sent_;
};

TEST_F(SnapshotSenderTest, SeveralPeersAreOfferedOne) {
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  ASSERT_EQ(offers_.size(), 1u);
  EXPECT_EQ(offers_[0].peer, kPeer);
  EXPECT_EQ(offers_[0].mark.index, base::LogIndex{40});
  EXPECT_EQ(offers_[0].mark.term, base::Term{1});
  sender_->want({kThird});
  run_for_ms(500, {kPeer, kThird});
  ASSERT_EQ(offers_.size(), 2u);
  EXPECT_EQ(offers_[1].mark, offers_[0].mark);
  EXPECT_EQ(sender_->made_count(), 1u);
}

// An entry that is not applied here may not be committed: whoever got it might have to give it
// back. Nor may the snapshot wait for it: a new leader's first entry is committed by nobody where a
// majority needs the peer that needs the snapshot (alfsim --cluster --seed 14689 of then).
TEST_F(SnapshotSenderTest, WhatIsNotAppliedStaysOutAndHoldsNothingUp) {
  sender_->note(role_, {37});
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  ASSERT_EQ(offers_.size(), 1u);
  EXPECT_EQ(offers_[0].mark.index, base::LogIndex{37});
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{38});
}

// The index may be ahead of what the core has heard of.
TEST_F(SnapshotSenderTest, NothingIsOfferedBeforeAllOfItIsApplied) {
  sender_->note(role_, {29});
  sender_->want({kPeer});
  run_for_ms(2000, {kPeer});
  EXPECT_TRUE(offers_.empty());
  EXPECT_TRUE(sender_->is_making());
  sender_->note(role_, {30});
  ASSERT_EQ(offers_.size(), 1u);
  EXPECT_EQ(offers_[0].mark.index, base::LogIndex{30});
}

TEST_F(SnapshotSenderTest, WhatIsBegunUnderALeadershipThatEndsIsThrownAway) {
  sender_->note(role_, {29});
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  ASSERT_TRUE(sender_->is_making());
  follow();
  EXPECT_FALSE(sender_->is_making());
  lead(3);
  run_for_ms(500, {});
  EXPECT_TRUE(offers_.empty());
  EXPECT_TRUE(disk_.list("/snapshots")->empty());
}

// Else segments would be missing between the index that is in it and the log.
TEST_F(SnapshotSenderTest, TheLogsStartStandsStillWhileOneIsMade) {
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{UINT64_MAX});
  sender_->want({kPeer});
  sender_->on_tick({.peers = {{.id = kPeer, .state = raft::ProgressState::kSnapshot}}});
  ASSERT_TRUE(sender_->is_making());
  EXPECT_EQ(sender_->log_needed_from(true), base::LogIndex{1});
  while (sender_->log_needed_from(false) == base::LogIndex{1}) ASSERT_TRUE(scheduler_.run_one());
  ASSERT_TRUE(sender_->is_making()) << "its files are linked, and not summed yet";
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{41});
  run_for_ms(500, {kPeer});
  ASSERT_EQ(offers_.size(), 1u);
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{41}) << "it goes on from there";
  EXPECT_EQ(sender_->log_needed_from(true), base::LogIndex{UINT64_MAX}) << "not on a full disk";
  run_for_ms(200, {});
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{UINT64_MAX}) << "it is back";
}

TEST_F(SnapshotSenderTest, FilesAreGivenPieceByPieceWithTheirSums) {
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  const uint64_t id = offers_.at(0).mark.id;
  ask(kPeer, net::SnapshotListRequest{id});
  const auto lists = sent<net::SnapshotList>();
  ASSERT_EQ(lists.size(), 1u);
  ASSERT_GT(lists[0].files.size(), 2u);
  EXPECT_EQ(lists[0].files[0].name, "MANIFEST");
  for (uint32_t number = 0; number < lists[0].files.size(); ++number) {
    const net::SnapshotFile& file = lists[0].files[number];
    uint32_t crc = 0;
    for (uint64_t offset = 0; offset < file.bytes; offset += 10'000) {
      sent_.clear();
      ask(kPeer, net::SnapshotRead{id, number, offset, 10'000});
      scheduler_.run_for_ms(10);
      const auto chunks = sent<net::SnapshotChunk>();
      ASSERT_EQ(chunks.size(), 1u);
      EXPECT_EQ(chunks[0].crc, base::crc32c(*chunks[0].bytes));
      crc = base::crc32c(*chunks[0].bytes, crc);
    }
    EXPECT_EQ(crc, file.crc) << file.name;
  }
  ASSERT_EQ(sender_->sending().size(), 1u);
  EXPECT_EQ(sender_->sending()[0].bytes_done, sender_->sending()[0].bytes_total);
}

TEST_F(SnapshotSenderTest, WhoAsksForOneThatIsGoneIsTold) {
  ask(kPeer, net::SnapshotListRequest{77});
  ask(kPeer, net::SnapshotRead{77, 0, 0, 10});
  ASSERT_EQ(sent<net::SnapshotList>().size(), 2u);
  EXPECT_TRUE(sent<net::SnapshotList>()[1].files.empty());
}

TEST_F(SnapshotSenderTest, APeerThatFetchesGoesOnWhenTheLeadershipMovesAway) {
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  follow();
  ask(kPeer, net::SnapshotRead{offers_.at(0).mark.id, 0, 0, 10});
  scheduler_.run_for_ms(10);
  EXPECT_EQ(sent<net::SnapshotChunk>().size(), 1u);
}

TEST_F(SnapshotSenderTest, PiecesArePaced) {
  open(100'000);
  lead();
  sender_->want({kPeer});
  run_for_ms(2000, {kPeer});
  const uint64_t id = offers_.at(0).mark.id;
  for (uint64_t i = 0; i < 10; ++i) ask(kPeer, net::SnapshotRead{id, 2, i, 10'000});
  scheduler_.run_for_ms(450);
  EXPECT_GE(sent<net::SnapshotChunk>().size(), 4u);
  EXPECT_LE(sent<net::SnapshotChunk>().size(), 6u);
  scheduler_.run_for_ms(1000);
  EXPECT_EQ(sent<net::SnapshotChunk>().size(), 10u);
}

TEST_F(SnapshotSenderTest, TheReadingForItsSumsIsPacedToo) {
  open(10'000);
  lead();
  sender_->want({kPeer});
  run_for_ms(7000, {kPeer});
  EXPECT_TRUE(offers_.empty()) << "20 segments of 16 KiB, at four times the pace";
  EXPECT_TRUE(sender_->is_making());
  run_for_ms(3000, {kPeer});
  EXPECT_EQ(offers_.size(), 1u);
}

TEST_F(SnapshotSenderTest, AStopEndsTheSumsBetweenTwoPieces) {
  open(100);
  lead();
  base::ErrorCode refused{};
  sender_->make(
      [&](const base::Result<SnapshotSender::Made>& result) { refused = result.error().code; });
  run_for_ms(1000, {});
  ASSERT_TRUE(sender_->is_making());
  sender_->stop();
  scheduler_.run_for_ms(200'000);
  EXPECT_FALSE(sender_->is_making());
  EXPECT_EQ(refused, base::ErrorCode::kUnavailable);
}

TEST_F(SnapshotSenderTest, WhatIsAskedForAgainWhileItWaitsIsSentOnce) {
  open(100'000);
  lead();
  sender_->want({kPeer});
  run_for_ms(2000, {kPeer});
  const uint64_t id = offers_.at(0).mark.id;
  for (int again = 0; again < 4; ++again) {
    for (uint64_t i = 0; i < 4; ++i) ask(kPeer, net::SnapshotRead{id, 2, i, 10'000});
  }
  scheduler_.run_for_ms(2000);
  EXPECT_EQ(sent<net::SnapshotChunk>().size(), 4u);
  ask(kPeer, net::SnapshotRead{id, 2, 0, 10'000});
  scheduler_.run_for_ms(100);
  EXPECT_EQ(sent<net::SnapshotChunk>().size(), 5u) << "it was lost on the way";
}

// At this pace a piece takes longer than the sender waits for a peer that asks for nothing.
TEST_F(SnapshotSenderTest, WhoseQuestionsWaitForThePaceIsNotSilent) {
  open(100);
  lead();
  sender_->want({kPeer});
  while (offers_.empty()) run_for_ms(1'000, {kPeer});
  const uint64_t id = offers_.at(0).mark.id;
  for (uint64_t i = 0; i < 4; ++i) ask(kPeer, net::SnapshotRead{id, 2, i, 5'000});
  run_for_ms(170'000, {kPeer});
  EXPECT_TRUE(failed_.empty());
  EXPECT_EQ(sent<net::SnapshotChunk>().size(), 4u);
  run_for_ms(61'000, {kPeer});
  EXPECT_EQ(failed_, (std::vector<base::NodeId>{kPeer}));
}

TEST_F(SnapshotSenderTest, APeerThatAsksForNothingIsGivenUpAndItsSnapshotGoes) {
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  run_for_ms(59'000, {kPeer});
  EXPECT_TRUE(failed_.empty());
  run_for_ms(2'000, {kPeer});
  EXPECT_EQ(failed_, (std::vector<base::NodeId>{kPeer}));
  run_for_ms(1'000, {});
  EXPECT_TRUE(disk_.list("/snapshots")->empty());
  // Asked for once more it gets another one.
  sender_->want({kPeer});
  run_for_ms(6'000, {kPeer});
  ASSERT_EQ(offers_.size(), 2u);
  EXPECT_NE(offers_[0].mark.id, offers_[1].mark.id);
}

// Each is as much work as the first.
TEST_F(SnapshotSenderTest, APeerThatStaysSilentGetsOneAfterEverLongerTimes) {
  sender_->want({kPeer});
  std::vector<uint64_t> offered_ms;
  for (uint64_t at = 0; at < 500'000; at += 100) {
    const size_t before = failed_.size();
    run_for_ms(100, {kPeer});
    if (failed_.size() > before) sender_->want({kPeer});  // it lives, as raft knows, and lags
    if (offers_.size() > offered_ms.size()) offered_ms.push_back(at);
  }
  ASSERT_EQ(offered_ms.size(), 6u);
  for (size_t i = 2; i < offered_ms.size(); ++i) {
    const uint64_t wait_ms = offered_ms[i] - offered_ms[i - 1] - 60'000;
    const uint64_t wait_before_ms = offered_ms[i - 1] - offered_ms[i - 2] - 60'000;
    EXPECT_GE(wait_ms + 500, 2 * wait_before_ms);
  }
}

TEST_F(SnapshotSenderTest, WhatIsMadeMeanwhileIsNotOfferedToWhoFetchesAnother) {
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  ASSERT_EQ(offers_.size(), 1u);
  append(41, 42);
  sender_->note(role_, {42});
  sender_->make([](const base::Result<SnapshotSender::Made>& made) { EXPECT_TRUE(made.is_ok()); });
  run_for_ms(500, {kPeer});
  EXPECT_EQ(sender_->made_count(), 2u);
  EXPECT_EQ(offers_.size(), 1u);
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{41});
}

// On a full disk nothing is held for it.
TEST_F(SnapshotSenderTest, AnOfferThatTheLogHasLeftBehindEnds) {
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  outgrow();
  run_for_ms(200, {kPeer});
  EXPECT_EQ(failed_, (std::vector<base::NodeId>{kPeer}));
  sender_->want({kPeer});
  run_for_ms(1000, {kPeer});
  ASSERT_EQ(offers_.size(), 2u);
  EXPECT_EQ(offers_[1].mark.index, base::LogIndex{120});
}

TEST_F(SnapshotSenderTest, OneThatIsOutrunWhileItsSumsAreTakenIsGivenUp) {
  open(10'000, 100'000);
  lead();
  sender_->want({kPeer});
  run_for_ms(1000, {kPeer});
  ASSERT_TRUE(sender_->is_making());
  append(41, 200);
  sender_->note(role_, {200});
  run_for_ms(1000, {kPeer});
  EXPECT_FALSE(sender_->is_making());
  EXPECT_EQ(troubles_.size(), 1u);
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{UINT64_MAX});
  run_for_ms(60'000, {kPeer});
  ASSERT_EQ(offers_.size(), 1u);
  EXPECT_EQ(offers_[0].mark.index, base::LogIndex{200});
}

// Raft names a mark to a follower but once: offered again, it would be waited for in vain.
TEST_F(SnapshotSenderTest, APeerThatGivesOneUpIsProbedAtOnceAndGetsAnotherAWhileLater) {
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  const uint64_t id = offers_.at(0).mark.id;
  ask(kPeer, net::SnapshotListRequest{id});
  ask(kPeer, net::SnapshotDone{id + 2, true});
  EXPECT_TRUE(failed_.empty()) << "that was another one";
  ask(kPeer, net::SnapshotDone{id, true});
  EXPECT_EQ(failed_, (std::vector<base::NodeId>{kPeer}));
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{UINT64_MAX}) << "it is held for nobody";
  sender_->want({kPeer});
  run_for_ms(4000, {kPeer});
  EXPECT_EQ(sender_->made_count(), 1u) << "each is as much work as the first";
  run_for_ms(2000, {kPeer});
  ASSERT_EQ(offers_.size(), 2u);
  EXPECT_NE(offers_[1].mark.id, id);
  EXPECT_EQ(failed_.size(), 1u);
  ask(kPeer, net::SnapshotDone{offers_[1].mark.id, true});
  sender_->want({kPeer});
  run_for_ms(9000, {kPeer});
  EXPECT_EQ(offers_.size(), 2u) << "twice as long";
  run_for_ms(2000, {kPeer});
  EXPECT_EQ(offers_.size(), 3u);
}

TEST_F(SnapshotSenderTest, APeerThatHasAllOfOneIsGivenTimeToInstallIt) {
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  ask(kPeer, net::SnapshotDone{offers_.at(0).mark.id, false});
  run_for_ms(600'000, {kPeer});
  EXPECT_TRUE(failed_.empty());
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{41});
  run_for_ms(61'000, {kPeer});
  EXPECT_EQ(failed_, (std::vector<base::NodeId>{kPeer}));
}

TEST_F(SnapshotSenderTest, WhereItsFilesCannotBeReadTheOfferEnds) {
  sender_->want({kPeer});
  sender_->want({kThird});
  run_for_ms(500, {kPeer, kThird});
  ASSERT_EQ(offers_.size(), 2u);
  disk_.fail_operation(sim::DiskOperationKind::kRead, 1, base::ErrorCode::kIo);
  ask(kPeer, net::SnapshotRead{offers_[0].mark.id, 0, 0, 10});
  scheduler_.run_for_ms(10);
  EXPECT_EQ(troubles_.size(), 1u);
  EXPECT_EQ(failed_, (std::vector<base::NodeId>{kPeer, kThird}));
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{UINT64_MAX});
}

TEST_F(SnapshotSenderTest, OneThatTheLogHasLeftBehindIsNotOffered) {
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  outgrow();
  sender_->want({kThird});
  run_for_ms(1000, {kThird});
  ASSERT_EQ(offers_.size(), 2u);
  EXPECT_EQ(offers_[1].mark.index, base::LogIndex{120});
}

// Else the log would grow for as long as a slow peer fetches.
TEST_F(SnapshotSenderTest, OneThatIsOutrunByWritesIsReplacedByANewerOne) {
  open(0, 100'000);
  lead();
  sender_->want({kPeer});
  sender_->want({kThird});
  run_for_ms(500, {kPeer, kThird});
  ASSERT_EQ(offers_.size(), 2u);
  const uint64_t id = offers_[0].mark.id;
  append(41, 120);
  sender_->note(role_, {120});
  run_for_ms(500, {kPeer, kThird});
  EXPECT_TRUE(failed_.empty()) << "80,000 bytes";
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{41});
  append(121, 170);
  sender_->note(role_, {170});
  run_for_ms(200, {kPeer, kThird});
  EXPECT_EQ(failed_, (std::vector<base::NodeId>{kPeer, kThird})) << "more than 100,000";
  EXPECT_EQ(sender_->log_needed_from(false), base::LogIndex{UINT64_MAX});
  EXPECT_EQ(troubles_.size(), 1u);
  ask(kPeer, net::SnapshotRead{id, 0, 0, 10});
  ASSERT_EQ(sent<net::SnapshotList>().size(), 1u);
  EXPECT_TRUE(sent<net::SnapshotList>()[0].files.empty()) << "it has to take the other";
  sender_->want({kPeer, kThird});
  run_for_ms(1000, {kPeer, kThird});
  ASSERT_EQ(offers_.size(), 4u);
  EXPECT_EQ(offers_[2].mark.index, base::LogIndex{170});
  EXPECT_EQ(offers_[3].mark, offers_[2].mark);
}

// A peer that cannot fetch a byte while one is written would not catch up in any way.
TEST_F(SnapshotSenderTest, AsMuchLogAsTheSnapshotHasBytesIsHeldInAnyCase) {
  open(0, 0);
  lead();
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  append(41, 75);  // and 40 stand in the snapshot
  sender_->note(role_, {75});
  run_for_ms(500, {kPeer});
  EXPECT_TRUE(failed_.empty());
  append(76, 130);
  sender_->note(role_, {130});
  run_for_ms(200, {kPeer});
  EXPECT_EQ(failed_, (std::vector<base::NodeId>{kPeer}));
}

TEST_F(SnapshotSenderTest, WithoutRoomItSaysSoAndTriesAgain) {
  disk_.set_capacity_bytes(1'000'000);
  sender_->want({kPeer});
  run_for_ms(1000, {kPeer});
  EXPECT_EQ(troubles_.size(), 1u);
  disk_.set_capacity_bytes(uint64_t{1} << 30);
  run_for_ms(6000, {kPeer});
  EXPECT_EQ(offers_.size(), 1u);
}

TEST_F(SnapshotSenderTest, ByHandItIsMadeForNobody) {
  std::optional<SnapshotSender::Made> made;
  base::ErrorCode refused = base::ErrorCode::kInternal;
  sender_->make([&](base::Result<SnapshotSender::Made> result) { made = *result; });
  sender_->make(
      [&](const base::Result<SnapshotSender::Made>& result) { refused = result.error().code; });
  run_for_ms(500, {});
  EXPECT_EQ(refused, base::ErrorCode::kUnavailable) << "one at a time";
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->mark.index, base::LogIndex{40});
  EXPECT_EQ(made->applied, base::LogIndex{30});
  EXPECT_GT(made->bytes, 16384u);
  // A node that joins later gets this one.
  run_for_ms(590'000, {});
  sender_->want({kPeer});
  run_for_ms(500, {kPeer});
  ASSERT_EQ(offers_.size(), 1u);
  EXPECT_EQ(offers_[0].mark, made->mark);
  run_for_ms(70'000, {});
  EXPECT_TRUE(disk_.list("/snapshots")->empty()) << "no longer";
  follow();
  sender_->make(
      [&](const base::Result<SnapshotSender::Made>& result) { refused = result.error().code; });
  EXPECT_EQ(refused, base::ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace alfheim::replica
