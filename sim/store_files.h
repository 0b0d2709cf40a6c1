// sim/store_files: a simulated disk as the file system of RocksDB, so that the index can crash.
//
// RocksDB's own calls become operations of the disk: what it does not sync (bytes of files, names
// in directories) may be lost at SimDisk::crash, and its hook may fail or crash any of them.
// Its log of messages has no file here.
//
// Thread: any (the disk's mutex). Lifetime: the disk outlives it; it outlives the stores over it.
#pragma once

#include <memory>

#include "env/disk.h"

namespace rocksdb {
class Env;
}

namespace alfheim::sim {

// For RocksStore::Options::env.
std::unique_ptr<rocksdb::Env> make_store_env(env::Disk& disk);

}  // namespace alfheim::sim
