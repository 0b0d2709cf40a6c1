// What applying an entry of 1000 commands costs, replies written; an operation is a command.
//
// The keys are all there already and in memory: this is the machine's and the index's CPU, no disk.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "index/twin_store.h"
#include "machine/testing_node.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_random.h"

namespace alfheim::machine {
namespace {

constexpr size_t kPerEntry = 1000;

// All replies of an entry in one buffer, as the applier has them.
class OneBuffer final : public ReplySink {
 public:
  resp::ReplyWriter* begin(size_t) override { return &writer_; }
  void end_part(size_t) override {}
  void end(size_t, Outcome) override {}
  void abandon(size_t) override {}
  size_t replied_bytes() const override { return bytes_.size(); }
  void on_state_hash(size_t) override {}
  base::Bytes& bytes() { return bytes_; }

 private:
  base::Bytes bytes_;
  resp::ReplyWriter writer_{bytes_, resp::ProtocolVersion::kResp2};
};

struct World {
  World() {
    ALF_CHECK(disk.make_dir("/node").is_ok());
    node = std::make_unique<TestingNode>(TestingNode::Options{
        .disk = disk, .store = store, .random = random, .clock = clock, .log_dir = "/node/log"});
  }
  using Payload = std::shared_ptr<const base::Bytes>;
  // `entry_count` payloads, each of commands for keys of its own, spread over the key space.
  std::vector<Payload> payloads(size_t entry_count, base::ByteView command,
                                const base::Bytes* value, bool is_read) const {
    std::vector<Payload> made;
    for (size_t i = 0; i < entry_count; ++i) {
      BatchBuilder builder = node->batch();
      for (size_t j = 0; j < kPerEntry; ++j) {
        const std::string key = fmt::format("key:{:012}", (j * entry_count + i) * 7919);
        std::vector<base::ByteView> words = {command, key};
        if (value != nullptr) words.push_back(*value);
        builder.add_call(CallView{base::DatabaseIndex{0}, words}, is_read);
      }
      made.push_back(std::make_shared<const base::Bytes>(builder.take()));
    }
    return made;
  }
  // The machine alone: what the log would keep was never written, and is not asked for.
  void apply(const Payload& payload, ReplySink& sink) {
    raft::Entry entry;
    entry.index = node->machine().applied().next();
    entry.term = node->term;
    entry.kind = raft::EntryKind::kCommands;
    entry.stamp = node->stamp;
    entry.seed = entry.index.value;
    entry.payload = payload;
    ALF_CHECK(node->machine().apply(entry, sink).is_ok());
  }
  void measure(benchmark::State& state, const std::vector<Payload>& entries) {
    OneBuffer replies;
    size_t next = 0;
    for (auto _ : state) {
      replies.bytes().clear();
      apply(entries[next++ % entries.size()], replies);
      benchmark::DoNotOptimize(replies.bytes().data());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kPerEntry));
  }

  sim::SimDisk disk;
  sim::SimClock clock;
  sim::SimRandom random{1};
  index::TwinStore store{std::make_shared<index::TwinDisk>()};
  std::unique_ptr<TestingNode> node;
};

// Range 0 is the value's size; range 1 how many entries' keys there are (100: 100,000 keys).
void apply_sets(benchmark::State& state) {
  World world;
  const base::Bytes value(static_cast<size_t>(state.range(0)), 'v');
  const auto entries = world.payloads(static_cast<size_t>(state.range(1)), "SET", &value, false);
  NoReplies nobody;
  for (const World::Payload& payload : entries) world.apply(payload, nobody);
  world.measure(state, entries);
}
BENCHMARK(apply_sets)
    ->ArgNames({"value_bytes", "entries"})
    ->Args({3, 1})
    ->Args({3, 100})
    ->Args({100, 100})
    ->Args({1024, 20});

void apply_incrs(benchmark::State& state) {
  World world;
  const auto entries = world.payloads(static_cast<size_t>(state.range(0)), "INCR", nullptr, false);
  NoReplies nobody;
  for (const World::Payload& payload : entries) world.apply(payload, nobody);
  world.measure(state, entries);
}
BENCHMARK(apply_incrs)->ArgName("entries")->Arg(1)->Arg(100);

// Reads that travel with their connection's writes.
void apply_gets(benchmark::State& state) {
  World world;
  const base::Bytes value(3, 'v');
  NoReplies nobody;
  for (const World::Payload& payload : world.payloads(100, "SET", &value, false)) {
    world.apply(payload, nobody);
  }
  world.measure(state, world.payloads(100, "GET", nullptr, true));
}
BENCHMARK(apply_gets);

}  // namespace
}  // namespace alfheim::machine
