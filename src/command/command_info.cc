#include "command/command_info.h"

#include <algorithm>
#include <climits>
#include <string>

#include "base/check.h"
#include "base/glob.h"
#include "base/text.h"
#include "command/command_docs.h"

namespace alfheim::command {
namespace {

using base::ByteView;
using resp::ReplyWriter;

struct BitName {
  uint32_t bit;
  std::string_view name;
};

// In the order in which Redis prints them.
constexpr BitName kFlagNames[] = {
    {kWrite, "write"},
    {kReadOnly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kPubsub, "pubsub"},
    {kNoScript, "noscript"},
    {kBlocking, "blocking"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipMonitor, "skip_monitor"},
    {kSkipSlowlog, "skip_slowlog"},
    {kAsking, "asking"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kMayReplicate, "may_replicate"},
    {kNoAsyncLoading, "no_async_loading"},
    {kNoMulti, "no_multi"},
    {kMovableKeys, "movablekeys"},
    {kAllowBusy, "allow_busy"},
};
constexpr BitName kKeyFlagNames[] = {
    {kKeyRO, "RO"},
    {kKeyRW, "RW"},
    {kKeyOW, "OW"},
    {kKeyRM, "RM"},
    {kKeyAccess, "access"},
    {kKeyUpdate, "update"},
    {kKeyInsert, "insert"},
    {kKeyDelete, "delete"},
    {kKeyNotKey, "not_key"},
    {kKeyIncomplete, "incomplete"},
    {kKeyVariableFlags, "variable_flags"},
};

template <size_t kCount>
void write_bits(ReplyWriter& reply, const BitName (&names)[kCount], uint32_t bits) {
  const auto is_set = [bits](const BitName& name) { return (bits & name.bit) != 0; };
  reply.set_header(static_cast<size_t>(std::count_if(names, names + kCount, is_set)));
  for (const BitName& name : names) {
    if (is_set(name)) reply.simple_string(name.name);
  }
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t space = std::min(text.find(' '), text.size());
    if (space > 0) words.push_back(text.substr(0, space));
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return words;
}

// First and last key and step, as clients from before key specifications want them.
struct LegacyRange {
  int first = 0;
  int last = 0;
  int step = 0;
};

bool is_plain_range(const KeySpec& spec) {
  return !spec.is_unknown && spec.begin_keyword == nullptr && spec.begin_index > 0 &&
         !spec.is_keynum;
}

LegacyRange legacy_range(const std::vector<KeySpec>& specs) {
  const auto last_of = [](const KeySpec& spec) {
    return spec.last_key < 0 ? spec.last_key : spec.begin_index + spec.last_key;
  };
  if (specs.size() == 1) {
    if (!is_plain_range(specs[0])) return {};
    return {specs[0].begin_index, last_of(specs[0]), specs[0].step};
  }
  // Several that follow each other are shown as one.
  int first = INT_MAX;
  int last = 0;
  for (const KeySpec& spec : specs) {
    if (!is_plain_range(spec)) continue;
    if (spec.step != 1 || (last != 0 && last != spec.begin_index - 1)) return {};
    first = std::min(first, spec.begin_index);
    // A negative last key is the largest: it counts from the end.
    last = static_cast<int>(
        std::max(static_cast<unsigned>(last), static_cast<unsigned>(last_of(spec))));
  }
  if (first == INT_MAX) return {};
  return {first, last, 1};
}

void write_pair(ReplyWriter& reply, std::string_view name, int64_t value) {
  reply.bulk(name);
  reply.integer(value);
}

void write_begin_search(ReplyWriter& reply, const KeySpec& spec) {
  reply.bulk("begin_search");
  reply.map_header(2);
  reply.bulk("type");
  if (spec.begin_keyword != nullptr) {
    reply.bulk("keyword");
    reply.bulk("spec");
    reply.map_header(2);
    reply.bulk("keyword");
    reply.bulk(spec.begin_keyword);
    write_pair(reply, "startfrom", spec.begin_start_from);
  } else if (spec.is_unknown) {
    reply.bulk("unknown");
    reply.bulk("spec");
    reply.map_header(0);
  } else {
    reply.bulk("index");
    reply.bulk("spec");
    reply.map_header(1);
    write_pair(reply, "index", spec.begin_index);
  }
}

void write_find_keys(ReplyWriter& reply, const KeySpec& spec) {
  reply.bulk("find_keys");
  reply.map_header(2);
  reply.bulk("type");
  if (spec.is_unknown) {
    reply.bulk("unknown");
    reply.bulk("spec");
    reply.map_header(0);
  } else if (spec.is_keynum) {
    reply.bulk("keynum");
    reply.bulk("spec");
    reply.map_header(3);
    write_pair(reply, "keynumidx", spec.keynum_index);
    write_pair(reply, "firstkey", spec.first_key_after_keynum);
    write_pair(reply, "keystep", spec.step);
  } else {
    reply.bulk("range");
    reply.bulk("spec");
    reply.map_header(3);
    write_pair(reply, "lastkey", spec.last_key);
    write_pair(reply, "keystep", spec.step);
    write_pair(reply, "limit", spec.limit);
  }
}

void write_key_spec(ReplyWriter& reply, const KeySpec& spec) {
  const std::string_view notes = spec.notes;
  reply.map_header(notes.empty() ? 3 : 4);
  if (!notes.empty()) {
    reply.bulk("notes");
    reply.bulk(notes);
  }
  reply.bulk("flags");
  write_bits(reply, kKeyFlagNames, spec.flags);
  write_begin_search(reply, spec);
  write_find_keys(reply, spec);
}

void write_info(ReplyWriter& reply, const Row* row) {
  if (row == nullptr) {
    reply.null();
    return;
  }
  reply.array_header(10);
  reply.bulk(row->name);
  reply.integer(row->arity);
  write_bits(reply, kFlagNames, row->flags);
  const LegacyRange range = legacy_range(row->keys);
  reply.integer(range.first);
  reply.integer(range.last);
  reply.integer(range.step);
  const std::vector<std::string_view> categories = split_words(row->acl_categories);
  reply.set_header(categories.size());
  for (const std::string_view category : categories) reply.simple_string(category);
  reply.set_header(row->tips.size());
  for (const std::string_view tip : row->tips) reply.bulk(tip);
  reply.set_header(row->keys.size());
  for (const KeySpec& spec : row->keys) write_key_spec(reply, spec);
  // Redis has a set where there are none, and an array where there are some.
  if (row->subcommands.empty()) {
    reply.set_header(0);
  } else {
    reply.array_header(row->subcommands.size());
  }
  for (const Row& subcommand : row->subcommands) write_info(reply, &subcommand);
}

// ---- the subcommands ----

void reply_info(const Table& table, const Arguments& args, ReplyWriter& reply) {
  if (args.count() <= 2) {
    reply.array_header(table.rows().size());
    for (const Row* row : table.rows()) write_info(reply, row);
    return;
  }
  reply.array_header(args.count() - 2);
  for (size_t i = 2; i < args.count(); ++i) write_info(reply, table.find(args[i]));
}

enum class ListFilter : uint8_t { kAll, kModule, kAclCategory, kPattern };

bool passes(ListFilter filter, ByteView word, const Row& row) {
  switch (filter) {
    case ListFilter::kAll: return true;
    case ListFilter::kModule: return false;  // there are no modules
    case ListFilter::kPattern: return base::glob_match(word, row.name, true);
    case ListFilter::kAclCategory:
      for (const std::string_view category : split_words(row.acl_categories)) {
        if (base::equals_ignore_case(category.substr(1), word)) return true;
      }
      return false;
  }
  return false;
}

void reply_list(const Table& table, const Arguments& args, ReplyWriter& reply) {
  ListFilter filter = ListFilter::kAll;
  if (args.count() == 5 && base::equals_ignore_case(args[2], "filterby")) {
    if (base::equals_ignore_case(args[3], "module")) filter = ListFilter::kModule;
    if (base::equals_ignore_case(args[3], "aclcat")) filter = ListFilter::kAclCategory;
    if (base::equals_ignore_case(args[3], "pattern")) filter = ListFilter::kPattern;
  }
  if (args.count() > 2 && filter == ListFilter::kAll) {
    reply.error("syntax error");
    return;
  }
  const ByteView word = args.count() > 4 ? args[4] : ByteView();
  const ReplyWriter::Deferred array = reply.start_deferred();
  size_t count = 0;
  const auto write = [&](const Row& row) {
    if (!passes(filter, word, row)) return;
    reply.bulk(row.name);
    ++count;
  };
  for (const Row* row : table.rows()) {
    write(*row);
    for (const Row& subcommand : row->subcommands) write(subcommand);
  }
  reply.finish_array(array, count);
}

void reply_getkeys(const Table& table, const Arguments& args, bool with_flags, ReplyWriter& reply) {
  std::vector<ByteView> words;
  for (size_t i = 2; i < args.count(); ++i) words.push_back(args[i]);
  const Arguments call{std::span<const ByteView>(words)};
  const Row* row = table.find(call);
  if (row == nullptr || (!row->subcommands.empty() && call.count() > 1)) {
    reply.error("Invalid command specified");
    return;
  }
  if (row->keys.empty()) {
    reply.error("The command has no key arguments");
    return;
  }
  if (check_call(row, call)) {
    reply.error("Invalid number of arguments specified for command");
    return;
  }
  const std::vector<KeyUse> uses = key_uses(*row, call);
  if (uses.empty()) {
    reply.error("Invalid arguments specified for command");
    return;
  }
  reply.array_header(uses.size());
  for (const KeyUse& use : uses) {
    if (with_flags) reply.array_header(2);
    reply.bulk(call[use.position]);
    if (with_flags) write_bits(reply, kKeyFlagNames, use.flags);
  }
}

void reply_help(ReplyWriter& reply) {
  constexpr std::string_view kLines[] = {
      "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "(no subcommand)",
      "    Return details about all Redis commands.",
      "COUNT",
      "    Return the total number of commands in this Redis server.",
      "LIST",
      "    Return a list of all commands in this Redis server.",
      "INFO [<command-name> ...]",
      "    Return details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "DOCS [<command-name> ...]",
      "    Return documentation details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "GETKEYS <full-command>",
      "    Return the keys from a full Redis command.",
      "GETKEYSANDFLAGS <full-command>",
      "    Return the keys and the access flags from a full Redis command.",
      "HELP",
      "    Prints this help.",
  };
  reply.array_header(std::size(kLines));
  for (const std::string_view line : kLines) reply.simple_string(line);
}

}  // namespace

void reply_command(const Table& table, const Arguments& args, ReplyWriter& reply) {
  const ByteView subcommand = args.count() > 1 ? args[1] : ByteView("info");
  if (base::equals_ignore_case(subcommand, "info")) return reply_info(table, args, reply);
  if (base::equals_ignore_case(subcommand, "docs")) return reply_docs(table, args, reply);
  if (base::equals_ignore_case(subcommand, "list")) return reply_list(table, args, reply);
  if (base::equals_ignore_case(subcommand, "help")) return reply_help(reply);
  if (base::equals_ignore_case(subcommand, "count")) {
    return reply.integer(static_cast<int64_t>(table.rows().size()));
  }
  if (base::equals_ignore_case(subcommand, "getkeys")) {
    return reply_getkeys(table, args, false, reply);
  }
  // check_call has passed it, so it is the one that is left.
  ALF_CHECK(base::equals_ignore_case(subcommand, "getkeysandflags"));
  reply_getkeys(table, args, true, reply);
}

}  // namespace alfheim::command
