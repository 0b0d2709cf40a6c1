#include "server/body_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace alfheim::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Notes who was woken; nobody asks again by itself.
class BodyBudgetTest : public testing::Test {
 protected:
  bool grow(size_t who, uint64_t to_bytes) {
    return bodies_.try_grow(claims_[who], to_bytes, [this, who] { woken_.push_back(who); });
  }
  void give_back(size_t who) { bodies_.give_back(claims_[who]); }

  BodyBudget bodies_{1000};
  std::array<BodyBudget::Claim, 2001> claims_;
  std::vector<size_t> woken_;
};

TEST_F(BodyBudgetTest, OneIsAdmittedAloneHoweverLarge) {
  EXPECT_TRUE(grow(0, 5000));
  EXPECT_FALSE(bodies_.has_waiters());
  EXPECT_FALSE(grow(1, 1));
  EXPECT_TRUE(bodies_.has_waiters());
  give_back(0);
  EXPECT_THAT(woken_, ElementsAre(1));
  EXPECT_TRUE(grow(1, 1));
  EXPECT_FALSE(bodies_.has_waiters());
}

TEST_F(BodyBudgetTest, TwoThatHaveAPartDoNotWaitForEachOther) {
  EXPECT_TRUE(grow(0, 500));
  EXPECT_TRUE(grow(1, 500));
  EXPECT_TRUE(grow(0, 800));
  EXPECT_FALSE(grow(1, 800));
  EXPECT_TRUE(grow(0, 2000));  // it goes on to its end
  EXPECT_EQ(bodies_.taken_bytes(), 2500u);
  give_back(0);
  EXPECT_THAT(woken_, ElementsAre(1));
  EXPECT_TRUE(grow(1, 800));
  EXPECT_TRUE(grow(1, 1100));  // alone
  EXPECT_FALSE(grow(0, 1));
  give_back(1);
  EXPECT_EQ(bodies_.taken_bytes(), 0u);
}

TEST_F(BodyBudgetTest, NobodyOvertakesAndNobodyIsWokenForNothing) {
  EXPECT_TRUE(grow(0, 900));
  EXPECT_FALSE(grow(1, 600));
  for (size_t who = 2; who < claims_.size(); ++who) EXPECT_FALSE(grow(who, 50));
  EXPECT_FALSE(grow(2, 50));  // there is room, but not its turn
  EXPECT_THAT(woken_, IsEmpty());
  give_back(0);
  EXPECT_THAT(woken_, ElementsAre(1));
  EXPECT_TRUE(grow(1, 600));
  // As many as there is room for, one by one.
  size_t next = 2;
  for (; woken_.back() == next; ++next) EXPECT_TRUE(grow(next, 50));
  EXPECT_EQ(next, 2u + 8u);
  give_back(1);
  EXPECT_EQ(woken_.back(), next);
}

TEST_F(BodyBudgetTest, WhoLeavesTheLineLetsTheNextGo) {
  EXPECT_TRUE(grow(0, 500));
  EXPECT_FALSE(grow(1, 900));
  EXPECT_FALSE(grow(2, 100));
  bodies_.leave_line(claims_[1]);
  EXPECT_THAT(woken_, ElementsAre(2));
  EXPECT_FALSE(grow(1, 900));  // at the end again
  EXPECT_TRUE(grow(2, 100));
  give_back(1);
  EXPECT_FALSE(bodies_.has_waiters());
  EXPECT_EQ(bodies_.taken_bytes(), 600u);
}

TEST_F(BodyBudgetTest, WhoHasAPartGoesFirst) {
  EXPECT_TRUE(grow(0, 600));
  EXPECT_TRUE(grow(1, 300));
  EXPECT_FALSE(grow(2, 200));
  EXPECT_TRUE(grow(0, 1200));  // over the budget
  EXPECT_FALSE(grow(1, 500));
  give_back(0);
  EXPECT_THAT(woken_, ElementsAre(1));
  EXPECT_TRUE(grow(1, 500));
  EXPECT_THAT(woken_, ElementsAre(1, 2));
}

}  // namespace
}  // namespace alfheim::server
