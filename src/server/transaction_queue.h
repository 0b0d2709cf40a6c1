// server/transaction_queue: MULTI on one connection: what was queued and what is watched.
//
// Between MULTI and EXEC commands are kept, checked for name and arity only. Data commands are
// encoded as they come, so that EXEC of many is not a long turn; session commands (PING, SELECT,
// ...) are executed by the session when the block's replies come, in their place.
//
// Thread: the session's loop. Lifetime: of the session. Bound: queued_bytes() is held against
// the query buffer limit by the session.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "command/table.h"
#include "machine/entry_codec.h"
#include "server/owned_request.h"
#include "server/watch_table.h"

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
  ~TransactionQueue() { unwatch(); }
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
  // With what is watched.
  size_t memory_bytes() const {
    return queued_bytes() + block_.session_commands.capacity() * sizeof(QueuedCommand) +
           watched_bytes_;
  }
  // Which database the next queued command runs in (SELECT within the block moves it).
  base::DatabaseIndex database() const { return database_; }
  // Ends the block and hands out what was queued; watches stay until unwatch().
  QueuedBlock take();
  void discard();

  // Watched from now on; its version follows with set_versions.
  void watch(const machine::Watch& watch, base::Bytes record_key);
  // The versions of keys that are watched; a key that has one keeps it.
  void set_versions(std::vector<machine::Watch> versions);
  // Takes back watches whose version has not come.
  void forget_unversioned();
  // Watched, and its version is known.
  bool is_watching(base::DatabaseIndex database, base::ByteView key);
  bool is_touched() const;
  std::vector<machine::Watch> watches() const;
  size_t watch_count() const { return watches_.size(); }
  void unwatch();

 private:
  struct Watched {
    machine::Watch watch;
    base::Bytes record_key;
    bool has_version = false;
  };
  using Places = absl::flat_hash_map<base::Bytes, size_t, base::BytesHash, base::BytesEqual>;
  static size_t bytes_of(const Watched& watched);
  Watched* find(base::DatabaseIndex database, base::ByteView key);

  WatchTable& table_;
  QueuedBlock block_;
  std::vector<Watched> watches_;
  // Where a key stands in watches_, by database; only looked up.
  absl::flat_hash_map<uint32_t, Places> places_;
  WatchFlag flag_;
  size_t session_command_bytes_ = 0;
  size_t watched_bytes_ = 0;
  uint32_t flags_ = 0;
  base::DatabaseIndex database_;
  bool is_open_ = false;
  bool has_failed_ = false;
};

}  // namespace alfheim::server
