// sim/oracle: judges a run by the log: what is in it, in which order, and what it must answer.
//
// Reads each entry of the log once, as soon as it is durable, runs its operations on the Model,
// and keeps what each must answer. Replies are matched to operations twice: as they leave
// apply (the router's order is the log's order), and as they reach a client (an operation of
// its own connection, with the words that it sent). Facts it holds against the node:
//   - an entry that was durable is there, unchanged, for as long as the log holds it;
//   - an operation is in the log at most as often as it was sent;
//   - what a client is told is what the model answered at that place of the log, or, for a
//     read that did not go through the log, at a place between its invocation and its answer;
//   - stamps never go back.
// The first contradiction is kept as a sentence; the run then ends.
//
// Thread: one. Lifetime: of one run; the logs that it reads come and go.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "machine/entry_codec.h"
#include "replica/reply.h"
#include "sim/model.h"
#include "vlog/log.h"

namespace alfheim::sim {

// An operation that stands in the log.
struct LoggedOperation {
  uint64_t entry = 0;
  uint64_t position = 0;
  uint64_t identity = 0;  // hash of kind, database and words
  base::Bytes reply;      // RESP2; empty for a block
  bool is_block = false;
  bool is_watch_failed = false;
  std::vector<base::Bytes> parts;  // replies of a block's calls
  bool is_state_hash = false;
  uint64_t hash = 0;                    // of a state hash
  std::vector<machine::Watch> watches;  // of a block
};

// The operations of one connection that were answered, in the order of the log.
using Trace = std::deque<LoggedOperation>;

uint64_t command_identity(uint32_t database, const Words& words);
// Of the calls of a block, by their identities.
uint64_t block_identity(const std::vector<uint64_t>& calls);
uint64_t state_hash_identity();

class Oracle {
 public:
  const Model& model() const { return model_; }
  bool has_failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }
  void fail(std::string what);
  // Tells each operation of the log and what the model answers.
  using Narrate = std::function<void(const std::string&)>;
  void set_narrate(Narrate narrate) { narrate_ = std::move(narrate); }

  // ---- the log ----
  // A node of a new life has opened its log: what it holds must be what was durable. Then reads
  // what the last life left behind.
  void start_life(const vlog::Log& log);
  // Reads what has become durable since the last call.
  void harvest(const vlog::Log& log);

  // ---- a group of several: the truth is what is committed, told by whoever applies it first ----
  void set_cluster() { is_cluster_ = true; }
  bool is_cluster() const { return is_cluster_; }
  // A node leads in that term, in that life of its process. Nobody else may ever.
  void note_leader(uint64_t term, uint64_t node, uint64_t life, const vlog::Log& log);
  // That life of a node ended: nobody is answered by it any more.
  void end_life(uint64_t life);
  // A node applies entries from `from` up to `until`: the same as any other did.
  void check_applied(const vlog::Log& log, uint64_t from, uint64_t until);
  // The model's state hash after that entry; nothing where it was not taken.
  std::optional<uint64_t> state_hash_at(uint64_t entry) const;
  uint64_t harvested() const { return harvested_; }
  uint64_t operation_count() const { return operation_count_; }
  // Where the model stood after this entry.
  uint64_t position_of_entry(uint64_t index) const;

  // ---- replies leaving apply ----
  // Of a node's life, as are the sessions: in a group of one the oracle counts them itself.
  void watch_session(uint64_t life, uint64_t session, std::shared_ptr<Trace> trace);
  void on_deliver(uint64_t life, const replica::ReplyBatch& batch);
  void on_state_hash(uint64_t life, const replica::ReplyTo& to);
  // The node says that entries up to here are applied, and perhaps a part of the next.
  void note_applied(uint64_t index, bool is_within_next);
  uint64_t applied_position() const { return applied_position_; }

  // ---- clients ----
  void note_sent(uint64_t identity) { ++sent_[identity]; }
  // A client was told by a node of that life that this was not done, and never will be.
  void note_refused(uint64_t identity, uint64_t life);
  uint64_t life() const { return life_; }
  // What faults excuse: commands refused by a full disk, reads that a disk error broke. Refusing
  // takes more than the fault: the node must have been seen in that state.
  struct Excuses {
    bool may_refuse = false;
    bool may_fail_reads = false;
    std::optional<uint64_t> growth_refused_ns;  // when last
    std::optional<uint64_t> writes_refused_ns;
  };
  void set_excuses(Excuses excuses) { excuses_ = excuses; }
  // The node, at that time, refuses what grows the data, or every write.
  void note_refusing(uint64_t now_ns, bool growth, bool writes) {
    if (growth) excuses_.growth_refused_ns = now_ns;
    if (writes) excuses_.writes_refused_ns = now_ns;
  }
  const Excuses& excuses() const { return excuses_; }
  bool is_reading() const { return is_reading_; }  // the log, for itself
  // Every answer that begins from now on must reflect at least this position.
  void note_answered(uint64_t position) { floor_ = std::max(floor_, position); }
  uint64_t floor() const { return floor_; }
  // The least position in [from, until] at which the model answers so; nullopt where there is none.
  std::optional<uint64_t> explain_read(uint32_t database, const Words& words, base::ByteView reply,
                                       uint64_t from, uint64_t until) const;
  // Nothing before this position is asked for any more.
  void forget_before(uint64_t position) { model_.set_floor(position); }

 private:
  struct EntryFacts {
    uint64_t term = 0;
    uint64_t hash = 0;      // of kind, stamp, seed and payload
    uint64_t position = 0;  // of the model, after it
  };
  // Of one life of a node: what it proposed, and who asked it to.
  struct Life {
    std::deque<LoggedOperation> undelivered;  // in the order of the log
    std::deque<LoggedOperation> undelivered_hashes;
    std::map<uint64_t, std::shared_ptr<Trace>> traces;  // by session; shared with its client
  };
  struct Leadership {
    uint64_t node = 0;
    uint64_t life = 0;
  };
  void check_delivered(Life& life, const replica::Reply& reply, base::ByteView bytes);
  void take_entry(const raft::Entry& entry);
  void take_operation(const raft::Entry& entry, const machine::Operation& operation);
  base::Bytes body_of(const machine::Operation& operation);
  // Runs a call's body on the model; its identity.
  uint64_t run_call(base::ByteView body, base::Bytes& reply);
  void run_block(base::ByteView body, LoggedOperation& logged);

  Model model_;
  Narrate narrate_;
  std::string failure_;
  Excuses excuses_;
  bool is_reading_ = false;
  uint64_t life_ = 0;
  uint64_t harvested_ = 0;
  uint64_t operation_count_ = 0;
  uint64_t applied_position_ = 0;
  uint64_t floor_ = 0;
  std::vector<EntryFacts> entries_;              // by index
  std::map<uint64_t, raft::Payload> fragments_;  // by index, until their operation comes
  std::unordered_map<uint64_t, int64_t> sent_;   // by identity; asked by key only
  std::map<uint64_t, Life> lives_;               // those that may still answer
  std::map<uint64_t, Leadership> leaders_;       // by term, of a group of several
  std::map<uint64_t, uint64_t> state_hashes_;    // by entry, of a group of several
  bool is_cluster_ = false;
};

}  // namespace alfheim::sim
