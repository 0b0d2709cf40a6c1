#include "replica/large_operation.h"

#include <memory>
#include <utility>

#include "base/crc32c.h"
#include "machine/pieces.h"

namespace alfheim::replica {
namespace {

void set_pieces(LargeOperation& large, machine::Pieces pieces) {
  for (base::Bytes& bytes : pieces.take()) {
    const uint32_t crc = base::crc32c(bytes);
    large.body_bytes += bytes.size();
    large.pieces.push_back({std::make_shared<const base::Bytes>(std::move(bytes)), crc});
  }
}

}  // namespace

LargeOperation cut_call(const machine::CallView& call, bool is_growth, const ReplyTo& waiter) {
  LargeOperation large{.is_growth = is_growth, .waiter = waiter};
  machine::Pieces pieces(machine::call_bytes(call));
  machine::put_call(pieces, call);
  set_pieces(large, std::move(pieces));
  return large;
}

LargeOperation cut_block(base::Bytes body, bool is_growth, const ReplyTo& waiter) {
  LargeOperation large{
      .kind = machine::OperationKind::kBlock, .is_growth = is_growth, .waiter = waiter};
  machine::Pieces pieces(body.size());
  pieces.append(body);
  set_pieces(large, std::move(pieces));
  return large;
}

}  // namespace alfheim::replica
