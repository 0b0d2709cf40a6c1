#include "env/posix/posix_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <set>
#include <thread>

#include "env/posix/posix_clock.h"
#include "env/posix/posix_random.h"

namespace alfheim::env {
namespace {

using testing::ElementsAre;

class PosixExecutorTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = PosixExecutor::create(clock_, {.pool_threads_max = 3});
    ASSERT_TRUE(made.is_ok());
    executor_ = std::move(made).value();
  }
  PosixStrand& strand(const std::string& name) {
    auto made = executor_->make_strand(name);
    EXPECT_TRUE(made.is_ok());
    return **made;
  }
  // Returns when everything posted to the strand before has run.
  static void wait_for(Strand& strand) {
    std::latch done(1);
    strand.post([&done] { done.count_down(); });
    done.wait();
  }

  PosixClock clock_;
  std::unique_ptr<PosixExecutor> executor_;
};

TEST_F(PosixExecutorTest, a_strand_runs_the_posts_of_each_thread_in_order_and_one_at_a_time) {
  PosixStrand& target = strand("target");
  constexpr int kPosterCount = 4;
  constexpr int kPostCount = 5000;
  std::vector<std::vector<int>> seen(kPosterCount);  // touched by the strand only
  std::latch posted(kPosterCount);
  for (int poster = 0; poster < kPosterCount; ++poster) {
    strand("poster").post([&, poster] {
      for (int i = 0; i < kPostCount; ++i) {
        target.post([&seen, poster, i] { seen[poster].push_back(i); });
      }
      posted.count_down();
    });
  }
  posted.wait();
  wait_for(target);
  for (const std::vector<int>& numbers : seen) {
    EXPECT_EQ(numbers.size(), static_cast<size_t>(kPostCount));
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  }
}

TEST_F(PosixExecutorTest, a_batch_of_posts_wakes_the_thread_once_at_most) {
  PosixStrand& target = strand("target");
  std::latch is_busy(1);
  std::latch may_go_on(1);
  target.post([&] {
    is_busy.count_down();
    may_go_on.wait();
  });
  is_busy.wait();
  const uint64_t before = target.wake_up_count();
  for (int i = 0; i < 1000; ++i) target.post([] {});
  EXPECT_EQ(target.queued_count(), 1000u);
  EXPECT_EQ(target.wake_up_count(), before);
  may_go_on.count_down();
  wait_for(target);
  EXPECT_LE(target.wake_up_count(), before + 1);
}

TEST_F(PosixExecutorTest, a_strand_knows_its_own_thread) {
  PosixStrand& first = strand("first");
  PosixStrand& second = strand("second");
  EXPECT_FALSE(first.is_current());
  std::promise<std::pair<bool, bool>> answer;
  first.post([&] { answer.set_value({first.is_current(), second.is_current()}); });
  EXPECT_EQ(answer.get_future().get(), std::make_pair(true, false));
}

TEST_F(PosixExecutorTest, timers_fire_in_order_of_time_and_never_early) {
  PosixStrand& target = strand("target");
  std::vector<int> fired;
  std::latch done(3);
  const uint64_t start_ns = clock_.monotonic_ns();
  uint64_t last_ns = 0;
  for (const int delay_ms : {30, 1, 15}) {
    target.post_after(static_cast<uint64_t>(delay_ms), [&, delay_ms] {
      fired.push_back(delay_ms);
      last_ns = clock_.monotonic_ns();
      done.count_down();
    });
  }
  done.wait();
  EXPECT_THAT(fired, ElementsAre(1, 15, 30));
  EXPECT_GE(last_ns - start_ns, 30'000'000u);
}

TEST_F(PosixExecutorTest, a_cancelled_timer_does_not_run_even_when_it_is_due) {
  PosixStrand& target = strand("target");
  std::promise<bool> answer;
  target.post([&] {
    auto has_run = std::make_shared<bool>(false);
    auto second = std::make_shared<TimerId>();
    target.post_after(0, [&target, second] { target.cancel(*second); });
    *second = target.post_after(0, [has_run] { *has_run = true; });
    target.post_after(5, [&answer, has_run] { answer.set_value(*has_run); });
  });
  EXPECT_FALSE(answer.get_future().get());
  target.cancel(TimerId{});
  target.cancel(TimerId{12345});
}

TEST_F(PosixExecutorTest, timers_that_set_themselves_anew_do_not_starve_posts) {
  PosixStrand& target = strand("target");
  std::function<void()> again = [&] { target.post_after(0, again); };
  target.post([&] { again(); });
  for (int i = 0; i < 100; ++i) wait_for(target);
  executor_->stop();
}

TEST_F(PosixExecutorTest, the_pool_grows_to_its_limit_and_then_runs_tasks_later) {
  EXPECT_EQ(executor_->pool_thread_count(), 1u);
  std::latch are_busy(3);
  std::latch may_go_on(1);
  std::latch done(10);
  for (int i = 0; i < 3; ++i) {
    executor_->post_to_pool(Lane::kShort, [&] {
      are_busy.count_down();
      may_go_on.wait();
      done.count_down();
    });
  }
  are_busy.wait();  // three at once: they block each on a thread of its own
  EXPECT_EQ(executor_->pool_thread_count(), 3u);
  for (int i = 0; i < 7; ++i) executor_->post_to_pool(Lane::kShort, [&] { done.count_down(); });
  EXPECT_EQ(executor_->pool_thread_count(), 3u);
  EXPECT_EQ(executor_->pool_queued_count(), 7u);
  may_go_on.count_down();
  done.wait();
}

TEST_F(PosixExecutorTest, long_tasks_hold_up_neither_short_ones_nor_upkeep) {
  auto made = PosixExecutor::create(clock_, {.pool_threads_max = 2});
  ASSERT_TRUE(made.is_ok());
  PosixExecutor& executor = **made;
  constexpr int kLongCount = 5;
  std::latch is_busy(1);
  std::latch may_go_on(1);
  std::latch long_done(kLongCount);
  std::atomic<int> running_count = 0;
  std::atomic<int> running_count_max = 0;
  for (int i = 0; i < kLongCount; ++i) {
    executor.post_to_pool(Lane::kLong, [&, i] {
      running_count_max = std::max(running_count_max.load(), ++running_count);
      if (i == 0) is_busy.count_down();
      may_go_on.wait();
      --running_count;
      long_done.count_down();
    });
  }
  is_busy.wait();
  std::latch others_done(20);
  for (int i = 0; i < 10; ++i) {
    executor.post_to_pool(Lane::kShort, [&] { others_done.count_down(); });
    executor.post_to_pool(Lane::kUpkeep, [&] { others_done.count_down(); });
  }
  others_done.wait();
  EXPECT_EQ(executor.pool_queued_count(), 4u);
  may_go_on.count_down();
  long_done.wait();
  EXPECT_EQ(running_count_max, 1);  // half of two
  executor.stop();
}

// What one thread for reads does, in order, once the long task that holds it ends.
std::string order_of_one_thread(const Clock& clock, const std::string& posted) {
  auto made = PosixExecutor::create(clock, {.pool_threads_max = 1});
  EXPECT_TRUE(made.is_ok());
  PosixExecutor& executor = **made;
  std::latch is_busy(1);
  std::latch may_go_on(1);
  std::latch done(static_cast<std::ptrdiff_t>(posted.size()));
  std::string order;  // of the one thread, until it is done
  executor.post_to_pool(Lane::kLong, [&] {
    is_busy.count_down();
    may_go_on.wait();
  });
  is_busy.wait();
  for (const char letter : posted) {
    executor.post_to_pool(letter == 'L' ? Lane::kLong : Lane::kShort, [&, letter] {
      order.push_back(letter);
      done.count_down();
    });
  }
  may_go_on.count_down();
  done.wait();
  executor.stop();
  return order;
}

TEST_F(PosixExecutorTest, one_thread_runs_short_tasks_between_long_ones) {
  EXPECT_EQ(order_of_one_thread(clock_, "LLLSSS"), "SSSLLL");
  // Neither do those that come without end hold up the long ones.
  const std::string turn(PosixExecutor::kShortTurn, 'S');
  EXPECT_EQ(order_of_one_thread(clock_, "LL" + turn + turn + "SS"), turn + "L" + turn + "L" + "SS");
  EXPECT_EQ(order_of_one_thread(clock_, "LLL"), "LLL");
}

TEST_F(PosixExecutorTest, upkeep_runs_where_reads_hold_every_thread_of_theirs) {
  std::latch are_busy(3);
  std::latch may_go_on(1);
  for (int i = 0; i < 3; ++i) {
    executor_->post_to_pool(Lane::kShort, [&] {
      are_busy.count_down();
      may_go_on.wait();
    });
  }
  are_busy.wait();
  std::latch both_run(2);  // a part is stored while segments are swept
  std::latch done(1);
  executor_->post_to_pool(Lane::kUpkeep, [&] { both_run.arrive_and_wait(); });
  executor_->post_to_pool(Lane::kUpkeep, [&] {
    both_run.arrive_and_wait();
    done.count_down();
  });
  done.wait();
  may_go_on.count_down();
  executor_->stop();
}

// One wake-up for many tasks must reach as many threads as the tasks need.
TEST_F(PosixExecutorTest, threads_that_sleep_wake_each_other) {
  for (int round = 0; round < 50; ++round) {
    std::latch meet(3);
    std::latch done(3);
    for (int i = 0; i < 3; ++i) {
      executor_->post_to_pool(Lane::kShort, [&] {
        meet.arrive_and_wait();
        done.count_down();
      });
    }
    done.wait();
  }
  executor_->stop();  // before the latches go
}

TEST_F(PosixExecutorTest, stop_joins_and_destroys_what_has_not_begun) {
  PosixStrand& target = strand("target");
  std::latch is_busy(1);
  std::latch may_go_on(1);
  auto held = std::make_shared<int>(0);
  target.post([&] {
    is_busy.count_down();
    may_go_on.wait();
  });
  is_busy.wait();
  target.post([held] { ++*held; });
  target.post_after(0, [held] { ++*held; });
  target.post_after(60'000, [held] { ++*held; });
  std::latch loop_may_end(1);
  ASSERT_TRUE(executor_
                  ->run_loop(
                      "loop", [&loop_may_end] { loop_may_end.wait(); },
                      [&] {
                        loop_may_end.count_down();
                        may_go_on.count_down();
                      })
                  .is_ok());
  executor_->stop();
  // Which of the two due ones ran before the stop was seen is a race; none lives on.
  EXPECT_EQ(held.use_count(), 1);
  const int ran = *held;
  target.post([held] { ++*held; });
  EXPECT_EQ(target.post_after(0, [held] { ++*held; }).value, 0u);
  executor_->post_to_pool(Lane::kShort, [held] { ++*held; });
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, ran);
  EXPECT_FALSE(executor_->make_strand("late").is_ok());
  EXPECT_FALSE(executor_
                   ->run_loop(
                       "late", [] {}, [] {})
                   .is_ok());
  executor_->stop();
}

TEST_F(PosixExecutorTest, what_a_destroyed_task_holds_may_post_as_it_goes) {
  PosixStrand& target = strand("target");
  struct PostsWhenGone {
    Strand& strand;
    ~PostsWhenGone() {
      strand.post([] {});
      strand.cancel(TimerId{1});
    }
  };
  auto holder = std::make_shared<PostsWhenGone>(PostsWhenGone{target});
  target.post_after(60'000, [held = std::move(holder)] {});
  executor_->stop();
}

TEST(PosixClock, time_goes_forward_and_the_wall_is_in_this_century) {
  const PosixClock clock;
  const uint64_t first = clock.monotonic_ns();
  EXPECT_GE(clock.monotonic_ns(), first);
  EXPECT_GT(clock.wall_us(), 1'600'000'000'000'000u);
  EXPECT_LT(clock.wall_us(), 5'000'000'000'000'000u);
}

TEST(PosixRandom, numbers_do_not_repeat_also_across_threads) {
  PosixRandom random;
  std::vector<std::vector<uint64_t>> drawn(4);
  {
    std::vector<std::jthread> threads;
    for (std::vector<uint64_t>& mine : drawn) {
      threads.emplace_back([&random, &mine] {
        for (int i = 0; i < 1000; ++i) mine.push_back(random.next_u64());
      });
    }
  }
  std::set<uint64_t> all;
  for (const std::vector<uint64_t>& mine : drawn) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 4000u);
}

}  // namespace
}  // namespace alfheim::env
