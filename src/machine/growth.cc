#include "machine/growth.h"

#include <algorithm>
#include <vector>

#include "command/arguments.h"

namespace alfheim::machine {
namespace {

// Whether a call's row has the flag; what cannot be parsed counts as if it had.
bool has_flag(const command::Table& table, base::ByteView body, uint32_t flag) {
  base::DatabaseIndex database;
  std::vector<base::ByteView> words;
  if (!parse_call(body, database, words)) return true;
  const command::Row* row = table.find(command::Arguments(words));
  return row == nullptr || (row->flags & flag) != 0;
}

bool any_has_flag(const command::Table& table, OperationKind kind, base::ByteView body,
                  uint32_t flag) {
  switch (kind) {
    case OperationKind::kCommand: return has_flag(table, body, flag);
    case OperationKind::kStateHash: return false;
    case OperationKind::kBlock: break;
  }
  const base::Result<BlockView> block = parse_block(body);
  if (!block) return true;
  return std::any_of(block->calls.begin(), block->calls.end(),
                     [&](const BlockCall& call) { return has_flag(table, call.body, flag); });
}

}  // namespace

bool grows(const command::Table& table, OperationKind kind, base::ByteView body) {
  return any_has_flag(table, kind, body, command::kDenyOom);
}

bool writes(const command::Table& table, OperationKind kind, base::ByteView body) {
  return any_has_flag(table, kind, body, command::kWrite);
}

}  // namespace alfheim::machine
