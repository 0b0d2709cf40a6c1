// server/transaction_queue: MULTI on one connection: what was queued and what is watched.
//
// Between MULTI and EXEC commands are kept, checked for name and arity only. Data commands are
// encoded as they come, so that EXEC of many is not a long turn; session commands (PING, SELECT,
// ...) are executed by the session when the block's replies come, in their place.
//
// Thread: the session's loop. Lifetime: of the session. Bound: queued_bytes() is held against
// the query buffer limit by the session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "command/table.h"
#include "machine/entry_codec.h"
#include "server/owned_request.h"
#include "server/watch_set.h"

namespace alfheim::server {

// A session command of a block; data commands are encoded as they are queued.
struct QueuedCommand {
  OwnedRequest request;
  const command::Row* row = nullptr;
  size_t place = 0;  // among all commands of the block
};
struct QueuedBlock {
  machine::BlockCalls calls;
  std::vector<QueuedCommand> session_commands;  // by place

  size_t command_count() const { return calls.count + session_commands.size(); }
};

class TransactionQueue {
 public:
  explicit TransactionQueue(WatchTable& table) : table_(table) {}
  TransactionQueue(const TransactionQueue&) = delete;
  TransactionQueue& operator=(const TransactionQueue&) = delete;

  bool is_open() const { return is_open_; }
  void open(base::DatabaseIndex selected);
  // A command that could not be queued: EXEC will refuse.
  void mark_failed() { has_failed_ = true; }
  bool has_failed() const { return has_failed_; }
  void add(std::span<const base::ByteView> words, const command::Row& row);
  size_t count() const { return block_.command_count(); }
  uint32_t flags() const { return flags_; }  // of the rows of all that is queued, together
  size_t queued_bytes() const { return block_.calls.bytes.size() + session_command_bytes_; }
  // With what is watched, and with room that was made for more.
  size_t memory_bytes() const {
    const base::Bytes& calls = block_.calls.bytes;
    const size_t call_bytes = calls.capacity() > sizeof(calls) ? calls.capacity() : 0;
    return call_bytes + session_command_bytes_ +
           block_.session_commands.capacity() * sizeof(QueuedCommand) +
           (watches_ ? watches_->memory_bytes() : 0);
  }
  // Which database the next queued command runs in (SELECT within the block moves it).
  base::DatabaseIndex database() const { return database_; }
  // Ends the block and hands out what was queued; watches stay until they are taken.
  QueuedBlock take();
  void discard();

  // What is watched, to add to it.
  WatchSet& watches();
  // Hands out what is watched; null where nothing is. A long set is not for the loop to destroy.
  std::unique_ptr<WatchSet> take_watches() { return std::exchange(watches_, nullptr); }
  void put_watches(std::unique_ptr<WatchSet> watches) { watches_ = std::move(watches); }
  size_t watch_count() const { return watches_ ? watches_->count() : 0; }
  bool is_touched() const { return watches_ && watches_->is_touched(); }

 private:
  WatchTable& table_;
  QueuedBlock block_;
  std::unique_ptr<WatchSet> watches_;  // null: nothing is watched
  size_t session_command_bytes_ = 0;
  uint32_t flags_ = 0;
  base::DatabaseIndex database_;
  bool is_open_ = false;
  bool has_failed_ = false;
};

}  // namespace alfheim::server
