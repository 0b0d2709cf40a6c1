// command/context: all that a handler of a data command may touch.
//
// A handler is a pure function of (databases, arguments, moment, chance): no clock, no
// option, no session. It writes its whole reply, client errors included, and returns an
// Error only for what no client caused: kWouldBlock and needs_tick in reads (the caller
// runs the command again elsewhere or later and drops what was written of the reply),
// kCorruption and kIo (the node stops). A handler checks everything that it checks before
// its first write, so that a client error leaves nothing half done.
//
// Thread: apply strand for writes; a loop or the reader pool for reads.
// Lifetime: of one command.
#pragma once

#include "base/ids.h"
#include "base/limits.h"
#include "base/result.h"
#include "command/arguments.h"
#include "resp/reply_writer.h"
#include "types/database.h"

namespace alfheim::command {

struct Limits {
  // proto-max-bulk-len. In apply it is carried by the entry, so every node sees the same.
  uint64_t string_bytes_max = base::kBulkBytesMax;
};

class Context {
 public:
  virtual ~Context() = default;

  // The database that the session has selected.
  virtual types::Database& database() = 0;
  // Another one (COPY, MOVE, SWAPDB, FLUSHALL).
  virtual types::Database& database(base::DatabaseIndex index) = 0;
  // SWAPDB. Apply only.
  virtual void swap_databases(base::DatabaseIndex a, base::DatabaseIndex b) = 0;
  virtual Limits limits() const = 0;
  // Node-local chance for reads whose answer may differ between nodes (RANDOMKEY).
  // In apply it is ApplyPoint::random, equal on every node.
  virtual uint64_t random() = 0;
};

using Handler = base::Status (*)(Context& context, const Arguments& args,
                                 resp::ReplyWriter& reply);

}  // namespace alfheim::command
