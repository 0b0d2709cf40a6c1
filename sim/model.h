// sim/model: what the database must answer: a sequential reference of its own code.
//
// Knows strings, deadlines in log time, 16 databases that can be flushed and swapped, and
// answers in RESP2. Shares nothing with the rooms types/ and command/ but the hash slot of a
// key (it orders KEYS and the state hash) and three numbers of the format: at most 64 due
// records are removed per entry, oldest first; databases are numbered by epochs; a key's last
// write is an entry's index (WATCH).
//
// It is fed with entries in the order of the log, and remembers enough of the past to answer a
// read as of an earlier position.
//
// Thread: one. Lifetime: of one run.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "sim/history.h"

namespace alfheim::sim {

using Words = std::vector<base::Bytes>;

class Model {
 public:
  Model();

  // ---- in the order of the log ----
  // An entry of commands begins: log time moves, due keys go.
  void begin_entry(uint64_t index, uint64_t stamp_ms);
  // The next operation of the entry: a position of its own, shared by a block's calls.
  void begin_operation() { ++position_; }
  // The reply of one command at this position.
  base::Bytes run(uint32_t database, const Words& words);

  uint64_t position() const { return position_; }
  uint64_t log_time_ms() const { return log_time_ms_; }
  // Versions that nobody at `floor` or later can see may be forgotten.
  void set_floor(uint64_t floor) { floor_ = floor; }

  // ---- as of any position not below the floor ----
  base::Bytes read(uint32_t database, const Words& words, uint64_t position) const;
  static bool is_write(base::ByteView command);
  // Whether Redis refuses it where there is no room (its flag denyoom).
  static bool may_grow(base::ByteView command);
  // Index of the last write of a live key, 0 where there is none.
  uint64_t version(uint32_t database, base::ByteView key, uint64_t position) const;
  // Whether a key was written or removed after `after` and up to `until`.
  bool is_touched(uint32_t database, base::ByteView key, uint64_t after, uint64_t until) const;
  uint64_t key_count(uint32_t database, uint64_t position) const;
  // As docs/formats/index_records.md defines it.
  uint64_t logical_hash(uint64_t position) const;
  // Live keys of a database, for reports.
  std::vector<base::Bytes> keys(uint32_t database, uint64_t position) const;

 private:
  using Value = std::shared_ptr<const base::Bytes>;  // shared by versions and copies
  struct KeyName {
    uint32_t epoch;
    uint16_t slot;
    base::Bytes key;
    friend auto operator<=>(const KeyName&, const KeyName&) = default;
  };
  struct KeyState {
    Value value;  // null: there is no record
    uint64_t deadline_ms = 0;
    uint64_t last_write = 0;
  };
  struct Due {
    uint64_t deadline_ms;
    KeyName name;
    friend auto operator<=>(const Due&, const Due&) = default;
  };
  struct Databases {
    std::array<uint32_t, base::kDatabaseCount> epochs;
    std::array<uint64_t, base::kDatabaseCount> last_swaps{};  // entries
  };
  using Keys = std::map<KeyName, History<KeyState>>;
  using Args = std::span<const base::Bytes>;

  KeyName name_of(uint32_t database, base::ByteView key, uint64_t position) const;
  KeyName name_of(uint32_t database, base::ByteView key) const {
    return name_of(database, key, position_);
  }
  const KeyState* state_at(const KeyName& name, uint64_t position) const;
  // Null where the key is missing or dead.
  const KeyState* live_at(uint32_t database, base::ByteView key, uint64_t position) const;
  const KeyState* live(uint32_t database, base::ByteView key) const {
    return live_at(database, key, position_);
  }
  std::vector<const Keys::value_type*> live_keys(uint32_t database, uint64_t position) const;

  void put(const KeyName& name, Value value, uint64_t deadline_ms);
  void put(uint32_t database, base::ByteView key, base::Bytes value, uint64_t deadline_ms);
  bool erase(const KeyName& name);
  void remove_due();
  void set_epochs(const Databases& databases);
  bool is_live_epoch(uint32_t epoch) const;

  // model_commands.cc: args are without the command's name.
  base::Bytes run_set(uint32_t database, Args args);
  base::Bytes run_getset(uint32_t database, Args args);
  base::Bytes run_getdel(uint32_t database, Args args);
  base::Bytes run_mset(uint32_t database, Args args);
  base::Bytes run_append(uint32_t database, Args args);
  base::Bytes run_setrange(uint32_t database, Args args);
  base::Bytes run_setbit(uint32_t database, Args args);
  base::Bytes run_add(uint32_t database, base::ByteView key, int64_t delta);
  base::Bytes run_del(uint32_t database, Args args);
  base::Bytes run_expire(uint32_t database, Args args, int64_t unit_ms, bool is_absolute);
  base::Bytes run_persist(uint32_t database, Args args);
  base::Bytes run_rename(uint32_t database, Args args, bool only_if_missing);
  base::Bytes run_copy(uint32_t database, Args args);
  base::Bytes run_move(uint32_t database, Args args);
  base::Bytes run_flush(std::span<const uint32_t> databases);
  base::Bytes run_swap(Args args);
  void edit(uint32_t database, base::ByteView key, uint64_t offset, base::ByteView bytes);

  uint64_t position_ = 0;
  uint64_t floor_ = 0;
  uint64_t entry_index_ = 0;
  uint64_t log_time_ms_ = 0;
  uint32_t next_epoch_ = 1;
  History<uint64_t> log_times_;
  History<Databases> databases_;
  Keys keys_;
  std::map<uint32_t, History<uint64_t>> key_counts_;  // by epoch; due ones count too
  std::set<Due> due_;
};

}  // namespace alfheim::sim
