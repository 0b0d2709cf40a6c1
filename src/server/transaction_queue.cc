#include "server/transaction_queue.h"

#include <utility>

#include "base/check.h"
#include "base/number.h"

namespace alfheim::server {

void TransactionQueue::open(base::DatabaseIndex selected) {
  ALF_CHECK(!is_open_);
  is_open_ = true;
  has_failed_ = false;
  database_ = selected;
}

void TransactionQueue::add(std::span<const base::ByteView> words, const command::Row& row) {
  ALF_CHECK(is_open_);
  flags_ |= row.flags;
  if (!row.is_session()) return block_.calls.add(machine::CallView{database_, words});
  QueuedCommand& queued = block_.session_commands.emplace_back(
      QueuedCommand{OwnedRequest(words), &row, block_.command_count()});
  session_command_bytes_ += queued.request.size_bytes();
  if (row.name != "select") return;
  // A SELECT that will fail moves nothing: its own error reply says so at EXEC.
  const std::optional<int64_t> index = base::parse_int64(words[1]);
  if (index && *index >= 0 && *index < base::kDatabaseCount) {
    database_ = base::DatabaseIndex{static_cast<uint32_t>(*index)};
  }
}

QueuedBlock TransactionQueue::take() {
  ALF_CHECK(is_open_);
  QueuedBlock taken;
  std::swap(taken, block_);
  discard();
  return taken;
}

void TransactionQueue::discard() {
  QueuedBlock gone;  // clear would keep the memory of a million commands
  std::swap(gone, block_);
  session_command_bytes_ = 0;
  flags_ = 0;
  is_open_ = false;
  has_failed_ = false;
}

WatchSet& TransactionQueue::watches() {
  if (watches_ == nullptr) watches_ = std::make_unique<WatchSet>(table_);
  return *watches_;
}

}  // namespace alfheim::server
