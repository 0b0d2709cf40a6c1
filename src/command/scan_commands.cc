// SCAN and KEYS: walks over the keys in record order.
#include <algorithm>

#include "base/check.h"
#include "base/glob.h"
#include "base/slot.h"
#include "base/text.h"
#include "command/generic_rows.h"
#include "command/scan_cursor.h"

namespace alfheim::command {
namespace {

using base::Bytes;
using base::ByteView;
using base::Status;
using resp::ReplyWriter;
using types::KeyRecord;

constexpr int64_t kScanCountDefault = 10;
// A step goes so far beyond COUNT for a good place to stop: a slot's end, or a short prefix.
constexpr uint64_t kStopSearchKeysMin = 64;

// Redis's "*" is no pattern at all: it matches the empty key too.
bool matches(ByteView pattern, ByteView key) {
  return pattern == "*" || base::glob_match(pattern, key);
}

Status run_keys(Context& context, const Arguments& args, ReplyWriter& reply) {
  const ByteView pattern = args[1];
  const ReplyWriter::Deferred array = reply.start_deferred();
  size_t count = 0;
  const auto visit = [&](ByteView user_key, const KeyRecord&) {
    if (matches(pattern, user_key)) {
      reply.bulk(user_key);
      ++count;
    }
    return true;
  };
  ALF_TRY_STATUS(context.database().walk_keys({}, UINT64_MAX, visit));
  reply.finish_array(array, count);
  return base::ok();
}

struct ScanOptions {
  uint64_t count = kScanCountDefault;
  std::optional<ByteView> pattern;
  std::optional<ByteView> type;
};

std::optional<ScanOptions> scan_options_or_reply(const Arguments& args, ReplyWriter& reply) {
  ScanOptions options;
  for (size_t i = 2; i < args.count(); i += 2) {
    const bool has_value = i + 1 < args.count();
    if (has_value && base::equals_ignore_case(args[i], "count")) {
      const std::optional<int64_t> count = number_or_reply(args[i + 1], reply);
      if (!count) return std::nullopt;
      if (*count < 1) {
        reply.error("syntax error");
        return std::nullopt;
      }
      options.count = static_cast<uint64_t>(*count);
    } else if (has_value && base::equals_ignore_case(args[i], "match")) {
      options.pattern = args[i + 1];
    } else if (has_value && base::equals_ignore_case(args[i], "type")) {
      options.type = args[i + 1];
    } else {
      reply.error("syntax error");
      return std::nullopt;
    }
  }
  return options;
}

// One step of a scan. Sees the keys in order and decides behind which one the step ends.
class ScanStep {
 public:
  ScanStep(const ScanOptions& options, uint64_t place_steps)
      // What it costs to find a place again grows with what lies before it in the slot; so
      // do the steps, and their number stays small.
      : options_(options), stop_search_keys_(kStopSearchKeysMin + place_steps) {}

  // False where the step is over and the key belongs to the next one.
  bool visit(ByteView user_key, const KeyRecord& record) {
    const uint16_t slot = base::key_slot(user_key);
    if (seen_ >= options_.count && !goes_on(slot, user_key)) return false;
    ++seen_;
    last_slot_ = slot;
    last_key_.assign(user_key);
    if (options_.pattern && !matches(*options_.pattern, user_key)) return true;
    if (options_.type && !base::equals_ignore_case(*options_.type, type_name(record.type))) {
      return true;
    }
    keys_.emplace_back(user_key);
    return true;
  }

  void write(bool is_at_end, ReplyWriter& reply) const {
    const size_t count = is_at_end ? keys_.size() : stop_.key_count;
    reply.array_header(2);
    reply.bulk(format_cursor(is_at_end ? 0 : stop_.cursor));
    reply.array_header(count);
    for (size_t i = 0; i < count; ++i) reply.bulk(keys_[i]);
  }

 private:
  struct Stop {
    uint64_t cursor = 0;
    size_t key_count = 0;
    size_t prefix_bytes = kCursorPrefixBytesMax + 1;  // none yet
  };

  static Bytes format_cursor(uint64_t cursor) { return std::to_string(cursor); }

  // Whether the key is still taken. Remembers the best place to stop that was met: of all
  // borders between two keys, the one that the shortest prefix names. A short prefix has
  // many keys, so it is likely to be there at the next step.
  bool goes_on(uint16_t slot, ByteView user_key) {
    if (slot != last_slot_) {
      stop_ = Stop{slot_cursor(slot), keys_.size(), 0};
      return false;
    }
    const auto differ =
        std::mismatch(last_key_.begin(), last_key_.end(), user_key.begin(), user_key.end());
    const size_t prefix_bytes = static_cast<size_t>(differ.second - user_key.begin()) + 1;
    ALF_CHECK(prefix_bytes <= user_key.size());
    if (prefix_bytes < stop_.prefix_bytes) {
      stop_ =
          Stop{prefix_cursor(slot, user_key.substr(0, prefix_bytes)), keys_.size(), prefix_bytes};
    }
    const bool is_over = seen_ - options_.count >= stop_search_keys_;
    return !is_over || stop_.prefix_bytes > kCursorPrefixBytesMax;
  }

  const ScanOptions& options_;
  const uint64_t stop_search_keys_;
  uint64_t seen_ = 0;
  uint16_t last_slot_ = 0;
  Bytes last_key_;
  std::vector<Bytes> keys_;
  Stop stop_;
};

Status run_scan(Context& context, const Arguments& args, ReplyWriter& reply) {
  const std::optional<uint64_t> cursor = parse_cursor(args[1]);
  if (!cursor) {
    reply.error("invalid cursor");
    return base::ok();
  }
  const std::optional<ScanOptions> options = scan_options_or_reply(args, reply);
  if (!options) return base::ok();
  types::Database& database = context.database();
  ALF_TRY(const CursorPlace place, find_cursor(database, *cursor));
  ScanStep step(*options, place.steps);
  bool is_at_end = true;
  const auto visit = [&](ByteView user_key, const KeyRecord& record) {
    is_at_end = step.visit(user_key, record);
    return is_at_end;
  };
  ALF_TRY_STATUS(database.walk_keys(place.position, UINT64_MAX, visit));
  step.write(is_at_end, reply);
  return base::ok();
}

}  // namespace

void add_scan_rows(std::vector<Row>& rows) {
  rows.push_back(handled_row("keys", 2, kReadOnly | kLong, {}, "@keyspace @read @slow @dangerous",
                             {"request_policy:all_shards", "nondeterministic_output_order"},
                             {"Find all keys matching the given pattern", "1.0.0", "generic",
                              "O(N) with N being the number of keys in the database"},
                             run_keys));
  rows.push_back(
      handled_row("scan", -2, kReadOnly | kLong, {}, "@keyspace @read @slow",
                  {"nondeterministic_output", "request_policy:special"},
                  {"Incrementally iterate the keys space", "2.8.0", "generic",
                   "O(1) for every call. O(N) for a complete iteration. N is the number of keys."},
                  run_scan));
}

}  // namespace alfheim::command
