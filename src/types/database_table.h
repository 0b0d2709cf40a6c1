// types/database_table: which epoch each of the 16 databases has, and how many keys.
//
// Part of the machine's replicated state: written with the applied index in one step (I2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/check.h"
#include "base/ids.h"
#include "base/limits.h"
#include "types/key_codec.h"

namespace alfheim::types {

struct DatabaseEntry {
  Epoch epoch;
  uint64_t key_count = 0;       // keys whose record exists, due or not (as Redis counts)
  uint64_t deadline_count = 0;  // those of them that have a deadline
  // The entry whose SWAPDB last brought this content here: to WATCH it wrote every key.
  base::LogIndex last_swap{};
};

struct DatabaseTable {
  std::array<DatabaseEntry, base::kDatabaseCount> databases;
  uint32_t next_epoch = 1;
  // Grows whenever a database gets another epoch; of this process, not part of the state.
  uint32_t epoch_changes = 0;

  // Databases 0..15 with epochs 1..16, all empty.
  static DatabaseTable make_new();
  DatabaseEntry& at(base::DatabaseIndex index) {
    ALF_CHECK(index.value < databases.size());
    return databases[index.value];
  }
  const DatabaseEntry& at(base::DatabaseIndex index) const {
    ALF_CHECK(index.value < databases.size());
    return databases[index.value];
  }
  // The database becomes empty at once; its old records are dead by their epoch.
  void flush(base::DatabaseIndex index);
  void swap(base::DatabaseIndex a, base::DatabaseIndex b);
  bool is_live(Epoch epoch) const;
  // The database whose content the epoch names; nullopt where it is dead.
  std::optional<base::DatabaseIndex> database_of(Epoch epoch) const;
};

}  // namespace alfheim::types
