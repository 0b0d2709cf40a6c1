// server/assemble: builds every object of a node, in one readable order, and takes them down.
//
// There is no global and no singleton: whoever wants to know who owns what, and who was
// given what, reads start() from top to bottom. The simulator builds the same objects with
// other hands.
//
// Thread: start and stop on the main thread. Lifetime: of the process.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "env/posix/posix_clock.h"
#include "env/posix/posix_disk.h"
#include "env/posix/posix_executor.h"
#include "env/posix/posix_random.h"
#include "net/links.h"
#include "net/loop.h"
#include "net/tcp_network.h"
#include "net/tls_network.h"
#include "server/body_budget.h"
#include "server/client_memory.h"
#include "server/config.h"
#include "server/directory.h"
#include "server/http_server.h"
#include "server/origin.h"
#include "server/peer_desk.h"
#include "server/sentinel_hosts.h"
#include "server/services.h"
#include "server/session_host.h"
#include "server/slow_log.h"
#include "server/storage.h"
#include "server/write_shares.h"

namespace alfheim::server {

struct NodeEvents {
  // The node serves; addresses are those really taken.
  std::function<void(const Identity&)> on_serving;
  // It must stop at once; any thread, once.
  std::function<void(const base::Error&)> on_fatal;
  std::function<void(const std::string&)> on_trouble;   // one line for the log
  std::function<void(const std::string&)> on_progress;  // one line for people who wait
  std::function<void(LogLevel)> on_log_level;           // CONFIG SET loglevel
  std::function<void()> request_shutdown;               // a client sent SHUTDOWN
  std::function<bool()> is_shutdown_wanted;             // while start() waits to be let in
  // A snapshot is here: to be stopped, and started over it (Node::snapshot_to_install).
  std::function<void()> request_restart;
};

class Node {
 public:
  // Errors are one line for the operator: exit status 1. `snapshot_id`: what the node before this
  // one named to be installed, or 0.
  static base::Result<std::unique_ptr<Node>> start(const Options& options, NodeEvents events,
                                                   uint64_t snapshot_id = 0);
  ~Node();

  // Lets clients' replies out, ends what is in flight, persists the index, closes the log.
  base::Status stop();
  // When it has stopped; 0: none.
  uint64_t snapshot_to_install() const { return replica_->snapshot_to_install(); }

 private:
  // Threads and what runs on them.
  struct Engine {
    std::unique_ptr<env::PosixExecutor> executor;
    std::vector<std::unique_ptr<net::Loop>> loops;
    env::Strand* log_strand = nullptr;
    env::Strand* apply_strand = nullptr;
    std::unique_ptr<net::TcpNetwork> network;
    std::unique_ptr<env::Listener> listener;
    std::unique_ptr<net::TcpNetwork> peer_network;  // its connections live on loop 0
    std::shared_ptr<const net::TlsContext> tls;     // shared with connections; null: none
    std::unique_ptr<net::TlsNetwork> peer_tls;      // over it; null: nodes speak in the clear
    std::unique_ptr<env::Listener> raft_listener;
    std::unique_ptr<net::Loop> join_loop;  // while the node asks to be let in; it runs no more
    std::unique_ptr<HttpServer> http;
  };
  // What sessions share.
  struct Clients {
    ClientRegistry registry;
    Counters counters;
    WatchTable watches;
    std::unique_ptr<SlowLog> slow_log;
    WriteShares write_shares;
    std::unique_ptr<ClientMemory> memory;
    std::unique_ptr<BodyBudget> bodies;
    std::unique_ptr<Services> services;
    std::vector<std::unique_ptr<SessionHost>> hosts;  // by loop
  };
  class Router;

  explicit Node(const Options& options, NodeEvents events);
  void drain(std::function<void()> done);
  base::Status start_engine();
  base::Status start_tls();
  // Null: nodes speak in the clear.
  std::unique_ptr<net::TlsNetwork> under_tls(env::Network& below) const;
  env::Network& peer_network();
  base::Status bind_addresses();
  // assemble_links.cc: how it finds its peers, and they it.
  base::Status ask_to_join();
  bool is_alone() const;
  std::vector<raft::Member> founding_members() const;
  void open_links();
  void join_links();
  void follow_members();
  base::Status open_replica();
  void make_sessions();
  void start_serving();
  void hash_state(std::shared_ptr<index::View> view, const replica::ReplyTo& to);
  void hand_over();
  // At most one line a second, and none in the first.
  bool is_progress_due();
  void note_progress(base::LogIndex applied, base::LogIndex target);
  void wait_for(const std::function<void(std::function<void()>)>& begin, uint64_t timeout_ms);

  Config config_;
  NodeEvents events_;
  env::PosixClock clock_;
  env::PosixRandom random_;
  env::PosixDisk disk_;
  Identity identity_;
  Directory directory_;
  SentinelHosts sentinel_hosts_;
  std::unique_ptr<const command::Table> table_;
  Engine engine_;
  Storage storage_;
  std::unique_ptr<Router> router_;
  Origin origin_;
  std::unique_ptr<net::Links> links_;
  std::unique_ptr<replica::Replica> replica_;
  std::unique_ptr<PeerDesk> peer_desk_;
  Clients clients_;
  uint64_t progress_ms_ = 0;
  bool is_accepting_ = false;
};

}  // namespace alfheim::server
