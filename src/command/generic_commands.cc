// The rows of all generic commands; the handlers stand in a file per theme.
#include "command/family.h"
#include "command/generic_rows.h"

namespace alfheim::command {

void add_generic_rows(std::vector<Row>& rows) {
  add_keyspace_rows(rows);
  add_rename_rows(rows);
  add_flush_rows(rows);
  add_expire_rows(rows);
  add_scan_rows(rows);
  add_object_rows(rows);
  set_usages(rows, generic_usages());
}

std::string_view type_name(types::Type type) {
  switch (type) {
    case types::Type::kString: return "string";
    case types::Type::kList: return "list";
    case types::Type::kSet: return "set";
    case types::Type::kZset: return "zset";
    case types::Type::kHash: return "hash";
    case types::Type::kStream: return "stream";
  }
  return "unknown";
}

}  // namespace alfheim::command
