#include "net/loop.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace alfheim::net {
namespace {

// Runs the loop on this thread until a task asks for its end.
TEST(Loop, TasksRunInTheOrderOfPosting) {
  Loop loop;
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) loop.post([&order, i] { order.push_back(i); });
  loop.post([&loop] { loop.request_stop(); });
  loop.run();
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(Loop, ATaskThatATaskPostsRunsBehindThoseThatStandThere) {
  Loop loop;
  std::vector<int> order;
  loop.post([&] {
    order.push_back(1);
    loop.post([&] {
      order.push_back(3);
      loop.request_stop();
    });
  });
  loop.post([&order] { order.push_back(2); });
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(Loop, ManyPostsMakeOneWakeUp) {
  Loop loop;
  int run_count = 0;
  for (int i = 0; i < 1000; ++i) loop.post([&run_count] { ++run_count; });
  // One handler of the event loop ran all of them.
  EXPECT_EQ(loop.context().poll_one(), 1u);
  EXPECT_EQ(run_count, 1000);
  EXPECT_EQ(loop.context().poll(), 0u);
  loop.context().restart();
  loop.post([&run_count] { ++run_count; });
  EXPECT_EQ(loop.context().poll(), 1u);
  EXPECT_EQ(run_count, 1001);
}

TEST(Loop, KnowsWhetherTheCallerRunsOnIt) {
  Loop loop;
  bool is_current = false;
  EXPECT_FALSE(loop.is_current());
  loop.post([&] {
    is_current = loop.is_current();
    loop.request_stop();
  });
  loop.run();
  EXPECT_TRUE(is_current);
}

TEST(Loop, PostsOfOneThreadKeepTheirOrderAmongThoseOfOthers) {
  Loop loop;
  constexpr int kThreads = 4;
  constexpr int kPosts = 2000;
  std::vector<int> last(kThreads, -1);
  int run_count = 0;
  bool is_ordered = true;
  std::thread runner([&loop] { loop.run(); });
  std::vector<std::thread> posters;
  for (int t = 0; t < kThreads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.post([&, t, i] {
          is_ordered = is_ordered && last[t] == i - 1;
          last[t] = i;
          if (++run_count == kThreads * kPosts) loop.request_stop();
        });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  runner.join();
  EXPECT_TRUE(is_ordered);
  EXPECT_EQ(run_count, kThreads * kPosts);
}

TEST(Loop, TimersRunInTheOrderOfTheirTimesAndNotEarly) {
  Loop loop;
  const auto begin = std::chrono::steady_clock::now();
  std::vector<int> order;
  loop.post_after(30, [&] {
    order.push_back(2);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(30));
    loop.request_stop();
  });
  loop.post_after(10, [&order] { order.push_back(1); });
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Loop, ACancelledTimerNeverRuns) {
  Loop loop;
  bool has_run = false;
  loop.post([&] {
    const env::TimerId here = loop.post_after(1, [&has_run] { has_run = true; });
    loop.cancel(here);
    loop.cancel(env::TimerId{});  // names none
    loop.post_after(20, [&loop] { loop.request_stop(); });
  });
  // Also one that was set and cancelled by another thread.
  const env::TimerId there = loop.post_after(1, [&has_run] { has_run = true; });
  loop.cancel(there);
  loop.run();
  EXPECT_FALSE(has_run);
}

TEST(Loop, ATimerOfAnotherThreadIsCancelledBeforeTheLoopHasSeenIt) {
  Loop loop;
  bool has_run = false;
  loop.post([&] {
    env::TimerId there;
    std::thread([&] { there = loop.post_after(1, [&has_run] { has_run = true; }); }).join();
    loop.cancel(there);  // it stands among the posted tasks
    loop.post_after(20, [&loop] { loop.request_stop(); });
  });
  loop.run();
  EXPECT_FALSE(has_run);
}

TEST(Loop, ATimerThatIsDueMayStillBeCancelled) {
  Loop loop;
  bool has_run = false;
  env::TimerId second;
  loop.post([&] {
    loop.post_after(1, [&] {
      loop.cancel(second);
      loop.post_after(5, [&loop] { loop.request_stop(); });
    });
    second = loop.post_after(1, [&has_run] { has_run = true; });
    // Both are due before the loop looks at either.
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    while (std::chrono::steady_clock::now() < until) {
    }
  });
  loop.run();
  EXPECT_FALSE(has_run);
}

TEST(Loop, WithoutDescriptorsItSaysSoInsteadOfThrowing) {
  rlimit allowed{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &allowed), 0);
  const rlimit none{0, allowed.rlim_max};
  Loop poor;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const base::Status refused = poor.open();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &allowed), 0);
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.error().code, base::ErrorCode::kLimit);
  EXPECT_NE(refused.error().message.find("Too many open files"), std::string::npos)
      << refused.error().message;
  Loop rich;
  EXPECT_TRUE(rich.open().is_ok());
  // What it has taken suffices: no descriptor is needed at the first timer.
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  rich.post_after(1, [&rich] { rich.request_stop(); });
  rich.run();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &allowed), 0);
}

TEST(Loop, TheTurnsEndComesBehindWhatIsReadyAndRunsOnce) {
  Loop loop;
  std::vector<int> order;
  loop.post([&] {
    loop.at_turn_end([&order] { order.push_back(3); });
    loop.at_turn_end([&] {
      order.push_back(4);
      // What is put off at the end of a turn waits for the end of the next.
      loop.at_turn_end([&] {
        order.push_back(5);
        loop.request_stop();
      });
    });
    order.push_back(1);
  });
  loop.post([&order] { order.push_back(2); });
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4, 5}));
}

// Time passes as tasks say.
class TaskClock final : public env::Clock {
 public:
  uint64_t monotonic_ns() const override { return now_ns; }
  uint64_t wall_us() const override { return now_ns / 1000; }
  uint64_t now_ns = 1'000'000;
};

TEST(Loop, ALongTurnLeavesTheRestToTheNextInItsOrder) {
  TaskClock clock;
  std::atomic<uint64_t> longest_ns{0};
  Loop loop;
  loop.measure_turns(clock, longest_ns);
  std::vector<int> order;
  std::vector<int> end_order;
  for (int i = 0; i < 20; ++i) {
    loop.post([&, i] {
      clock.now_ns += TurnMeter::kTurnNs / 2;
      order.push_back(i);
      loop.post([&, i] { order.push_back(100 + i); });
      loop.at_turn_end([&, i] {
        clock.now_ns += TurnMeter::kTurnNs / 2;
        end_order.push_back(i);
      });
    });
  }
  size_t posted_before = 0;
  size_t ended_before = 0;
  while (loop.context().poll_one() > 0) {
    EXPECT_LE(order.size() - posted_before, 20u) << "those that cost nothing may all run";
    EXPECT_TRUE(order.size() > 20 || order.size() - posted_before <= 4);
    EXPECT_LE(end_order.size() - ended_before, 4u);
    posted_before = order.size();
    ended_before = end_order.size();
  }
  ASSERT_EQ(order.size(), 40u);
  ASSERT_EQ(end_order.size(), 20u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(order[i], i);
    EXPECT_EQ(order[20 + i], 100 + i);
    EXPECT_EQ(end_order[i], i);
  }
  EXPECT_LE(longest_ns.load(), 3 * TurnMeter::kTurnNs);
  EXPECT_GE(longest_ns.load(), TurnMeter::kTurnNs);
}

TEST(Loop, StreamsThatAreLongAboutItTakeTurns) {
  struct Stream final : Readiness::Watcher {
    void on_ready(Readiness::Events) override {
      ++told_count;
      clock->now_ns += TurnMeter::kTurnNs;
    }
    TaskClock* clock = nullptr;
    int told_count = 0;
  };
  TaskClock clock;
  std::atomic<uint64_t> longest_ns{0};
  Loop loop;
  ASSERT_TRUE(loop.open().is_ok());
  loop.measure_turns(clock, longest_ns);
  std::vector<Stream> streams(100);
  std::vector<int> descriptors;
  for (Stream& stream : streams) {
    stream.clock = &clock;
    int pair[2];
    ASSERT_EQ(::pipe(pair), 0);
    descriptors.insert(descriptors.end(), {pair[0], pair[1]});
    ASSERT_EQ(::write(pair[1], "x", 1), 1);  // never read: it stays ready
    ASSERT_TRUE(loop.readiness().add(pair[0], stream));
    loop.readiness().ask_for(pair[0], stream, true, false);
  }
  int told = 0;
  for (int turn = 0; turn < 50; ++turn) {
    loop.context().run_one();
    const int before = std::exchange(told, 0);
    for (const Stream& stream : streams) told += stream.told_count;
    EXPECT_LE(told - before, 4);
  }
  for (const Stream& stream : streams) EXPECT_GE(stream.told_count, 1);
  for (const Stream& stream : streams) EXPECT_LE(stream.told_count, 3);
  for (const int descriptor : descriptors) ::close(descriptor);
}

TEST(Loop, DropTasksDestroysWhatHasNotRun) {
  Loop loop;
  auto held = std::make_shared<int>(1);
  loop.post([held] {});
  loop.post_after(1'000'000, [held] {});
  loop.keep(held);
  EXPECT_GT(held.use_count(), 1);
  loop.drop_tasks();
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace alfheim::net
