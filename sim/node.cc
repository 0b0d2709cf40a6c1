#include "sim/node.h"

#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "machine/read_context.h"
#include "machine/state.h"
#include "server/layout.h"
#include "server/session.h"
#include "types/key_codec.h"

namespace alfheim::sim {
namespace {

constexpr char kOrderedKinds[] = {types::kKindExpiry, '\0'};
constexpr uint64_t kDrainMs = 5000;  // as server/assemble

server::Options config_of(const NodeOptions& options) {
  server::Options config;
  config.storage.value_threshold_bytes = options.value_threshold_bytes;
  config.client.request_memory_bytes = options.request_memory_bytes;
  config.group.reads_stale = options.reads_stale;
  return config;
}

SimExecutor::Options executor_options(const NodeHands& hands, const NodeOptions& options) {
  SimExecutor::Options executor = options.executor;
  executor.drift_permille = hands.drift_permille;
  return executor;
}

base::Result<types::DatabaseTable> database_table(types::RecordSource& records) {
  ALF_TRY(machine::MachineState state, machine::MachineState::read(records));
  return std::move(state.databases);
}

}  // namespace

// Replies pass the oracle on their way to the sessions.
class SimNode::Router : public replica::ReplyRouter {
 public:
  explicit Router(SimNode& node) : node_(node) {}
  void deliver(uint32_t loop, replica::ReplyBatch batch) override {
    Oracle& oracle = node_.hands_.oracle;
    // What is answered was applied: the oracle learns of it first.
    if (oracle.is_cluster()) node_.tell_applied();
    oracle.on_deliver(node_.hands_.life, batch);
    node_.clients_.hosts[loop]->deliver(std::move(batch));
  }
  uint32_t loop_count() const override { return node_.options_.loop_count; }

 private:
  SimNode& node_;
};

SimNode::SimNode(const NodeHands& hands, const NodeOptions& options, SimNodeEvents events)
    : hands_(hands),
      options_(options),
      events_(std::move(events)),
      clock_(hands.scheduler.clock()),
      random_(hands.seed),
      config_(config_of(options)),
      executor_(hands.scheduler, executor_options(hands, options)) {
  clock_.jump_monotonic_ns(hands.boot_offset_ns);
  clock_.jump_wall_us(hands.wall_offset_us);
  clock_.set_drift(hands.drift_permille);
  for (uint32_t i = 0; i < options.loop_count; ++i) {
    loops_.push_back(&executor_.make_strand("loop"));
  }
  log_strand_ = &executor_.make_strand("log");
  apply_strand_ = &executor_.make_strand("apply");
}

SimNode::~SimNode() {
  executor_.drop_all();
  for (const std::shared_ptr<SimConnection>& connection : connections_) connection->cut();
  connections_.clear();
  clients_.hosts.clear();
  // Objects that go may have posted: nothing of them may run.
  executor_.drop_all();
}

base::Result<std::unique_ptr<SimNode>> SimNode::start(const NodeHands& hands,
                                                      const NodeOptions& options,
                                                      SimNodeEvents events) {
  auto node = std::unique_ptr<SimNode>(new SimNode(hands, options, std::move(events)));
  ALF_TRY_STATUS(node->open_storage());
  if (!hands.oracle.is_cluster()) {
    hands.oracle.start_life(*node->log_);
    node->hands_.life = hands.oracle.life();
  }
  node->told_applied_ = node->machine_->applied().value;
  ALF_TRY_STATUS(node->open_replica());
  node->make_sessions();
  node->replica_->start();
  // A member of several takes clients at once, and tells them who leads.
  if (node->is_member_of_many()) node->is_accepting_ = true;
  return node;
}

base::Status SimNode::open_storage() {
  const std::string dir = kDirectory;
  ALF_TRY_STATUS(hands_.disk.make_dir(dir));
  ALF_TRY_STATUS(hands_.disk.sync_dir("/"));
  ALF_TRY(lock_, hands_.disk.lock(dir + "/LOCK"));
  if (hands_.snapshot_id != 0) {
    // As server/storage: where it cannot be, the old state goes on.
    const auto installed = server::install_snapshot(hands_.disk, dir, hands_.snapshot_id);
    if (!installed) {
      if (installed.error().code != base::ErrorCode::kNoSpace) return installed.error();
      events_.on_disk(installed.error().message);
    }
  }
  ALF_TRY(generation_, server::current_generation(hands_.disk, dir));
  ALF_TRY_STATUS(server::remove_leftovers(hands_.disk, dir, generation_));
  vlog::Log::Options log;
  log.dir = server::log_dir(generation_.dir);
  log.identity.node = hands_.id;
  log.identity.group = base::GroupId{1};
  log.identity.cluster_uid = kClusterUid;
  log.segment_bytes = options_.segment_bytes;
  log.memory_tail_bytes = options_.log_memory_bytes;
  log.prewritten_segment_count = options_.prewritten_segment_count;
  log.reserved_segment_count = options_.reserved_segment_count;
  ALF_TRY(log_, vlog::Log::open(hands_.disk, random_, log));
  ALF_TRY(std::shared_ptr<index::TwinDisk> twin_disk, store_disk());
  store_ = std::make_unique<index::TwinStore>(
      std::move(twin_disk),
      index::TwinStore::Options{.seed = random_.next_u64(),
                                .would_block_per_1000 = options_.cold_index_per_1000});
  index::Options memory;
  memory.memory_budget_bytes = options_.memory_budget_bytes;
  memory.dirty_budget_bytes = options_.dirty_budget_bytes;
  memory.ordered_kinds = kOrderedKinds;
  memory.hash_seed = random_.next_u64();
  if (hands_.seed % 2 == 0) memory.warm_kind = types::kKindKey;  // every other life
  ALF_TRY(index_, index::Index::open(*store_, clock_, memory));
  ALF_TRY(machine_, machine::Machine::open({*index_, *log_, hands_.table}));
  keeper_ = std::make_unique<upkeep::SegmentKeeper>(
      upkeep::SegmentKeeper::Hands{*log_, *store_, database_table});
  snapshots_ =
      std::make_unique<upkeep::Snapshots>(upkeep::SnapshotMaker::Hands{hands_.disk, *store_},
                                          server::snapshots_dir(dir), server::incoming_dir(dir));
  return base::ok();
}

// A generation's store begins as its checkpoint; from then on it is the world's, as the first
// one's.
base::Result<std::shared_ptr<index::TwinDisk>> SimNode::store_disk() {
  if (generation_.number == 0) return hands_.store_disk;
  ALF_CHECK(hands_.later_stores != nullptr);
  std::shared_ptr<index::TwinDisk>& kept = (*hands_.later_stores)[generation_.number];
  if (kept == nullptr) {
    ALF_TRY(index::TwinDisk::Content content,
            index::read_twin_checkpoint(hands_.disk, server::index_dir(generation_.dir)));
    kept = std::make_shared<index::TwinDisk>();
    kept->replace(std::move(content));
  }
  return kept;
}

base::Status SimNode::open_replica() {
  router_ = std::make_unique<Router>(*this);
  const replica::Replica::Hands hands{
      .clock = clock_,
      .random = random_,
      .disk = hands_.disk,
      .executor = executor_,
      .core = *loops_[0],
      .log_strand = *log_strand_,
      .apply_strand = *apply_strand_,
      .log = *log_,
      .machine = *machine_,
      .keeper = *keeper_,
      .router = *router_,
      .near_apply = options_.applies_near_loop ? loops_[0] : nullptr,
      .transport = hands_.transport,
      .snapshots = snapshots_.get()};
  for (const base::NodeId id : hands_.everybody) {
    directory_.put(id, {.name = base::format("n{}", id.value),
                        .node_id = base::format("{:040x}", id.value),
                        .resp = client_address(id),
                        .raft = {}});
  }
  replica::Replica::Options replica;
  replica.id = hands_.id;
  for (const base::NodeId id : hands_.founders) replica.founders.push_back(member_of(id));
  if (hands_.has_joined) replica.founders.clear();
  replica.has_joined = hands_.has_joined;
  replica.data_uid = hands_.data_uid;
  replica.log_retain_bytes = options_.log_retain_bytes;
  replica.read_mode = options_.read_mode;
  replica.clock_drift_permille = options_.clock_drift_permille;
  replica.snapshot.bytes_per_second = options_.snapshot_bytes_per_second;
  replica.snapshot.piece_bytes = options_.snapshot_piece_bytes;
  replica.payload = {options_.value_threshold_bytes, config_.bulk_bytes_max()};
  replica.applier.log_bytes_per_freeze = options_.log_bytes_per_freeze;
  replica.applier.near_changes_max = options_.near_changes_max;
  replica.disk = {.path = kDirectory, .reserve_bytes = options_.disk_reserve_bytes};
  replica::Replica::Events events;
  events.on_serving = [this] {
    is_accepting_ = true;
    events_.on_serving();
  };
  events.on_leader_changed = [this] {
    for (const auto& host : clients_.hosts) host->on_leader_changed();
  };
  events.redirect = [this](base::NodeId leader, uint32_t slot) {
    return directory_.redirection(leader, slot);
  };
  events.on_fatal = [this](base::Error error) { events_.on_fatal(error); };
  events.on_disk = events_.on_disk;
  events.on_trouble = events_.on_disk;
  events.on_snapshot_ready = events_.on_snapshot_ready;
  events.on_state_hash = [this](std::shared_ptr<index::View> view, const replica::ReplyTo& to) {
    hash_state(std::move(view), to);
  };
  ALF_TRY(replica_, replica::Replica::open(hands, replica, std::move(events)));
  return base::ok();
}

void SimNode::make_sessions() {
  clients_.slow_log = std::make_unique<server::SlowLog>(config_);
  clients_.memory = std::make_unique<server::ClientMemory>(config_);
  clients_.bodies = std::make_unique<server::BodyBudget>(options_.request_memory_bytes);
  clients_.services = std::make_unique<server::Services>(server::Services{
      clock_, random_, config_, hands_.table, clients_.registry, clients_.counters,
      *clients_.memory, *clients_.bodies, *clients_.slow_log, clients_.write_shares, *replica_,
      *machine_, *log_, identity_, directory_, sentinel_hosts_, [] {}});
  for (uint32_t i = 0; i < loops_.size(); ++i) {
    clients_.hosts.push_back(std::make_unique<server::SessionHost>(
        server::SessionHost::Hands{*clients_.services, *loops_[i], executor_, clients_.watches, i,
                                   [this](const std::string& text) {
                                     if (hands_.oracle.excuses().may_fail_reads) return;
                                     hands_.oracle.fail("a session's trouble: " + text);
                                   }}));
  }
  clients_.registry.set_closer(
      [this](uint32_t loop, uint64_t id) { clients_.hosts[loop]->close_client(id); });
  machine_->set_observer(&clients_.watches);
}

std::shared_ptr<SimConnection> SimNode::connect(SimPeer& client, uint64_t seed,
                                                const SimConnection::Options& options,
                                                std::shared_ptr<Trace> trace) {
  if (!is_accepting_) return nullptr;
  const uint32_t loop = next_loop_++ % options_.loop_count;
  auto connection =
      std::make_shared<SimConnection>(hands_.scheduler, *loops_[loop], client, seed, options);
  connections_.push_back(connection);
  loops_[loop]->post([this, loop, connection, trace = std::move(trace)] {
    std::shared_ptr<env::ConnectionHandler> handler = clients_.hosts[loop]->accept(*connection);
    if (const auto* session = dynamic_cast<const server::Session*>(handler.get())) {
      hands_.oracle.watch_session(hands_.life, session->id(), trace);
    }
    connection->start(std::move(handler));
  });
  return connection;
}

void SimNode::hash_state(std::shared_ptr<index::View> view, const replica::ReplyTo& to) {
  if (hands_.oracle.is_cluster()) tell_applied();
  hands_.oracle.on_state_hash(hands_.life, to);
  auto read = machine::ReadView::over(*machine_, std::move(view));
  executor_.post_to_pool(env::Lane::kLong, [this, read = std::move(read), to]() mutable {
    const base::Result<uint64_t> hash = read->logical_hash();
    read.reset();
    if (!hash && !hands_.oracle.excuses().may_fail_reads) {
      return hands_.oracle.fail("hash the state: " + hash.error().message);
    }
    replica::ReplyBatch batch;
    resp::ReplyWriter writer(batch.bytes, to.protocol);
    if (hash) {
      writer.bulk(base::format("{:016x}", *hash));
    } else {
      writer.error("the state cannot be read");
    }
    batch.add(to, 0);
    clients_.hosts[to.loop]->deliver(std::move(batch));
  });
}

void SimNode::receive(net::PeerMessage message) {
  loops_[0]->post([this, message = std::move(message)] {
    if (const auto* raft = std::get_if<raft::Message>(&message)) return replica_->step(*raft);
    const auto& note = std::get<net::PeerNote>(message);
    replica_->on_note(note.from, note.body);
  });
}

raft::Member SimNode::member_of(base::NodeId id) {
  return {.id = id,
          .name = base::format("n{}", id.value),
          .address = base::format("10.0.0.{}:7379", id.value)};
}

env::PeerAddress SimNode::client_address(base::NodeId id) {
  return {base::format("10.0.1.{}", id.value), 6379};
}

void SimNode::tell_applied() {
  // An entry that is applied in part may be answered in part.
  const uint64_t applied = machine_->applied().value + (machine_->is_within_entry() ? 1 : 0);
  if (applied <= told_applied_) return;
  hands_.oracle.check_applied(*log_, told_applied_ + 1, applied);
  told_applied_ = applied;
}

void SimNode::stop(std::function<void(base::Status)> done) {
  is_accepting_ = false;
  on_stopped_ = std::move(done);
  // What a member was asked for may wait for what only its restart brings: not for ever.
  if (is_member_of_many()) loops_[0]->post_after(kDrainMs, [this] { stop_replica(); });
  drain(0);
}

void SimNode::stop_replica() {
  if (on_stopped_) replica_->stop(std::exchange(on_stopped_, nullptr));
}

void SimNode::drain(uint32_t loop) {
  if (loop == clients_.hosts.size()) return stop_replica();
  clients_.hosts[loop]->drain([this, loop] { drain(loop + 1); });
}

void SimNode::check_invariants() const {
  log_->check_invariants();
  machine_->check_invariants();
}

}  // namespace alfheim::sim
