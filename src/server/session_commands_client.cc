#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/format.h"
#include "base/number.h"
#include "base/text.h"
#include "server/options.h"
#include "server/session_commands.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kSyntaxError = "syntax error";

using InfoPointer = std::shared_ptr<const ClientInfo>;  // shared with the registry's list

enum class ClientType { kNormal, kOther };

// Redis's classes; all clients here are normal ones. Nullopt: no such class.
std::optional<ClientType> parse_type(std::string_view text) {
  if (base::equals_ignore_case(text, "normal")) return ClientType::kNormal;
  for (const std::string_view other : {"slave", "replica", "pubsub", "master"}) {
    if (base::equals_ignore_case(text, other)) return ClientType::kOther;
  }
  return std::nullopt;
}

bool is_plain_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char letter) { return letter >= '!' && letter <= '~'; });
}

std::string client_flags(const ClientInfo& info) {
  std::string flags;
  if (info.queued_count >= 0) flags += 'x';
  if (info.is_no_evict) flags += 'e';
  if (info.is_no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

// on or off; nullopt after an error reply.
std::optional<bool> parse_switch(const SessionCall& call) {
  if (base::equals_ignore_case(call.args[2], "on")) return true;
  if (base::equals_ignore_case(call.args[2], "off")) return false;
  call.reply.error(kSyntaxError);
  return std::nullopt;
}

struct KillFilter {
  std::optional<uint64_t> id;
  std::optional<std::string> address;
  std::optional<std::string> local_address;
  std::optional<ClientType> type;
  std::optional<uint64_t> age_seconds_min;
  bool skips_me = true;

  bool matches(const ClientInfo& info, uint64_t now_ms) const {
    return (!id || *id == info.id) && (!address || *address == address_text(info.peer)) &&
           (!local_address || *local_address == address_text(info.local)) &&
           (!type || *type == ClientType::kNormal) &&
           (!age_seconds_min || now_ms >= info.created_ms + *age_seconds_min * 1000);
  }
};

// One option and its value; "" or the error's text.
std::string take_kill_option(base::ByteView option, base::ByteView value, KillFilter& filter) {
  if (base::equals_ignore_case(option, "id")) {
    const std::optional<int64_t> id = base::parse_int64(value);
    if (!id || *id < 1) return "client-id should be greater than 0";
    filter.id = static_cast<uint64_t>(*id);
  } else if (base::equals_ignore_case(option, "maxage")) {
    const std::optional<int64_t> seconds = base::parse_int64(value);
    if (!seconds) return "maxage is not an integer or out of range";
    if (*seconds <= 0) return "maxage should be greater than 0";
    filter.age_seconds_min = static_cast<uint64_t>(*seconds);
  } else if (base::equals_ignore_case(option, "type")) {
    filter.type = parse_type(value);
    if (!filter.type) return base::format("Unknown client type '{}'", value);
  } else if (base::equals_ignore_case(option, "addr")) {
    filter.address = value;
  } else if (base::equals_ignore_case(option, "laddr")) {
    filter.local_address = value;
  } else if (base::equals_ignore_case(option, "user")) {
    if (value != "default") return base::format("No such user '{}'", value);
  } else if (base::equals_ignore_case(option, "skipme")) {
    filter.skips_me = base::equals_ignore_case(value, "yes");
    if (!filter.skips_me && !base::equals_ignore_case(value, "no")) {
      return std::string(kSyntaxError);
    }
  } else {
    return std::string(kSyntaxError);
  }
  return {};
}

// How many were asked to close. The caller's own connection closes after this reply.
int64_t kill_matching(const SessionCall& call, const KillFilter& filter) {
  const uint64_t now_ms = call.services.clock.monotonic_ms();
  int64_t count = 0;
  for (const InfoPointer& info : call.services.clients.list()) {
    if (!filter.matches(*info, now_ms)) continue;
    if (info->id == call.session.info->id) {
      if (filter.skips_me) continue;
      call.session.wants_close = true;
      ++count;
    } else if (call.services.clients.close(info->id)) {
      ++count;
    }
  }
  return count;
}

void list_by_ids(const SessionCall& call) {
  if (call.args.count() > 3 + kNamesMax) {
    return call.reply.error(base::format("at most {} ids in one command", kNamesMax));
  }
  std::string lines;
  const std::vector<InfoPointer> all = call.services.clients.list();  // by id
  const uint64_t now_ms = call.services.clock.monotonic_ms();
  for (size_t i = 3; i < call.args.count(); ++i) {
    const std::optional<int64_t> id = base::parse_int64(call.args[i]);
    if (!id) {
      call.reply.error("Invalid client ID");
      return;
    }
    const auto info =
        std::lower_bound(all.begin(), all.end(), static_cast<uint64_t>(*id),
                         [](const InfoPointer& left, uint64_t right) { return left->id < right; });
    if (info != all.end() && (*info)->id == static_cast<uint64_t>(*id)) {
      lines += client_line(**info, now_ms);
    }
  }
  call.reply.verbatim("txt", lines);
}

constexpr std::string_view kHelp[] = {
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "    * MAXAGE <seconds>",
    "      Kill connections that are at least as old.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "    * ID <id> [<id> ...]",
    "      Return the clients of these IDs.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "HELP",
    "    Prints this help.",
};

}  // namespace

std::string client_line(const ClientInfo& info, uint64_t now_ms) {
  const command::Row* last_row = info.last_row.load(std::memory_order_relaxed);
  const std::string_view command_name = last_row == nullptr ? "NULL" : last_row->name;
  const ClientNames names = info.names();
  const uint64_t output_bytes = info.output_bytes;
  const uint64_t input_bytes = info.input_bytes;
  const uint64_t input_free_bytes = info.input_free_bytes;
  const auto seconds_since = [now_ms](uint64_t then_ms) {
    return now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0;
  };
  return base::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 "
      "multi={} qbuf={} qbuf-free={} argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll={} omem={} "
      "tot-mem={} events={} cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={}\n",
      info.id, address_text(info.peer), address_text(info.local), info.file_descriptor, names.name,
      seconds_since(info.created_ms), seconds_since(info.active_ms), client_flags(info),
      info.database.load(), info.queued_count.load(), input_bytes, input_free_bytes,
      output_bytes > 0 ? 1 : 0, output_bytes, info.memory_bytes.load(),
      output_bytes > 0 ? "rw" : "r", command_name, info.protocol.load(), names.library_name,
      names.library_version);
}

bool set_client_name(const SessionCall& call, std::string_view name) {
  if (!is_plain_name(name)) {
    call.reply.error("Client names cannot contain spaces, newlines or special characters.");
    return false;
  }
  call.session.info->edit_names([name](ClientNames& names) { names.name = name; });
  return true;
}

void client_getname_command(const SessionCall& call) {
  const std::string name = call.session.info->names().name;
  if (name.empty()) {
    call.reply.null();
  } else {
    call.reply.bulk(name);
  }
}

void client_help_command(const SessionCall& call) { reply_lines(call, kHelp); }

void client_id_command(const SessionCall& call) {
  call.reply.integer(static_cast<int64_t>(call.session.info->id));
}

void client_info_command(const SessionCall& call) {
  call.reply.verbatim("txt", client_line(*call.session.info, call.services.clock.monotonic_ms()));
}

void client_kill_command(const SessionCall& call) {
  KillFilter filter;
  const size_t count = call.args.count();
  if (count == 3) {
    filter.address = call.args[2];
    filter.skips_me = false;
    if (kill_matching(call, filter) > 0) {
      call.reply.ok();
    } else {
      call.reply.error("No such client");
    }
    return;
  }
  for (size_t i = 2; i < count; i += 2) {
    const std::string problem = i + 1 == count
                                    ? std::string(kSyntaxError)
                                    : take_kill_option(call.args[i], call.args[i + 1], filter);
    if (!problem.empty()) {
      call.reply.error(problem);
      return;
    }
  }
  call.reply.integer(kill_matching(call, filter));
}

void client_list_command(const SessionCall& call) {
  const size_t count = call.args.count();
  bool has_any = true;
  if (count == 4 && base::equals_ignore_case(call.args[2], "type")) {
    const std::optional<ClientType> type = parse_type(call.args[3]);
    if (!type) {
      call.reply.error(base::format("Unknown client type '{}'", call.args[3]));
      return;
    }
    has_any = *type == ClientType::kNormal;
  } else if (count > 3 && base::equals_ignore_case(call.args[2], "id")) {
    list_by_ids(call);
    return;
  } else if (count != 2) {
    call.reply.error(kSyntaxError);
    return;
  }
  std::string lines;
  const uint64_t now_ms = call.services.clock.monotonic_ms();
  if (has_any) {
    for (const InfoPointer& info : call.services.clients.list()) {
      lines += client_line(*info, now_ms);
    }
  }
  call.reply.verbatim("txt", lines);
}

// Whoever is under it is never chosen where --client-memory is exceeded (ClientMemory::choose).
void client_no_evict_command(const SessionCall& call) {
  const std::optional<bool> is_on = parse_switch(call);
  if (!is_on) return;
  call.session.info->is_no_evict = *is_on;
  call.reply.ok();
}

void client_no_touch_command(const SessionCall& call) {
  const std::optional<bool> is_on = parse_switch(call);
  if (!is_on) return;
  call.session.info->is_no_touch = *is_on;
  call.reply.ok();
}

void client_reply_command(const SessionCall& call) {
  using ReplyMode = SessionState::ReplyMode;
  const base::ByteView mode = call.args[2];
  if (base::equals_ignore_case(mode, "on")) {
    call.session.reply_mode = ReplyMode::kOn;
    call.reply.ok();
  } else if (base::equals_ignore_case(mode, "off")) {
    call.session.reply_mode = ReplyMode::kOff;
  } else if (base::equals_ignore_case(mode, "skip")) {
    if (call.session.reply_mode != ReplyMode::kOff) {
      call.session.reply_mode = ReplyMode::kSkipNext;
    }
  } else {
    call.reply.error(kSyntaxError);
  }
}

void client_setinfo_command(const SessionCall& call) {
  const base::ByteView option = call.args[2];
  const base::ByteView value = call.args[3];
  const bool is_name = base::equals_ignore_case(option, "lib-name");
  if (!is_name && !base::equals_ignore_case(option, "lib-ver")) {
    call.reply.error(base::format("Unrecognized option '{}'", option));
    return;
  }
  if (!is_plain_name(value)) {
    call.reply.error(
        base::format("{} cannot contain spaces, newlines or special characters.", option));
    return;
  }
  call.session.info->edit_names([is_name, value](ClientNames& names) {
    (is_name ? names.library_name : names.library_version) = value;
  });
  call.reply.ok();
}

void client_setname_command(const SessionCall& call) {
  if (set_client_name(call, call.args[2])) call.reply.ok();
}

}  // namespace alfheim::server
