#include "sim/workload.h"

#include "base/format.h"
#include "sim/hands/sim_clock.h"

namespace alfheim::sim {

using base::Bytes;

namespace {

constexpr uint64_t kSmallBytesMax = 40;
constexpr uint64_t kLargeBytesMax = 3000;
// Around the border between one record and chunks.
constexpr uint64_t kLongOffsetMin = 60'000;
constexpr uint64_t kLongOffsetMax = 200'000;
// Around the border between an entry and fragments, and of several fragments.
constexpr uint64_t kHugeBytesMin = 500'000;
constexpr uint64_t kHugeBytesMax = 2'300'000;

}  // namespace

Bytes Workload::key(char family) {
  return base::format("{}{}", family, random_.below(options_.keys_per_family));
}

Bytes Workload::any_key() {
  const uint64_t draw = random_.below(4);
  if (draw == 0 && options_.has_numbers) return key('n');
  if (draw == 1 && options_.has_bits) return key('b');
  return key('s');
}

Bytes Workload::bytes_of(uint64_t length) {
  // Different in every place and every value, with line ends among them.
  Bytes bytes;
  bytes.reserve(length + 8);
  uint64_t word = random_.next_u64();
  while (bytes.size() < length) {
    base::put_u64(bytes, word);
    word = word * 6364136223846793005u + 1442695040888963407u;
    if (word % 16 == 0) bytes.append("\r\n");
  }
  bytes.resize(length);
  return bytes;
}

Bytes Workload::value() {
  if (random_.chance_ppm(options_.huge_value_ppm)) {
    return bytes_of(random_.between(kHugeBytesMin, kHugeBytesMax));
  }
  if (random_.chance_ppm(options_.large_value_ppm)) {
    return bytes_of(random_.between(0, kLargeBytesMax));
  }
  if (random_.below(4) == 0) return std::to_string(random_.below(1000));
  return bytes_of(random_.between(0, kSmallBytesMax));
}

Bytes Workload::ttl(uint64_t unit_ms) {
  return std::to_string(random_.between(1, std::max<uint64_t>(1, options_.ttl_ms_max / unit_ms)));
}

Bytes Workload::database() { return std::to_string(random_.below(database_count())); }

Words Workload::next() { return random_.chance_ppm(options_.read_ppm) ? read() : write(); }

Words Workload::read() {
  const uint64_t draw = random_.below(16);
  if (draw == 0 && options_.has_walks) return {"KEYS", "*"};
  if (draw == 1 && options_.has_walks) return {"DBSIZE"};
  if (draw == 2) return {"MGET", any_key(), any_key(), any_key()};
  if (draw == 3) return {"EXISTS", any_key(), any_key()};
  if (draw == 4) return {"STRLEN", any_key()};
  if (draw == 5) return {"TYPE", any_key()};
  if (draw == 6 && options_.has_expiry) return {"PEXPIRETIME", any_key()};
  if (draw == 7 && options_.has_bits) {
    return {"GETBIT", key('b'), std::to_string(random_.below(2000))};
  }
  if (draw == 8) {
    const auto first = static_cast<int64_t>(random_.below(3000)) - 1000;
    const auto last = static_cast<int64_t>(random_.below(3000)) - 1000;
    return {"GETRANGE", any_key(), std::to_string(first), std::to_string(last)};
  }
  if (draw == 9) {
    const auto first = static_cast<int64_t>(random_.below(kLongOffsetMax));
    return {"GETRANGE", any_key(), std::to_string(first), std::to_string(first + 70'000)};
  }
  return {"GET", any_key()};
}

Words Workload::write() {
  const uint64_t draw = random_.below(20);
  if (draw < 2 && options_.has_numbers) return number();
  if (draw == 2 && options_.has_bits) {
    return {"SETBIT", key('b'), std::to_string(random_.below(2000)), random_.coin() ? "1" : "0"};
  }
  if (draw < 6 && options_.has_edits) return edit();
  if (draw < 9 && options_.has_expiry) return expiry();
  if (draw < 12 && options_.has_renames) return rename();
  if (draw == 12) return {"DEL", any_key(), any_key()};
  if (draw == 13) return {"UNLINK", any_key()};
  if (draw == 14) return {"GETDEL", key('s')};
  if (draw == 15 && random_.below(4) == 0) return whole_database();
  if (draw == 16) return {"MSET", key('s'), value(), key('s'), value()};
  return set();
}

Words Workload::set() {
  Words words = {"SET", any_key(), value()};
  const uint64_t draw = random_.below(8);
  if (draw == 0) words.push_back("NX");
  if (draw == 1) words.push_back("XX");
  if (draw == 2) words.push_back("GET");
  if (draw == 3) return {"GETSET", words[1], words[2]};
  if (!options_.has_expiry) return words;
  const uint64_t lifetime = random_.below(8);
  if (lifetime == 0) words.insert(words.end(), {"PX", ttl(1)});
  if (lifetime == 1) words.insert(words.end(), {"EX", ttl(1000)});
  if (lifetime == 2) words.push_back("KEEPTTL");
  if (lifetime == 3) words.insert(words.end(), {"PXAT", std::to_string(kWallStartUs / 1000)});
  return words;
}

Words Workload::edit() {
  if (random_.coin()) {
    const bool is_long = random_.chance_ppm(options_.long_string_ppm);
    return {"APPEND", key('s'), bytes_of(is_long ? 70'000 : random_.between(1, 200))};
  }
  const bool is_long = random_.chance_ppm(options_.long_string_ppm);
  const uint64_t offset =
      is_long ? random_.between(kLongOffsetMin, kLongOffsetMax) : random_.below(300);
  return {"SETRANGE", key('s'), std::to_string(offset), bytes_of(random_.between(1, 200))};
}

Words Workload::number() {
  const Bytes name = random_.below(8) == 0 ? key('s') : key('n');
  switch (random_.below(3)) {
    case 0: return {"INCR", name};
    case 1: return {"DECR", name};
    default:
      return {"INCRBY", name, std::to_string(static_cast<int64_t>(random_.below(2000)) - 1000)};
  }
}

Words Workload::expiry() {
  switch (random_.below(5)) {
    case 0: return {"EXPIRE", any_key(), ttl(1000)};
    case 1: return {"PERSIST", any_key()};
    case 2: return {"PEXPIRE", any_key(), "-5"};
    default: return {"PEXPIRE", any_key(), ttl(1)};
  }
}

Words Workload::rename() {
  switch (random_.below(options_.has_databases ? 6 : 4)) {
    case 0: return {"RENAME", key('s'), key('s')};
    case 1: return {"RENAMENX", key('s'), key('s')};
    case 2: return {"COPY", key('s'), key('s'), "REPLACE"};
    case 3: return {"COPY", key('s'), key('s')};
    case 4: return {"MOVE", any_key(), database()};
    default: return {"COPY", key('s'), key('s'), "DB", database(), "REPLACE"};
  }
}

Words Workload::whole_database() {
  const uint64_t draw = random_.below(8);
  if (draw < 3 && options_.has_databases) return {"SWAPDB", database(), database()};
  if (!options_.has_flushes) return set();
  return draw == 7 ? Words{"FLUSHALL"} : Words{"FLUSHDB"};
}

}  // namespace alfheim::sim
