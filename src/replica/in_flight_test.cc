#include "replica/in_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace alfheim::replica {
namespace {

raft::Entry entry_of(uint64_t index, uint64_t term) {
  raft::Entry entry;
  entry.index = base::LogIndex{index};
  entry.term = base::Term{term};
  entry.kind = raft::EntryKind::kCommands;
  return entry;
}

Batch batch_of(uint64_t slot) {
  Batch batch;
  batch.waiters.push_back(ReplyTo{.session = 1, .slot = slot});
  return batch;
}

std::vector<uint64_t> slots_of(const std::vector<CommittedEntry>& entries) {
  std::vector<uint64_t> slots;
  for (const CommittedEntry& item : entries) {
    for (const ReplyTo& to : item.waiters) slots.push_back(to.slot);
  }
  return slots;
}

class InFlightTest : public testing::Test {
 protected:
  // A leader of that term proposes at these indexes; whoever waits has the index as slot.
  void propose(uint64_t first, uint64_t last, uint64_t term) {
    std::vector<raft::Entry> entries;
    for (uint64_t index = first; index <= last; ++index) {
      Batch batch = batch_of(index);
      in_flight.proposed(base::LogIndex{index}, base::Term{term}, batch);
      entries.push_back(entry_of(index, term));
    }
    in_flight.take_up(entries);
  }
  std::vector<uint64_t> applied_until(uint64_t index) {
    return slots_of(in_flight.take_until(base::LogIndex{index}));
  }
  std::vector<uint64_t> refuted() { return slots_of(in_flight.take_refuted()); }

  InFlight in_flight;
};

TEST_F(InFlightTest, WhoeverWaitsGoesWithTheEntry) {
  propose(1, 3, 1);
  EXPECT_THAT(applied_until(2), testing::ElementsAre(1, 2));
  EXPECT_FALSE(in_flight.is_empty());
  EXPECT_THAT(applied_until(3), testing::ElementsAre(3));
  EXPECT_TRUE(in_flight.is_empty());
  EXPECT_TRUE(refuted().empty());
}

TEST_F(InFlightTest, AnEntryWhosePlaceWasTakenIsRefutedOnceThatIsCommitted) {
  propose(1, 2, 1);
  in_flight.take_up({entry_of(2, 2)});
  EXPECT_TRUE(refuted().empty());  // another leader may yet bring it back
  EXPECT_THAT(applied_until(1), testing::ElementsAre(1));
  EXPECT_TRUE(refuted().empty());
  EXPECT_TRUE(applied_until(2).empty());
  EXPECT_THAT(refuted(), testing::ElementsAre(2));
}

// Raft's figure 8: the entry was displaced here, lived on elsewhere, and is committed after all.
TEST_F(InFlightTest, AnEntryThatComesBackIsAnswered) {
  propose(1, 2, 1);
  in_flight.take_up({entry_of(2, 2)});
  in_flight.take_up({entry_of(2, 1), entry_of(3, 3)});
  EXPECT_THAT(applied_until(3), testing::ElementsAre(1, 2));
  EXPECT_TRUE(refuted().empty());
  EXPECT_TRUE(in_flight.is_empty());
}

// The new leader's log is shorter, and nobody writes any more: its index is never reached.
TEST_F(InFlightTest, AnEntryBehindTheEndOfTheCommittedLogIsRefutedByALaterTerm) {
  propose(1, 5, 1);
  in_flight.take_up({entry_of(2, 2)});
  EXPECT_THAT(applied_until(1), testing::ElementsAre(1));
  EXPECT_TRUE(refuted().empty());
  EXPECT_TRUE(applied_until(2).empty());
  EXPECT_THAT(refuted(), testing::UnorderedElementsAre(2, 3, 4, 5));
  EXPECT_TRUE(in_flight.is_empty());
}

TEST_F(InFlightTest, FollowersAreTakenFromWhereverTheyWait) {
  Batch batch;
  batch.followers.push_back(ReplyTo{.session = 1, .slot = 7});
  in_flight.proposed(base::LogIndex{1}, base::Term{1}, batch);
  in_flight.take_up({entry_of(1, 1)});
  in_flight.take_up({entry_of(1, 2)});
  Batch next;
  next.followers.push_back(ReplyTo{.session = 1, .slot = 8});
  in_flight.proposed(base::LogIndex{2}, base::Term{2}, next);
  EXPECT_EQ(in_flight.take_followers().size(), 2u);
  EXPECT_TRUE(in_flight.take_followers().empty());
}

TEST_F(InFlightTest, TakingAllLeavesNobody) {
  propose(1, 2, 1);
  in_flight.take_up({entry_of(2, 2)});
  Batch batch = batch_of(3);
  in_flight.proposed(base::LogIndex{3}, base::Term{2}, batch);
  EXPECT_THAT(slots_of(in_flight.take_all()), testing::UnorderedElementsAre(1, 2, 3));
  EXPECT_TRUE(in_flight.is_empty());
}

TEST_F(InFlightTest, AllWhoWaitAreTold) {
  propose(1, 2, 1);
  in_flight.take_up({entry_of(2, 2)});
  Batch batch = batch_of(3);
  batch.followers.push_back(ReplyTo{.session = 1, .slot = 4});
  in_flight.proposed(base::LogIndex{3}, base::Term{2}, batch);
  EXPECT_EQ(in_flight.all_waiters().size(), 4u);
  EXPECT_EQ(in_flight.all_waiters().size(), 4u);
}

using InFlightDeathTest = InFlightTest;

TEST_F(InFlightDeathTest, AProposalThatRaftPutElsewhereIsABug) {
  Batch batch = batch_of(1);
  in_flight.proposed(base::LogIndex{1}, base::Term{1}, batch);
  EXPECT_DEATH(in_flight.take_up({entry_of(1, 2)}), "did not hand out");
}

}  // namespace
}  // namespace alfheim::replica
