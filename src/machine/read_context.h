// machine/read_context: runs a read command over one state, on any node, without the log.
//
// read_point looks under the index's guard: memory and caches only, for the commands of a
// loop's turn. What lacks nothing but a value goes on as a BegunRead: its one record and a pin
// are all that it needs to end on the pool. ReadView is a state held for longer, for the pool: it
// may block, and walk. All answer through the command's own handler, so a read and the same read
// inside an entry give the same bytes.
//
// Errors: kWouldBlock (run it on the pool, begun or over a ReadView), Database::needs_tick (commit
// a tick, then run it again), kCorruption/kIo (the value cannot be read; nothing was served). After
// an Error what was written of the reply must be dropped.
//
// Thread: read_point on a loop; a BegunRead and a ReadView on any one thread at a time. Lifetime:
// the machine outlives all.
#pragma once

#include <memory>

#include "machine/machine.h"

namespace alfheim::machine {

struct ReadRequest {
  const command::Row& row;
  const command::Arguments& args;
  base::DatabaseIndex database;
  base::Stamp clock;  // the leader's stamp clock
  uint64_t random = 0;
  command::Limits limits;
  types::Lookups* lookups = nullptr;  // what a read that went well found is added here
};

// A read of one key that found its record, but not the value, in memory: the state that it saw.
class BegunRead {
 public:
  // What read_point found under the index's guard, which is held.
  BegunRead(const vlog::Log& log, const Published& published, base::ByteView record)
      : log_(log), pin_(log.pin()), published_(published), record_(record) {}
  // The same request again; may block.
  base::Status run(const ReadRequest& request, resp::ReplyWriter& reply) const;

 private:
  const vlog::Log& log_;
  vlog::Pin pin_;  // taken under the guard: nothing that the record names was dropped before it
  Published published_;
  base::Bytes record_;
};

// On kWouldBlock, `begun` is set where the read can end that way.
base::Status read_point(Machine& machine, const ReadRequest& request, resp::ReplyWriter& reply,
                        std::unique_ptr<BegunRead>* begun = nullptr);

// Log index of the last write of a key that is alive, 0 where there is none (WATCH). needs_tick
// also where the entry of that write is still being applied: a later operation of the same
// entry could write the key again under the same index.
base::Result<base::LogIndex> key_version(Machine& machine, base::DatabaseIndex database,
                                         base::ByteView key, base::Stamp clock);

class ReadView {
 public:
  // Takes its state now; call before anything later of the same connection is proposed.
  static std::shared_ptr<ReadView> open(Machine& machine);
  // Over a view that apply took at its place in the log (apply strand only: nothing is
  // dropped between the view and the pin).
  static std::shared_ptr<ReadView> over(Machine& machine, std::shared_ptr<index::View> view);
  base::LogIndex applied() const { return base::LogIndex{view_->applied()}; }
  base::Status run(const ReadRequest& request, resp::ReplyWriter& reply) const;
  base::Result<base::LogIndex> version(base::DatabaseIndex database, base::ByteView key,
                                       base::Stamp clock) const;
  // Hash of the logical content of all databases, as RAFT HASH compares it.
  base::Result<uint64_t> logical_hash() const;

 private:
  ReadView(Machine& machine, vlog::Pin pin, std::shared_ptr<index::View> view,
           base::Stamp log_time_min = {})
      : machine_(machine),
        pin_(std::move(pin)),
        view_(std::move(view)),
        log_time_min_(log_time_min) {}

  Machine& machine_;
  vlog::Pin pin_;  // its segments hold every address in the view
  std::shared_ptr<index::View> view_;
  // Published before the view was taken. The view's own state record is behind it in the midst
  // of an entry: a key that an earlier read found dead must stay dead.
  base::Stamp log_time_min_;
};

}  // namespace alfheim::machine
