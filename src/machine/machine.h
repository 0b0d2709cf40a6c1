// machine/machine: the replicated state machine: entries in, one after another, state out.
//
// The state is a pure function of the entries applied (promise 4): time is the entry's stamp,
// chance a hash of its seed, options that matter are carried in the entry. Owns the order of
// changes to the index (I5) and the state record that says what they reflect (I2). Knows
// neither raft nor sessions; replies leave through a ReplySink.
//
// What readers see is published command by command (a block as one), under the index's lock.
//
// Thread: apply on the apply strand; readers as said at each. Lifetime: the hands outlive it.
// Errors of apply (kCorruption, kIo) mean that the node must stop.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "command/table.h"
#include "index/index.h"
#include "machine/call_loader.h"
#include "machine/key_ahead.h"
#include "machine/reply_sink.h"
#include "machine/sources.h"
#include "machine/state.h"
#include "machine/transaction.h"
#include "machine/unclaimed_fragments.h"
#include "raft/entry.h"
#include "vlog/log.h"

namespace alfheim::machine {

// What readers need besides records; changes under the index's lock, with the records.
struct Published {
  base::LogIndex applied;
  base::Stamp log_time;
  types::DatabaseTable databases;
};

// Told of the keys that apply writes, once they are published: who begins to watch a key after
// that, and then reads it, sees the write. For this node's sessions only.
// Thread: apply strand.
class WriteObserver {
 public:
  virtual ~WriteObserver() = default;
  virtual bool is_observing() const = 0;
  virtual void on_key_written(base::DatabaseIndex database, base::ByteView key) = 0;
};

class Machine {
 public:
  struct Hands {
    index::Index& index;
    const vlog::Log& log;
    const command::Table& table;
  };
  // Continues from the state that the index persisted; a new one starts before entry 1.
  static base::Result<std::unique_ptr<Machine>> open(const Hands& hands);
  ~Machine();

  // ---- apply strand ----
  // Applies the next entry (its index is applied() + 1), whole.
  base::Status apply(const raft::Entry& entry, ReplySink& sink);
  // The same in parts: until `budget` is used up, or, where it may not block, up to what may
  // wait for the disk or has no small bound. After kPart and kWouldBlock call again with the
  // same entry, whose payload stays where it is; only after kWhole comes the next one.
  enum class Progress : uint8_t { kWhole, kPart, kWouldBlock };
  struct Budget {
    size_t changes = SIZE_MAX;  // of records, or words of a command if they are more
    size_t bytes = SIZE_MAX;    // of operations and their replies
    bool may_block = true;
  };
  base::Result<Progress> apply_part(const raft::Entry& entry, ReplySink& sink, Budget budget);
  const MachineState& state() const { return state_; }
  // Whether an entry is applied in part.
  bool is_within_entry() const { return in_entry_ != nullptr; }
  // Where the log must be kept from, once the index is persisted as it is now: behind what is
  // applied, or at the first fragment that a later command will name.
  base::LogIndex log_needed_from() const;
  index::Index& index() { return hands_.index; }
  // Before the first apply; null: nobody.
  void set_observer(WriteObserver* observer) { observer_ = observer; }

  // ---- any thread ----
  base::LogIndex applied() const {
    return base::LogIndex{applied_.load(std::memory_order_acquire)};
  }
  // No key's deadline is before this; nullopt: no key has one.
  std::optional<base::Stamp> next_deadline() const;
  // Only while `guard` is held: it is what excludes apply.
  const Published& published(const index::ReadGuard& guard) const;
  const command::Table& table() const { return hands_.table; }
  const vlog::Log& log() const { return hands_.log; }
  std::shared_ptr<index::View> open_view() { return hands_.index.open_view(); }

  void check_invariants() const;

 private:
  class ApplyContext;
  struct InEntry;  // how far the entry that is being applied has come
  explicit Machine(const Hands& hands);

  // Whether the observer is told of the keys that are published.
  enum class Observed : uint8_t { kNo, kYes };

  base::Status begin_entry(const raft::Entry& entry);
  void end_entry(const raft::Entry& entry);
  base::Result<Progress> apply_commands(ReplySink& sink, Budget budget);
  // One operation, published; what it cost is taken from the budget.
  base::Result<Progress> apply_one(ReplySink& sink, Budget& budget);
  static void offer_record_key(KeyAhead::Known& known, ApplyContext& context);
  bool is_near(const Operation& operation) const;
  void undo_operation(ReplySink& sink);
  base::Status apply_operation(const Operation& operation, size_t ordinal, ReplySink& sink,
                               ApplyContext& context);
  base::Status apply_call(resp::ReplyWriter* reply, ApplyContext& context);
  base::Status apply_block(base::ByteView body, std::optional<uint32_t> offset_bytes,
                           size_t ordinal, ReplySink& sink, ApplyContext& context);
  base::Result<bool> watches_hold(const std::vector<Watch>& watches, ApplyContext& context);
  base::Status remove_due_keys(ApplyContext& context);
  base::Status find_next_deadline();
  void note_deadlines();
  void tell_observer(const types::DatabaseTable& before) const;
  // Makes the transaction visible as one.
  void publish(base::LogIndex applied, Observed observed = Observed::kYes);
  void publish_mutations(base::LogIndex applied);

  Hands hands_;
  MachineState state_;   // apply's own, ahead of published_ within a command
  Published published_;  // guarded by the index's lock
  Slice slice_;
  IndexSource source_;
  ApplyValues values_;
  Transaction transaction_;
  CallLoader loader_;
  LoadedCall call_;  // the one that is being applied
  std::unique_ptr<InEntry> in_entry_;
  UnclaimedFragments fragments_;
  WriteObserver* observer_ = nullptr;
  base::Bytes discarded_;  // replies that nobody waits for
  std::vector<index::Mutation> mutations_;
  std::atomic<uint64_t> applied_{0};
  std::atomic<uint64_t> next_deadline_ms_{UINT64_MAX};
};

}  // namespace alfheim::machine
