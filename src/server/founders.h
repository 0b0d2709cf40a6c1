// server/founders: who founds a cluster, as --cluster names them: "n1=10.0.0.1:7379,n2=...".
//
// All founders are started with the same list, in any order: from it each makes the cluster's
// number, by which nodes of another cluster are refused. It is used only while the data directory
// is empty, and kept there in the file FOUNDERS: a member that is started without it is a member
// all the same, and never elects itself alone.
//
// Thread: one, before anything runs. Format of FOUNDERS: one line of text, "alfheimdb founders 1 ",
// crc32c of the list as 8 hex digits, a space, the list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "env/disk.h"
#include "env/network.h"

namespace alfheim::server {

struct Founder {
  std::string name;
  env::PeerAddress address;  // --raft-addr of that node
};

// Sorted by name. kInvalidArgument: not such a list, a name or an address twice, or more than
// kFoundersMax.
base::Result<std::vector<Founder>> parse_founders(std::string_view text);
inline constexpr size_t kFoundersMax = 9;

// Of the group that this directory belongs to, or will: empty for a node of its own. `cluster` is
// the option, perhaps empty. kInvalidArgument: it contradicts the directory. kCorruption: FOUNDERS
// does not say what it did.
base::Result<std::vector<Founder>> founders_of(env::Disk& disk, const std::string& dir,
                                               const std::string& cluster);
// Durable when it returns; before anything else is made in the directory.
base::Status save_founders(env::Disk& disk, const std::string& dir,
                           const std::vector<Founder>& founders);

// Not 0.
uint64_t cluster_uid_of(const std::vector<Founder>& founders);

}  // namespace alfheim::server
