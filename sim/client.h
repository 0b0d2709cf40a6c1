// sim/client: one simulated client: asks, reads the answers, and judges them by the oracle.
//
// Sends requests in pipelines of random length, cut anywhere, and asks on while earlier ones
// are not answered. When its connection ends it forgets what was not answered (whether that was
// done is the log's secret) and connects again.
//
// Every answer must be the model's: of a logged operation at its place in the log; of any other
// read at a position that was reached when the answer came, not before what anybody had been
// told when the read's last byte was sent, nor out of order within the connection.
//
// Thread: one. Lifetime: outlives the events that name it (the scheduler's).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sim/oracle.h"
#include "sim/sim_connection.h"
#include "sim/workload.h"

namespace alfheim::sim {

class Client final : public SimPeer {
 public:
  struct Options {
    uint32_t number = 0;
    uint64_t request_count = 100;
    uint32_t pipeline_max = 8;
    uint64_t think_ns_max = 1'000'000;
    // Who is not answered for so long goes, and asks elsewhere; 0: waits for ever.
    uint64_t patience_ns = 0;
    bool reads_followers = false;  // says READONLY first
    bool reads_stale = false;      // and gets what is there: only its connection never goes back
  };
  // Null where nobody accepts.
  using Connect =
      std::function<std::shared_ptr<SimConnection>(SimPeer& client, std::shared_ptr<Trace>)>;
  // Of a group of several: another node leads, by its address; empty: nobody that is known.
  void set_on_redirect(std::function<void(base::ByteView address)> on_redirect) {
    on_redirect_ = std::move(on_redirect);
  }
  Client(SimScheduler& scheduler, Oracle& oracle, Connect connect, uint64_t seed,
         const Options& options, const WorkloadOptions& workload);

  void start() { schedule_step(); }
  // The client goes away in the midst of things, and comes back.
  void disconnect();
  bool is_done() const { return issued_ >= options_.request_count && requests_.empty(); }
  bool reads_followers() const { return options_.reads_followers; }
  uint64_t answered_count() const { return answered_; }
  // Nothing of this client's is ever asked about before this position.
  uint64_t floor() const;
  // What it waits for, for reports.
  std::string waiting_for() const;
  // More requests than were planned (the last check of a run).
  void ask_more(uint64_t count);
  void become_patient() { options_.patience_ns = 0; }
  void ask_no_more() { options_.request_count = issued_; }

  // ---- SimPeer ----
  void on_bytes(base::ByteView bytes) override;
  void on_disconnected() override;

 private:
  enum class Kind : uint8_t { kLiteral, kCommand, kExec, kWatch, kHash };
  struct WatchedKey {
    uint32_t database = 0;
    base::Bytes key;
    uint64_t from = 0;  // the version was read between these positions
    uint64_t until = 0;
  };
  struct Request {
    Kind kind = Kind::kLiteral;
    Words words;
    uint32_t database = 0;
    uint64_t identity = 0;
    base::Bytes literal;           // of kLiteral: what must be answered
    bool forgets_watches = false;  // UNWATCH, DISCARD
    std::vector<bool> is_ping;     // of kExec: by queued command
    bool may_grow = false;         // of kExec: one of them may
    uint64_t end_offset = 0;       // in the stream, of its last byte
    uint64_t floor = 0;            // of the oracle, when its last byte was sent
    uint64_t sent_ns = 0;          // when that was
    bool is_sent = false;
  };

  void schedule_step(uint64_t least_ns = 0);
  bool has_lost_patience() const;
  void step();
  void issue();
  void issue_block();
  void issue_simple();
  void add(Request request);
  void add_literal(Words words, base::Bytes literal);
  void send_piece();
  void end_input_sometimes();

  void judge(const Request& request, base::ByteView reply);
  bool is_excused(const Request& request, base::ByteView reply);
  bool may_be_refused(const Request& request) const;
  bool is_redirected(const Request& request, base::ByteView reply);
  void judge_command(const Request& request, base::ByteView reply);
  void judge_exec(const Request& request, base::ByteView reply);
  void judge_watch(const Request& request, base::ByteView reply);
  void judge_hash(const Request& request, base::ByteView reply);
  void judge_watches(const Request& request, const LoggedOperation& logged);
  void answered_at(uint64_t position);
  // The least position that may explain a read.
  uint64_t least_for(const Request& request) const;
  // The next operation of this connection that apply answered, hashes apart.
  const LoggedOperation* next_logged() const;
  std::optional<LoggedOperation> take_logged(bool is_state_hash);
  uint64_t until_now() const;
  void fail(const Request& request, base::ByteView reply, const std::string& why);

  SimScheduler& scheduler_;
  Oracle& oracle_;
  const Connect connect_;
  std::function<void(base::ByteView)> on_redirect_;
  Options options_;
  Workload workload_;
  struct Stream {
    std::shared_ptr<SimConnection> connection;  // shared with the node
    std::shared_ptr<Trace> trace;               // shared with the oracle
    uint32_t database = 0;
    base::Bytes to_send;
    uint64_t sent_bytes = 0;
    uint64_t asked_bytes = 0;
    base::Bytes received;
    uint64_t position = 0;  // of the last answer
    std::vector<WatchedKey> watched;
    uint64_t life = 0;              // of the node that it is connected to
    bool is_block_refused = false;  // of a command that was not queued
    bool has_ended_input = false;
    bool must_leave = false;  // another node leads: to it, once all is answered here
  } stream_;
  std::deque<Request> requests_;  // not answered, in order
  uint64_t issued_ = 0;
  uint64_t answered_ = 0;
  bool is_step_scheduled_ = false;
};

}  // namespace alfheim::sim
