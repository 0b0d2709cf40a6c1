#include "replica/snapshot_fetcher.h"

#include <gtest/gtest.h>

#include <map>

#include "base/crc32c.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_executor.h"
#include "sim/hands/sim_scheduler.h"

namespace alfheim::replica {
namespace {

constexpr base::NodeId kSelf{1};
constexpr base::NodeId kLeader{2};
constexpr base::NodeId kOther{3};
constexpr raft::SnapshotMark kMark{.id = 9, .index = {100}, .term = {4}};
constexpr vlog::Identity kIdentity{.cluster_uid = 7, .node = kSelf, .group = {1}};

// A fetcher over a disk, and the peer that has the snapshot's files, whose answers a test may
// spoil.
class SnapshotFetcherTest : public testing::Test, public net::PeerTransport {
 protected:
  SnapshotFetcherTest() : core_(executor_.make_strand("core")), staging_(disk_, "/incoming") {
    upkeep::SnapshotManifest manifest{.id = kMark.id,
                                      .origin = kIdentity,
                                      .applied = {90},
                                      .log_first = {80},
                                      .previous_term = {3},
                                      .last = kMark.index,
                                      .last_term = kMark.term};
    add("index/RECORDS", base::Bytes(10'000, 'r'), manifest);
    add("index/empty", {}, manifest);
    add("log/00000000000000000007.seg", base::Bytes(25'000, 's'), manifest);
    content_["MANIFEST"] = upkeep::encode_manifest(manifest);
    list_.insert(list_.begin(), file_of("MANIFEST"));
    restart();
  }
  // A new life of the process: what is staged is there.
  void restart() {
    fetcher_.reset();
    executor_.drop_all();
    disk_.kill_process();
    ready_count_ = 0;
    fetcher_.emplace(
        SnapshotFetcher::Hands{clock_, executor_, core_, staging_, *this},
        SnapshotFetcher::Options{.identity = kIdentity, .piece_bytes = 4096},
        SnapshotFetcher::Events{[this](const raft::SnapshotMark&) { return is_wanted_; },
                                [this] { ++ready_count_; },
                                [this](const std::string& line) { troubles_.push_back(line); }});
  }
  void run_for_ms(uint64_t duration_ms) {
    for (uint64_t at = 0; at < duration_ms; at += 100) {
      fetcher_->on_tick();
      scheduler_.run_for_ms(100);
    }
  }

  // ---- net::PeerTransport ----
  void set_receiver(net::PeerReceiver*) override {}
  void set_peers(std::vector<net::PeerEndpoint>) override {}
  std::vector<net::PeerLinkStatus> status() const override { return {}; }
  void send(net::PeerMessage message) override {
    const auto& note = std::get<net::PeerNote>(message);
    EXPECT_EQ(note.from, kSelf);
    asked_.push_back(note);
    if (!answers_ || note.to != kLeader) return;
    if (const auto* request = std::get_if<net::SnapshotListRequest>(&note.body)) {
      answer(net::SnapshotList{request->snapshot_id, is_gone_ ? decltype(list_){} : list_});
    } else if (const auto* question = std::get_if<net::SnapshotRead>(&note.body)) {
      read_bytes_ += question->length;
      answer(chunk_for(*question));
    }
  }
  net::SnapshotChunk chunk_for(const net::SnapshotRead& question) {
    const base::Bytes& whole = content_.at(list_.at(question.file_number).name);
    base::Bytes bytes = whole.substr(question.offset, question.length);
    const uint32_t crc = base::crc32c(bytes);
    if (spoiled_pieces_ > 0 && !bytes.empty()) {
      --spoiled_pieces_;
      bytes[0] = static_cast<char>(bytes[0] ^ 1);
    }
    return {.snapshot_id = question.snapshot_id,
            .file_number = question.file_number,
            .offset = question.offset,
            .crc = crc,
            .bytes = std::make_shared<const base::Bytes>(std::move(bytes))};
  }
  // A way on which answers follow each other at the pace that it allows.
  void answer(net::NoteBody body) {
    free_at_ms_ = std::max(free_at_ms_, clock_.monotonic_ms()) + answer_ms_;
    core_.post_after(free_at_ms_ - clock_.monotonic_ms(),
                     [this, body = std::move(body)] { fetcher_->on_note(kLeader, body); });
  }

  // In the midst of it, when the last piece took twenty seconds and the next ones do not come.
  void fetch_until_a_piece_is_lost() {
    fetcher_->offer(kLeader, kMark);
    while (fetcher_->fetching()->bytes_done < 11'000 && scheduler_.run_one()) {
    }
    answers_ = false;
    run_for_ms(20'000);
    answer(chunk_for(std::get<net::SnapshotRead>(asked_.back().body)));
    run_for_ms(500);
    asked_.clear();
  }

  // The n-th such operation on the staged segment fails: nothing is left of it, and all of it comes
  // again.
  void fetch_while_one_fails(sim::DiskOperationKind kind, uint64_t number) {
    const std::string path = staged("log/00000000000000000007.seg");
    uint64_t count = 0;
    disk_.set_operation_hook([&](const sim::DiskOperation& operation) {
      const bool is_such = operation.kind == kind && operation.path == path;
      return is_such && ++count == number ? sim::DiskOrder::kFailIo : sim::DiskOrder::kProceed;
    });
    fetcher_->offer(kLeader, kMark);
    run_for_ms(1000);
    EXPECT_EQ(troubles_.size(), 1u);
    EXPECT_EQ(ready_count_, 0u);
    EXPECT_FALSE(*disk_.exists(path));
    read_bytes_ = 0;
    run_for_ms(40'000);
    EXPECT_EQ(ready_count_, 1u);
    EXPECT_EQ(read_bytes_, 25'000u);
    disk_.set_operation_hook(nullptr);
  }

  net::SnapshotFile file_of(const std::string& name) {
    const base::Bytes& bytes = content_.at(name);
    return {name, bytes.size(), base::crc32c(bytes)};
  }
  void add(const std::string& name, base::Bytes bytes, upkeep::SnapshotManifest& manifest) {
    content_[name] = std::move(bytes);
    const net::SnapshotFile file = file_of(name);
    list_.push_back(file);
    manifest.files.push_back({file.name, file.bytes, file.crc});
  }
  std::string staged(const std::string& name) {
    return upkeep::staged_path("/incoming", kMark.id) + "/" + name;
  }
  size_t count_asked(auto is_it) const {
    return static_cast<size_t>(std::count_if(asked_.begin(), asked_.end(), is_it));
  }
  static bool is_done(const net::PeerNote& note) {
    const auto* done = std::get_if<net::SnapshotDone>(&note.body);
    return done != nullptr && !done->is_given_up;
  }
  static bool is_given_up(const net::PeerNote& note) {
    const auto* done = std::get_if<net::SnapshotDone>(&note.body);
    return done != nullptr && done->is_given_up && done->snapshot_id == kMark.id;
  }

  sim::SimClock clock_;
  sim::SimScheduler scheduler_{clock_, 1};
  sim::SimExecutor executor_{scheduler_};
  env::Strand& core_;
  sim::SimDisk disk_;
  upkeep::SnapshotStaging staging_;
  std::map<std::string, base::Bytes> content_;
  std::vector<net::SnapshotFile> list_;
  std::optional<SnapshotFetcher> fetcher_;
  std::vector<net::PeerNote> asked_;
  std::vector<std::string> troubles_;
  bool answers_ = true;
  bool is_gone_ = false;
  bool is_wanted_ = true;
  uint64_t answer_ms_ = 0;
  uint64_t free_at_ms_ = 0;
  uint64_t spoiled_pieces_ = 0;
  uint64_t read_bytes_ = 0;
  size_t ready_count_ = 0;
};

TEST_F(SnapshotFetcherTest, FetchesAllAndSaysSoOnce) {
  fetcher_->offer(kLeader, kMark);
  run_for_ms(1000);
  EXPECT_EQ(ready_count_, 1u);
  EXPECT_EQ(fetcher_->ready(), kMark.id);
  EXPECT_EQ(fetcher_->fetched_count(), 1u);
  EXPECT_EQ(count_asked(is_done), 1u);
  EXPECT_EQ(count_asked(is_given_up), 0u);
  EXPECT_TRUE(troubles_.empty());
  const auto manifest = upkeep::read_manifest(disk_, upkeep::staged_path("/incoming", kMark.id));
  ASSERT_TRUE(manifest.is_ok());
  EXPECT_EQ(manifest->last, kMark.index);
  run_for_ms(5000);
  EXPECT_EQ(ready_count_, 1u);
}

TEST_F(SnapshotFetcherTest, AsksAgainForWhatDoesNotCome) {
  answers_ = false;
  fetcher_->offer(kLeader, kMark);
  run_for_ms(5000);
  EXPECT_EQ(asked_.size(), 3u);  // the list, at 0, 2 and 4 seconds
  answers_ = true;
  run_for_ms(3000);
  EXPECT_EQ(ready_count_, 1u);
}

// The fourth of a window comes after four times what one piece takes: no reason to ask again.
TEST_F(SnapshotFetcherTest, OnASlowWayNothingIsAskedForTwice) {
  answer_ms_ = 1500;
  fetcher_->offer(kLeader, kMark);
  run_for_ms(60'000);
  EXPECT_EQ(ready_count_, 1u);
  uint64_t total = 0;
  for (const net::SnapshotFile& file : list_) total += file.bytes;
  EXPECT_EQ(read_bytes_, total);
}

// However long the last piece took: a sender that hears nothing for a minute gives up.
TEST_F(SnapshotFetcherTest, WhatIsLostOnASlowWayIsAskedForAgainAfterFortySeconds) {
  fetch_until_a_piece_is_lost();
  run_for_ms(37'000);
  EXPECT_TRUE(asked_.empty());
  run_for_ms(3'000);
  EXPECT_FALSE(asked_.empty());
}

// It was started anew: its answers come no more, and it has another snapshot by now. Not forty
// seconds later, during which a group may wait for this node (alfsim --cluster --seed 7823 of
// then).
TEST_F(SnapshotFetcherTest, ASenderThatOffersAnotherIsAskedAtOnceWhetherItHasTheFirst) {
  fetch_until_a_piece_is_lost();
  fetcher_->offer(kLeader, {.id = 10, .index = {120}, .term = {5}});
  ASSERT_FALSE(asked_.empty());
  EXPECT_EQ(std::get<net::SnapshotRead>(asked_.front().body).snapshot_id, kMark.id);
  const size_t count = asked_.size();
  fetcher_->offer(kLeader, {.id = 10, .index = {120}, .term = {5}});
  EXPECT_EQ(asked_.size(), count) << "it is no news";
  answer(net::SnapshotList{kMark.id, {}});
  run_for_ms(20);
  EXPECT_EQ(fetcher_->fetching()->snapshot_id, 10u);
}

// What a link's checksum missed, or a sender's memory: as if it were lost.
TEST_F(SnapshotFetcherTest, APieceThatDoesNotMatchItsSumIsAskedForAgain) {
  spoiled_pieces_ = 1;
  fetcher_->offer(kLeader, kMark);
  run_for_ms(1000);
  EXPECT_EQ(ready_count_, 0u);
  EXPECT_EQ(fetcher_->fetching()->bytes_done, 0u) << "nothing of it is staged";
  run_for_ms(5000);
  EXPECT_EQ(ready_count_, 1u);
}

TEST_F(SnapshotFetcherTest, AfterARestartItGoesOnWhereItWas) {
  fetcher_->offer(kLeader, kMark);
  while (fetcher_->fetching()->bytes_done < 20'000 && scheduler_.run_one()) {
  }
  const uint64_t total = fetcher_->fetching()->bytes_total;
  const uint64_t held = fetcher_->fetching()->bytes_done;
  ASSERT_LT(held, total);
  restart();
  read_bytes_ = 0;
  fetcher_->offer(kLeader, kMark);
  run_for_ms(5000);
  EXPECT_EQ(ready_count_, 1u);
  EXPECT_LE(read_bytes_, total - held + 4096) << "at most a piece comes twice";
}

TEST_F(SnapshotFetcherTest, AStagedFileThatLostItsContentIsFetchedAnew) {
  fetcher_->offer(kLeader, kMark);
  run_for_ms(1000);
  ASSERT_EQ(ready_count_, 1u);
  restart();
  disk_.flip_bit(staged("log/00000000000000000007.seg"), 5000);
  read_bytes_ = 0;
  fetcher_->offer(kLeader, kMark);
  run_for_ms(5000);
  EXPECT_EQ(ready_count_, 1u);
  EXPECT_EQ(read_bytes_, 25'000u);
}

TEST_F(SnapshotFetcherTest, ASnapshotThatIsGoneIsGivenUp) {
  is_gone_ = true;
  fetcher_->offer(kLeader, kMark);
  run_for_ms(1000);
  EXPECT_FALSE(fetcher_->fetching().has_value());
  EXPECT_EQ(count_asked(is_given_up), 1u);
  EXPECT_EQ(count_asked(is_done), 0u);
  EXPECT_EQ(ready_count_, 0u);
}

// Until the log is closed the node may get, and acknowledge, the entries after all: then installing
// would take back what it acknowledged.
TEST_F(SnapshotFetcherTest, WhatTheLogHasGotMeanwhileIsNotInstalled) {
  fetcher_->offer(kLeader, kMark);
  run_for_ms(1000);
  ASSERT_EQ(fetcher_->ready(), kMark.id);
  fetcher_->stop();
  is_wanted_ = false;
  EXPECT_EQ(fetcher_->ready(), 0u);
}

TEST_F(SnapshotFetcherTest, WhatTheLogBringsEndsAFetch) {
  answers_ = false;
  fetcher_->offer(kLeader, kMark);
  run_for_ms(500);
  is_wanted_ = false;
  run_for_ms(500);
  EXPECT_FALSE(fetcher_->fetching().has_value());
  fetcher_->offer(kLeader, kMark);
  EXPECT_FALSE(fetcher_->fetching().has_value());
}

// The maker of a snapshot gives it also when it leads no more; a new leader's is taken where the
// first is silent.
TEST_F(SnapshotFetcherTest, AnotherOfferIsTakenWhenNothingComesOfTheFirst) {
  answers_ = false;
  fetcher_->offer(kLeader, kMark);
  run_for_ms(500);
  fetcher_->offer(kOther, {.id = 10, .index = {120}, .term = {5}});
  run_for_ms(5000);
  EXPECT_EQ(fetcher_->fetching()->snapshot_id, kMark.id);
  run_for_ms(6000);
  EXPECT_EQ(fetcher_->fetching()->snapshot_id, 10u);
  EXPECT_EQ(fetcher_->fetching()->from, kOther);
}

TEST_F(SnapshotFetcherTest, AnotherOfferDoesNotDisturbOneThatComes) {
  fetcher_->offer(kLeader, kMark);
  fetcher_->offer(kOther, {.id = 10, .index = {120}, .term = {5}});
  run_for_ms(1000);
  EXPECT_EQ(fetcher_->ready(), kMark.id);
}

TEST_F(SnapshotFetcherTest, NamesThatLeadElsewhereAreRefused) {
  list_[1].name = "index/../../LOCK";
  fetcher_->offer(kLeader, kMark);
  run_for_ms(1000);
  EXPECT_FALSE(fetcher_->fetching().has_value());
  EXPECT_EQ(troubles_.size(), 1u);
  EXPECT_FALSE(*disk_.exists("/incoming"));
}

TEST_F(SnapshotFetcherTest, AFileThatIsNeverWhatTheListSaysIsGivenUp) {
  list_[1].crc ^= 1;
  fetcher_->offer(kLeader, kMark);
  run_for_ms(1000);
  EXPECT_FALSE(fetcher_->fetching().has_value());
  EXPECT_EQ(count_asked(is_given_up), 1u) << "else the leader waits for it to install";
  EXPECT_EQ(count_asked(is_done), 0u);
  EXPECT_EQ(troubles_.size(), 1u);
  EXPECT_EQ(ready_count_, 0u);
}

TEST_F(SnapshotFetcherTest, WithoutRoomItWaitsAndGoesOnWhenThereIsSome) {
  disk_.set_capacity_bytes(20'000);
  fetcher_->offer(kLeader, kMark);
  run_for_ms(1000);
  EXPECT_EQ(troubles_.size(), 1u);
  EXPECT_EQ(read_bytes_, 0u);
  disk_.set_capacity_bytes(uint64_t{1} << 30);
  run_for_ms(6000);
  EXPECT_EQ(ready_count_, 1u);
}

// Another sync would say that all is well.
TEST_F(SnapshotFetcherTest, AFileWhoseSyncFailedIsFetchedAnew) {
  fetch_while_one_fails(sim::DiskOperationKind::kSync, 3);
}

TEST_F(SnapshotFetcherTest, AStagedFileThatCannotBeReadIsFetchedAnew) {
  fetch_while_one_fails(sim::DiskOperationKind::kRead, 1);
}

// The sender gives up who asks for nothing, and removes what it has made.
TEST_F(SnapshotFetcherTest, WhoReadsWhatIsStagedSaysThatItLives) {
  fetcher_->offer(kLeader, kMark);
  while (fetcher_->fetching()->bytes_done < content_["MANIFEST"].size() && scheduler_.run_one()) {
  }
  executor_.set_paused(true);  // the file is there, and is being read
  asked_.clear();
  run_for_ms(60'000);
  const auto is_alive = [](const net::PeerNote& note) {
    return std::holds_alternative<net::SnapshotListRequest>(note.body);
  };
  EXPECT_GE(count_asked(is_alive), 4u);
  EXPECT_EQ(count_asked(is_given_up), 0u);
  executor_.set_paused(false);
  run_for_ms(60'000);
  EXPECT_EQ(ready_count_, 1u);
}

}  // namespace
}  // namespace alfheim::replica
