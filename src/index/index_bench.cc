// The budgets of the index: CPU per small update and per read that hits memory, and bytes of
// overhead per small record (16-byte keys, 32-byte values, a million of them).
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "index/index.h"
#include "index/twin_store.h"

namespace alfheim::index {
namespace {

constexpr size_t kCount = 1'000'000;
constexpr size_t kKeyBytes = 16;

class StoppedClock final : public env::Clock {
 public:
  uint64_t monotonic_ns() const override { return 0; }
  uint64_t wall_us() const override { return 0; }
};

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

struct World {
  explicit World(char kind) {
    auto opened = Index::open(store, clock,
                              {.memory_budget_bytes = uint64_t{4} << 30,
                               .dirty_budget_bytes = uint64_t{1} << 30,
                               .ordered_kinds = "\x02"});
    index = std::move(opened).value();
    for (size_t i = 0; i < kCount; ++i) {
      fmt::format_to_n(keys.emplace_back().data(), kKeyBytes, "{}{:015}", kind, i * 7919);
    }
    shuffle();
  }
  void shuffle() { std::shuffle(keys.begin(), keys.end(), random); }
  ByteView key(size_t i) const { return {keys[i % kCount].data(), kKeyBytes}; }
  void fill() {
    for (size_t i = 0; i < kCount; ++i) {
      const Mutation mutation{key(i), ByteView(value)};
      index->write({&mutation, 1}, ++applied);
    }
  }
  StoppedClock clock;
  TwinStore store{std::make_shared<TwinDisk>()};
  std::unique_ptr<Index> index;
  std::mt19937_64 random{1};
  std::vector<std::array<char, kKeyBytes>> keys;  // in one piece: theirs are not misses we measure
  Bytes value = Bytes(32, 'v');
  uint64_t applied = 0;
};

void insert(benchmark::State& state, char kind) {
  double overhead = 0;
  double resident_overhead = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto world = std::make_unique<World>(kind);
    const uint64_t before = resident_bytes();
    state.ResumeTiming();
    world->fill();
    state.PauseTiming();
    overhead = static_cast<double>(world->index->memory_bytes()) / kCount - 48;
    resident_overhead = static_cast<double>(resident_bytes() - before) / kCount - 48;
    world.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kCount);
  state.counters["overhead_bytes"] = overhead;
  state.counters["resident_overhead_bytes"] = resident_overhead;
}
void insert_unordered(benchmark::State& state) { insert(state, '\x01'); }
void insert_ordered(benchmark::State& state) { insert(state, '\x02'); }
BENCHMARK(insert_unordered)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(insert_ordered)->Unit(benchmark::kMillisecond)->Iterations(1);

// Reads for writing, then writes, as an INCR does; `per_slice` of them under one lock.
void update(benchmark::State& state) {
  World world('\x01');
  world.fill();
  const auto per_slice = static_cast<size_t>(state.range(0));
  size_t at = 0;
  Bytes scratch;
  world.shuffle();
  for (auto _ : state) {
    WriteSlice slice = world.index->begin_slice();
    for (size_t i = 0; i < per_slice; ++i) {
      const ByteView key = world.key(at++);
      auto old = world.index->get_for_write(key, scratch);
      benchmark::DoNotOptimize(old.is_ok());
      const Mutation mutation{key, ByteView(world.value)};
      slice.publish({&mutation, 1}, ++world.applied);
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(per_slice));
}
BENCHMARK(update)->Arg(1)->Arg(64);

void write_only(benchmark::State& state) {
  World world('\x01');
  world.fill();
  const auto per_slice = static_cast<size_t>(state.range(0));
  size_t at = 0;
  world.shuffle();
  for (auto _ : state) {
    WriteSlice slice = world.index->begin_slice();
    for (size_t i = 0; i < per_slice; ++i) {
      const Mutation mutation{world.key(at++), ByteView(world.value)};
      slice.publish({&mutation, 1}, ++world.applied);
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(per_slice));
}
BENCHMARK(write_only)->Arg(1)->Arg(64);

// As update, but a freeze has just closed everything: each update makes a version.
void update_frozen(benchmark::State& state) {
  World world('\x01');
  world.fill();
  auto job = world.index->freeze(world.applied);
  world.shuffle();
  size_t at = 0;
  for (auto _ : state) {
    const Mutation mutation{world.key(at++), ByteView(world.value)};
    world.index->write({&mutation, 1}, ++world.applied);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(update_frozen)->Iterations(kCount);

void read_memory(benchmark::State& state) {
  World world('\x01');
  world.fill();
  const auto per_guard = static_cast<size_t>(state.range(0));
  world.shuffle();
  size_t at = 0;
  Bytes scratch;
  for (auto _ : state) {
    const ReadGuard guard = world.index->read();
    for (size_t i = 0; i < per_guard; ++i) {
      auto found = guard.get(world.key(at++), scratch);
      benchmark::DoNotOptimize(found.value()->data());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(per_guard));
}
BENCHMARK(read_memory)->Arg(1)->Arg(64);

void open_and_close_view(benchmark::State& state) {
  World world('\x01');
  for (auto _ : state) benchmark::DoNotOptimize(world.index->open_view()->sequence());
}
BENCHMARK(open_and_close_view);

void first_scan_sorts(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto world = std::make_unique<World>('\x01');
    world->fill();
    auto view = world->index->open_view();
    state.ResumeTiming();
    auto cursor = view->scan();
    cursor->seek({});
    state.PauseTiming();
    cursor.reset();
    view.reset();
    world.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kCount));
}
BENCHMARK(first_scan_sorts)->Unit(benchmark::kMillisecond)->Iterations(1);

// A scan of ten records after one more write: the sorted run stays, only the tail is sorted.
void later_scan(benchmark::State& state) {
  World world('\x01');
  world.fill();
  world.index->open_view()->scan();
  size_t at = 0;
  for (auto _ : state) {
    const Bytes key = Bytes(1, '\x01') + std::to_string(at++);
    const Mutation mutation{key, ByteView(world.value)};
    world.index->write({&mutation, 1}, ++world.applied);
    const auto view = world.index->open_view();
    const auto cursor = view->scan();
    cursor->seek(world.key(at));
    for (int i = 0; i < 10 && cursor->is_valid(); ++i) cursor->next();
  }
}
BENCHMARK(later_scan);

void scan_record(benchmark::State& state) {
  World world('\x02');
  world.fill();
  const auto view = world.index->open_view();
  auto cursor = view->scan();
  for (auto _ : state) {
    if (!cursor->is_valid()) cursor->seek({});
    benchmark::DoNotOptimize(cursor->value().data());
    cursor->next();
  }
}
BENCHMARK(scan_record);

void freeze_and_ingest(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto world = std::make_unique<World>('\x01');
    world->fill();
    state.ResumeTiming();
    auto job = world->index->freeze(world->applied);
    if (!job->run().is_ok()) state.SkipWithError("ingest failed");
    world->index->finish(*job);
    state.PauseTiming();
    job.reset();
    world.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kCount));
}
BENCHMARK(freeze_and_ingest)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace alfheim::index
