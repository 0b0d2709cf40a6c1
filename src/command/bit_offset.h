// command/bit_offset: a word of a client as the place of a bit.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "command/context.h"
#include "resp/reply_writer.h"

namespace alfheim::command {

// SETBIT's and GETBIT's offset: a number of bits within the longest string; where it is none,
// the reply says so.
std::optional<uint64_t> check_bit_offset(const Context& context, base::ByteView word,
                                         resp::ReplyWriter& reply);
// BITFIELD's: "#3" also, the place of the field with that index.
std::optional<uint64_t> check_field_offset(const Context& context, base::ByteView word,
                                           uint32_t field_bits, resp::ReplyWriter& reply);

}  // namespace alfheim::command
