// server/join: a node with an empty directory asks a member of a cluster for that one's number.
//
// The member lets in whom an operator has added (RAFT ADD); until then it refuses, and is asked
// again, for as long as it takes. Nothing is made in the directory before it has said yes.
//
// Thread: the caller's, on which `loop` runs until there is an answer. Lifetime: a call; `loop`
// outlives the executor of the network's names.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "env/clock.h"
#include "env/network.h"
#include "env/random.h"
#include "net/loop.h"

namespace alfheim::server {

struct JoinCall {
  env::Network& network;  // serves `loop`
  net::Loop& loop;        // open, and not running
  env::Random& random;
  const env::Clock& clock;
  env::PeerAddress member;
  base::NodeId id;  // of the asking node, and its name
  std::string name;
  // One line for people who wait, whenever the answer changes.
  std::function<void(const std::string&)> on_progress;
  // Looked at several times a second: whether the process is to stop.
  std::function<bool()> is_stop_wanted;
};

// The cluster's number. kUnavailable: it is to stop.
base::Result<uint64_t> ask_to_join(const JoinCall& call);

}  // namespace alfheim::server
