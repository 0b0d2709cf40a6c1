#include "sim/store_crash.h"

#include <rocksdb/env.h>
#include <sys/wait.h>

#include <csignal>
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
    return open() && ingest(60, 0) && ingest(200, 0) && ingest(40, 30) && compact() && reopen() &&
           ingest(150, 20) && compact() && ingest(10, 10) && reopen() && ingest(30, 5) && close();
  }
  bool open() {
    env_ = make_store_env(disk_);
    index::RocksStore::Options options;
    options.dir = kDirectory;
    options.sst_bytes = kSstBytes;
    options.block_cache_bytes = 1 << 20;
    options.env = env_.get();
    options.is_sequential = true;
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
  // RocksDB has threads, so it lives in the child alone.
  for (bool is_done = false; !is_done;) {
    const int status = run_apart([this] { run_all(); });
    if (has_ended_well(status)) break;
    const bool is_assertion = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    if (is_assertion && progress_->may_die) {
      ++progress_->result.death_count;
    } else {
      fail(base::format("{}: the process ended with status {}", progress_->point, status));
    }
    // It would not come further the next time.
    is_done = options_.only.has_value() || progress_->done == 0;
  }
  return progress_->result;
}

void StoreCrash::run_all() {
  if (options_.only) return run_point(*options_.only);
  const std::vector<Operation> operations = undisturbed();
  if (operations.empty()) return;
  // Else a point would be another one each time, and its replay would show nothing.
  if (undisturbed() != operations) return fail("a second run made other operations than the first");
  run_crashes(operations);
  run_errors(operations);
}

void StoreCrash::run_if_chosen(const CrashPoint& point) {
  const uint64_t number = number_++;
  if (number < progress_->done) return;
  progress_->done = number_;
  if ((number + options_.offset) % options_.every == 0) run_point(point);
}

std::vector<StoreCrash::Operation> StoreCrash::undisturbed() {
  std::vector<Operation> operations;
  StoreRun run(options_.seed);
  run.disk().set_operation_hook([&](const DiskOperation& operation) {
    operations.push_back({operation.kind, std::string(operation.path)});
    return DiskOrder::kProceed;
  });
  if (!run.work()) {
    fail("the run without a crash failed: " + run.last_error().message);
    return {};
  }
  run.disk().set_operation_hook(nullptr);
  progress_->result.change_count = run.disk().change_count();
  progress_->result.operation_count = operations.size();
  return operations;
}

void StoreCrash::fail(const std::string& what) {
  ++progress_->result.failure_count;
  std::printf("%s\n", what.c_str());
  std::fflush(stdout);
}

void StoreCrash::run_crashes(const std::vector<Operation>& operations) {
  uint64_t change = 0;
  for (const Operation& operation : operations) {
    if (!changes_disk(operation.kind)) continue;
    ++change;
    for (uint32_t place = 0; place < kCrashPlaces; ++place) {
      for (uint32_t subset = 0; subset < kCrashSubsets; ++subset) {
        const CrashPoint point{change, place, subset};
        if (is_distinct(point, operation.kind)) run_if_chosen(point);
      }
    }
  }
  ALF_CHECK(change == progress_->result.change_count);
}

// After an error the process dies, with or without the machine.
void StoreCrash::run_errors(const std::vector<Operation>& operations) {
  constexpr uint32_t kSubsets = 2;
  for (uint64_t number = 1; number <= operations.size(); ++number) {
    for (uint32_t subset = 0; subset < kSubsets; ++subset) {
      run_if_chosen({number, kCrashPlaces, subset});
      if (!changes_disk(operations[number - 1].kind)) continue;  // it takes no room
      run_if_chosen({number, kCrashPlaces + 1, subset});
    }
  }
}

void StoreCrash::run_point(const CrashPoint& point) {
  ++progress_->result.point_count;
  const bool is_error = point.place >= kCrashPlaces;
  const std::string name = base::format(
      "{} {}, place {}, subset {}\n  replay: alfsim --store-crash --seed {} --at {} --place {} "
      "--subset {}\n ",
      is_error ? "operation" : "change", point.change, point.place, point.subset, options_.seed,
      point.change, point.place, point.subset);
  std::snprintf(progress_->point, sizeof progress_->point, "%s", name.c_str());
  StoreRun run(options_.seed);
  const DiskOrder order = order_of(point);
  std::string struck = "nothing";
  run.disk().set_operation_hook([&](const DiskOperation& operation) {
    const uint64_t number = is_error ? operation.number : operation.change_number;
    if (number != point.change) return DiskOrder::kProceed;
    progress_->may_die = is_error && operation.kind == DiskOperationKind::kRead;
    struck = base::format("{} {}", disk_operation_name(operation.kind), operation.path);
    return order;
  });
  const bool is_through = run.work();
  const uint64_t before = run.acknowledged();
  run.close();
  progress_->may_die = false;
  run.disk().set_operation_hook(nullptr);
  lose(run.disk(), point);
  if (point.subset == 4) strike_recovery(run, point);
  uint64_t found = before;
  std::string failure = judge(run, point, found);
  if (struck == "nothing") failure = "no such operation came";
  if (!is_through) ++(found > before ? progress_->result.new_count : progress_->result.old_count);
  if (failure.empty()) return;
  fail(base::format("{} ({}): {}", name, struck, failure));
}

}  // namespace alfheim::sim
