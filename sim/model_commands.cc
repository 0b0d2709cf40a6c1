// The commands of the model (sim/model.h).
#include <limits>

#include "base/check.h"
#include "base/format.h"
#include "sim/model.h"

namespace alfheim::sim {

using base::Bytes;
using base::ByteView;

namespace {

Bytes ok() { return "+OK\r\n"; }
Bytes null() { return "$-1\r\n"; }
Bytes error(ByteView text) { return base::format("-ERR {}\r\n", text); }
template <typename Integer>
Bytes integer(Integer value) {
  return base::format(":{}\r\n", value);
}
Bytes bulk(ByteView bytes) {
  Bytes reply = base::format("${}\r\n", bytes.size());
  reply.append(bytes);
  reply.append("\r\n");
  return reply;
}

// An integer as Redis takes one: no sign but a minus, no zero in front, 64 bits.
std::optional<int64_t> parse(ByteView text) {
  if (text == "0") return 0;
  const bool is_negative = !text.empty() && text.front() == '-';
  const ByteView digits = text.substr(is_negative ? 1 : 0);
  if (digits.empty() || digits.size() > 19 || digits.front() == '0') return std::nullopt;
  __int128 value = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + (digit - '0');
  }
  if (is_negative) value = -value;
  if (value > std::numeric_limits<int64_t>::max() || value < std::numeric_limits<int64_t>::min()) {
    return std::nullopt;
  }
  return static_cast<int64_t>(value);
}

// For what the workload writes itself.
int64_t number(ByteView text) {
  const std::optional<int64_t> value = parse(text);
  ALF_CHECK(value.has_value());
  return *value;
}

Bytes range(ByteView value, int64_t first, int64_t last) {
  const auto size = static_cast<int64_t>(value.size());
  if (first < 0 && last < 0 && first > last) return bulk("");
  if (first < 0) first = std::max<int64_t>(0, first + size);
  if (last < 0) last = std::max<int64_t>(0, last + size);
  last = std::min(last, size - 1);
  if (size == 0 || first > last) return bulk("");
  return bulk(value.substr(static_cast<size_t>(first), static_cast<size_t>(last - first + 1)));
}

bool bit_of(ByteView value, uint64_t bit) {
  if (bit / 8 >= value.size()) return false;
  return (static_cast<uint8_t>(value[bit / 8]) & (0x80u >> (bit % 8))) != 0;
}

}  // namespace

bool Model::is_write(ByteView command) {
  static constexpr ByteView kReads[] = {"GET",    "STRLEN",      "GETRANGE", "MGET", "EXISTS",
                                        "GETBIT", "PEXPIRETIME", "DBSIZE",   "TYPE", "KEYS"};
  return std::find(std::begin(kReads), std::end(kReads), command) == std::end(kReads);
}

bool Model::may_grow(ByteView command) {
  static constexpr ByteView kGrowing[] = {"SET",    "GETSET", "MSET", "APPEND", "SETRANGE",
                                          "SETBIT", "INCR",   "DECR", "INCRBY", "COPY"};
  return std::find(std::begin(kGrowing), std::end(kGrowing), command) != std::end(kGrowing);
}

Bytes Model::read(uint32_t database, const Words& words, uint64_t position) const {
  const ByteView command = words[0];
  if (command == "DBSIZE") return integer(key_count(database, position));
  if (command == "KEYS") {
    const std::vector<Bytes> names = keys(database, position);
    Bytes reply = base::format("*{}\r\n", names.size());
    for (const Bytes& name : names) reply += bulk(name);
    return reply;
  }
  if (command == "MGET") {
    Bytes reply = base::format("*{}\r\n", words.size() - 1);
    for (size_t i = 1; i < words.size(); ++i) {
      const KeyState* state = live_at(database, words[i], position);
      reply += state == nullptr ? null() : bulk(*state->value);
    }
    return reply;
  }
  if (command == "EXISTS") {
    int64_t count = 0;
    for (size_t i = 1; i < words.size(); ++i) {
      if (live_at(database, words[i], position) != nullptr) ++count;
    }
    return integer(count);
  }
  const KeyState* state = live_at(database, words[1], position);
  const ByteView value = state == nullptr ? ByteView() : ByteView(*state->value);
  if (command == "GET") return state == nullptr ? null() : bulk(value);
  if (command == "STRLEN") return integer(value.size());
  if (command == "GETRANGE") return range(value, number(words[2]), number(words[3]));
  if (command == "TYPE") return state == nullptr ? "+none\r\n" : "+string\r\n";
  if (command == "GETBIT") {
    return integer(bit_of(value, static_cast<uint64_t>(number(words[2]))) ? 1 : 0);
  }
  ALF_CHECK(command == "PEXPIRETIME");
  if (state == nullptr) return integer(-2);
  return state->deadline_ms == 0 ? integer(-1) : integer(state->deadline_ms);
}

Bytes Model::run(uint32_t database, const Words& words) {
  const ByteView command = words[0];
  if (!is_write(command)) return read(database, words, position_);
  const Args args = Args(words).subspan(1);
  if (command == "SET") return run_set(database, args);
  if (command == "GETSET") return run_getset(database, args);
  if (command == "GETDEL") return run_getdel(database, args);
  if (command == "MSET") return run_mset(database, args);
  if (command == "APPEND") return run_append(database, args);
  if (command == "SETRANGE") return run_setrange(database, args);
  if (command == "SETBIT") return run_setbit(database, args);
  if (command == "INCR") return run_add(database, args[0], 1);
  if (command == "DECR") return run_add(database, args[0], -1);
  if (command == "INCRBY") return run_add(database, args[0], number(args[1]));
  if (command == "DEL" || command == "UNLINK") return run_del(database, args);
  if (command == "EXPIRE") return run_expire(database, args, 1000, false);
  if (command == "PEXPIRE") return run_expire(database, args, 1, false);
  if (command == "PEXPIREAT") return run_expire(database, args, 1, true);
  if (command == "PERSIST") return run_persist(database, args);
  if (command == "RENAME") return run_rename(database, args, false);
  if (command == "RENAMENX") return run_rename(database, args, true);
  if (command == "COPY") return run_copy(database, args);
  if (command == "MOVE") return run_move(database, args);
  if (command == "SWAPDB") return run_swap(args);
  if (command == "FLUSHDB") return run_flush({&database, 1});
  ALF_CHECK_MSG(command == "FLUSHALL", "the model does not know this command");
  std::array<uint32_t, base::kDatabaseCount> all;
  for (uint32_t i = 0; i < base::kDatabaseCount; ++i) all[i] = i;
  return run_flush(all);
}

Bytes Model::run_set(uint32_t database, Args args) {
  const KeyState* old = live(database, args[0]);
  bool is_get = false;
  bool is_refused = false;
  uint64_t deadline_ms = 0;
  bool is_past = false;
  for (size_t i = 2; i < args.size(); ++i) {
    if (args[i] == "NX") is_refused = is_refused || old != nullptr;
    if (args[i] == "XX") is_refused = is_refused || old == nullptr;
    if (args[i] == "GET") is_get = true;
    if (args[i] == "KEEPTTL" && old != nullptr) deadline_ms = old->deadline_ms;
    if (args[i] == "EX" || args[i] == "PX") {
      deadline_ms =
          log_time_ms_ + static_cast<uint64_t>(number(args[i + 1])) * (args[i] == "EX" ? 1000 : 1);
      ++i;
    } else if (args[i] == "PXAT") {
      deadline_ms = static_cast<uint64_t>(number(args[i + 1]));
      is_past = deadline_ms <= log_time_ms_;
      ++i;
    }
  }
  Bytes reply = ok();
  if (is_get) reply = old == nullptr ? null() : bulk(*old->value);
  if (is_refused) return is_get ? reply : null();
  if (is_past) {
    erase(name_of(database, args[0]));
  } else {
    put(database, args[0], args[1], deadline_ms);
  }
  return reply;
}

Bytes Model::run_getset(uint32_t database, Args args) {
  const KeyState* old = live(database, args[0]);
  const Bytes reply = old == nullptr ? null() : bulk(*old->value);
  put(database, args[0], args[1], 0);
  return reply;
}

Bytes Model::run_getdel(uint32_t database, Args args) {
  const KeyState* old = live(database, args[0]);
  if (old == nullptr) return null();
  const Bytes reply = bulk(*old->value);
  erase(name_of(database, args[0]));
  return reply;
}

Bytes Model::run_mset(uint32_t database, Args args) {
  for (size_t i = 0; i + 1 < args.size(); i += 2) put(database, args[i], args[i + 1], 0);
  return ok();
}

void Model::edit(uint32_t database, ByteView key, uint64_t offset, ByteView bytes) {
  const KeyState* old = live(database, key);
  Bytes value = old == nullptr ? Bytes() : *old->value;
  if (value.size() < offset + bytes.size()) value.resize(offset + bytes.size(), '\0');
  value.replace(offset, bytes.size(), bytes);
  put(database, key, std::move(value), old == nullptr ? 0 : old->deadline_ms);
}

Bytes Model::run_append(uint32_t database, Args args) {
  const KeyState* old = live(database, args[0]);
  const uint64_t length = old == nullptr ? 0 : old->value->size();
  edit(database, args[0], length, args[1]);
  return integer(length + args[1].size());
}

Bytes Model::run_setrange(uint32_t database, Args args) {
  const auto offset = static_cast<uint64_t>(number(args[1]));
  ALF_CHECK(!args[2].empty());
  edit(database, args[0], offset, args[2]);
  return integer(live(database, args[0])->value->size());
}

Bytes Model::run_setbit(uint32_t database, Args args) {
  const auto bit = static_cast<uint64_t>(number(args[1]));
  const KeyState* old = live(database, args[0]);
  const ByteView value = old == nullptr ? ByteView() : ByteView(*old->value);
  const bool was_set = bit_of(value, bit);
  const bool is_set = args[2] == "1";
  auto byte = static_cast<uint8_t>(bit / 8 < value.size() ? value[bit / 8] : 0);
  const auto mask = static_cast<uint8_t>(0x80u >> (bit % 8));
  const auto edited = static_cast<char>(is_set ? byte | mask : byte & ~mask);
  edit(database, args[0], bit / 8, ByteView(&edited, 1));
  return integer(was_set ? 1 : 0);
}

Bytes Model::run_add(uint32_t database, ByteView key, int64_t delta) {
  const KeyState* old = live(database, key);
  const std::optional<int64_t> value = old == nullptr ? 0 : parse(*old->value);
  if (!value) return error("value is not an integer or out of range");
  const __int128 sum = static_cast<__int128>(*value) + delta;
  if (sum > std::numeric_limits<int64_t>::max() || sum < std::numeric_limits<int64_t>::min()) {
    return error("increment or decrement would overflow");
  }
  put(database, key, std::to_string(static_cast<int64_t>(sum)),
      old == nullptr ? 0 : old->deadline_ms);
  return integer(static_cast<int64_t>(sum));
}

Bytes Model::run_del(uint32_t database, Args args) {
  int64_t count = 0;
  for (const Bytes& key : args) {
    if (erase(name_of(database, key))) ++count;
  }
  return integer(count);
}

Bytes Model::run_expire(uint32_t database, Args args, int64_t unit_ms, bool is_absolute) {
  const KeyState* old = live(database, args[0]);
  if (old == nullptr) return integer(0);
  const auto log_time_ms = static_cast<int64_t>(log_time_ms_);
  const int64_t deadline_ms = number(args[1]) * unit_ms + (is_absolute ? 0 : log_time_ms);
  if (deadline_ms <= log_time_ms) {
    erase(name_of(database, args[0]));
  } else {
    put(name_of(database, args[0]), old->value, static_cast<uint64_t>(deadline_ms));
  }
  return integer(1);
}

Bytes Model::run_persist(uint32_t database, Args args) {
  const KeyState* old = live(database, args[0]);
  if (old == nullptr || old->deadline_ms == 0) return integer(0);
  put(name_of(database, args[0]), old->value, 0);
  return integer(1);
}

Bytes Model::run_rename(uint32_t database, Args args, bool only_if_missing) {
  const KeyState* old = live(database, args[0]);
  if (old == nullptr) return error("no such key");
  if (args[0] == args[1]) return only_if_missing ? integer(0) : ok();
  if (only_if_missing && live(database, args[1]) != nullptr) return integer(0);
  const KeyState moved = *old;
  put(name_of(database, args[1]), moved.value, moved.deadline_ms);
  erase(name_of(database, args[0]));
  return only_if_missing ? integer(1) : ok();
}

Bytes Model::run_copy(uint32_t database, Args args) {
  uint32_t target = database;
  bool replaces = false;
  for (size_t i = 2; i < args.size(); ++i) {
    if (args[i] == "REPLACE") replaces = true;
    if (args[i] == "DB") target = static_cast<uint32_t>(number(args[++i]));
  }
  if (target == database && args[0] == args[1]) {
    return error("source and destination objects are the same");
  }
  const KeyState* old = live(database, args[0]);
  if (old == nullptr) return integer(0);
  if (!replaces && live(target, args[1]) != nullptr) return integer(0);
  const KeyState copied = *old;
  put(name_of(target, args[1]), copied.value, copied.deadline_ms);
  return integer(1);
}

Bytes Model::run_move(uint32_t database, Args args) {
  const auto target = static_cast<uint32_t>(number(args[1]));
  if (target == database) return error("source and destination objects are the same");
  const KeyState* old = live(database, args[0]);
  if (old == nullptr || live(target, args[0]) != nullptr) return integer(0);
  const KeyState moved = *old;
  put(name_of(target, args[0]), moved.value, moved.deadline_ms);
  erase(name_of(database, args[0]));
  return integer(1);
}

Bytes Model::run_flush(std::span<const uint32_t> databases) {
  Databases changed = *databases_.newest();
  for (const uint32_t database : databases) {
    changed.epochs[database] = next_epoch_++;
    changed.last_swaps[database] = 0;
  }
  set_epochs(changed);
  return ok();
}

Bytes Model::run_swap(Args args) {
  Databases changed = *databases_.newest();
  const auto first = static_cast<size_t>(number(args[0]));
  const auto second = static_cast<size_t>(number(args[1]));
  if (first == second) return ok();
  std::swap(changed.epochs[first], changed.epochs[second]);
  changed.last_swaps[first] = changed.last_swaps[second] = entry_index_;
  set_epochs(changed);
  return ok();
}

}  // namespace alfheim::sim
