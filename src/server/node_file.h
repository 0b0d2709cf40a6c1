// server/node_file: the file NODE of a data directory: which directory this is, and what it joined.
//
// `data_uid` is drawn when the directory is made and never changes: the cluster keeps it with the
// node's id, so that an id whose data was lost cannot come back with an empty directory (it would
// have forgotten what it promised and acknowledged). `joined_cluster` is the number of the cluster
// that the node was added to; 0: it founded one, alone or with others (server/founders.h).
//
// Thread: one, before anything of the directory is open. Format of NODE: one line of text,
// "alfheimdb node 1 ", crc32c of the words as 8 hex digits, a space, the words
// "data_uid=<16 hex digits> joined_cluster=<16 hex digits>".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "env/disk.h"

namespace alfheim::server {

struct NodeFile {
  uint64_t data_uid = 0;
  uint64_t joined_cluster = 0;
  friend bool operator==(const NodeFile&, const NodeFile&) = default;
};

// Nothing where there is none. kCorruption: it does not say what it did.
base::Result<std::optional<NodeFile>> read_node_file(env::Disk& disk, const std::string& dir);
// Durable when it returns; before a log is made in the directory.
base::Status write_node_file(env::Disk& disk, const std::string& dir, const NodeFile& file);

}  // namespace alfheim::server
