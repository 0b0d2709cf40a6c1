#include "machine/growth.h"

#include <algorithm>
#include <vector>

#include "command/arguments.h"

namespace alfheim::machine {
namespace {

bool call_grows(const command::Table& table, base::ByteView body) {
  base::DatabaseIndex database;
  std::vector<base::ByteView> words;
  if (!parse_call(body, database, words)) return true;
  const command::Row* row = table.find(command::Arguments(words));
  return row == nullptr || (row->flags & command::kDenyOom) != 0;
}

}  // namespace

bool grows(const command::Table& table, OperationKind kind, base::ByteView body) {
  switch (kind) {
    case OperationKind::kCommand: return call_grows(table, body);
    case OperationKind::kStateHash: return false;
    case OperationKind::kBlock: break;
  }
  const base::Result<BlockView> block = parse_block(body);
  if (!block) return true;
  return std::any_of(block->calls.begin(), block->calls.end(),
                     [&](const BlockCall& call) { return call_grows(table, call.body); });
}

}  // namespace alfheim::machine
