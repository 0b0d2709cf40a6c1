// net/link_options: who this node is to its peers, and the bounds of its links.
//
// Thread: values; the functions are called on the core strand. Lifetime: copied into Links.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "base/limits.h"
#include "base/result.h"
#include "env/clock.h"
#include "env/executor.h"
#include "env/network.h"
#include "env/random.h"
#include "net/peer_message.h"

namespace alfheim::net {

struct LinkOptions {
  // Who we are. cluster_uid 0: a node that belongs to none yet; it may dial, and nobody is let in.
  base::NodeId id;
  std::string name;
  uint64_t cluster_uid = 0;
  uint64_t data_uid = 0;

  // Whether a node of our own cluster (or of none yet) that looks for us may connect. kNotFound:
  // it is no member; kAlreadyExists: its id belongs to another data directory. The message is
  // what the operator of the refused node reads.
  std::function<base::Status(const Hello&)> judge;
  // One line for the log, once for each change of what is wrong with a peer.
  std::function<void(const std::string&)> on_trouble;
  // A peer refuses us: once for each change of the answer.
  std::function<void(base::NodeId, const Refuse&)> on_refused;

  uint32_t connect_timeout_ms = 1000;
  uint32_t handshake_timeout_ms = 3000;
  // Of the urgent lane, which always has something to say. The kernel waits twice as long after
  // each attempt, so without it a link stays silent after a partition for as long as that lasted.
  uint32_t unacknowledged_ms_max = 1500;
  // The bulk lane goes with the urgent one, and a receiver may let it wait; but where its way alone
  // is dead, the peer would get no entry for as long as the kernel waits.
  uint32_t bulk_unacknowledged_ms_max = 30'000;
  // Tried again after min, then twice as long, up to max; each between half of it and all of it.
  uint32_t back_off_ms_min = 50;
  uint32_t back_off_ms_max = 1000;
  uint32_t refused_back_off_ms = 5000;  // who was refused tries on, more slowly
  // A connection that lasted so long makes the next wait short again.
  uint32_t stable_ms = 2000;
  // What may wait in a lane for the kernel. Raft's own window for a peer is 64 MiB.
  size_t urgent_bytes_max = 4 * base::kMiB;
  size_t bulk_bytes_max = 80 * base::kMiB;
  // What may lie between core and io strand on the way out, and on the way in before the bulk
  // lanes are read no further.
  size_t handed_bytes_max = 256 * base::kMiB;
  size_t undelivered_bytes_max = 64 * base::kMiB;
};

// What links are made of; all outlive them. Both strands may be the same.
struct LinkHands {
  env::Network& network;  // serves `io`
  env::Strand& core;      // of the receiver
  env::Strand& io;        // of the connections
  env::Random& random;
  const env::Clock& clock;
};

// Written on the io strand, read on any.
struct LinkGauges {
  std::atomic<uint64_t> unsent_bytes[2] = {0, 0};  // of the urgent and the bulk lane
  std::atomic<uint64_t> sent_count{0};
  std::atomic<uint64_t> sent_bytes{0};
  std::atomic<uint64_t> dropped_count{0};
  std::atomic<uint64_t> received_count{0};
  std::atomic<uint64_t> received_bytes{0};
};

}  // namespace alfheim::net
