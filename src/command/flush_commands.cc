// FLUSHDB FLUSHALL SWAPDB: whole databases, in O(1), by their epochs.
#include "base/text.h"
#include "command/generic_rows.h"

namespace alfheim::command {
namespace {

using base::ByteView;
using base::Status;
using resp::ReplyWriter;

// ASYNC and SYNC are taken and mean nothing: a flush is O(1) either way.
bool check_flush_mode(const Arguments& args, ReplyWriter& reply) {
  const bool is_known =
      args.count() == 1 || (args.count() == 2 && (base::equals_ignore_case(args[1], "async") ||
                                                  base::equals_ignore_case(args[1], "sync")));
  if (!is_known) reply.error("syntax error");
  return is_known;
}

Status run_flushdb(Context& context, const Arguments& args, ReplyWriter& reply) {
  if (!check_flush_mode(args, reply)) return base::ok();
  context.database().flush();
  reply.ok();
  return base::ok();
}

Status run_flushall(Context& context, const Arguments& args, ReplyWriter& reply) {
  if (!check_flush_mode(args, reply)) return base::ok();
  for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
    context.database(base::DatabaseIndex{i}).flush();
  }
  reply.ok();
  return base::ok();
}

std::optional<int64_t> int_of(ByteView word) {
  const std::optional<int64_t> number = base::parse_int64(word);
  if (!number || *number < INT32_MIN || *number > INT32_MAX) return std::nullopt;
  return number;
}

bool is_database(int64_t number) { return number >= 0 && number < base::kDatabaseCount; }

Status run_swapdb(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<int64_t> first = int_of(args[1]);
  if (!first) {
    reply.error("invalid first DB index");
    return base::ok();
  }
  const std::optional<int64_t> second = int_of(args[2]);
  if (!second) {
    reply.error("invalid second DB index");
    return base::ok();
  }
  if (!is_database(*first) || !is_database(*second)) {
    reply.error("DB index is out of range");
    return base::ok();
  }
  context.swap_databases(base::DatabaseIndex{static_cast<uint32_t>(*first)},
                         base::DatabaseIndex{static_cast<uint32_t>(*second)});
  reply.ok();
  return base::ok();
}

}  // namespace

void add_flush_rows(std::vector<Row>& rows) {
  rows.push_back(handled_row(
      "flushdb", -1, kWrite, {}, "@keyspace @write @slow @dangerous",
      {"request_policy:all_shards", "response_policy:all_succeeded"},
      {"Remove all keys from the current database", "1.0.0", "server", "O(1)"}, run_flushdb));
  rows.push_back(handled_row("flushall", -1, kWrite, {}, "@keyspace @write @slow @dangerous",
                             {"request_policy:all_shards", "response_policy:all_succeeded"},
                             {"Remove all keys from all databases", "1.0.0", "server", "O(1)"},
                             run_flushall));
  rows.push_back(handled_row("swapdb", 3, kWrite | kFast, {}, "@keyspace @write @fast @dangerous",
                             {}, {"Swaps two Redis databases", "4.0.0", "server", "O(1)"},
                             run_swapdb));
}

}  // namespace alfheim::command
