#include "sim/store_crash.h"

#include <rocksdb/env.h>

#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/format.h"
#include "base/text.h"
#include "index/index.h"
#include "index/rocks_store.h"
#include "sim/hands/sim_clock.h"
#include "sim/store_files.h"

namespace alfheim::sim {
namespace {

constexpr char kDirectory[] = "/index";
constexpr uint64_t kSstBytes = 4096;  // so that an ingest has several files
constexpr uint64_t kAppliedStep = 10;

using Records = std::map<base::Bytes, base::Bytes>;

// One run: steps that change the store, and what each must leave.
class StoreRun {
 public:
  explicit StoreRun(uint64_t seed)
      : random_(seed), disk_({.seed = seed ^ 0x5d15c, .orders_appends = true}) {
    states_.emplace_back();
  }
  ~StoreRun() { close(); }

  SimDisk& disk() { return disk_; }
  uint64_t acknowledged() const { return acknowledged_; }
  const std::string& failure() const { return failure_; }

  // False where the disk went down, or refused, in its midst.
  bool work() {
    return open() && ingest(60, 0) && ingest(200, 0) && ingest(40, 30) && reopen() &&
           ingest(150, 20) && compact() && ingest(10, 10) && reopen() && ingest(30, 5) && close();
  }
  bool open() {
    env_ = make_store_env(disk_);
    index::RocksStore::Options options;
    options.dir = kDirectory;
    options.sst_bytes = kSstBytes;
    options.block_cache_bytes = 1 << 20;
    options.env = env_.get();
    auto store = index::RocksStore::open(options);
    if (!store) return stopped(store.error());
    store_ = std::move(*store);
    // As the node does: the name of the directory must be durable too.
    const base::Status synced = disk_.sync_dir("/");
    if (!synced) return stopped(synced.error());
    auto index = index::Index::open(*store_, clock_, {});
    if (!index) return stopped(index.error());
    index_ = std::move(*index);
    return true;
  }
  bool close() {
    index_.reset();
    store_.reset();
    return true;
  }
  bool ingest(uint32_t puts, uint32_t deletes);
  // After a crash: which state is there, if any; complains where it is none.
  void verify();
  void fail(std::string what) {
    if (failure_.empty()) failure_ = std::move(what);
  }
  const base::Error& last_error() const { return error_; }

 private:
  bool reopen() { return close() && open(); }
  bool compact() {
    const base::Status status = store_->compact_all();
    return status ? true : stopped(status.error());
  }
  bool stopped(const base::Error& error) {
    error_ = error;
    return false;
  }
  base::Bytes key() { return "\x01key:" + std::to_string(random_.below(300)); }
  void compare(const Records& expected);

  SimRandom random_;
  SimClock clock_;
  SimDisk disk_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<index::RocksStore> store_;
  std::unique_ptr<index::Index> index_;
  std::vector<Records> states_;  // by ingest; the last may be one in flight
  uint64_t acknowledged_ = 0;    // index of the newest that must be there
  base::Error error_;
  std::string failure_;
};

bool StoreRun::ingest(uint32_t puts, uint32_t deletes) {
  Records next = states_[acknowledged_];
  std::vector<std::pair<base::Bytes, std::optional<base::Bytes>>> changes;
  for (uint32_t i = 0; i < puts; ++i) {
    changes.emplace_back(key(),
                         base::Bytes(random_.between(1, 200), static_cast<char>('a' + i % 26)));
  }
  for (uint32_t i = 0; i < deletes; ++i) changes.emplace_back(key(), std::nullopt);
  std::vector<index::Mutation> mutations;
  for (const auto& [name, value] : changes) {
    mutations.push_back({name, value});
    if (value) {
      next[name] = *value;
    } else {
      next.erase(name);
    }
  }
  states_.resize(acknowledged_ + 1);
  states_.push_back(std::move(next));
  const uint64_t applied = (acknowledged_ + 1) * kAppliedStep;
  index_->write(mutations, applied);
  const std::unique_ptr<index::FreezeJob> job = index_->freeze(applied);
  const base::Status status = job->run();
  if (!status) return stopped(status.error());
  index_->finish(*job);
  ++acknowledged_;
  return true;
}

void StoreRun::verify() {
  const uint64_t applied = store_->persisted_applied();
  const uint64_t state = applied / kAppliedStep;
  if (applied % kAppliedStep != 0 || state >= states_.size() || state < acknowledged_) {
    return fail(base::format("the store says {} is applied, {} was acknowledged", applied,
                             acknowledged_ * kAppliedStep));
  }
  compare(states_[state]);
  const base::Status checked =
      store_->verify_files([this](const std::string& path, uint64_t, const std::string& words) {
        fail(path + ": " + words);
      });
  if (!checked) fail(checked.error().message);
  acknowledged_ = state;
  states_.resize(state + 1);
}

void StoreRun::compare(const Records& expected) {
  const auto snapshot = store_->snapshot();
  const auto cursor = snapshot->scan({});
  auto at = expected.begin();
  for (cursor->seek({}); cursor->is_valid(); cursor->next(), ++at) {
    if (at == expected.end() || cursor->key() != at->first || cursor->value() != at->second) {
      return fail(base::format("the store is a mix: it holds {}, expected {}",
                               base::to_quoted(cursor->key()),
                               at == expected.end() ? "nothing" : base::to_quoted(at->first)));
    }
  }
  if (!cursor->status()) return fail(cursor->status().error().message);
  if (at != expected.end()) fail("the store has lost " + base::to_quoted(at->first));
}

DiskOrder order_of(const CrashPoint& point) {
  if (point.place == kCrashPlaces) return DiskOrder::kFailIo;
  if (point.place > kCrashPlaces) return DiskOrder::kFailNoSpace;
  return crash_of(point).order;
}

void lose(SimDisk& disk, const CrashPoint& point) {
  disk.go_down();
  const PlannedCrash crash = crash_of({point.change, 0, point.subset});
  if (crash.is_kill) return disk.kill_process();
  disk.reseed(crash.seed);
  disk.crash(crash.options);
}

// Killed; and the power goes while the store opens again.
void strike_recovery(StoreRun& run, const CrashPoint& point) {
  const uint64_t at = run.disk().change_count() + crash_of(point).recovery_change;
  run.disk().set_operation_hook([at](const DiskOperation& operation) {
    return operation.change_number == at ? DiskOrder::kCrashDuring : DiskOrder::kProceed;
  });
  run.open();
  run.close();
  run.disk().set_operation_hook(nullptr);
  run.disk().go_down();
  run.disk().crash(CrashOptions::lose_all_unsynced());
}

std::string judge(StoreRun& run, const CrashPoint& point, uint64_t& found) {
  if (run.failure().empty()) {
    const bool is_opened = run.open();
    if (!is_opened) return "it does not open again: " + run.last_error().message;
    run.verify();
    found = run.acknowledged();
  }
  if (run.failure().empty() && point.subset == 1) {
    // Killed, and opened from the page cache: what it now says it holds must survive the power.
    run.close();
    run.disk().go_down();
    run.disk().crash(CrashOptions::lose_all_unsynced());
    if (!run.open()) return "it does not open after the power went: " + run.last_error().message;
    run.verify();
  }
  if (run.failure().empty() && !run.ingest(20, 5)) {
    return "it does not go on: " + run.last_error().message;
  }
  if (run.failure().empty()) run.verify();
  return run.failure();
}

}  // namespace

StoreCrash::Result StoreCrash::run() {
  if (options_.only) {
    run_point(*options_.only);
    return result_;
  }
  {
    StoreRun run(options_.seed);
    if (!run.work()) {
      ++result_.failure_count;
      std::printf("the run without a crash failed: %s\n", run.last_error().message.c_str());
      return result_;
    }
    result_.change_count = run.disk().change_count();
  }
  uint64_t number = options_.offset;
  for (uint64_t change = 1; change <= result_.change_count; ++change) {
    for (uint32_t place = 0; place < kCrashPlaces + kFailPlaces; ++place) {
      // After an error the process dies, with or without the machine.
      const uint32_t subsets = place < kCrashPlaces ? kCrashSubsets : 2;
      for (uint32_t subset = 0; subset < subsets; ++subset) {
        if (number++ % options_.every == 0) run_point({change, place, subset});
      }
    }
  }
  return result_;
}

void StoreCrash::run_point(const CrashPoint& point) {
  ++result_.point_count;
  StoreRun run(options_.seed);
  const DiskOrder order = order_of(point);
  std::string struck = "nothing";
  run.disk().set_operation_hook([&](const DiskOperation& operation) {
    if (operation.change_number != point.change) return DiskOrder::kProceed;
    struck = base::format("{} {}", disk_operation_name(operation.kind), operation.path);
    return order;
  });
  const bool is_through = run.work();
  const uint64_t before = run.acknowledged();
  run.close();
  run.disk().set_operation_hook(nullptr);
  lose(run.disk(), point);
  if (point.subset == 4) strike_recovery(run, point);
  uint64_t found = before;
  const std::string failure = judge(run, point, found);
  if (!is_through) ++(found > before ? result_.new_count : result_.old_count);
  if (failure.empty()) return;
  ++result_.failure_count;
  std::printf(
      "change %llu, place %u, subset %u (%s): %s\n  replay: alfsim --store-crash --seed "
      "%llu --at %llu --place %u --subset %u\n",
      static_cast<unsigned long long>(point.change), point.place, point.subset, struck.c_str(),
      failure.c_str(), static_cast<unsigned long long>(options_.seed),
      static_cast<unsigned long long>(point.change), point.place, point.subset);
  std::fflush(stdout);
}

}  // namespace alfheim::sim
