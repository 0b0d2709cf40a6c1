// DEL UNLINK EXISTS TOUCH TYPE DBSIZE RANDOMKEY.
#include "base/check.h"
#include "command/generic_rows.h"

namespace alfheim::command {
namespace {

using base::Bytes;
using base::ByteView;
using base::Status;
using resp::ReplyWriter;
using types::Database;

Status run_del(Context& context, const Arguments& args, ReplyWriter& reply) {
  int64_t count = 0;
  for (size_t i = 1; i < args.count(); ++i) {
    ALF_TRY(const bool was_there, context.database().erase(args[i]));
    if (was_there) ++count;
  }
  reply.integer(count);
  return base::ok();
}

Status run_exists(Context& context, const Arguments& args, ReplyWriter& reply) {
  int64_t count = 0;
  for (size_t i = 1; i < args.count(); ++i) {
    ALF_TRY(const std::optional<types::FoundKey> found, context.database().find(args[i]));
    if (found) ++count;
  }
  reply.integer(count);
  return base::ok();
}

Status run_type(Context& context, const Arguments& args, ReplyWriter& reply) {
  ALF_TRY(const std::optional<types::FoundKey> found, context.database().find(args[1]));
  reply.simple_string(found ? type_name(found->record.type) : "none");
  return base::ok();
}

Status run_dbsize(Context& context, const Arguments&, ReplyWriter& reply) {
  reply.integer(static_cast<int64_t>(context.database().key_count()));
  return base::ok();
}

// RANDOMKEY picks a slot, takes the first live keys from there on, and chooses among them:
// keys behind a long run of empty slots come a little more often, and in a slot of very many
// keys only the first of them come.
constexpr uint64_t kRandomCandidatesMax = 64;

Status run_randomkey(Context& context, const Arguments&, ReplyWriter& reply) {
  const uint64_t chance = context.random();
  Bytes position;
  base::put_u16_be(position, static_cast<uint16_t>(chance % base::kSlotCount));
  uint64_t choice = chance / base::kSlotCount;
  Bytes chosen;
  uint64_t candidates = 0;
  const auto visit = [&](ByteView user_key, const types::KeyRecord&) {
    ++candidates;
    // Each of the n candidates stays with chance 1/n.
    if (choice % candidates == 0) chosen = user_key;
    choice = choice * 6364136223846793005u + 1442695040888963407u;
    return candidates < kRandomCandidatesMax;
  };
  ALF_TRY_STATUS(context.database().walk_keys(position, UINT64_MAX, visit));
  // Nothing behind the slot: from the start on, which meets no key twice.
  if (candidates == 0) {
    ALF_TRY_STATUS(context.database().walk_keys({}, UINT64_MAX, visit));
  }
  if (candidates == 0) {
    reply.null();
  } else {
    reply.bulk(chosen);
  }
  return base::ok();
}

}  // namespace

void add_keyspace_rows(std::vector<Row>& rows) {
  rows.push_back(handled_row(
      "del", -2, kWrite | kPoint, {range_key(kKeyRM | kKeyDelete, 1, -1)}, "@keyspace @write @slow",
      {"request_policy:multi_shard", "response_policy:agg_sum"},
      {"Delete a key", "1.0.0", "generic", "O(N) where N is the number of keys to remove."},
      run_del));
  rows.push_back(handled_row(
      "unlink", -2, kWrite | kFast, {range_key(kKeyRM | kKeyDelete, 1, -1)},
      "@keyspace @write @fast", {"request_policy:multi_shard", "response_policy:agg_sum"},
      {"Delete a key; here the same as DEL, which does not block either", "4.0.0", "generic",
       "O(1) for each key removed regardless of its size."},
      run_del));
  rows.push_back(handled_row("exists", -2, kReadOnly | kFast, {range_key(kKeyRO, 1, -1)},
                             "@keyspace @read @fast",
                             {"request_policy:multi_shard", "response_policy:agg_sum"},
                             {"Determine if a key exists", "1.0.0", "generic",
                              "O(N) where N is the number of keys to check."},
                             run_exists));
  rows.push_back(handled_row(
      "touch", -2, kReadOnly | kFast, {range_key(kKeyRO, 1, -1)}, "@keyspace @read @fast",
      {"request_policy:multi_shard", "response_policy:agg_sum"},
      {"Count the keys that exist; there is no last access time to alter", "3.2.1", "generic",
       "O(N) where N is the number of keys that will be touched."},
      run_exists));
  rows.push_back(
      handled_row("type", 2, kReadOnly | kFast, {range_key(kKeyRO, 1)}, "@keyspace @read @fast", {},
                  {"Determine the type stored at key", "1.0.0", "generic", "O(1)"}, run_type));
  rows.push_back(
      handled_row("dbsize", 1, kReadOnly | kFast, {}, "@keyspace @read @fast",
                  {"request_policy:all_shards", "response_policy:agg_sum"},
                  {"Return the number of keys in the selected database", "1.0.0", "server", "O(1)"},
                  run_dbsize));
  rows.push_back(handled_row("randomkey", 1, kReadOnly | kLong, {}, "@keyspace @read @slow",
                             {"request_policy:all_shards", "nondeterministic_output"},
                             {"Return a random key from the keyspace", "1.0.0", "generic", "O(1)"},
                             run_randomkey));
}

}  // namespace alfheim::command
