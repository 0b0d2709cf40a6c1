#include "server/storage.h"

#include "base/format.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/text.h"
#include "env/file_tree.h"
#include "machine/state.h"
#include "server/layout.h"
#include "types/key_codec.h"
#include "upkeep/snapshot_staging.h"

namespace alfheim::server {
namespace {

// Kinds of records that the index keeps in order in memory: deadlines are walked all the time.
constexpr char kOrderedKinds[] = {types::kKindExpiry, '\0'};

// Room for deletes on a full disk: at 4 KiB a batch, 32,768 of them in segments of 64 MiB.
constexpr uint32_t kReservedSegments = 2;

base::Result<upkeep::PersistedState> persisted_state(types::RecordSource& records) {
  ALF_TRY(machine::MachineState state, machine::MachineState::read(records));
  return upkeep::PersistedState{state.applied, std::move(state.databases)};
}

base::Result<types::DatabaseTable> database_table(types::RecordSource& records) {
  ALF_TRY(machine::MachineState state, machine::MachineState::read(records));
  return std::move(state.databases);
}

// Which directory this is, and whose: durable before anything else is made in it.
base::Status open_node_file(const StorageHands& hands, const std::string& dir, bool has_log,
                            const Origin& origin, Storage& storage) {
  ALF_TRY(const std::optional<NodeFile> file, read_node_file(hands.disk, dir));
  if (file) storage.node = *file;
  if (has_log) return base::ok();
  if (!origin.founders.empty()) ALF_TRY_STATUS(save_founders(hands.disk, dir, origin.founders));
  // Another process may have left one in a directory that it did not begin.
  if (storage.node.data_uid == 0) storage.node.data_uid = hands.random.next_u64() | 1;
  storage.node.joined_cluster = origin.joined_cluster;
  if (file == storage.node) return base::ok();
  return write_node_file(hands.disk, dir, storage.node);
}

base::Status open_lock(const StorageHands& hands, const std::string& dir, const Origin& origin,
                       Storage& storage) {
  ALF_TRY_STATUS(hands.disk.make_dir(dir));
  // A name that is not durable takes everything under it along when the power goes. That it can be
  // seen is no proof: a process that was killed may have made it. What stands in it is one, for
  // nothing is made there before.
  ALF_TRY(const bool has_log, is_begun(hands.disk, dir));
  if (!has_log) ALF_TRY_STATUS(hands.disk.sync_dir(base::parent_path(dir)));
  base::Result<std::unique_ptr<env::FileLock>> lock = hands.disk.lock(lock_path(dir));
  if (!lock) {
    if (lock.error().code != base::ErrorCode::kAlreadyExists) return std::move(lock).error();
    return base::Error{base::ErrorCode::kAlreadyExists,
                       base::format("open data directory {}: another alfheimdb uses it; stop "
                                    "that one or choose another --dir",
                                    dir)};
  }
  storage.lock = std::move(lock).value();
  return open_node_file(hands, dir, has_log, origin, storage);
}

// A snapshot that cannot be installed costs its transfer: the leader offers another. But where it
// is not known whether the switch was made only a start from the disk tells.
base::Status settle_generation(const StorageHands& hands, const std::string& dir,
                               Storage& storage) {
  if (hands.snapshot_id != 0) {
    const auto installed = install_snapshot(hands.disk, dir, hands.snapshot_id);
    if (!installed && installed.error().code == base::ErrorCode::kIo) return installed.error();
    if (hands.on_trouble) {
      hands.on_trouble(installed ? base::format("installed the snapshot {:016x}: {}",
                                                hands.snapshot_id, installed->dir)
                                 : installed.error().message);
    }
    // Offered again, it would be refused again, after a restart each time.
    if (!installed) {
      ALF_TRY_STATUS(
          env::remove_tree(hands.disk, upkeep::staged_path(incoming_dir(dir), hands.snapshot_id)));
    }
  }
  ALF_TRY(storage.generation, current_generation(hands.disk, dir));
  return remove_leftovers(hands.disk, dir, storage.generation);
}

base::Status open_log(const StorageHands& hands, const Options& options, const Origin& origin,
                      Storage& storage) {
  vlog::Log::Options log;
  log.dir = log_dir(storage.generation.dir);
  // Not the directory: a crash may have left it without one.
  ALF_TRY(const bool is_there, hands.disk.exists(log.dir + "/META"));
  log.identity.node = node_id_of(options.group.id);
  log.identity.group = base::GroupId{1};
  // A new directory founds a cluster, of its own where no others are named; an old one must only
  // be this node's.
  if (!is_there) log.identity.cluster_uid = hands.random.next_u64() | 1;
  if (!origin.founders.empty()) log.identity.cluster_uid = cluster_uid_of(origin.founders);
  if (origin.joined_cluster != 0) log.identity.cluster_uid = origin.joined_cluster;
  log.segment_bytes = options.storage.segment_bytes;
  log.memory_tail_bytes = options.storage.log_memory_bytes;
  log.reserved_segment_count = kReservedSegments;
  log.progress = hands.on_scan;
  ALF_TRY(storage.log, vlog::Log::open(hands.disk, hands.random, log));
  return base::ok();
}

// RocksDB writes a new manifest before it serves: some 300 bytes a file of 64 MiB, and less than a
// megabyte of other files.
constexpr uint64_t kStoreOpenBytes = 4 * base::kMiB;

// On a full disk there is room in what the log keeps for it: without that a node that was stopped,
// or killed, would not start again. It must be there beforehand: a manifest that finds no room
// ends the process in RocksDB 7.8 as Debian builds it (an assertion).
base::Status make_room_for_store(env::Disk& disk, vlog::Log& log, const std::string& dir) {
  for (;;) {
    const base::Result<uint64_t> free_bytes = disk.free_bytes(dir);
    if (!free_bytes || *free_bytes >= kStoreOpenBytes) return base::ok();
    ALF_TRY(const bool is_given, log.give_room(0));
    if (is_given) continue;
    return base::Error{base::ErrorCode::kNoSpace,
                       base::format("open the index's store on {}: {} bytes are free, and the log "
                                    "has no spare file to give; up to {} are needed",
                                    dir, *free_bytes, kStoreOpenBytes)};
  }
}

base::Status open_index(const StorageHands& hands, const Options& options, Storage& storage) {
  storage.filter = std::make_unique<upkeep::OrphanFilter>();
  index::RocksStore::Options store;
  store.dir = index_dir(storage.generation.dir);
  store.block_cache_bytes = options.storage.block_cache_bytes;
  store.should_drop = [filter = storage.filter.get()](base::ByteView key, base::ByteView value) {
    return filter->should_drop(key, value);
  };
  ALF_TRY_STATUS(make_room_for_store(hands.disk, *storage.log, options.storage.dir));
  ALF_TRY(storage.store, index::RocksStore::open(store));
  index::Options memory;
  memory.memory_budget_bytes = options.storage.memory_budget_bytes;
  memory.dirty_budget_bytes = options.storage.dirty_budget_bytes;
  memory.ordered_kinds = kOrderedKinds;
  // References and chunks would take the room of keys, and are asked for less.
  if (options.storage.warms_up) memory.warm_kind = types::kKindKey;
  // Clients choose the keys: under a seed that they know they could make them all collide.
  memory.hash_seed = hands.random.next_u64();
  ALF_TRY(storage.index, index::Index::open(*storage.store, hands.clock, memory));
  storage.filter->attach({storage.index.get(), storage.store.get(), persisted_state});
  return base::ok();
}

}  // namespace

base::NodeId node_id_of(const std::string& name) {
  const uint64_t id = base::hash64(name);
  return base::NodeId{id == 0 ? 1 : id};
}

base::Result<Storage> open_storage(const StorageHands& hands, const Options& options,
                                   const Origin& origin) {
  Storage storage;
  ALF_TRY_STATUS(open_lock(hands, options.storage.dir, origin, storage));
  const std::string& dir = options.storage.dir;
  ALF_TRY_STATUS(settle_generation(hands, dir, storage));
  ALF_TRY_STATUS(open_log(hands, options, origin, storage));
  ALF_TRY_STATUS(open_index(hands, options, storage));
  ALF_TRY_STATUS(hands.disk.sync_dir(storage.generation.dir));  // the names of log and index
  ALF_TRY(storage.machine, machine::Machine::open({*storage.index, *storage.log, hands.table}));
  storage.keeper = std::make_unique<upkeep::SegmentKeeper>(
      upkeep::SegmentKeeper::Hands{*storage.log, *storage.store, database_table});
  storage.snapshots =
      std::make_unique<upkeep::Snapshots>(upkeep::SnapshotMaker::Hands{hands.disk, *storage.store},
                                          snapshots_dir(dir), incoming_dir(dir));
  return storage;
}

}  // namespace alfheim::server
