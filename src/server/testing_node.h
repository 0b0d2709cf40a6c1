// server/testing_node: a whole node under simulated hands, for tests of session commands.
//
// Everything that Services refers to is real (log, index over the twin store, machine,
// replica); time and chance are simulated. Commands are called as a session calls them.
//
// Thread: one. Lifetime: of one test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command/family.h"
#include "index/twin_store.h"
#include "replica/replica.h"
#include "server/config.h"
#include "server/services.h"
#include "server/slow_log.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_executor.h"
#include "sim/hands/sim_random.h"
#include "sim/hands/sim_scheduler.h"
#include "types/key_codec.h"

namespace alfheim::server {

inline constexpr char kTestNodeId[] = "0123456789abcdef0123456789abcdef01234567";

template <typename T>
T must(base::Result<T> result) {
  EXPECT_TRUE(result.is_ok()) << (result.is_ok() ? "" : result.error().message);
  return std::move(result).value();
}

class TestNode {
 public:
  explicit TestNode(Options options = {}) : config_(std::move(options)) {
    EXPECT_TRUE(disk_.make_dir("/log").is_ok());
    log_ = must(vlog::Log::open(disk_, random_,
                                {.dir = "/log",
                                 .identity = {.cluster_uid = 1, .node = {1}, .group = {1}},
                                 .segment_bytes = 4 << 20,
                                 .prewritten_segment_count = 0}));
    std::vector<command::Row> rows;
    command::add_session_rows(rows);
    table_ = std::make_unique<command::Table>(std::move(rows));
    index_ = must(
        index::Index::open(store_, clock_, {.ordered_kinds = std::string(1, types::kKindExpiry)}));
    machine_ = must(machine::Machine::open({*index_, *log_, *table_}));
    keeper_ = std::make_unique<upkeep::SegmentKeeper>(upkeep::SegmentKeeper::Hands{
        *log_, store_, [](types::RecordSource&) { return types::DatabaseTable::make_new(); }});
    open_replica();
    identity_ = {.name = "n1",
                 .run_id = std::string(40, 'a'),
                 .node_id = kTestNodeId,
                 .resp = {"127.0.0.1", 6379},
                 .raft = {"127.0.0.1", 7379},
                 .http = {},
                 .started_ms = clock_.monotonic_ms(),
                 .started_wall_ms = clock_.wall_ms()};
    services_ = std::make_unique<Services>(
        Services{clock_, random_, config_, *table_, registry_, counters_, slow_log_, *replica_,
                 *machine_, *log_, identity_, [this] { ++shutdown_count; }});
    registry_.set_closer([this](uint32_t, uint64_t id) { closed_ids.push_back(id); });
    session = add_session(40001);
  }

  // A client whose connection came from this port.
  SessionState add_session(uint16_t port) {
    SessionState state;
    state.info = std::make_shared<ClientInfo>();
    state.info->id = registry_.next_id();
    state.info->peer = {"127.0.0.1", port};
    state.info->local = {"127.0.0.1", 6379};
    state.info->file_descriptor = 9;
    state.info->created_ms = clock_.monotonic_ms();
    state.info->active_ms = clock_.monotonic_ms();
    state.is_authenticated = !config_.has_password();
    registry_.add(state.info);
    return state;
  }

  // The reply of a session command, as its bytes.
  std::string run(const std::vector<std::string>& words) { return run(session, words); }
  std::string run(SessionState& state, const std::vector<std::string>& words) {
    const std::vector<base::ByteView> views(words.begin(), words.end());
    const command::Arguments args{std::span<const base::ByteView>(views)};
    const command::Row* row = table_->find(args);
    base::Bytes out;
    resp::ReplyWriter reply(out, state.protocol);
    if (const auto problem = command::check_call(row, args)) {
      reply.error(*problem);
      return out;
    }
    const SessionHandler handler = find_session_handler(row->name);
    EXPECT_NE(handler, nullptr) << row->name;
    if (handler != nullptr) handler(SessionCall{*services_, state, args, reply});
    return out;
  }

  Services& services() { return *services_; }
  Config& config() { return config_; }
  SlowLog& slow_log() { return slow_log_; }
  Counters& counters() { return counters_; }
  sim::SimClock& clock() { return clock_; }
  Identity& identity() { return identity_; }
  const command::Table& table() const { return *table_; }
  // Until the node has led itself and applied its first entry.
  void serve() {
    replica_->start();
    scheduler_.run_for_ms(5000);
    ASSERT_TRUE(replica_->is_serving());
  }

  SessionState session;
  std::vector<uint64_t> closed_ids;
  int shutdown_count = 0;

 private:
  class NoReplies final : public replica::ReplyRouter {
   public:
    void deliver(uint32_t, replica::ReplyBatch) override {}
    uint32_t loop_count() const override { return 1; }
  };

  void open_replica() {
    replica_ = must(replica::Replica::open(
        {.clock = clock_,
         .random = random_,
         .executor = executor_,
         .core = executor_.make_strand("core"),
         .log_strand = executor_.make_strand("log"),
         .apply_strand = executor_.make_strand("apply"),
         .log = *log_,
         .machine = *machine_,
         .keeper = *keeper_,
         .router = router_},
        {.id = {1}, .payload = {}, .applier = {}},
        {.on_serving = [] {},
         .on_fatal = [](base::Error error) { ADD_FAILURE() << error.message; },
         .on_state_hash = [](std::shared_ptr<index::View>, replica::ReplyTo) {},
         .on_progress = {}}));
  }

  Config config_;
  SlowLog slow_log_{config_};
  ClientRegistry registry_;
  Counters counters_;
  Identity identity_;
  sim::SimClock clock_;
  sim::SimScheduler scheduler_{clock_, 1};
  sim::SimExecutor executor_{scheduler_, {.post_delay_ns_max = 0, .pool_delay_ns_max = 0}};
  sim::SimRandom random_{7};
  sim::SimDisk disk_;
  index::TwinStore store_{std::make_shared<index::TwinDisk>()};
  NoReplies router_;
  std::unique_ptr<vlog::Log> log_;
  std::unique_ptr<const command::Table> table_;
  std::unique_ptr<index::Index> index_;
  std::unique_ptr<machine::Machine> machine_;
  std::unique_ptr<upkeep::SegmentKeeper> keeper_;
  std::unique_ptr<replica::Replica> replica_;
  std::unique_ptr<Services> services_;
};

}  // namespace alfheim::server
