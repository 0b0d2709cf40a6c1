// replica/peer_outbox: raft's messages on their way to peers, with the entries that they name.
//
// Raft keeps no payloads: an Append names a range (raft/message.h), and here its entries are put
// in: from those that are not durable yet, from the log's memory, or, for a peer that is far
// behind, from the log's files on the pool, one read a peer at a time. The payloads are shared
// with the log and with other peers, never copied. What cannot be fetched is dropped: raft bears
// the loss of any message.
//
// Thread: the core strand. Lifetime: hands outlive it, and it outlives what it posted.
#pragma once

#include <deque>
#include <functional>
#include <set>
#include <span>

#include "env/executor.h"
#include "net/peer_transport.h"
#include "raft/message.h"
#include "vlog/log.h"

namespace alfheim::replica {

class PeerOutbox {
 public:
  struct Hands {
    env::Strand& core;
    env::Executor& executor;
    const vlog::Log& log;
    net::PeerTransport* transport;  // null in a group of one
  };
  // Whether a message of that term is still worth sending.
  using IsCurrent = std::function<bool(base::Term)>;
  PeerOutbox(const Hands& hands, IsCurrent is_current)
      : hands_(hands), is_current_(std::move(is_current)) {}

  // Entries were added at the log's end, or in the place of others and of all behind them.
  void note_entries(std::span<const raft::Entry> entries);
  // The log itself has those up to here.
  void note_durable(base::LogIndex last);
  void send(raft::Message message);

 private:
  enum class Fill : uint8_t { kWhole, kCold, kGone };
  Fill fill(raft::Append& append) const;
  void read_cold(raft::Message message);

  Hands hands_;
  IsCurrent is_current_;
  std::deque<raft::Entry> undurable_;  // one run
  std::set<base::NodeId> reading_;     // peers for whom the pool reads
};

}  // namespace alfheim::replica
