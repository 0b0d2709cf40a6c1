// machine/reply_sink: how replies leave apply.
//
// The machine applies the same entry on every node; only the node that proposed it owes
// replies. Its replica hands a sink that knows, by the operation's ordinal in the entry,
// who waits. On all other nodes (and while a log is replayed) nobody does.
//
// Thread: apply strand. Lifetime: of one apply.
#pragma once

#include <cstddef>

#include "resp/reply_writer.h"

namespace alfheim::machine {

enum class Outcome : unsigned char {
  kReplied,       // the reply was written
  kBlockReplied,  // the same of a block: a reply for each call, parted by end_part
  kWatchFailed,   // a block whose watched keys had changed: nothing was done or written
};

class ReplySink {
 public:
  virtual ~ReplySink() = default;
  // Where the reply of this operation is written; null: nobody here waits for it.
  virtual resp::ReplyWriter* begin(size_t ordinal) = 0;
  // One call of a block is done: what was written since begin or the last part is its reply.
  virtual void end_part(size_t ordinal) = 0;
  virtual void end(size_t ordinal, Outcome outcome) = 0;
  // What was begun (if it was) is dropped: the operation will be run again.
  virtual void abandon(size_t ordinal) = 0;
  // How many bytes of replies it was given so far, of those that somebody waits for.
  virtual size_t replied_bytes() const = 0;
  // RAFT HASH at this place: whoever waits hashes the state as it is now (a view).
  virtual void on_state_hash(size_t ordinal) = 0;
};

// Nobody waits.
class NoReplies : public ReplySink {
 public:
  resp::ReplyWriter* begin(size_t) override { return nullptr; }
  void end_part(size_t) override {}
  void end(size_t, Outcome) override {}
  void abandon(size_t) override {}
  size_t replied_bytes() const override { return 0; }
  void on_state_hash(size_t) override {}
};

}  // namespace alfheim::machine
