#include "replica/apply_strand.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

#include "env/posix/posix_clock.h"
#include "env/posix/posix_executor.h"

namespace alfheim::replica {
namespace {

using Place = ApplyStrand::Place;

// Two threads that are real: what the strand hands over must be seen on the other side.
class ApplyStrandTest : public testing::Test {
 protected:
  ApplyStrandTest() {
    auto executor = env::PosixExecutor::create(clock_, {});
    EXPECT_TRUE(executor.is_ok());
    executor_ = std::move(executor).value();
    near_ = executor_->make_strand("near").value();
    far_ = executor_->make_strand("far").value();
  }
  // Threads first: a drain that has run its last task still looks into the strand's queue.
  ~ApplyStrandTest() override { executor_->stop(); }
  ApplyStrand& make_strand(env::Strand* near) {
    strand_ = std::make_unique<ApplyStrand>(near, *far_);
    return *strand_;
  }
  // Behind all that was posted before.
  static void settle(ApplyStrand& strand) {
    std::promise<void> done;
    strand.post([&done] { done.set_value(); });
    done.get_future().wait();
  }

  env::PosixClock clock_;
  std::unique_ptr<env::PosixExecutor> executor_;
  env::PosixStrand* near_ = nullptr;
  env::PosixStrand* far_ = nullptr;
  std::unique_ptr<ApplyStrand> strand_;
};

TEST_F(ApplyStrandTest, TasksKeepTheirOrderWhereverTheyRun) {
  ApplyStrand& strand = make_strand(near_);
  std::vector<int> order;  // of the strand: no lock, whichever thread it is
  for (int i = 0; i < 10'000; ++i) {
    strand.post([&, i] {
      EXPECT_TRUE(strand.is_current());
      order.push_back(i);
      if (i % 7 == 0) strand.go(i % 2 == 0 ? Place::kNear : Place::kFar);
    });
  }
  settle(strand);
  ASSERT_EQ(order.size(), 10'000u);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
}

TEST_F(ApplyStrandTest, BeginsFarAndRunsWhereItWasSent) {
  ApplyStrand& strand = make_strand(near_);
  std::vector<bool> was_near;
  const auto note = [&] { was_near.push_back(near_->is_current()); };
  strand.post([&] {
    note();
    strand.go(Place::kNear);
  });
  strand.post([&] {
    note();
    strand.go(Place::kFar);
  });
  strand.post(note);
  settle(strand);
  EXPECT_EQ(was_near, (std::vector<bool>{false, true, false}));
}

TEST_F(ApplyStrandTest, WithoutANearPlaceItStaysFar) {
  ApplyStrand& strand = make_strand(nullptr);
  bool is_far = false;
  strand.post([&] {
    EXPECT_FALSE(strand.go(Place::kNear));
    is_far = far_->is_current();
  });
  settle(strand);
  EXPECT_TRUE(is_far);
}

TEST_F(ApplyStrandTest, ATaskMayPostAndMoveAtOnceAndTimersComeBehind) {
  ApplyStrand& strand = make_strand(near_);
  std::vector<int> order;
  std::promise<void> done;
  strand.post_after(1, [&] {
    order.push_back(2);
    done.set_value();
  });
  strand.post([&] {
    strand.go(Place::kNear);
    strand.post([&] { order.push_back(1); });
    order.push_back(0);
  });
  done.get_future().wait();
  settle(strand);
  EXPECT_EQ(order.size(), 3u);
  EXPECT_EQ(order[0], 0);
}

}  // namespace
}  // namespace alfheim::replica
