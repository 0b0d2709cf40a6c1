// server/raft_text: the words for Raft's state that INFO, RAFT INFO, HTTP and the log use.
//
// Thread: any; pure.
#pragma once

#include <string>
#include <string_view>

#include "raft/node.h"
#include "replica/replica.h"

namespace alfheim::server {

// "leader", "follower", "candidate", "pre-candidate".
std::string_view role_name(raft::RoleKind role);
// "probe", "replicate", "snapshot".
std::string_view progress_name(raft::ProgressState state);

// "serving", "following", "starting": also while nobody is known to lead.
std::string_view state_name(const replica::Replica& replica);

// A node's number as 16 hex digits; "" for nobody.
std::string node_text(base::NodeId id);

}  // namespace alfheim::server
