// replica/testing_life: a replica over simulated hands, life by life, for the room's tests.
//
// Log, index, machine and keeper are real; the replica's replies are kept by number. Only
// *_test.cc of this room include it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "index/twin_store.h"
#include "machine/state.h"
#include "replica/replica.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_executor.h"
#include "sim/hands/sim_random.h"
#include "sim/hands/sim_scheduler.h"
#include "types/key_codec.h"

namespace alfheim::replica {

using Words = std::vector<std::string>;

template <typename T>
T must(base::Result<T> result) {
  EXPECT_TRUE(result.is_ok()) << (result.is_ok() ? "" : result.error().message);
  return std::move(result).value();
}

// What outlives a node.
struct World {
  sim::SimDisk disk;
  std::shared_ptr<index::TwinDisk> store = std::make_shared<index::TwinDisk>();
  uint64_t segment_bytes = 64 * 1024;
  uint64_t log_bytes_per_freeze = uint64_t{1} << 30;
  bool fails_ingest = false;
  uint32_t spare_count = 0;
  uint32_t reserve_count = 0;
  uint64_t disk_reserve_bytes = 0;
  uint64_t dirty_budget_bytes = 64 << 20;
  char warm_kind = index::kStoreKind;  // none
  uint64_t log_retain_bytes = 256 << 20;
  net::PeerTransport* transport = nullptr;
  uint64_t voter_count = 1;  // node 1 is one of so many; a test speaks for the others
};

// One life of a node: log, index, machine and replica are real, its replies are kept.
class Life : public ReplyRouter {
 public:
  explicit Life(World& world, uint64_t seed = 1)
      : world_(world), scheduler_(clock_, seed), executor_(scheduler_), random_(seed) {
    EXPECT_TRUE(world.disk.make_dir("/log").is_ok());
    EXPECT_TRUE(world.disk.sync_dir("/").is_ok());
    log_ = must(vlog::Log::open(world.disk, random_,
                                {.dir = "/log",
                                 .identity = {.cluster_uid = 1, .node = {1}, .group = {1}},
                                 .segment_bytes = world.segment_bytes,
                                 .prewritten_segment_count = world.spare_count,
                                 .reserved_segment_count = world.reserve_count}));
    store_ = std::make_unique<index::TwinStore>(
        world.store, index::TwinStore::Options{.fails_ingest = world.fails_ingest});
    index_ = must(index::Index::open(*store_, clock_,
                                     {.dirty_budget_bytes = world.dirty_budget_bytes,
                                      .ordered_kinds = std::string(1, types::kKindExpiry),
                                      .warm_kind = world.warm_kind}));
    machine_ = must(machine::Machine::open({*index_, *log_, *table_}));
    keeper_ = std::make_unique<upkeep::SegmentKeeper>(upkeep::SegmentKeeper::Hands{
        *log_, *store_, [](types::RecordSource& records) -> base::Result<types::DatabaseTable> {
          ALF_TRY(machine::MachineState state, machine::MachineState::read(records));
          return std::move(state.databases);
        }});
    open_replica();
    applied_at_open = machine_->applied();
  }
  // As a process that is killed: its tasks never run.
  ~Life() override {
    executor_.drop_all();
    if (!is_stopped) world_.disk.kill_process();
  }

  void deliver(uint32_t, ReplyBatch batch) override {
    for (const Reply& reply : batch.replies) {
      const size_t run = reply.is_block || reply.kind != ReplyKind::kReplied
                             ? 1
                             : reply.ends_end - reply.ends_begin;
      size_t begin = reply.begin;
      for (size_t i = 0; i < run; ++i) {
        const bool has_end = reply.ends_begin + i < reply.ends_end && !reply.is_block;
        const size_t end = has_end ? batch.ends[reply.ends_begin + i] : reply.end;
        Kept& kept = replies_[reply.to.slot + i];
        EXPECT_FALSE(kept.is_there) << "two replies to one request";
        kept.is_there = true;
        kept.kind = reply.kind;
        kept.bytes = batch.bytes.substr(begin, end - begin);
        begin = end;
        ++reply_count;
      }
    }
  }
  uint32_t loop_count() const override { return 1; }

  void serve() {
    replica_->start();
    scheduler_.run_for_ms(3000);
  }
  // Hands a call in; its number.
  uint64_t begin(const Words& words) {
    const uint64_t slot = queue(words);
    replica_->submit();
    return slot;
  }
  // The same, but the core is not told of it yet.
  uint64_t queue(const Words& words, bool is_read = false) {
    const std::vector<base::ByteView> views(words.begin(), words.end());
    const uint64_t slot = ++last_slot_;
    const machine::CallView call{{}, views};
    const ReplyTo to{.session = 1, .slot = slot};
    const size_t bytes = machine::call_bytes(call);
    if (bytes > kInlineBodyBytesMax) {
      replica_->batcher().add_large(cut_call(call, true, to));
    } else {
      replica_->batcher().add_call(call, bytes, is_read, to);
    }
    return slot;
  }
  uint64_t queue_block(const std::vector<Words>& calls) {
    std::vector<base::Bytes> bodies;
    for (const Words& words : calls) {
      const std::vector<base::ByteView> views(words.begin(), words.end());
      machine::put_call(bodies.emplace_back(), machine::CallView{{}, views});
    }
    base::Bytes body;
    machine::put_block(body, {}, bodies);
    const uint64_t slot = ++last_slot_;
    const ReplyTo to{.session = 1, .slot = slot};
    if (body.size() > kInlineBodyBytesMax) {
      replica_->batcher().add_large(cut_block(std::move(body), true, to));
    } else {
      replica_->batcher().add_body(machine::OperationKind::kBlock, body, to);
    }
    return slot;
  }
  std::string reply(uint64_t slot) const {
    const auto found = replies_.find(slot);
    if (found == replies_.end()) return "(none)";
    const bool is_told =
        found->second.kind == ReplyKind::kReplied || found->second.kind == ReplyKind::kRefused;
    return is_told ? found->second.bytes : "(not replied)";
  }
  ReplyKind kind(uint64_t slot) const { return replies_.at(slot).kind; }
  std::string run(const Words& words) {
    const uint64_t slot = begin(words);
    run_for_ms(20);
    return reply(slot);
  }
  // How many events that took.
  uint64_t run_for_ms(uint64_t duration_ms) { return scheduler_.run_for_ms(duration_ms); }
  bool run_one() { return scheduler_.run_one(); }
  void stop() {
    begin_stop();
    scheduler_.run_for_ms(5000);
  }
  void begin_stop() {
    replica_->stop([this](base::Status status) {
      EXPECT_TRUE(status.is_ok()) << status.error().message;
      EXPECT_FALSE(is_stopped);
      is_stopped = true;
    });
  }

  // Its disk finishes nothing that the log asks for, until this is over.
  void set_disk_hanging(bool is_hanging) {
    executor_.set_hanging(is_hanging ? log_strand_ : nullptr);
  }
  Replica& replica() { return *replica_; }
  vlog::Log& log() { return *log_; }
  machine::Machine& machine() { return *machine_; }
  index::TwinStore& store() { return *store_; }
  sim::SimClock& clock() { return clock_; }

  base::LogIndex applied_at_open;
  std::vector<base::Error> fatal_errors;
  std::vector<std::string> announcements;
  size_t serving_count = 0;
  size_t reply_count = 0;
  bool is_stopped = false;

 private:
  struct Kept {
    bool is_there = false;
    ReplyKind kind = ReplyKind::kReplied;
    std::string bytes;
  };
  void open_replica() {
    Replica::Options options;
    options.id = base::NodeId{1};
    for (uint64_t id = 1; id <= world_.voter_count; ++id) {
      options.founders.push_back({.id = base::NodeId{id}, .name = {}, .address = {}});
    }
    options.payload = {.value_threshold_bytes = 1024, .string_bytes_max = 512 << 20};
    options.log_retain_bytes = world_.log_retain_bytes;
    options.applier.log_bytes_per_freeze = world_.log_bytes_per_freeze;
    options.disk = {.path = "/log", .reserve_bytes = world_.disk_reserve_bytes};
    env::Strand& log_strand = executor_.make_strand("log");
    log_strand_ = &log_strand;
    Replica::Events events;
    events.on_serving = [this] { ++serving_count; };
    events.on_fatal = [this](base::Error error) { fatal_errors.push_back(std::move(error)); };
    events.on_disk = [this](const std::string& line) { announcements.push_back(line); };
    events.on_state_hash = [](std::shared_ptr<index::View>, ReplyTo) {};
    replica_ = must(Replica::open({.clock = clock_,
                                   .random = random_,
                                   .disk = world_.disk,
                                   .executor = executor_,
                                   .core = executor_.make_strand("core"),
                                   .log_strand = log_strand,
                                   .apply_strand = executor_.make_strand("apply"),
                                   .log = *log_,
                                   .machine = *machine_,
                                   .keeper = *keeper_,
                                   .router = *this,
                                   .transport = world_.transport},
                                  options, std::move(events)));
  }

  World& world_;
  sim::SimClock clock_;
  sim::SimScheduler scheduler_;
  sim::SimExecutor executor_;
  sim::SimRandom random_;
  const std::unique_ptr<const command::Table> table_ = command::Table::make();
  std::unique_ptr<vlog::Log> log_;
  std::unique_ptr<index::TwinStore> store_;
  std::unique_ptr<index::Index> index_;
  std::unique_ptr<machine::Machine> machine_;
  std::unique_ptr<upkeep::SegmentKeeper> keeper_;
  std::unique_ptr<Replica> replica_;
  const env::Strand* log_strand_ = nullptr;
  std::map<uint64_t, Kept> replies_;
  uint64_t last_slot_ = 0;
};

inline std::string value_of(size_t number, size_t bytes = 100) {
  std::string value = std::to_string(number);
  value.resize(bytes, 'v');
  return value;
}
inline std::string bulk_of(const std::string& value) {
  std::string out("$");
  return out.append(std::to_string(value.size())).append("\r\n").append(value).append("\r\n");
}

}  // namespace alfheim::replica
