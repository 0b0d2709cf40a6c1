#include "types/database_table.h"

#include <utility>

#include "base/check.h"

namespace alfheim::types {

DatabaseTable DatabaseTable::make_new() {
  DatabaseTable table;
  for (DatabaseEntry& entry : table.databases) entry.epoch = Epoch{table.next_epoch++};
  return table;
}

void DatabaseTable::flush(base::DatabaseIndex index) {
  // An epoch that came back would wake the dead keys of its first life.
  ALF_CHECK_MSG(next_epoch != UINT32_MAX, "all epochs of databases are used up");
  at(index) = DatabaseEntry{.epoch = Epoch{next_epoch++}};
  ++epoch_changes;
}

void DatabaseTable::swap(base::DatabaseIndex a, base::DatabaseIndex b) {
  std::swap(at(a), at(b));
  ++epoch_changes;
}

bool DatabaseTable::is_live(Epoch epoch) const { return database_of(epoch).has_value(); }

std::optional<base::DatabaseIndex> DatabaseTable::database_of(Epoch epoch) const {
  for (uint32_t i = 0; i < databases.size(); ++i) {
    if (databases[i].epoch == epoch) return base::DatabaseIndex{i};
  }
  return std::nullopt;
}

}  // namespace alfheim::types
