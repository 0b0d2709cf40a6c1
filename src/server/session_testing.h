// server/session_testing: a whole node under simulated hands, and clients of it, for tests.
//
// Everything that Services refers to is real (log, index over the twin store, machine,
// replica, sessions); time, chance, threads and the disk are simulated. Session commands may
// be called alone (run), or through a session over a connection in memory (TestClient).
// Not for the product.
//
// Thread: one. Lifetime: a TestNode is one life of a node; TestDisks outlive it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command/family.h"
#include "index/twin_store.h"
#include "machine/state.h"
#include "replica/replica.h"
#include "server/body_budget.h"
#include "server/client_memory.h"
#include "server/config.h"
#include "server/directory.h"
#include "server/sentinel_hosts.h"
#include "server/services.h"
#include "server/session_host.h"
#include "server/slow_log.h"
#include "server/write_shares.h"
#include "sim/hands/sim_clock.h"
#include "sim/hands/sim_disk.h"
#include "sim/hands/sim_executor.h"
#include "sim/hands/sim_random.h"
#include "sim/hands/sim_scheduler.h"
#include "types/key_codec.h"
#include "upkeep/snapshots.h"

namespace alfheim::server {

inline constexpr char kTestNodeId[] = "0123456789abcdef0123456789abcdef01234567";

template <typename T>
T must(base::Result<T> result) {
  EXPECT_TRUE(result.is_ok()) << (result.is_ok() ? "" : result.error().message);
  return std::move(result).value();
}

// What outlives a node.
struct TestDisks {
  sim::SimDisk disk;
  std::shared_ptr<index::TwinDisk> store = std::make_shared<index::TwinDisk>();
};

struct TestSetup {
  Options options = {};
  bool has_data_commands = false;                                    // or session commands only
  std::shared_ptr<TestDisks> disks = std::make_shared<TestDisks>();  // shared by its lives
  std::vector<raft::Member> founders = {};                           // none: this node alone
  bool expects_trouble = false;     // or each line of trouble fails the test
  uint32_t cold_per_1000 = 0;       // reads of the store that would have to wait for the disk
  env::Network* network = nullptr;  // to the node that leads
  sim::SimExecutor::Options executor = {.post_delay_ns_max = 0, .pool_delay_ns_max = 0};
};

// What is posted to the pool, counted.
class CountingExecutor final : public env::Executor {
 public:
  explicit CountingExecutor(env::Executor& executor) : executor_(executor) {}
  void post_to_pool(env::Lane lane, env::Task task) override {
    ++post_count;
    executor_.post_to_pool(lane, std::move(task));
  }
  int post_count = 0;

 private:
  env::Executor& executor_;
};

class TestNode {
 public:
  explicit TestNode(Options options = {}) : TestNode(TestSetup{.options = std::move(options)}) {}
  explicit TestNode(const TestSetup& setup)
      : setup_(setup), config_(setup.options), executor_(scheduler_, setup.executor) {
    open_storage();
    loop_ = &executor_.make_strand("loop");
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
        Services{clock_, random_, config_, *table_, registry_, counters_, memory_, bodies_,
                 slow_log_, write_shares_, *replica_, *machine_, *log_, identity_, directory_,
                 sentinel_hosts_, [this] { ++shutdown_count; }});
    registry_.set_closer([this](uint32_t, uint64_t id) {
      closed_ids.push_back(id);
      host_->close_client(id);
    });
    host_ = std::make_unique<SessionHost>(
        SessionHost::Hands{*services_, *loop_, pool_, watches_, 0,
                           [this](const std::string& line) {
                             if (!setup_.expects_trouble) ADD_FAILURE() << "trouble: " << line;
                             troubles.push_back(line);
                           },
                           [this] { ++memory_return_count; }, setup_.network});
    machine_->set_observer(&watches_);
    session = add_session(40001);
  }
  // As a process that is killed: tasks first, they refer to everything.
  ~TestNode() {
    executor_.drop_all();
    host_.reset();
    executor_.drop_all();
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
  SessionHost& host() { return *host_; }
  replica::Replica& replica() { return *replica_; }
  Directory& directory() { return directory_; }
  BodyBudget& bodies() { return bodies_; }
  ClientMemory& memory() { return memory_; }
  WatchTable& watches() { return watches_; }
  env::Strand& loop() { return *loop_; }
  int pool_post_count() const { return pool_.post_count; }  // of its sessions
  Config& config() { return config_; }
  SlowLog& slow_log() { return slow_log_; }
  Counters& counters() { return counters_; }
  ClientRegistry& registry() { return registry_; }
  sim::SimClock& clock() { return clock_; }
  Identity& identity() { return identity_; }
  const command::Table& table() const { return *table_; }

  // Until the node has led itself and applied its first entry.
  void serve() {
    replica_->start();
    scheduler_.run_for_ms(5000);
    ASSERT_TRUE(replica_->is_serving());
  }
  // Runs what is under way, and as much of the timers.
  void run_for_ms(uint64_t duration_ms) { scheduler_.run_for_ms(duration_ms); }
  // Until a round trip to the disk, the pool and back is over.
  void settle() { scheduler_.run_for_ms(10); }
  // A clean stop: the next life has nothing to replay.
  void stop() {
    base::Status stopped = base::Error{base::ErrorCode::kUnavailable, "it did not stop"};
    replica_->stop([&stopped](base::Status status) { stopped = std::move(status); });
    scheduler_.run_for_ms(5000);
    ASSERT_TRUE(stopped.is_ok()) << stopped.error().message;
  }

  SessionState session;
  std::vector<uint64_t> closed_ids;
  std::vector<std::string> troubles;
  int shutdown_count = 0;
  int memory_return_count = 0;  // that the allocator was asked to give back what is free

 private:
  // Replies find the sessions of the one loop.
  class Router final : public replica::ReplyRouter {
   public:
    explicit Router(std::unique_ptr<SessionHost>& host) : host_(host) {}
    void deliver(uint32_t, replica::ReplyBatch batch) override { host_->deliver(std::move(batch)); }
    uint32_t loop_count() const override { return 1; }

   private:
    std::unique_ptr<SessionHost>& host_;
  };

  void open_storage() {
    EXPECT_TRUE(setup_.disks->disk.make_dir("/log").is_ok());
    log_ = must(vlog::Log::open(setup_.disks->disk, random_,
                                {.dir = "/log",
                                 .identity = {.cluster_uid = 1, .node = {1}, .group = {1}},
                                 .segment_bytes = 4 << 20,
                                 .prewritten_segment_count = 0}));
    if (setup_.has_data_commands) {
      table_ = command::Table::make();
    } else {
      std::vector<command::Row> rows;
      command::add_session_rows(rows);
      table_ = std::make_unique<command::Table>(std::move(rows));
    }
    store_ = std::make_unique<index::TwinStore>(
        setup_.disks->store,
        index::TwinStore::Options{.would_block_per_1000 = setup_.cold_per_1000});
    index_ = must(
        index::Index::open(*store_, clock_, {.ordered_kinds = std::string(1, types::kKindExpiry)}));
    machine_ = must(machine::Machine::open({*index_, *log_, *table_}));
    keeper_ = std::make_unique<upkeep::SegmentKeeper>(upkeep::SegmentKeeper::Hands{
        *log_, *store_, [](types::RecordSource& records) -> base::Result<types::DatabaseTable> {
          ALF_TRY(machine::MachineState state, machine::MachineState::read(records));
          return std::move(state.databases);
        }});
  }

  void open_replica() {
    snapshots_ = std::make_unique<upkeep::Snapshots>(
        upkeep::SnapshotMaker::Hands{setup_.disks->disk, *store_}, "/snapshots", "/incoming");
    replica_ = must(replica::Replica::open(
        {.clock = clock_,
         .random = random_,
         .disk = setup_.disks->disk,
         .executor = executor_,
         .core = executor_.make_strand("core"),
         .log_strand = executor_.make_strand("log"),
         .apply_strand = executor_.make_strand("apply"),
         .log = *log_,
         .machine = *machine_,
         .keeper = *keeper_,
         .router = router_,
         .snapshots = snapshots_.get()},
        {.id = {1},
         .read_mode = config_.startup().group.read_mode,
         .clock_drift_permille = config_.startup().group.clock_drift_permille,
         .founders = setup_.founders,
         .payload = {config_.startup().storage.value_threshold_bytes, config_.bulk_bytes_max()},
         .applier = {},
         .disk = {.path = "/", .reserve_bytes = config_.startup().storage.disk_reserve_bytes}},
        {.on_serving = [] {},
         .on_leader_changed =
             [this] {
               if (host_ != nullptr) host_->on_leader_changed();
             },
         .redirect = [this](base::NodeId leader,
                            uint32_t slot) { return directory_.redirection(leader, slot); },
         .on_fatal = [](base::Error error) { ADD_FAILURE() << error.message; },
         .on_state_hash = [](std::shared_ptr<index::View>, replica::ReplyTo) {},
         .on_progress = {},
         .on_disk = {}}));
  }

  const TestSetup setup_;
  Config config_;
  SlowLog slow_log_{config_};
  WriteShares write_shares_;
  ClientRegistry registry_;
  Counters counters_;
  Identity identity_;
  Directory directory_;
  SentinelHosts sentinel_hosts_;
  WatchTable watches_;
  ClientMemory memory_{config_};
  BodyBudget bodies_{setup_.options.client.request_memory_bytes};
  sim::SimClock clock_;
  sim::SimScheduler scheduler_{clock_, 1};
  sim::SimExecutor executor_;
  CountingExecutor pool_{executor_};
  env::Strand* loop_ = nullptr;
  sim::SimRandom random_{7};
  std::unique_ptr<SessionHost> host_;
  Router router_{host_};
  std::unique_ptr<index::TwinStore> store_;
  std::unique_ptr<vlog::Log> log_;
  std::unique_ptr<const command::Table> table_;
  std::unique_ptr<index::Index> index_;
  std::unique_ptr<machine::Machine> machine_;
  std::unique_ptr<upkeep::SegmentKeeper> keeper_;
  std::unique_ptr<upkeep::Snapshots> snapshots_;
  std::unique_ptr<replica::Replica> replica_;
  std::unique_ptr<Services> services_;
};

// The server's end of a stream that lies in memory. Behaves as net's: a read's buffer is asked
// for when its bytes are there, nothing is called from within a call of the handler, and on_closed
// comes last.
class FakeConnection final : public env::Connection,
                             public std::enable_shared_from_this<FakeConnection> {
 public:
  explicit FakeConnection(env::Strand& loop) : loop_(loop) {}

  void start(std::shared_ptr<env::ConnectionHandler> handler) {
    handler_ = std::move(handler);
    if (handler_ == nullptr) return close();
    set_reading(true);
  }

  // ---- the client's end ----
  void client_send(base::ByteView bytes) {
    inbox_.append(bytes);
    read_more();
  }
  void client_close() {
    loop_.post([self = shared_from_this()] { self->close(); });
  }
  // It sends no more, and still reads.
  void client_end_input() {
    is_input_ended_ = true;
    read_more();
  }
  // A client that does not read lets the server's bytes lie.
  void set_client_reading(bool is_reading) {
    is_client_reading_ = is_reading;
    if (is_reading) flush_later();
  }
  base::Bytes take() { return std::exchange(received_, {}); }
  bool is_closed() const { return is_closed_; }
  bool is_reading() const { return is_reading_; }
  size_t inbox_bytes() const { return inbox_.size(); }
  size_t sent_bytes() const { return sent_bytes_; }          // by the server
  size_t sent_bytes_max() const { return sent_bytes_max_; }  // of one call of send

  // ---- env::Connection ----
  void send(base::Bytes bytes) override {
    if (is_closed_ || bytes.empty()) return;
    sent_bytes_ += bytes.size();
    sent_bytes_max_ = std::max(sent_bytes_max_, bytes.size());
    unsent_.append(bytes);
    flush_later();
  }
  size_t unsent_bytes() const override { return unsent_.size(); }
  void set_reading(bool is_reading) override {
    is_reading_ = is_reading;
    read_more();
  }
  void close_after_sending() override {
    if (is_closed_) return;
    is_closing_ = true;
    if (unsent_.empty()) close();
  }
  void close() override {
    if (std::exchange(is_closed_, true)) return;
    loop_.post([self = shared_from_this()] {
      const std::shared_ptr<env::ConnectionHandler> handler = std::move(self->handler_);
      if (handler != nullptr) handler->on_closed();
    });
  }
  env::PeerAddress peer_address() const override { return {"127.0.0.1", 40002}; }
  env::PeerAddress local_address() const override { return {"127.0.0.1", 6379}; }
  int file_descriptor() const override { return -1; }

 private:
  void read_more() {
    if (!is_reading_ || is_closed_ || is_closing_ || handler_ == nullptr) return;
    const bool has_news = !inbox_.empty() || (is_input_ended_ && !is_end_told_);
    if (!has_news || std::exchange(is_read_posted_, true)) return;
    loop_.post([self = shared_from_this()] { self->on_readable(); });
  }
  void on_readable() {
    is_read_posted_ = false;
    if (!is_reading_ || is_closed_ || is_closing_) return;
    if (inbox_.empty()) {
      is_end_told_ = true;
      if (!handler_->on_end_of_input()) close_after_sending();
      return;
    }
    const std::span<char> room = handler_->read_buffer();
    ASSERT_FALSE(room.empty());
    const size_t count = std::min(inbox_.size(), room.size());
    std::copy_n(inbox_.begin(), count, room.begin());
    inbox_.erase(0, count);
    handler_->on_bytes(count);
    read_more();
  }
  void flush_later() {
    if (std::exchange(is_flush_posted_, true)) return;
    loop_.post([self = shared_from_this()] { self->flush(); });
  }
  void flush() {
    is_flush_posted_ = false;
    if (is_closed_ || !is_client_reading_ || unsent_.empty()) return;
    received_.append(unsent_);
    unsent_.clear();
    if (is_closing_) return close();
    handler_->on_sent();
  }

  env::Strand& loop_;
  std::shared_ptr<env::ConnectionHandler> handler_;  // shared with its host, as in net
  base::Bytes inbox_;                                // sent by the client, not read
  base::Bytes unsent_;                               // sent by the server, not taken
  base::Bytes received_;                             // by the client
  size_t sent_bytes_ = 0;
  size_t sent_bytes_max_ = 0;
  bool is_client_reading_ = true;
  bool is_input_ended_ = false;
  bool is_end_told_ = false;
  bool is_reading_ = false;
  bool is_read_posted_ = false;
  bool is_flush_posted_ = false;
  bool is_closing_ = false;
  bool is_closed_ = false;
};

inline base::Bytes bulk_of(base::ByteView value) {
  base::Bytes out("$");
  out.append(std::to_string(value.size())).append("\r\n").append(value).append("\r\n");
  return out;
}
// A request as clients send it.
inline base::Bytes request_of(const std::vector<std::string>& words) {
  base::Bytes out("*");
  out.append(std::to_string(words.size())).append("\r\n");
  for (const std::string& word : words) out.append(bulk_of(word));
  return out;
}
inline base::Bytes pipeline_of(const std::vector<std::vector<std::string>>& requests) {
  base::Bytes out;
  for (const std::vector<std::string>& words : requests) out += request_of(words);
  return out;
}
class TestClient {
 public:
  explicit TestClient(TestNode& node)
      : node_(node), connection_(std::make_shared<FakeConnection>(node.loop())) {
    node_.loop().post(
        [&node, connection = connection_] { connection->start(node.host().accept(*connection)); });
    node_.settle();
  }
  ~TestClient() {
    connection_->client_close();
    node_.settle();
  }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  // What came back for these bytes, sent at once.
  base::Bytes exchange(base::ByteView bytes) {
    connection_->client_send(bytes);
    node_.settle();
    return connection_->take();
  }
  base::Bytes call(const std::vector<std::string>& words) { return exchange(request_of(words)); }
  base::Bytes pipeline(const std::vector<std::vector<std::string>>& requests) {
    return exchange(pipeline_of(requests));
  }
  bool is_closed() const { return connection_->is_closed(); }
  FakeConnection& connection() { return *connection_; }

 private:
  TestNode& node_;
  std::shared_ptr<FakeConnection> connection_;  // shared with its operations
};

}  // namespace alfheim::server
