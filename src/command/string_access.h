// command/string_access: what the handlers of strings and bitmaps share.
//
// Redis's words for refusals, and the ways in which a string is looked at: as a reply, as a
// number, as a length. Nothing here writes to the database.
//
// Thread: the caller's. Lifetime: functions only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "command/context.h"
#include "command/table.h"
#include "resp/reply_writer.h"
#include "types/database.h"

namespace alfheim::command {

inline constexpr base::ByteView kWrongTypeText =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr base::ByteView kSyntaxText = "syntax error";
inline constexpr base::ByteView kNotIntegerText = "value is not an integer or out of range";
inline constexpr base::ByteView kNotFloatText = "value is not a valid float";

// The longest string that Redis embeds in its object: beyond it the encoding is "raw" anyway.
inline constexpr uint64_t kEmbeddedBytesMax = 44;

// Large strings are read and computed in pieces of this size, so that no handler holds one
// of them whole for its own sake.
inline constexpr uint64_t kPieceBytesMax = base::kFragmentBytes;

// Whether the key holds a string; where not, the reply says so.
bool check_string(const types::FoundKey& found, resp::ReplyWriter& reply);

// The word as an integer; where it is none, the reply says so.
std::optional<int64_t> check_integer(base::ByteView word, resp::ReplyWriter& reply);

// Whether a string of size + added bytes may exist; where not, the reply says so.
bool check_length(const Context& context, uint64_t size, uint64_t added, resp::ReplyWriter& reply);

// The whole string as a bulk, put where it goes without a copy between.
base::Status reply_string(types::Database& database, const types::FoundKey& found,
                          resp::ReplyWriter& reply);

// The string as the integer that it spells; nullopt where it spells none. Reads nothing of a
// string that is too long for one.
base::Result<std::optional<int64_t>> read_integer(types::Database& database,
                                                  const types::FoundKey& found);

// Whether Redis would show the string as "raw" only after an edit that changes no byte.
bool is_shown_unedited(const types::FoundKey& found, uint64_t length);

// Where a start and an end as clients give them (from the end where negative) fall in
// `size` units; both ends belong to it. nullopt: nowhere. Where both lie before the first
// unit they fall on it, even in the wrong order (BITPOS; the others ask is_backwards first).
struct Span {
  uint64_t first;
  uint64_t last;
};
inline bool is_backwards(int64_t start, int64_t end) { return start < 0 && end < 0 && start > end; }
std::optional<Span> clamp_span(int64_t start, int64_t end, uint64_t size);

// Rows of the themes; string_commands.cc and bitmap_commands.cc put them together.
void add_string_set_rows(std::vector<Row>& rows);
void add_string_get_rows(std::vector<Row>& rows);
void add_string_edit_rows(std::vector<Row>& rows);
void add_string_number_rows(std::vector<Row>& rows);
void add_lcs_rows(std::vector<Row>& rows);
void add_bitop_rows(std::vector<Row>& rows);
void add_bitfield_rows(std::vector<Row>& rows);

// A key specification "one key, the first word".
KeySpec first_word_key(uint32_t key_flags, const char* notes = "");

}  // namespace alfheim::command
