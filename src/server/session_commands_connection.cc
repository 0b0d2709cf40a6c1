#include <limits>
#include <optional>
#include <string>

#include "base/format.h"
#include "base/number.h"
#include "base/text.h"
#include "server/config.h"
#include "server/session_commands.h"
#include "server/version.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kDefaultUser = "default";
constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";

// Takes the same time for every pair of the same lengths.
bool equals_in_constant_time(std::string_view secret, std::string_view given) {
  unsigned difference = secret.size() == given.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
    difference |= static_cast<unsigned char>(expected) ^ static_cast<unsigned char>(given[i]);
  }
  return difference == 0;
}

void set_protocol(const SessionCall& call, resp::ProtocolVersion version) {
  call.session.protocol = version;
  call.reply.set_version(version);
  call.session.info->protocol = static_cast<uint32_t>(version);
}

void reply_hello(const SessionCall& call) {
  resp::ReplyWriter& reply = call.reply;
  reply.map_header(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(static_cast<int64_t>(call.session.protocol));
  reply.bulk("id");
  reply.integer(static_cast<int64_t>(call.session.info->id));
  reply.bulk("mode");
  reply.bulk("cluster");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.empty_array();
}

// The protocol that HELLO asks for; nullopt after an error reply.
std::optional<resp::ProtocolVersion> requested_protocol(const SessionCall& call) {
  if (call.args.count() < 2) return call.session.protocol;
  const std::optional<int64_t> number = base::parse_int64(call.args[1]);
  if (!number) {
    call.reply.error("Protocol version is not an integer or out of range");
    return std::nullopt;
  }
  if (*number == 2) return resp::ProtocolVersion::kResp2;
  if (*number == 3) return resp::ProtocolVersion::kResp3;
  call.reply.error_with_code("NOPROTO unsupported protocol version");
  return std::nullopt;
}

// HELLO's AUTH and SETNAME, in their order; false after an error reply.
bool take_hello_options(const SessionCall& call) {
  const size_t count = call.args.count();
  for (size_t i = 2; i < count; ++i) {
    const base::ByteView option = call.args[i];
    const size_t more = count - 1 - i;
    if (base::equals_ignore_case(option, "auth") && more >= 2) {
      if (!is_right_password(call.services.config, call.args[i + 1], call.args[i + 2])) {
        call.reply.error_with_code(kWrongPassword);
        return false;
      }
      call.session.is_authenticated = true;
      i += 2;
    } else if (base::equals_ignore_case(option, "setname") && more >= 1) {
      if (!set_client_name(call, call.args[i + 1])) return false;
      i += 1;
    } else {
      call.reply.error(base::format("Syntax error in HELLO option '{}'", option));
      return false;
    }
  }
  return true;
}

}  // namespace

bool is_right_password(const Config& config, std::string_view user, std::string_view password) {
  if (user != kDefaultUser) return false;
  const std::string secret = config.requirepass();
  return secret.empty() || equals_in_constant_time(secret, password);
}

void ping_command(const SessionCall& call) {
  if (call.args.count() > 2) {
    call.reply.error("wrong number of arguments for 'ping' command");
  } else if (call.args.count() == 2) {
    call.reply.bulk(call.args[1]);
  } else {
    call.reply.simple_string("PONG");
  }
}

void echo_command(const SessionCall& call) { call.reply.bulk(call.args[1]); }

void quit_command(const SessionCall& call) {
  call.session.wants_close = true;
  call.reply.ok();
}

void hello_command(const SessionCall& call) {
  const std::optional<resp::ProtocolVersion> protocol = requested_protocol(call);
  if (!protocol || !take_hello_options(call)) return;
  if (!call.session.is_authenticated) {
    call.reply.error_with_code(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
        "protocol version at the same time");
    return;
  }
  set_protocol(call, *protocol);
  reply_hello(call);
}

void auth_command(const SessionCall& call) {
  if (call.args.count() > 3) {
    call.reply.error("syntax error");
    return;
  }
  const bool has_user = call.args.count() == 3;
  if (!has_user && !call.services.config.has_password()) {
    call.reply.error(
        "AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
    return;
  }
  const base::ByteView user = has_user ? call.args[1] : kDefaultUser;
  if (!is_right_password(call.services.config, user, call.args[has_user ? 2 : 1])) {
    call.reply.error_with_code(kWrongPassword);
    return;
  }
  call.session.is_authenticated = true;
  call.reply.ok();
}

void select_command(const SessionCall& call) {
  const std::optional<int64_t> number = base::parse_int64(call.args[1]);
  if (!number) {
    call.reply.error("value is not an integer or out of range");
  } else if (*number < std::numeric_limits<int32_t>::min() ||
             *number > std::numeric_limits<int32_t>::max()) {
    call.reply.error("value is out of range, value must between -2147483648 and 2147483647");
  } else if (*number < 0 || *number >= int64_t{base::kDatabaseCount}) {
    call.reply.error("DB index is out of range");
  } else {
    call.session.database = base::DatabaseIndex{static_cast<uint32_t>(*number)};
    call.session.info->database = call.session.database.value;
    call.reply.ok();
  }
}

void reset_command(const SessionCall& call) {
  SessionState& session = call.session;
  set_protocol(call, resp::ProtocolVersion::kResp2);
  session.database = base::DatabaseIndex{};
  session.is_authenticated = !call.services.config.has_password();
  session.is_readonly = false;
  session.reply_mode = SessionState::ReplyMode::kOn;
  session.info->database = 0;
  session.info->is_no_evict = false;
  session.info->is_no_touch = false;
  session.info->edit_names([](ClientNames& names) { names.name.clear(); });
  call.reply.simple_string("RESET");
}

void readonly_command(const SessionCall& call) {
  call.session.is_readonly = true;
  call.reply.ok();
}

void readwrite_command(const SessionCall& call) {
  call.session.is_readonly = false;
  call.reply.ok();
}

// There is no slot on its way to another node that the next command could ask for.
void asking_command(const SessionCall& call) { call.reply.ok(); }

}  // namespace alfheim::server
