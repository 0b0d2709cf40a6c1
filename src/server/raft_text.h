// server/raft_text: the words for Raft's state that INFO, RAFT INFO, HTTP and the log use.
//
// Thread: any; pure.
#pragma once

#include <string>
#include <string_view>

#include "raft/node.h"
#include "replica/replica.h"
#include "server/services.h"

namespace alfheim::server {

// "leader", "follower", "candidate", "pre-candidate".
std::string_view role_name(raft::RoleKind role);
// "probe", "replicate", "snapshot".
std::string_view progress_name(raft::ProgressState state);

// "serving", "following", "starting": also while nobody is known to lead.
std::string_view state_name(const replica::Replica& replica);

// Of this node, now; 0: it has none.
uint64_t lease_left_ms(const Services& services);

// What that node calls itself, or its number.
std::string peer_name(const Services& services, base::NodeId id);
uint64_t percent_of(uint64_t done, uint64_t total);

// A node's number as 16 hex digits; "" for nobody.
std::string node_text(base::NodeId id);

}  // namespace alfheim::server
