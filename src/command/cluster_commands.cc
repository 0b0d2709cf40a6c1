#include "command/cluster_commands.h"

#include <optional>
#include <utility>

#include "base/number.h"
#include "base/slot.h"
#include "command/session_row.h"

namespace alfheim::command {
namespace {

constexpr uint64_t kStepsPerSlice = 4096;

constexpr std::string_view kNotAnInteger = "value is not an integer or out of range";

uint16_t slot_of_position(base::ByteView position) {
  ALF_CHECK(position.size() >= 2);
  return static_cast<uint16_t>(static_cast<uint8_t>(position[0]) << 8 |
                               static_cast<uint8_t>(position[1]));
}

// Gives `visit` the live keys of the slot, until it returns false.
base::Status walk_slot(types::Database& database, uint16_t slot,
                       absl::FunctionRef<bool(base::ByteView user_key)> visit) {
  base::Bytes position;
  base::put_u16_be(position, slot);
  bool is_over = false;
  while (!is_over && slot_of_position(position) == slot) {
    ALF_TRY(std::optional<base::Bytes> next,
            database.walk_keys(position, kStepsPerSlice,
                               [&](base::ByteView user_key, const types::KeyRecord&) {
                                 is_over = base::key_slot(user_key) != slot || !visit(user_key);
                                 return !is_over;
                               }));
    if (!next) break;
    position = std::move(*next);
  }
  return base::ok();
}

base::Status count_keys_in_slot(Context& context, const Arguments& args, resp::ReplyWriter& reply) {
  const std::optional<int64_t> slot = base::parse_int64(args[2]);
  if (!slot) {
    reply.error(kNotAnInteger);
    return base::ok();
  }
  if (*slot < 0 || *slot >= int64_t{base::kSlotCount}) {
    reply.error("Invalid slot");
    return base::ok();
  }
  int64_t count = 0;
  ALF_TRY_STATUS(walk_slot(context.database(), static_cast<uint16_t>(*slot), [&](base::ByteView) {
    ++count;
    return true;
  }));
  reply.integer(count);
  return base::ok();
}

base::Status get_keys_in_slot(Context& context, const Arguments& args, resp::ReplyWriter& reply) {
  const std::optional<int64_t> slot = base::parse_int64(args[2]);
  const std::optional<int64_t> count_max = base::parse_int64(args[3]);
  if (!slot || !count_max) {
    reply.error(kNotAnInteger);
    return base::ok();
  }
  if (*slot < 0 || *slot >= int64_t{base::kSlotCount} || *count_max < 0) {
    reply.error("Invalid slot or number of keys");
    return base::ok();
  }
  const auto list = reply.start_deferred();
  int64_t count = 0;
  if (*count_max > 0) {
    ALF_TRY_STATUS(
        walk_slot(context.database(), static_cast<uint16_t>(*slot), [&](base::ByteView user_key) {
          reply.bulk(user_key);
          return ++count < *count_max;
        }));
  }
  reply.finish_array(list, static_cast<size_t>(count));
  return base::ok();
}

// A question about keys: a read that the table gives to a handler.
Row key_row(std::string_view name, int arity, Handler handler, std::vector<std::string_view> tips,
            const RowDocs& docs) {
  Row row = container_row(name, arity, kStale | kReadOnly | kLong, "@slow", std::move(tips), docs);
  row.handler = handler;
  return row;
}

}  // namespace

void add_cluster_rows(std::vector<Row>& rows) {
  Row container = container_row(
      "cluster", -2, 0, "@slow", {},
      {"A container for cluster commands", "3.0.0", "cluster", "Depends on subcommand."});
  container.subcommands.push_back(session_row(
      "cluster|failover", -2, kAdmin | kStale | kNoAsyncLoading, "@admin @slow @dangerous", {},
      {"Forces a replica to perform a manual failover of its master.", "3.0.0", "cluster",
       "O(1)"}));
  container.subcommands.push_back(session_row(
      "cluster|help", 2, kLoading | kStale, "@slow", {},
      {"Show helpful text about the different subcommands", "5.0.0", "cluster", "O(1)"}));
  container.subcommands.push_back(
      session_row("cluster|info", 2, kStale, "@slow", {"nondeterministic_output"},
                  {"Provides info about Redis Cluster node state", "3.0.0", "cluster", "O(1)"}));
  container.subcommands.push_back(
      session_row("cluster|keyslot", 3, kStale, "@slow", {},
                  {"Returns the hash slot of the specified key", "3.0.0", "cluster",
                   "O(N) where N is the number of bytes in the key"}));
  container.subcommands.push_back(
      session_row("cluster|links", 2, kStale, "@slow", {"nondeterministic_output"},
                  {"Returns a list of all TCP links to and from peer nodes in cluster", "7.0.0",
                   "cluster", "O(N) where N is the total number of Cluster nodes"}));
  container.subcommands.push_back(session_row("cluster|myid", 2, kStale, "@slow", {},
                                              {"Return the node id", "3.0.0", "cluster", "O(1)"}));
  container.subcommands.push_back(
      session_row("cluster|nodes", 2, kStale, "@slow", {"nondeterministic_output"},
                  {"Get Cluster config for the node", "3.0.0", "cluster",
                   "O(N) where N is the total number of Cluster nodes"}));
  container.subcommands.push_back(
      session_row("cluster|replicas", 3, kAdmin | kStale, "@admin @slow @dangerous",
                  {"nondeterministic_output"},
                  {"List replica nodes of the specified master node", "5.0.0", "cluster", "O(1)"}));
  container.subcommands.push_back(
      session_row("cluster|shards", 2, kStale, "@slow", {"nondeterministic_output"},
                  {"Get array of cluster slots to node mappings", "7.0.0", "cluster",
                   "O(N) where N is the total number of cluster nodes"}));
  container.subcommands.push_back(session_row(
      "cluster|slaves", 3, kAdmin | kStale, "@admin @slow @dangerous", {"nondeterministic_output"},
      {"List replica nodes of the specified master node", "3.0.0", "cluster", "O(1)"}));
  container.subcommands.push_back(
      session_row("cluster|slots", 2, kStale, "@slow", {"nondeterministic_output"},
                  {"Get array of Cluster slot to node mappings", "3.0.0", "cluster",
                   "O(N) where N is the total number of Cluster nodes"}));
  container.subcommands.push_back(
      session_row("cluster|myshardid", 2, kStale, "@slow", {"nondeterministic_output"},
                  {"Return the node shard id", "7.2.0", "cluster", "O(1)"}));
  container.subcommands.push_back(key_row(
      "cluster|countkeysinslot", 3, count_keys_in_slot, {},
      {"Return the number of local keys in the specified hash slot", "3.0.0", "cluster", "O(1)"}));
  container.subcommands.push_back(
      key_row("cluster|getkeysinslot", 4, get_keys_in_slot, {"nondeterministic_output"},
              {"Return local key names in the specified hash slot", "3.0.0", "cluster",
               "O(log(N)) where N is the number of requested keys"}));
  rows.push_back(std::move(container));
}

}  // namespace alfheim::command
