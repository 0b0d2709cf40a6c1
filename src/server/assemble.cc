#include "server/assemble.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "machine/read_context.h"
#include "net/link_codec.h"
#include "server/option_text.h"
#include "server/process_figures.h"
#include "server/promise.h"

namespace alfheim::server {
namespace {

// Clients that do not take their replies are not waited for longer than this.
constexpr uint64_t kDrainMs = 5000;
constexpr uint64_t kProgressEveryMs = 1000;

}  // namespace

// Replies find their loop's sessions.
class Node::Router : public replica::ReplyRouter {
 public:
  explicit Router(Clients& clients, uint32_t loop_count)
      : clients_(clients), loop_count_(loop_count) {}
  void deliver(uint32_t loop, replica::ReplyBatch batch) override {
    ALF_CHECK(loop < clients_.hosts.size());
    clients_.hosts[loop]->deliver(std::move(batch));
  }
  uint32_t loop_count() const override { return loop_count_; }

 private:
  Clients& clients_;
  uint32_t loop_count_;
};

Node::Node(const Options& options, NodeEvents events)
    : config_(options), events_(std::move(events)) {}

Node::~Node() {
  // Threads first: nothing may run while its objects go.
  if (engine_.executor != nullptr) engine_.executor->stop();
  for (const std::unique_ptr<net::Loop>& loop : engine_.loops) loop->drop_tasks();
}

base::Result<std::unique_ptr<Node>> Node::start(const Options& options, NodeEvents events,
                                                uint64_t snapshot_id) {
  auto node = std::unique_ptr<Node>(new Node(options, std::move(events)));
  node->table_ = command::Table::make();
  ALF_TRY(node->origin_, origin_of(node->disk_, options));
  ALF_TRY_STATUS(node->start_engine());
  ALF_TRY_STATUS(node->bind_addresses());
  if (node->origin_.asks_to_join) ALF_TRY_STATUS(node->ask_to_join());
  StorageHands hands{node->disk_, node->random_, node->clock_, *node->table_,
                     [node = node.get()](uint64_t done, uint64_t total) {
                       if (!node->is_progress_due()) return;
                       node->events_.on_progress(base::format(
                           "recovering the log: {} of {} MiB scanned", done >> 20, total >> 20));
                     }};
  hands.on_trouble = node->events_.on_trouble;
  hands.snapshot_id = snapshot_id;
  node->progress_ms_ = node->clock_.monotonic_ms();
  ALF_TRY(node->storage_, open_storage(hands, options, node->origin_));
  node->open_links();
  ALF_TRY_STATUS(node->open_replica());
  node->make_sessions();
  node->join_links();
  for (const std::unique_ptr<net::Loop>& loop : node->engine_.loops) {
    ALF_TRY_STATUS(node->engine_.executor->run_loop(
        "loop", [loop = loop.get()] { loop->run(); },
        [loop = loop.get()] { loop->request_stop(); }));
  }
  if (node->engine_.http != nullptr) {
    ALF_TRY_STATUS(node->engine_.http->serve(*node->engine_.executor, *node->clients_.services));
  }
  node->replica_->start();
  // A member of several answers at once: who leads, or that it is not known yet.
  if (!node->is_alone()) {
    node->engine_.loops[0]->post([node = node.get()] { node->start_serving(); });
  }
  return node;
}

base::Status Node::start_engine() {
  const ThreadOptions& threads = config_.startup().thread;
  env::PosixExecutor::Options pool;
  pool.pool_threads_max = threads.pool_thread_count;
  ALF_TRY(engine_.executor, env::PosixExecutor::create(clock_, pool));
  ALF_TRY(engine_.log_strand, engine_.executor->make_strand("log"));
  ALF_TRY(engine_.apply_strand, engine_.executor->make_strand("apply"));
  std::vector<net::Loop*> loops;
  for (uint32_t i = 0; i < threads.loop_count; ++i) {
    engine_.loops.push_back(std::make_unique<net::Loop>());
    ALF_TRY_STATUS(engine_.loops.back()->open());
    engine_.loops.back()->measure_turns(clock_, clients_.counters.loop_turn_ns_max);
    loops.push_back(engine_.loops.back().get());
  }
  net::TcpNetwork::Options network;
  network.on_trouble = events_.on_trouble;
  network.patience.keepalive_s = static_cast<uint32_t>(config_.startup().client.keepalive_s);
  network.names = engine_.executor.get();
  engine_.peer_network =
      std::make_unique<net::TcpNetwork>(std::vector<net::Loop*>{loops.front()}, network);
  engine_.network = std::make_unique<net::TcpNetwork>(std::move(loops), network);
  return start_tls();
}

base::Status Node::start_tls() {
  const TlsOptions& files = config_.startup().group.tls;
  if (files.certificate.empty()) return base::ok();
  ALF_TRY(engine_.tls, net::TlsContext::load({files.certificate, files.key, files.authority}));
  engine_.peer_tls = under_tls(*engine_.peer_network);
  return base::ok();
}

std::unique_ptr<net::TlsNetwork> Node::under_tls(env::Network& below) const {
  if (engine_.tls == nullptr) return nullptr;
  const net::Refuse refuse{net::RefuseCode::kOther,
                           "this node takes connections under TLS only (--raft-tls-cert)"};
  return std::make_unique<net::TlsNetwork>(
      below, engine_.tls,
      net::TlsNetwork::Options{.answer_to_plain = net::encode_handshake(refuse),
                               .on_trouble = events_.on_trouble});
}

env::Network& Node::peer_network() {
  if (engine_.peer_tls != nullptr) return *engine_.peer_tls;
  return *engine_.peer_network;
}

// Ports are taken before anything is opened, so that a used one costs nothing.
base::Status Node::bind_addresses() {
  const AddressOptions& address = config_.startup().address;
  ALF_TRY(engine_.listener,
          engine_.network->listen(address.resp,
                                  [this](env::Strand& strand, env::Connection& connection) {
                                    for (size_t i = 0; i < engine_.loops.size(); ++i) {
                                      if (engine_.loops[i].get() == &strand) {
                                        return clients_.hosts[i]->accept(connection);
                                      }
                                    }
                                    ALF_CHECK_MSG(false, "a connection on a loop that is not ours");
                                  }));
  ALF_TRY(engine_.raft_listener,
          peer_network().listen(address.raft,
                                [this](env::Strand& strand, env::Connection& connection)
                                    -> std::shared_ptr<env::ConnectionHandler> {
                                  return links_->acceptor()(strand, connection);
                                }));
  if (address.http) {
    ALF_TRY(engine_.http, HttpServer::bind(*address.http));
    identity_.http = engine_.http->local_address();
  }
  identity_.name = config_.startup().group.id;
  identity_.resp = engine_.listener->local_address();
  identity_.raft = engine_.raft_listener->local_address();
  return base::ok();
}

base::Status Node::open_replica() {
  const Options& options = config_.startup();
  router_ = std::make_unique<Router>(clients_, options.thread.loop_count);
  replica::Replica::Hands hands{.clock = clock_,
                                .random = random_,
                                .disk = disk_,
                                .executor = *engine_.executor,
                                .core = *engine_.loops[0],
                                .log_strand = *engine_.log_strand,
                                .apply_strand = *engine_.apply_strand,
                                .log = *storage_.log,
                                .machine = *storage_.machine,
                                .keeper = *storage_.keeper,
                                .router = *router_};
  hands.transport = links_.get();
  hands.snapshots = storage_.snapshots.get();
  // Several loops share the work of applying badly; one loop does it best itself.
  if (engine_.loops.size() == 1) hands.near_apply = engine_.loops[0].get();
  replica::Replica::Options replica;
  replica.id = node_id_of(options.group.id);
  replica.founders = founding_members();
  replica.has_joined = origin_.joined_cluster != 0;
  replica.data_uid = storage_.node.data_uid;
  replica.tick_ms = options.group.tick_ms;
  replica.election_ticks = options.group.election_ticks;
  replica.read_mode = options.group.read_mode;
  replica.clock_drift_permille = options.group.clock_drift_permille;
  const bool promises = replica.read_mode == raft::ReadMode::kLease;
  ALF_TRY(replica.promised_ms,
          keep_promise(disk_, options.storage.dir,
                       promises ? options.group.tick_ms * options.group.election_ticks : 0));
  if (promises) {
    events_.on_progress(base::format(
        "--read-mode lease: reads rely on clocks, none of which may run {} thousandths "
        "faster than another",
        replica.clock_drift_permille));
  }
  replica.payload = {options.storage.value_threshold_bytes, options.client.bulk_bytes_max};
  replica.applier.log_bytes_per_freeze = options.storage.log_bytes_per_freeze;
  replica.log_retain_bytes = options.storage.log_retain_bytes;
  replica.disk = {.path = options.storage.dir, .reserve_bytes = options.storage.disk_reserve_bytes};
  replica.snapshot.bytes_per_second = options.storage.snapshot_mbps * 1'000'000;
  replica.snapshot.kept_free_bytes = options.storage.disk_reserve_bytes;
  ALF_TRY(
      replica_,
      replica::Replica::open(
          hands, replica,
          {.on_serving = [this] { start_serving(); },
           .on_leader_changed =
               [this] {
                 for (const auto& host : clients_.hosts) host->on_leader_changed();
               },
           .on_links_changed = [this] { follow_members(); },
           .redirect = [this](base::NodeId leader,
                              uint32_t slot) { return directory_.redirection(leader, slot); },
           .on_fatal = [this](base::Error error) { events_.on_fatal(error); },
           .on_state_hash = [this](std::shared_ptr<index::View> view,
                                   const replica::ReplyTo& to) { hash_state(std::move(view), to); },
           .on_progress = [this](base::LogIndex applied,
                                 base::LogIndex target) { note_progress(applied, target); },
           .on_disk = events_.on_trouble,
           .on_snapshot_ready = [this] { events_.request_restart(); },
           .on_trouble = events_.on_trouble}));
  const vlog::Identity stored = storage_.log->identity();
  identity_.node_id = cluster_node_id(stored.cluster_uid, stored.node, stored.group);
  identity_.run_id = base::format("{:016x}{:016x}{:08x}", random_.next_u64(), random_.next_u64(),
                                  static_cast<uint32_t>(random_.next_u64()));
  identity_.started_ms = clock_.monotonic_ms();
  identity_.started_wall_ms = clock_.wall_ms();
  return base::ok();
}

void Node::make_sessions() {
  clients_.slow_log = std::make_unique<SlowLog>(config_);
  clients_.memory = std::make_unique<ClientMemory>(config_);
  clients_.bodies = std::make_unique<BodyBudget>(config_.startup().client.request_memory_bytes);
  clients_.services = std::make_unique<Services>(Services{
      clock_, random_, config_, *table_, clients_.registry, clients_.counters, *clients_.memory,
      *clients_.bodies, *clients_.slow_log, clients_.write_shares, *replica_, *storage_.machine,
      *storage_.log, identity_, directory_, sentinel_hosts_, events_.request_shutdown});
  for (uint32_t i = 0; i < engine_.loops.size(); ++i) {
    clients_.hosts.push_back(std::make_unique<SessionHost>(SessionHost::Hands{
        *clients_.services, *engine_.loops[i], *engine_.executor, clients_.watches, i,
        events_.on_trouble, return_freed_memory_now, engine_.network.get()}));
  }
  clients_.registry.set_closer(
      [this](uint32_t loop, uint64_t id) { clients_.hosts[loop]->close_client(id); });
  storage_.machine->set_observer(&clients_.watches);
  config_.set_listener([this](const Config& config) {
    replica_->batcher().set_header(
        {config.startup().storage.value_threshold_bytes, config.bulk_bytes_max()});
    events_.on_log_level(config.log_level());
  });
}

void Node::start_serving() {
  if (std::exchange(is_accepting_, true)) return;  // it leads once more
  engine_.listener->start_accepting();
  events_.on_serving(identity_);
}

void Node::hash_state(std::shared_ptr<index::View> view, const replica::ReplyTo& to) {
  auto read = machine::ReadView::over(*storage_.machine, std::move(view));
  engine_.executor->post_to_pool(env::Lane::kLong, [this, read = std::move(read), to]() mutable {
    // The view was taken within the entry that asked: behind the one wholly applied.
    const base::LogIndex applied = read->applied().next();
    const base::Result<uint64_t> hash = read->logical_hash();
    read.reset();
    replica::ReplyBatch batch;
    resp::ReplyWriter writer(batch.bytes, to.protocol);
    if (hash) {
      writer.array_header(2);
      writer.integer(static_cast<int64_t>(applied.value));
      writer.bulk(base::format("{:016x}", *hash));
    } else {
      events_.on_trouble(base::format("hash the state: {}", hash.error().message));
      writer.error(base::format("the state cannot be read: {}", hash.error().message));
    }
    batch.add(to, 0);
    router_->deliver(to.loop, std::move(batch));
  });
}

bool Node::is_progress_due() {
  const uint64_t now_ms = clock_.monotonic_ms();
  if (now_ms < progress_ms_ + kProgressEveryMs) return false;
  progress_ms_ = now_ms;
  return true;
}

void Node::note_progress(base::LogIndex applied, base::LogIndex target) {
  if (replica_->is_serving() || applied >= target || !is_progress_due()) return;
  events_.on_progress(
      base::format("replaying the log: entry {} of {}", applied.value, target.value));
}

void Node::wait_for(const std::function<void(std::function<void()>)>& begin, uint64_t timeout_ms) {
  // Shared with the callback, which may come after the time is up.
  struct Gate {
    std::mutex mutex;  // guards is_open
    std::condition_variable opened;
    bool is_open = false;
  };
  auto gate = std::make_shared<Gate>();
  begin([gate] {
    const std::lock_guard lock(gate->mutex);
    gate->is_open = true;
    gate->opened.notify_all();
  });
  std::unique_lock lock(gate->mutex);
  gate->opened.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return gate->is_open; });
}

// A leader that goes names the next one, so that nobody waits for an election's timeout. Clients
// are served until then; afterwards they are sent there.
void Node::hand_over() {
  const uint64_t election_ms = replica_->election_timeout_ms();
  wait_for(
      [&](std::function<void()> done) {
        replica_->transfer({.timeout_ms = election_ms / 2,
                            .joins = true,
                            .done = [this, done = std::move(done)](const base::Status& status) {
                              if (status) events_.on_progress("leadership was handed over");
                              done();
                            }});
      },
      election_ms + election_ms / 2);
}

// All loops at once.
void Node::drain(std::function<void()> done) {
  const auto left = std::make_shared<std::atomic<size_t>>(clients_.hosts.size());
  for (const std::unique_ptr<SessionHost>& host : clients_.hosts) {
    host->drain([left, done] {
      if (left->fetch_sub(1) == 1) done();
    });
  }
}

base::Status Node::stop() {
  engine_.listener->close();
  engine_.raft_listener->close();
  hand_over();
  wait_for([&](std::function<void()> done) { drain(std::move(done)); }, kDrainMs);
  base::Status closed;
  // A last freeze writes at most the dirty budget: it ends, or the disk is dead.
  wait_for(
      [&](std::function<void()> done) {
        replica_->stop([&closed, done = std::move(done)](base::Status status) {
          closed = std::move(status);
          done();
        });
      },
      UINT32_MAX);
  wait_for(
      [&](std::function<void()> done) {
        engine_.loops[0]->post([this, done = std::move(done)] {
          links_->stop();
          done();
        });
      },
      kDrainMs);
  engine_.executor->stop();
  return closed;
}

}  // namespace alfheim::server
