// What encoding commands into the open batch costs, and taking the batch out: an operation is a
// command.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "replica/batcher.h"

namespace alfheim::replica {
namespace {

constexpr size_t kKeyCount = 1024;  // of different keys, which all stay in the cache
constexpr size_t kNoLimit = size_t{1} << 40;

std::vector<std::string> make_keys() {
  std::vector<std::string> keys;
  for (size_t i = 0; i < kKeyCount; ++i) keys.push_back(fmt::format("key:{:012}", i * 7919));
  return keys;
}

// `per_batch` SETs into one batch, which is then taken, as the core does once the disk is free.
void encode_sets(benchmark::State& state) {
  const auto value_bytes = static_cast<size_t>(state.range(0));
  const auto per_batch = static_cast<size_t>(state.range(1));
  Batcher batcher({.value_threshold_bytes = 1024, .string_bytes_max = 512 << 20});
  const std::vector<std::string> keys = make_keys();
  const std::string value(value_bytes, 'v');
  for (auto _ : state) {
    for (size_t i = 0; i < per_batch; ++i) {
      const std::array<base::ByteView, 3> words = {"SET", keys[i % kKeyCount], value};
      const machine::CallView call{{}, words};
      batcher.add_call(call, machine::call_bytes(call), false, ReplyTo{.session = 1, .slot = i});
    }
    const std::vector<Batch> taken = batcher.take_batches(kNoLimit);
    benchmark::DoNotOptimize(taken.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(1));
  state.SetBytesProcessed(state.iterations() * state.range(1) * state.range(0));
}
BENCHMARK(encode_sets)
    ->ArgNames({"value_bytes", "per_batch"})
    ->Args({3, 1})
    ->Args({3, 50})
    ->Args({3, 1600})
    ->Args({1024, 50})
    ->Args({16 << 10, 50});

void encode_incrs(benchmark::State& state) {
  constexpr size_t kPerBatch = 1600;
  Batcher batcher({.value_threshold_bytes = 1024, .string_bytes_max = 512 << 20});
  const std::vector<std::string> keys = make_keys();
  for (auto _ : state) {
    for (size_t i = 0; i < kPerBatch; ++i) {
      const std::array<base::ByteView, 2> words = {"INCR", keys[i % kKeyCount]};
      const machine::CallView call{{}, words};
      batcher.add_call(call, machine::call_bytes(call), false, ReplyTo{.session = 1, .slot = i});
    }
    const std::vector<Batch> taken = batcher.take_batches(kNoLimit);
    benchmark::DoNotOptimize(taken.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kPerBatch));
}
BENCHMARK(encode_incrs);

}  // namespace
}  // namespace alfheim::replica
