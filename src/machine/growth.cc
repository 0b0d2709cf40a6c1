#include "machine/growth.h"

#include <algorithm>
#include <vector>

#include "command/arguments.h"

namespace alfheim::machine {
namespace {

// A name, and where it is a container's, the subcommand.
constexpr size_t kNameWordsMax = 2;

bool call_grows(const command::Table& table, base::ByteView body) {
  const base::Result<CallShape> shape = parse_call_shape(body, body.size());
  if (!shape) return true;
  std::vector<base::ByteView> words;
  uint64_t from = shape->words_offset_bytes;
  for (size_t i = 0; i < std::min(shape->word_bytes.size(), kNameWordsMax); ++i) {
    words.push_back(body.substr(from, shape->word_bytes[i]));
    from += shape->word_bytes[i];
  }
  if (words.empty()) return true;
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
