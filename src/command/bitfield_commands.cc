// BITFIELD and BITFIELD_RO: a string as an array of small integers.
//
// Operations run in the order given. Where all their fields lie near each other the bytes
// around them are read once and written once; otherwise each operation has a window of its
// own, so that two fields far apart in a large string touch only their own chunks.
#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <span>

#include "base/number.h"
#include "base/text.h"
#include "command/bit_math.h"
#include "command/bit_offset.h"
#include "command/string_access.h"

namespace alfheim::command {

using base::Bytes;
using base::ByteView;
using base::Result;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::FoundKey;

namespace {

// A string below this size is one window whatever the fields.
constexpr uint64_t kWindowBytesMax = types::kChunkBytes;

enum class FieldAction : uint8_t { kGet, kSet, kIncrement };

struct FieldOperation {
  FieldAction action;
  FieldType type;
  Overflow overflow;
  uint64_t bit_offset;
  int64_t number;  // of SET and INCRBY

  bool is_write() const { return action != FieldAction::kGet; }
  uint64_t first_byte() const { return bit_offset / 8; }
  uint64_t last_byte() const { return (bit_offset + type.bit_count - 1) / 8; }
};

using Operations = absl::InlinedVector<FieldOperation, 4>;

std::optional<FieldType> parse_type(ByteView word) {
  FieldType type;
  if (word.empty() || (word.front() != 'i' && word.front() != 'u')) return std::nullopt;
  type.is_signed = word.front() == 'i';
  const std::optional<int64_t> bits = base::parse_int64(word.substr(1));
  if (!bits || *bits < 1 || *bits > (type.is_signed ? 64 : 63)) return std::nullopt;
  type.bit_count = static_cast<uint32_t>(*bits);
  return type;
}

std::optional<Overflow> parse_overflow(ByteView word) {
  if (base::equals_ignore_case(word, "wrap")) return Overflow::kWrap;
  if (base::equals_ignore_case(word, "sat")) return Overflow::kSaturate;
  if (base::equals_ignore_case(word, "fail")) return Overflow::kFail;
  return std::nullopt;
}

// Reads the subcommands one after the other; where one is wrong, the reply says so.
class OperationParser {
 public:
  OperationParser(const Context& context, const Arguments& args, ReplyWriter& reply)
      : context_(context), args_(args), reply_(reply) {}

  std::optional<Operations> parse() {
    while (at_ < args_.count()) {
      if (!parse_one()) return std::nullopt;
    }
    return std::move(operations_);
  }

 private:
  bool is_word(ByteView name, size_t word_count) const {
    return args_.count() - at_ - 1 >= word_count && base::equals_ignore_case(args_[at_], name);
  }

  bool refuse(ByteView text) {
    reply_.error(text);
    return false;
  }

  bool parse_one() {
    if (is_word("get", 2)) return parse_operation(FieldAction::kGet);
    if (is_word("set", 3)) return parse_operation(FieldAction::kSet);
    if (is_word("incrby", 3)) return parse_operation(FieldAction::kIncrement);
    if (!is_word("overflow", 1)) return refuse(kSyntaxText);
    const std::optional<Overflow> overflow = parse_overflow(args_[at_ + 1]);
    if (!overflow) return refuse("Invalid OVERFLOW type specified");
    overflow_ = *overflow;
    at_ += 2;
    return true;
  }

  bool parse_operation(FieldAction action) {
    const std::optional<FieldType> type = parse_type(args_[at_ + 1]);
    if (!type) {
      return refuse(
          "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
          "i64 is.");
    }
    const std::optional<uint64_t> offset =
        check_field_offset(context_, args_[at_ + 2], type->bit_count, reply_);
    if (!offset) return false;
    std::optional<int64_t> number = 0;
    if (action != FieldAction::kGet) number = check_integer(args_[at_ + 3], reply_);
    if (!number) return false;
    operations_.push_back(FieldOperation{action, *type, overflow_, *offset, *number});
    at_ += action == FieldAction::kGet ? 3 : 4;
    return true;
  }

  const Context& context_;
  const Arguments& args_;
  ReplyWriter& reply_;
  size_t at_ = 2;
  Overflow overflow_ = Overflow::kWrap;
  Operations operations_;
};

// Runs one operation on bytes that begin at `window_begin` of the string and hold its field.
void run_operation(const FieldOperation& operation, uint64_t window_begin, Bytes& window,
                   ReplyWriter& reply) {
  const FieldType type = operation.type;
  const uint64_t bit = operation.bit_offset - window_begin * 8;
  const int64_t old = field_to_integer(type, get_field(window, bit, type.bit_count));
  if (!operation.is_write()) {
    reply.integer(old);
    return;
  }
  const bool is_set = operation.action == FieldAction::kSet;
  const std::optional<uint64_t> result =
      is_set ? add_to_field(type, operation.overflow, static_cast<uint64_t>(operation.number), 0)
             : add_to_field(type, operation.overflow, static_cast<uint64_t>(old), operation.number);
  if (!result) {
    reply.null();
    return;
  }
  set_field(window, bit, type.bit_count, *result);
  reply.integer(is_set ? old : field_to_integer(type, *result));
}

// The string under the operations, and what they have done to it so far.
class FieldRun {
 public:
  FieldRun(Database& database, ByteView key) : database_(database), key_(key) {}

  // False where the key is of another type: the reply says so.
  Result<bool> open(ReplyWriter& reply) {
    ALF_TRY_STATUS(look());
    return !found_ || check_string(*found_, reply);
  }

  // Makes room up to the last byte that any operation writes, also where all of them fail.
  Status make_room(uint64_t length) {
    if (length <= length_) return base::ok();
    ALF_TRY_STATUS(database_.write_range(key_, length - 1, ByteView("\0", 1)));
    is_written_ = true;
    return look();
  }

  Status run(std::span<const FieldOperation> operations, ReplyWriter& reply) {
    uint64_t begin = operations.front().first_byte();
    uint64_t end = 0;
    for (const FieldOperation& operation : operations) {
      begin = std::min(begin, operation.first_byte());
      end = std::max(end, operation.last_byte() + 1);
    }
    if (operations.size() > 1 && end - begin > kWindowBytesMax) {
      for (const FieldOperation& operation : operations) {
        ALF_TRY_STATUS(run({&operation, 1}, reply));
      }
      return base::ok();
    }
    before_.clear();
    if (found_) ALF_TRY_STATUS(database_.read_string(*found_, begin, end - begin, before_));
    window_ = before_;
    window_.resize(end - begin, '\0');  // fields behind the end read as zeros
    for (const FieldOperation& operation : operations) {
      run_operation(operation, begin, window_, reply);
    }
    // Writes had room made for them, so what lies behind the end has not changed.
    window_.resize(before_.size());
    if (window_ == before_) return base::ok();
    ALF_TRY_STATUS(database_.write_range(key_, begin, window_));
    is_written_ = true;
    return look();
  }

  // Fields that keep their values are no change, for WATCH too, unless Redis would show the
  // string as edited from now on.
  Status finish_writes() {
    if (is_written_ || !is_shown_unedited(*found_, length_)) return base::ok();
    return database_.mark_edited(key_);
  }

 private:
  Status look() {
    ALF_TRY(found_, database_.find(key_));
    length_ = 0;
    if (found_ && found_->record.type == types::Type::kString) {
      ALF_TRY(length_, database_.string_length(*found_));
    }
    return base::ok();
  }

  Database& database_;
  ByteView key_;
  std::optional<FoundKey> found_;
  uint64_t length_ = 0;
  bool is_written_ = false;
  Bytes before_;
  Bytes window_;
};

Status run_bitfield(Context& context, const Arguments& args, ReplyWriter& reply, bool may_write) {
  const std::optional<Operations> operations = OperationParser(context, args, reply).parse();
  if (!operations) return base::ok();
  uint64_t written_length = 0;
  for (const FieldOperation& operation : *operations) {
    if (operation.is_write()) {
      written_length = std::max(written_length, operation.last_byte() + 1);
    }
  }
  if (written_length > 0 && !may_write) {
    reply.error("BITFIELD_RO only supports the GET subcommand");
    return base::ok();
  }
  FieldRun run(context.database(), args[1]);
  ALF_TRY(const bool is_string, run.open(reply));
  if (!is_string) return base::ok();
  ALF_TRY_STATUS(run.make_room(written_length));
  reply.array_header(operations->size());
  if (operations->empty()) return base::ok();
  ALF_TRY_STATUS(run.run(*operations, reply));
  return written_length > 0 ? run.finish_writes() : base::ok();
}

Status bitfield(Context& context, const Arguments& args, ReplyWriter& reply) {
  return run_bitfield(context, args, reply, true);
}

Status bitfield_ro(Context& context, const Arguments& args, ReplyWriter& reply) {
  return run_bitfield(context, args, reply, false);
}

}  // namespace

void add_bitfield_rows(std::vector<Row>& rows) {
  rows.push_back(
      {.name = "bitfield",
       .arity = -2,
       .flags = kWrite | kDenyOom,
       .keys = {first_word_key(kKeyRW | kKeyAccess | kKeyUpdate | kKeyVariableFlags,
                               "This command allows both access and modification of the key")},
       .acl_categories = "@write @bitmap @slow",
       .summary = "Reads, sets and increments integers of any width within a string",
       .since = "3.2.0",
       .group = "bitmap",
       .complexity = "O(1) for each subcommand specified",
       .handler = bitfield});
  rows.push_back({.name = "bitfield_ro",
                  .arity = -2,
                  .flags = kReadOnly | kFast,
                  .keys = {first_word_key(kKeyRO | kKeyAccess)},
                  .acl_categories = "@read @bitmap @fast",
                  .summary = "Reads integers of any width within a string",
                  .since = "6.0.0",
                  .group = "bitmap",
                  .complexity = "O(1) for each subcommand specified",
                  .handler = bitfield_ro});
}

}  // namespace alfheim::command
