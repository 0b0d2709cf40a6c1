// What cutting a request and writing a reply cost, in memory.
#include <benchmark/benchmark.h>

#include <cstring>

#include "resp/reply_parser.h"
#include "resp/reply_writer.h"
#include "resp/request_cutter.h"

namespace alfheim::resp {
namespace {

constexpr int kPipeline = 32;

// Reads a pipeline of 3-argument SETs into the cutter and cuts it; items are requests.
void cut_sets(benchmark::State& state) {
  const base::Bytes value(static_cast<size_t>(state.range(0)), 'v');
  base::Bytes input;
  for (int i = 0; i < kPipeline; ++i) append_request(input, {"SET", "key:000000012345", value});
  RequestCutter cutter({});
  for (auto _ : state) {
    size_t place = 0;
    while (place < input.size()) {
      const std::span<char> room = cutter.room();
      const size_t count = std::min(room.size(), input.size() - place);
      std::memcpy(room.data(), input.data() + place, count);
      cutter.commit(count);
      place += count;
      while (cutter.next() == Cut::kRequest) benchmark::DoNotOptimize(cutter.argv().data());
    }
  }
  state.SetItemsProcessed(state.iterations() * kPipeline);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(input.size()));
}
BENCHMARK(cut_sets)->Arg(3)->Arg(100)->Arg(1000)->Arg(100'000)->Arg(4 << 20);

void cut_inline(benchmark::State& state) {
  constexpr std::string_view kLine = "SET key:000000012345 abc\r\n";
  RequestCutter cutter({});
  for (auto _ : state) {
    const std::span<char> room = cutter.room();
    std::memcpy(room.data(), kLine.data(), kLine.size());
    cutter.commit(kLine.size());
    while (cutter.next() == Cut::kRequest) benchmark::DoNotOptimize(cutter.argv().data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(cut_inline);

template <typename Write>
void write_replies(benchmark::State& state, Write write) {
  base::Bytes out;
  ReplyWriter writer(out, ProtocolVersion::kResp2);
  for (auto _ : state) {
    out.clear();
    for (int i = 0; i < kPipeline; ++i) write(writer, i);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * kPipeline);
}
BENCHMARK_CAPTURE(write_replies, ok, [](ReplyWriter& w, int) { w.ok(); });
BENCHMARK_CAPTURE(write_replies, integer, [](ReplyWriter& w, int i) { w.integer(i * 1000); });
BENCHMARK_CAPTURE(write_replies, bulk_16, [](ReplyWriter& w, int) { w.bulk("0123456789abcdef"); });
BENCHMARK_CAPTURE(write_replies, null, [](ReplyWriter& w, int) { w.null(); });
BENCHMARK_CAPTURE(write_replies, double_fraction,
                  [](ReplyWriter& w, int i) { w.double_number(i + 0.1); });

}  // namespace
}  // namespace alfheim::resp
