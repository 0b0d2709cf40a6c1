// sim/store_files: a SimDisk as RocksDB's file system, so that the real index store can crash.
//
// RocksDB's own calls become operations of the disk: what it does not sync (bytes of files, names
// in directories) may be lost at SimDisk::crash, and SimDisk's hook may fail or crash any of them.
// Its log of messages has no file here.
//
// Thread: any (the disk's mutex). Lifetime: the disk outlives it; it outlives the stores over it.
#pragma once

#include <memory>

#include "sim/hands/sim_disk.h"

namespace rocksdb {
class Env;
}

namespace alfheim::sim {

// For RocksStore::Options::env.
std::unique_ptr<rocksdb::Env> make_store_env(SimDisk& disk);

}  // namespace alfheim::sim
