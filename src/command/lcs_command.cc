// LCS: the longest common subsequence of two strings.
#include <limits>

#include "base/text.h"
#include "command/lcs.h"
#include "command/string_access.h"

namespace alfheim::command {

using base::Bytes;
using base::Result;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::FoundKey;

namespace {

struct LcsOptions {
  bool is_length = false;
  bool is_index = false;
  bool has_match_lengths = false;
  int64_t match_length_min = 0;
};

std::optional<LcsOptions> parse_options(const Arguments& args, ReplyWriter& reply) {
  LcsOptions options;
  for (size_t i = 3; i < args.count(); ++i) {
    if (base::equals_ignore_case(args[i], "idx")) {
      options.is_index = true;
    } else if (base::equals_ignore_case(args[i], "len")) {
      options.is_length = true;
    } else if (base::equals_ignore_case(args[i], "withmatchlen")) {
      options.has_match_lengths = true;
    } else if (base::equals_ignore_case(args[i], "minmatchlen") && i + 1 < args.count()) {
      const std::optional<int64_t> count = check_integer(args[++i], reply);
      if (!count) return std::nullopt;
      options.match_length_min = *count;
    } else {
      reply.error(kSyntaxText);
      return std::nullopt;
    }
  }
  if (options.is_index && options.is_length) {
    reply.error("If you want both the length and indexes, please just use IDX.");
    return std::nullopt;
  }
  return options;
}

// Redis bounds the table that it would fill by proto-max-bulk-len; so do we, though ours is
// smaller: it bounds the time.
bool check_table(const Context& context, uint64_t first, uint64_t second, ReplyWriter& reply) {
  constexpr uint64_t kLengthMax = std::numeric_limits<uint32_t>::max() - 1;
  if (first >= kLengthMax || second >= kLengthMax) {
    reply.error("String too long for LCS");
    return false;
  }
  // Both are below 2^32, so the product of pairs fits; its bytes may not.
  const uint64_t pair_count = (first + 1) * (second + 1);
  if (pair_count > context.limits().string_bytes_max / sizeof(uint32_t)) {
    reply.error("Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    return false;
  }
  return true;
}

Result<uint64_t> length_of(const Database& database, const std::optional<FoundKey>& found) {
  return found ? database.string_length(*found) : Result<uint64_t>(0);
}

Result<Bytes> read(Database& database, const std::optional<FoundKey>& found) {
  return found ? database.read_whole_string(*found) : Result<Bytes>(Bytes());
}

void reply_ranges(const CommonSubsequence& common, const LcsOptions& options, ReplyWriter& reply) {
  reply.map_header(2);
  reply.bulk("matches");
  const ReplyWriter::Deferred matches = reply.start_deferred();
  size_t match_count = 0;
  for (const CommonRange& range : common.ranges) {
    if (static_cast<int64_t>(range.length()) < options.match_length_min) continue;
    ++match_count;
    reply.array_header(options.has_match_lengths ? 3 : 2);
    reply.array_header(2);
    reply.integer(range.first_begin);
    reply.integer(range.first_end);
    reply.array_header(2);
    reply.integer(range.second_begin);
    reply.integer(range.second_end);
    if (options.has_match_lengths) reply.integer(range.length());
  }
  reply.finish_array(matches, match_count);
  reply.bulk("len");
  reply.integer(static_cast<int64_t>(common.text.size()));
}

Status lcs(Context& context, const Arguments& args, ReplyWriter& reply) {
  Database& database = context.database();
  ALF_TRY(const std::optional<FoundKey> first, database.find(args[1]));
  ALF_TRY(const std::optional<FoundKey> second, database.find(args[2]));
  for (const std::optional<FoundKey>* found : {&first, &second}) {
    if (*found && (*found)->record.type != types::Type::kString) {
      reply.error("The specified keys must contain string values");
      return base::ok();
    }
  }
  const std::optional<LcsOptions> options = parse_options(args, reply);
  if (!options) return base::ok();
  ALF_TRY(const uint64_t first_length, length_of(database, first));
  ALF_TRY(const uint64_t second_length, length_of(database, second));
  if (!check_table(context, first_length, second_length, reply)) return base::ok();
  ALF_TRY(const Bytes first_text, read(database, first));
  ALF_TRY(const Bytes second_text, read(database, second));
  if (options->is_length) {
    reply.integer(common_subsequence_length(first_text, second_text));
    return base::ok();
  }
  const CommonSubsequence common = common_subsequence(first_text, second_text);
  if (options->is_index) {
    reply_ranges(common, *options, reply);
  } else {
    reply.bulk(common.text);
  }
  return base::ok();
}

}  // namespace

void add_lcs_rows(std::vector<Row>& rows) {
  rows.push_back({.name = "lcs",
                  .arity = -3,
                  .flags = kReadOnly | kLong,
                  .keys = {KeySpec{.flags = kKeyRO | kKeyAccess, .begin_index = 1, .last_key = 1}},
                  .acl_categories = "@read @string @slow",
                  .summary = "Finds the longest common subsequence of two strings",
                  .since = "7.0.0",
                  .group = "string",
                  .complexity = "O(N*M) where N and M are the lengths of s1 and s2, respectively",
                  .handler = lcs});
}

}  // namespace alfheim::command
