// server/session_host: the sessions of one loop, and the way of replies back to them.
//
// Thread: its loop, but deliver and close_client, which post to it. Lifetime: outlives its
// sessions; the loop is stopped before it is destroyed.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/functional/any_invocable.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/executor.h"
#include "env/network.h"
#include "machine/read_context.h"
#include "replica/reply.h"
#include "server/owned_request.h"
#include "server/reclaimer.h"
#include "server/reply_queue.h"
#include "server/services.h"
#include "server/watch_set.h"

namespace alfheim::server {

class Session;

class SessionHost {
 public:
  struct Hands {
    Services& services;
    env::Strand& loop;
    env::Executor& executor;
    WatchTable& watches;
    uint32_t loop_number = 0;
    // One line about what a client was told as an error of the node's own.
    std::function<void(const std::string&)> on_trouble;
    // Has the allocator give freed memory back; on the pool. None: nothing is to be done.
    std::function<void()> return_freed_memory = {};
    // To the other nodes, for tunnels; null: there are none.
    env::Network* network = nullptr;
  };
  // A read that may block: done on the pool over a state taken already.
  struct PoolRead {
    replica::ReplyTo to;
    const command::Row* row = nullptr;
    OwnedRequest request;
    base::DatabaseIndex database;
    base::Stamp clock;
    bool lacks_tick = false;  // log time may not have passed the clock, and cannot move now
    uint64_t random = 0;
    command::Limits limits;
    std::unique_ptr<machine::BegunRead> begun;
    std::shared_ptr<machine::ReadView> view;  // of what was not begun
    env::Lane lane = env::Lane::kShort;

    base::Status run(const machine::ReadRequest& again, resp::ReplyWriter& reply) const {
      return begun ? begun->run(again, reply) : view->run(again, reply);
    }
  };
  // What comes back from it: nothing else, so that all the rest ends on the pool.
  struct PoolReply {
    replica::ReplyTo to;
    env::Lane lane = env::Lane::kShort;
    uint64_t request_bytes = 0;
    base::Bytes bytes;
    ReplyQueue::Whole whole;  // instead, where it is large
  };
  // A write that is too long for a turn of the loop: put into an entry's bytes on the pool.
  struct LongWrite {
    replica::ReplyTo to;
    OwnedRequest request;
    base::DatabaseIndex database;
    bool is_growth = true;
  };
  // The same of a block.
  struct LongBlock {
    replica::ReplyTo to;
    std::unique_ptr<WatchSet> watches;  // null: none
    machine::BlockCalls calls;
    bool is_growth = false;
  };
  // A WATCH that is too long for a turn of the loop, or of a key that is cold. The set is the
  // session's own, which does nothing else until it has it back.
  struct LongWatch {
    uint64_t session = 0;
    OwnedRequest request;
    base::DatabaseIndex database;
    base::Stamp clock;
    std::unique_ptr<WatchSet> set;
    bool is_early = false;  // a version cannot be known before a tick
  };
  explicit SessionHost(const Hands& hands);
  ~SessionHost();

  // On the loop: the handler of an accepted connection, or null where it is refused.
  std::shared_ptr<env::ConnectionHandler> accept(env::Connection& connection);
  // Any thread.
  void deliver(replica::ReplyBatch batch);
  void close_client(uint64_t id);
  // Any thread: the session looks again at what it waits for.
  void wake(uint64_t session);
  // Any thread: it is known anew who leads.
  void on_leader_changed();
  // Any thread: takes no more connections, closes each session once its replies are out (idle
  // ones at once), and calls `done` on the loop when the last is gone.
  void drain(std::function<void()> done);

  // ---- for sessions, on the loop ----
  Services& services() { return hands_.services; }
  const Hands& hands() const { return hands_; }
  Reclaimer& reclaimer() { return reclaimer_; }
  // What tunnels read into, one at a time.
  std::span<char> tunnel_buffer();
  // Why clients are not carried to the leader; said when it changes. Empty: they are.
  void note_tunnel_trouble(const std::string& words);
  // Work was added to the batcher in this turn.
  void submit();
  // The session is paused for want of room: looked at again when there may be some.
  void resume_later(uint64_t session);
  void on_session_closed(uint64_t session);
  void read_on_pool(PoolRead read);
  void encode_on_pool(LongWrite write);
  void encode_block_on_pool(LongBlock block);
  void watch_on_pool(LongWatch watch);
  // Here, or on the pool where it would take long; null: nothing is to be done.
  void destroy_watches(std::unique_ptr<WatchSet> watches);
  // Clients hold more than their budget: the largest are closed, next.
  void relieve_later();
  // Closes the session, says why in one line, and counts it.
  struct Limit {
    std::string_view option;
    std::string_view held;  // what there is too much of
    std::atomic<uint64_t>& counter;
  };
  void close_for(const Limit& limit, Session& session, uint64_t bytes, uint64_t bytes_max);
  void report(std::string_view what, const base::Error& error);  // any thread
  // Finds a session that may be gone.
  Session* find(uint64_t session);

 private:
  std::shared_ptr<env::ConnectionHandler> refuse(env::Connection& connection,
                                                 std::string_view words);
  void run_resumes();
  void resume(std::vector<uint64_t> ids, size_t begin);
  std::vector<uint64_t> session_ids() const;
  base::Status watch_keys(LongWatch& watch);
  using AddToBatch = absl::AnyInvocable<void(replica::Batcher&)>;
  void add_encoded(const replica::ReplyTo& to, AddToBatch add);
  void add_large(replica::LargeOperation large);
  void check_sessions();
  void check_session(Session& session, uint64_t now_ms);
  bool is_in_the_way(Session& session, uint64_t now_ms);
  void relieve();
  void return_freed_memory();
  void warn(const std::string& line);
  void maybe_drained();

  Hands hands_;
  Reclaimer reclaimer_;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Session>> sessions_;
  std::vector<uint64_t> paused_;
  base::Bytes tunnel_buffer_;  // empty until there is a tunnel
  std::string tunnel_trouble_;
  std::function<void()> on_drained_;
  uint64_t check_round_ = 0;
  bool is_resume_set_ = false;
  bool is_relief_set_ = false;
  bool was_serving_ = false;  // as of the last change of leadership
  bool is_draining_ = false;
};

}  // namespace alfheim::server
