// Random work against a model, with crashes at random operations of the disk.
#include <gtest/gtest.h>

#include <map>

#include "base/crc32c.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"
#include "vlog/log_world.h"

namespace alfheim::vlog {
namespace {

// Orders are drawn by number: the three crashes, or the two errors.
static_assert(static_cast<int>(sim::DiskOrder::kCrashAfter) ==
              static_cast<int>(sim::DiskOrder::kCrashBefore) + 2);
static_assert(static_cast<int>(sim::DiskOrder::kFailNoSpace) ==
              static_cast<int>(sim::DiskOrder::kFailIo) + 1);

// What the log must hold: acknowledged entries, and those of the one append that failed.
class CrashLoop {
 public:
  enum class Fault : unsigned char { kCrash, kError };
  CrashLoop(uint64_t seed, Fault fault) : world_(seed), chance_(seed * 31 + 7), fault_(fault) {
    world_.segment_bytes = 4096 * chance_.between(6, 24);
    world_.memory_tail_bytes = chance_.coin() ? 0 : 20'000;
    world_.spare_count = static_cast<uint32_t>(chance_.below(3));
  }

  void run(int rounds) {
    open();
    for (int round = 0; round < rounds && !testing::Test::HasFatalFailure(); ++round) {
      arm(60);
      work();
      stop();
      open();
    }
  }

  uint64_t crash_count() const { return crash_count_; }

 private:
  struct Truth {
    std::map<uint64_t, raft::Entry> entries;  // all indices, also below the log's start
    std::map<uint64_t, raft::Entry> dropped;  // a crash may bring their segments back
    uint64_t first = 1;
    uint64_t last = 0;
    base::Term previous_term;
    HardState hard;
  };

  // One of the next `within` changes is a crash before, in the midst of, or after it; or fails.
  void arm(uint64_t within) {
    const uint64_t at = world_.disk.change_count() + chance_.between(1, within);
    const auto first =
        fault_ == Fault::kCrash ? sim::DiskOrder::kCrashBefore : sim::DiskOrder::kFailIo;
    const uint64_t kinds = fault_ == Fault::kCrash ? 3 : 2;
    const auto order =
        static_cast<sim::DiskOrder>(static_cast<uint64_t>(first) + chance_.below(kinds));
    has_struck_ = false;
    world_.disk.set_operation_hook([this, at, order](const sim::DiskOperation& operation) {
      if (operation.change_number != at) return sim::DiskOrder::kProceed;
      has_struck_ = true;
      return order;
    });
  }

  void work() {
    for (int step = 0; step < 40 && !failed_; ++step) {
      switch (chance_.below(13)) {
        case 0: save_hard_state(); break;
        case 1: set_log_start(); break;
        case 2: drop(); break;
        case 3: note(world_.log->replenish_spares()); break;
        case 4: truncate(); break;
        case 5: {
          const auto sealed = world_.log->seal(world_.log->pin(), world_.log->last_index());
          note(sealed.is_ok() ? base::ok() : base::Status(sealed.error()));
          break;
        }
        default: append(truth_.last + 1, current_term()); break;
      }
      if (!failed_) world_.log->check_invariants();
    }
  }

  void note(const base::Status& status) {
    if (status.is_ok()) return;
    ASSERT_TRUE(has_struck_) << status.error().message;
    failed_ = true;
  }

  uint64_t current_term() const { return std::max<uint64_t>(truth_.hard.term.value, 1); }

  void append(uint64_t first, uint64_t term) {
    std::vector<raft::Entry> entries;
    const uint64_t count = chance_.between(1, 5);
    for (uint64_t i = 0; i < count; ++i) {
      const size_t bytes = chance_.below(chance_.chance_ppm(100'000) ? 30'000 : 900);
      std::string payload(bytes, '\0');
      for (char& byte : payload) byte = static_cast<char>(chance_.next_u64());
      entries.push_back(entry_of(first + i, term, std::move(payload)));
    }
    pending_ = entries;
    note(world_.log->append(entries));
    if (failed_) return;
    acknowledge(entries, entries.size());
    pending_.clear();
  }

  void acknowledge(const std::vector<raft::Entry>& entries, size_t count) {
    if (count == 0) return;
    truth_.entries.erase(truth_.entries.lower_bound(entries.front().index.value),
                         truth_.entries.end());
    for (size_t i = 0; i < count; ++i) truth_.entries[entries[i].index.value] = entries[i];
    truth_.last = entries[count - 1].index.value;
  }

  // A new leader's entries over the end of the log.
  void truncate() {
    if (truth_.last < truth_.first) return;
    save_hard_state();
    if (failed_) return;
    const uint64_t back = std::min(chance_.between(1, 12), truth_.last - truth_.first + 1);
    append(truth_.last + 1 - back, current_term());
  }

  void save_hard_state() {
    const HardState next{{truth_.hard.term.value + 1}, {chance_.below(4)}};
    pending_hard_ = next;
    note(world_.log->save_hard_state(next));
    if (failed_) return;
    truth_.hard = next;
    pending_hard_.reset();
  }

  void set_log_start() {
    const uint64_t first = std::min(truth_.last + 1, truth_.first + chance_.below(10));
    if (first <= truth_.first) return;
    const base::Term previous = truth_.entries.at(first - 1).term;
    pending_start_ = {first, previous};
    note(world_.log->set_log_start({first}, previous));
    if (failed_) return;
    truth_.first = first;
    truth_.previous_term = previous;
    pending_start_.reset();
  }

  void drop() {
    std::vector<SegmentInfo> droppable;
    for (const SegmentInfo& info : world_.log->sealed_segments()) {
      if (info.last_index.value < truth_.first) droppable.push_back(info);
    }
    if (droppable.empty()) return;
    const SegmentInfo info = droppable[chance_.below(droppable.size())];
    for (uint64_t i = info.first_index.value; i <= info.last_index.value; ++i) {
      truth_.dropped.insert(truth_.entries.extract(i));
    }
    note(world_.log->drop_segment(info.id));
  }

  void stop() {
    if (!failed_ && chance_.coin()) note(world_.log->close());
    world_.disk.set_operation_hook(nullptr);
    world_.log.reset();
    if (chance_.chance_ppm(300'000)) {
      world_.disk.kill_process();
    } else {
      world_.disk.crash();
    }
    ++crash_count_;
    failed_ = false;
  }

  // Recovery itself is interrupted now and then.
  void open() {
    for (int attempt = 0; attempt < 5 && chance_.coin(); ++attempt) {
      arm(20);
      const base::Status status = world_.try_open();
      world_.disk.set_operation_hook(nullptr);
      if (status.is_ok()) break;
      ASSERT_TRUE(has_struck_) << status.error().message;
      world_.log.reset();
      if (chance_.coin()) {
        world_.disk.crash();
      } else {
        world_.disk.kill_process();
      }
    }
    const base::Status opened = world_.try_open();
    ASSERT_TRUE(opened.is_ok()) << opened.error().message;
    verify();
  }

  void verify() {
    Log& log = *world_.log;
    log.check_invariants();
    if (pending_hard_ && log.hard_state() == *pending_hard_) truth_.hard = *pending_hard_;
    pending_hard_.reset();
    ASSERT_EQ(log.hard_state(), truth_.hard);
    if (pending_start_ && log.first_index().value == pending_start_->first) {
      truth_.first = pending_start_->first;
      truth_.previous_term = pending_start_->second;
    }
    pending_start_.reset();
    ASSERT_EQ(log.first_index().value, truth_.first);
    ASSERT_EQ(log.term_at({truth_.first - 1}), truth_.previous_term);
    take_in_pending();
    ASSERT_EQ(log.last_index().value, truth_.last);
    for (const auto& [index, entry] : truth_.entries) {
      auto found = log.read_entry({index});
      ASSERT_TRUE(found.is_ok()) << found.error().message;
      ASSERT_TRUE(is_same(*found, entry)) << "entry " << index;
      if (index >= truth_.first) {
        ASSERT_EQ(log.term_at({index}), entry.term);
      }
    }
    // What a dropped segment had truncated in an older one must not come back in its place.
    for (const auto& [index, entry] : truth_.dropped) {
      auto found = log.read_entry({index});
      ASSERT_TRUE(!found.is_ok() || is_same(*found, entry)) << "entry " << index;
    }
    uint64_t next = truth_.first;
    auto replayed = log.replay({truth_.first}, [&](raft::Entry entry) -> base::Status {
      EXPECT_TRUE(is_same(entry, truth_.entries.at(next)));
      ++next;
      return base::ok();
    });
    ASSERT_TRUE(replayed.is_ok()) << replayed.error().message;
    ASSERT_EQ(next, truth_.last + 1);
  }

  // Of the append that was not acknowledged, a run from its start may be there, each whole.
  void take_in_pending() {
    size_t kept = 0;
    for (; kept < pending_.size(); ++kept) {
      auto found = world_.log->read_entry(pending_[kept].index);
      if (!found.is_ok() || !is_same(*found, pending_[kept])) break;
    }
    acknowledge(pending_, kept);
    pending_.clear();
  }

  LogWorld world_;
  sim::SimRandom chance_;
  const Fault fault_;
  bool has_struck_ = false;
  Truth truth_;
  std::vector<raft::Entry> pending_;
  std::optional<HardState> pending_hard_;
  std::optional<std::pair<uint64_t, base::Term>> pending_start_;
  bool failed_ = false;
  uint64_t crash_count_ = 0;
};

TEST(LogCrash, AcknowledgedEntriesSurviveAndOthersAreWholeOrAbsent) {
  uint64_t crashes = 0;
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(seed);
    CrashLoop loop(seed, CrashLoop::Fault::kCrash);
    loop.run(12);
    crashes += loop.crash_count();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
  EXPECT_GE(crashes, 1000u);
}

// A write, sync or change of a name fails, and the process ends: the page cache may show what the
// disk does not hold, and no later sync will bring it there.
TEST(LogCrash, AFailedOperationLosesNothingThatWasAcknowledged) {
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(seed);
    CrashLoop loop(seed, CrashLoop::Fault::kError);
    loop.run(12);
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
}

}  // namespace
}  // namespace alfheim::vlog
