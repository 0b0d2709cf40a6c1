#include "command/bit_offset.h"

#include "base/number.h"

namespace alfheim::command {

using base::ByteView;
using resp::ReplyWriter;

std::optional<uint64_t> check_field_offset(const Context& context, ByteView word,
                                           uint32_t field_bits, ReplyWriter& reply) {
  const bool is_index = field_bits > 0 && word.starts_with('#');
  const std::optional<int64_t> number = base::parse_int64(is_index ? word.substr(1) : word);
  int64_t offset = number.value_or(-1);
  // An index too large for 64 bits wraps, as the product does in Redis.
  if (is_index && number) {
    offset = static_cast<int64_t>(static_cast<uint64_t>(offset) * field_bits);
  }
  if (offset < 0 || static_cast<uint64_t>(offset) / 8 >= context.limits().string_bytes_max) {
    reply.error("bit offset is not an integer or out of range");
    return std::nullopt;
  }
  return static_cast<uint64_t>(offset);
}

std::optional<uint64_t> check_bit_offset(const Context& context, ByteView word,
                                         ReplyWriter& reply) {
  return check_field_offset(context, word, 0, reply);
}

}  // namespace alfheim::command
