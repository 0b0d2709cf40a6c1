#include "server/config.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/format.h"
#include "base/glob.h"
#include "base/number.h"
#include "base/text.h"
#include "server/option_table.h"
#include "server/option_text.h"

namespace alfheim::server {
namespace {

using base::Error;
using base::ErrorCode;
using base::Status;
using Live = Config::Live;
using Text = std::string_view;

// The last part of Redis's "CONFIG SET failed (...) - <this>".
Error refused(std::string reason) { return Error{ErrorCode::kInvalidArgument, std::move(reason)}; }

Status check_range(int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return base::ok();
  return refused(base::format("argument must be between {} and {} inclusive", min, max));
}

template <typename Integer>
Status put_integer(Text text, int64_t min, int64_t max, Integer& field) {
  const std::optional<int64_t> value = base::parse_int64(text);
  if (!value) return refused("argument couldn't be parsed into an integer");
  ALF_TRY_STATUS(check_range(*value, min, max));
  field = static_cast<Integer>(*value);
  return base::ok();
}

Status put_memory(Text text, uint64_t min, uint64_t max, uint64_t& field) {
  const base::Result<uint64_t> value = parse_size(text);
  if (!value) return refused("argument must be a memory value");
  ALF_TRY_STATUS(check_range(static_cast<int64_t>(*value), static_cast<int64_t>(min),
                             static_cast<int64_t>(max)));
  field = *value;
  return base::ok();
}

// As Redis names them, for `loglevel`.
std::string redis_log_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "notice";
    case LogLevel::kWarning:
    case LogLevel::kError: return "warning";
  }
  ALF_CHECK(false);
  return {};
}

Status put_redis_log_level(Live& live, Text text) {
  const base::Result<LogLevel> level = parse_log_level(text);
  // "info" and "error" are our own names; `log-level` knows them.
  if (!level || *level == LogLevel::kError || base::equals_ignore_case(text, "info")) {
    return refused("argument(s) must be one of the following: debug, verbose, notice, warning");
  }
  live.observation.log_level = *level;
  return base::ok();
}

Status put_client_memory(Live& live, Text text) {
  const base::Result<uint64_t> value = parse_size(text);  // "0mb" is none, too
  if (value && *value == 0) {
    live.client.client_memory_bytes = 0;
    return base::ok();
  }
  return put_memory(text, kClientMemoryBytesMin, std::numeric_limits<int64_t>::max(),
                    live.client.client_memory_bytes);
}

// The limits of the classes that have no clients here stand as Redis's defaults.
std::string redis_output_limit(const OutputLimit& limit) {
  return base::format("normal {} {} {} slave 268435456 67108864 60 pubsub 33554432 8388608 60",
                      limit.hard_bytes, limit.soft_bytes, limit.soft_seconds);
}

constexpr int64_t kIntMax = std::numeric_limits<int32_t>::max();
constexpr int64_t kLongMax = std::numeric_limits<int64_t>::max();

// What CONFIG SET can change.
struct LiveRow {
  Text name;
  std::string (*show)(const Live& live);
  Status (*set)(Live& live, Text text);
};

constexpr LiveRow kLiveRows[] = {
    {"client-memory",
     [](const Live& live) { return base::format("{}", live.client.client_memory_bytes); },
     put_client_memory},
    {"client-output-buffer-limit",
     [](const Live& live) { return redis_output_limit(live.client.output_limit); },
     [](Live& live, Text text) -> Status {
       ALF_TRY(live.client.output_limit, parse_output_limit(text));
       return base::ok();
     }},
    {"client-query-buffer-limit",
     [](const Live& live) { return base::format("{}", live.client.query_buffer_bytes_max); },
     [](Live& live, Text text) {
       return put_memory(text, base::kMiB, kLongMax, live.client.query_buffer_bytes_max);
     }},
    {"log-level",
     [](const Live& live) { return std::string(log_level_name(live.observation.log_level)); },
     [](Live& live, Text text) -> Status {
       ALF_TRY(live.observation.log_level, parse_log_level(text));
       return base::ok();
     }},
    {"loglevel", [](const Live& live) { return redis_log_level(live.observation.log_level); },
     put_redis_log_level},
    {"maxclients", [](const Live& live) { return base::format("{}", live.client.clients_max); },
     [](Live& live, Text text) {
       return put_integer(text, 1, std::numeric_limits<uint32_t>::max(), live.client.clients_max);
     }},
    // As Redis calls it.
    {"maxmemory-clients",
     [](const Live& live) { return base::format("{}", live.client.client_memory_bytes); },
     put_client_memory},
    {"proto-max-bulk-len",
     [](const Live& live) { return base::format("{}", live.client.bulk_bytes_max); },
     [](Live& live, Text text) {
       return put_memory(text, base::kMiB, base::kBulkBytesMax, live.client.bulk_bytes_max);
     }},
    {"request-body-timeout",
     [](const Live& live) { return base::format("{}", live.client.body_timeout_s); },
     [](Live& live, Text text) {
       return put_integer(text, 0, kIntMax, live.client.body_timeout_s);
     }},
    {"requirepass", [](const Live& live) { return live.client.requirepass; },
     [](Live& live, Text text) {
       live.client.requirepass = text;
       return base::ok();
     }},
    {"slowlog-log-slower-than",
     [](const Live& live) { return base::format("{}", live.observation.slowlog_threshold_us); },
     [](Live& live, Text text) {
       return put_integer(text, -1, kLongMax, live.observation.slowlog_threshold_us);
     }},
    {"slowlog-max-len",
     [](const Live& live) { return base::format("{}", live.observation.slowlog_length_max); },
     [](Live& live, Text text) {
       return put_integer(text, 0, kSlowlogLengthMax, live.observation.slowlog_length_max);
     }},
    {"tcp-keepalive", [](const Live& live) { return base::format("{}", live.client.keepalive_s); },
     [](Live& live, Text text) { return put_integer(text, 0, kIntMax, live.client.keepalive_s); }},
    {"timeout", [](const Live& live) { return base::format("{}", live.client.timeout_s); },
     [](Live& live, Text text) { return put_integer(text, 0, kIntMax, live.client.timeout_s); }},
};

// What tools ask a Redis for, and what is true here: it can be set to nothing else.
struct FixedRow {
  Text name;
  Text value;
  bool is_settable;  // Redis would let it be set: then its own value is accepted
};

constexpr FixedRow kFixedRows[] = {
    {"appendfsync", "always", true},
    {"appendonly", "yes", true},
    {"cluster-enabled", "yes", false},
    {"cluster-require-full-coverage", "yes", true},
    {"daemonize", "no", false},
    {"databases", "16", false},
    {"lazyfree-lazy-user-del", "yes", true},
    {"lazyfree-lazy-user-flush", "yes", true},
    {"logfile", "", false},
    {"maxmemory", "0", true},
    {"maxmemory-policy", "noeviction", true},
    {"notify-keyspace-events", "", true},
    {"protected-mode", "no", true},
    {"save", "", true},
    {"tls-port", "0", true},
    {"unixsocket", "", false},
};

const LiveRow* find_live(Text name) {
  for (const LiveRow& row : kLiveRows) {
    if (base::equals_ignore_case(row.name, name)) return &row;
  }
  return nullptr;
}

const FixedRow* find_fixed(Text name) {
  for (const FixedRow& row : kFixedRows) {
    if (base::equals_ignore_case(row.name, name)) return &row;
  }
  return nullptr;
}

bool is_immutable_option(Text name) {
  const base::Bytes lower = base::to_lower(name);
  return lower == "port" || lower == "bind" || lower == "config" ||
         find_option_row(lower) != nullptr;
}

Error set_failed(Text name, Text reason) {
  return Error{
      ErrorCode::kInvalidArgument,
      base::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, reason)};
}

Status set_fixed(const FixedRow& row, Text text) {
  if (!row.is_settable) return refused("can't set immutable config");
  if (base::equals_ignore_case(row.value, text)) return base::ok();
  return refused(base::format("this server knows no other value than '{}'", row.value));
}

Status set_one(Live& live, Text name, Text text) {
  if (const LiveRow* row = find_live(name)) return row->set(live, text);
  if (const FixedRow* row = find_fixed(name)) return set_fixed(*row, text);
  return refused("can't set immutable config");
}

// Names, before any value is looked at: the first that cannot be.
Status check_names(std::span<const std::pair<Text, Text>> pairs) {
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Text name = pairs[i].first;
    const FixedRow* fixed = find_fixed(name);
    const bool is_live = find_live(name) != nullptr;
    if (!is_live && fixed == nullptr && !is_immutable_option(name)) {
      return Error{
          ErrorCode::kInvalidArgument,
          base::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'", name)};
    }
    if (!is_live && (fixed == nullptr || !fixed->is_settable)) {
      return set_failed(name, "can't set immutable config");
    }
    for (size_t j = 0; j < i; ++j) {
      if (base::equals_ignore_case(pairs[j].first, name)) {
        return set_failed(name, "duplicate parameter");
      }
    }
  }
  return base::ok();
}

}  // namespace

Config::Config(Options options) : startup_(std::move(options)) {
  adopt(Live{startup_.client, startup_.observation});
}

void Config::adopt(const Live& live) {
  const std::lock_guard lock(mutex_);
  requirepass_ = live.client.requirepass;
  output_limit_ = live.client.output_limit;
  has_password_ = !live.client.requirepass.empty();
  clients_max_ = live.client.clients_max;
  bulk_bytes_max_ = live.client.bulk_bytes_max;
  query_buffer_bytes_max_ = live.client.query_buffer_bytes_max;
  client_memory_bytes_ = live.client.client_memory_bytes;
  body_timeout_s_ = live.client.body_timeout_s;
  timeout_s_ = live.client.timeout_s;
  keepalive_s_ = live.client.keepalive_s;
  slowlog_threshold_us_ = live.observation.slowlog_threshold_us;
  slowlog_length_max_ = live.observation.slowlog_length_max;
  log_level_ = live.observation.log_level;
}

std::string Config::requirepass() const {
  const std::lock_guard lock(mutex_);
  return requirepass_;
}

OutputLimit Config::output_limit() const {
  const std::lock_guard lock(mutex_);
  return output_limit_;
}

Config::Live Config::live() const {
  const std::lock_guard lock(mutex_);
  Live live{startup_.client, startup_.observation};
  live.client.requirepass = requirepass_;
  live.client.output_limit = output_limit_;
  live.client.clients_max = clients_max_;
  live.client.bulk_bytes_max = bulk_bytes_max_;
  live.client.query_buffer_bytes_max = query_buffer_bytes_max_;
  live.client.client_memory_bytes = client_memory_bytes_;
  live.client.body_timeout_s = body_timeout_s_;
  live.client.timeout_s = timeout_s_;
  live.client.keepalive_s = keepalive_s_;
  live.observation.slowlog_threshold_us = slowlog_threshold_us_;
  live.observation.slowlog_length_max = slowlog_length_max_;
  live.observation.log_level = log_level_;
  return live;
}

std::vector<Config::Pair> Config::get(std::span<const std::string_view> patterns) const {
  std::vector<Pair> all;
  const Live live_now = live();
  for (const LiveRow& row : kLiveRows) all.emplace_back(row.name, row.show(live_now));
  for (const FixedRow& row : kFixedRows) all.emplace_back(row.name, row.value);
  for (const OptionRow& row : option_rows()) {
    if (find_live(row.name) == nullptr) all.emplace_back(row.name, row.show(startup_));
  }
  all.emplace_back("bind", startup_.address.resp.host);
  all.emplace_back("config", startup_.config_path);
  all.emplace_back("port", base::format("{}", startup_.address.resp.port));
  std::sort(all.begin(), all.end());
  std::erase_if(all, [patterns](const Pair& pair) {
    return std::none_of(patterns.begin(), patterns.end(), [&pair](std::string_view pattern) {
      return base::glob_match(pattern, pair.first, true);
    });
  });
  return all;
}

Status Config::set(std::span<const std::pair<std::string_view, std::string_view>> pairs) {
  const std::lock_guard lock(set_mutex_);
  ALF_TRY_STATUS(check_names(pairs));
  Live changed = live();
  for (const auto& [name, text] : pairs) {
    if (const Status status = set_one(changed, name, text); !status) {
      return set_failed(name, status.error().message);
    }
  }
  adopt(changed);
  if (listener_) listener_(*this);
  return base::ok();
}

}  // namespace alfheim::server
