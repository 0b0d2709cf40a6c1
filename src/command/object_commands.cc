// OBJECT and MEMORY USAGE: what a key looks like from inside.
#include "base/text.h"
#include "command/generic_rows.h"

namespace alfheim::command {
namespace {

using base::Bytes;
using base::ByteView;
using base::Result;
using base::Status;
using resp::ReplyWriter;
using types::Database;
using types::FoundKey;
using types::Layout;

// Redis keeps one shared object of each of these, and shows INT_MAX as its count.
constexpr int64_t kSharedIntegersEnd = 10'000;
constexpr int64_t kSharedCount = INT32_MAX;
// The longest string that Redis embeds in its object.
constexpr uint64_t kEmbstrBytesMax = 44;

// Finds the key of OBJECT's subcommands; where it is missing, the reply is null.
Result<std::optional<FoundKey>> found_or_null(Context& context, ByteView key, ReplyWriter& reply) {
  ALF_TRY(std::optional<FoundKey> found, context.database().find(key));
  if (!found) reply.null();
  return found;
}

// What Redis would have made of the same string: how our records lie is no business of
// clients.
Result<std::string_view> encoding_of(Database& database, const FoundKey& found) {
  if (found.record.layout == Layout::kInteger) return std::string_view("int");
  if (found.record.is_edited || found.record.layout == Layout::kChunked) {
    return std::string_view("raw");
  }
  ALF_TRY(const uint64_t length, database.string_length(found));
  // A threshold below 20 separates even texts of integers.
  if (found.record.layout != Layout::kInline && length <= base::kInt64TextBytesMax) {
    ALF_TRY(const Bytes text, database.read_whole_string(found));
    if (base::parse_int64(text)) return std::string_view("int");
  }
  return std::string_view(length <= kEmbstrBytesMax ? "embstr" : "raw");
}

Status run_encoding(Context& context, const Arguments& args, ReplyWriter& reply) {
  ALF_TRY(const std::optional<FoundKey> found, found_or_null(context, args[2], reply));
  if (!found) return base::ok();
  ALF_TRY(const std::string_view encoding, encoding_of(context.database(), *found));
  reply.bulk(encoding);
  return base::ok();
}

Status run_refcount(Context& context, const Arguments& args, ReplyWriter& reply) {
  ALF_TRY(const std::optional<FoundKey> found, found_or_null(context, args[2], reply));
  if (!found) return base::ok();
  bool is_shared = false;
  if (found->record.layout == Layout::kInteger) {
    ALF_TRY(const int64_t value, types::decode_integer(found->record.body));
    is_shared = value >= 0 && value < kSharedIntegersEnd;
  }
  reply.integer(is_shared ? kSharedCount : 1);
  return base::ok();
}

// No access times are kept, so no key is idle: reads change nothing, and replicas would
// differ.
Status run_idletime(Context& context, const Arguments& args, ReplyWriter& reply) {
  ALF_TRY(const std::optional<FoundKey> found, found_or_null(context, args[2], reply));
  if (found) reply.integer(0);
  return base::ok();
}

Status run_freq(Context& context, const Arguments& args, ReplyWriter& reply) {
  ALF_TRY(const std::optional<FoundKey> found, found_or_null(context, args[2], reply));
  if (!found) return base::ok();
  reply.error(
      "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when switching between policies at runtime LRU and LFU data will take some time to "
      "adjust.");
  return base::ok();
}

void write_help(ReplyWriter& reply, std::initializer_list<std::string_view> lines) {
  reply.array_header(lines.size());
  for (const std::string_view line : lines) reply.simple_string(line);
}

Status run_object_help(Context&, const Arguments&, ReplyWriter& reply) {
  write_help(reply,
             {"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "ENCODING <key>",
              "    Return the kind of internal representation used in order to store the value",
              "    associated with a <key>.", "FREQ <key>",
              "    Return the access frequency index of the <key>. The returned integer is",
              "    proportional to the logarithm of the recent access frequency of the key.",
              "IDLETIME <key>",
              "    Return the idle time of the <key>, that is the approximated number of",
              "    seconds elapsed since the last access to the key.", "REFCOUNT <key>",
              "    Return the number of references of the value associated with the specified",
              "    <key>.", "HELP", "    Prints this help."});
  return base::ok();
}

Status run_memory_help(Context&, const Arguments&, ReplyWriter& reply) {
  write_help(reply, {"MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
                     "USAGE <key> [SAMPLES <count>]",
                     "    Return memory in bytes used by <key> and its value. Nested values are",
                     "    sampled up to <count> times (default: 5, 0 means sample all).", "HELP",
                     "    Prints this help."});
  return base::ok();
}

// Bytes of the key's records and of the value that lies beside them, wherever that is.
Status run_memory_usage(Context& context, const Arguments& args, ReplyWriter& reply) {
  for (size_t i = 3; i < args.count(); i += 2) {
    if (!base::equals_ignore_case(args[i], "samples") || i + 1 >= args.count()) {
      reply.error("syntax error");
      return base::ok();
    }
    const std::optional<int64_t> samples = number_or_reply(args[i + 1], reply);
    if (!samples) return base::ok();
    if (*samples < 0) {
      reply.error("syntax error");
      return base::ok();
    }
  }
  ALF_TRY(const std::optional<FoundKey> found, found_or_null(context, args[2], reply));
  if (!found) return base::ok();
  const uint64_t key_bytes = types::kKeyPrefixBytes + args[2].size();
  uint64_t total_bytes = key_bytes + found->record_bytes.size();
  if (found->record.deadline_ms)
    total_bytes += 1 + types::kEpochBytes + sizeof(uint64_t) + key_bytes;
  ALF_TRY(const auto addresses, types::addresses_of(found->record));
  total_bytes += addresses.size() * (1 + vlog::kAddressBytes + key_bytes);
  const bool lies_beside =
      found->record.layout != Layout::kInline && found->record.layout != Layout::kInteger;
  if (lies_beside) {
    ALF_TRY(const uint64_t length, context.database().string_length(*found));
    total_bytes += length;
  }
  reply.integer(static_cast<int64_t>(total_bytes));
  return base::ok();
}

Row asking_row(std::string_view name, std::string_view summary, std::string_view since,
               Handler handler) {
  return handled_row(name, 3, kReadOnly, {range_key(kKeyRO, 2)}, "@keyspace @read @slow",
                     {"nondeterministic_output"}, {summary, since, "generic", "O(1)"}, handler);
}

void add_memory_rows(std::vector<Row>& rows) {
  Row memory = container_row(
      "memory", -2, 0, "@slow", {},
      {"A container for memory diagnostics commands", "4.0.0", "server", "Depends on subcommand."});
  memory.subcommands.push_back(
      handled_row("memory|help", 2, kLoading | kStale, {}, "@slow", {},
                  {"Show helpful text about the different subcommands", "4.0.0", "server", "O(1)"},
                  run_memory_help));
  memory.subcommands.push_back(handled_row("memory|usage", -3, kReadOnly, {range_key(kKeyRO, 2)},
                                           "@read @slow", {},
                                           {"Estimate the memory usage of a key", "4.0.0", "server",
                                            "O(N) where N is the number of samples."},
                                           run_memory_usage));
  rows.push_back(std::move(memory));
}

}  // namespace

void add_object_rows(std::vector<Row>& rows) {
  Row object = container_row("object", -2, 0, "@slow", {},
                             {"A container for object introspection commands", "2.2.3", "generic",
                              "Depends on subcommand."});
  object.subcommands.push_back(asking_row(
      "object|encoding", "Inspect the internal encoding of a Redis object", "2.2.3", run_encoding));
  object.subcommands.push_back(
      asking_row("object|freq", "Get the logarithmic access frequency counter of a Redis object",
                 "4.0.0", run_freq));
  object.subcommands.push_back(
      handled_row("object|help", 2, kLoading | kStale, {}, "@keyspace @slow", {},
                  {"Show helpful text about the different subcommands", "6.2.0", "generic", "O(1)"},
                  run_object_help));
  object.subcommands.push_back(asking_row("object|idletime",
                                          "Get the time since a Redis object was last accessed",
                                          "2.2.3", run_idletime));
  object.subcommands.push_back(asking_row("object|refcount",
                                          "Get the number of references to the value of the key",
                                          "2.2.3", run_refcount));
  rows.push_back(std::move(object));
  add_memory_rows(rows);
}

}  // namespace alfheim::command
