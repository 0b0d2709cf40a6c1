// types/database: one numbered database, as a command sees it.
//
// Finds live keys, and (in apply only) changes them, keeping everything that belongs to a
// key in step: key counts, deadlines and their expiry records, references to separated
// values, versions and chunks. Handlers never build record keys or bodies themselves.
//
// A key is dead if and only if its deadline <= log time. Where a read finds a key that is
// alive by log time but due by the leader's stamp clock, it answers kUnavailable through
// `needs_tick`: the caller commits a tick and runs the command again (docs/expiry.md).
//
// Thread: the caller's. Lifetime: of one command; borrows everything.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "types/database_table.h"
#include "types/key_record.h"
#include "types/record_source.h"

namespace alfheim::types {

// Where and when a command runs.
struct Moment {
  base::Stamp log_time;  // stamp of the entry in apply; of the last applied entry in a read
  base::Stamp clock;     // the leader's stamp clock: equal to log_time in apply
};

// What only apply has.
struct ApplyPoint {
  base::LogIndex index;
  uint64_t seed = 0;
  uint64_t value_threshold_bytes = 0;  // carried in the entry, never an option read here
  uint32_t mutation_count = 0;         // running count of mutations in the entry

  // Chance: a hash of (seed, mutation count), the same on every node. Counts as a mutation,
  // so that the next one differs.
  uint64_t random();
};

// Bytes given whole by a command's argument: in memory, in the log, or both.
struct ValueInput {
  base::ByteView bytes;  // empty where only `fragments` is there
  uint64_t length_bytes = 0;
  // Where `bytes` stand in the entry that is being applied (crc not yet computed).
  std::optional<uint32_t> entry_offset_bytes;
  // Set where the value went ahead in fragment entries; shared with copies of this.
  std::shared_ptr<const FragmentList> fragments;
};

// A live key that was found. Owns the record's bytes, so it stays good across writes.
struct FoundKey {
  base::Bytes record_bytes;
  KeyRecord record;  // its body points into record_bytes
  FoundKey() = default;
  FoundKey(FoundKey&& other) noexcept;
  FoundKey& operator=(FoundKey&& other) noexcept;
};

// How many keys were looked for and found alive, or not.
struct Lookups {
  uint64_t hits = 0;
  uint64_t misses = 0;
};

// Whether a write keeps the deadline that the key had.
enum class Deadline : uint8_t { kDrop, kKeep };

class Database {
 public:
  struct Hands {
    RecordSource& records;
    ValueSource& values;
    const DatabaseTable& table;
    // Apply only, all three or none; `writable_table` is `table`:
    RecordSink* sink = nullptr;
    DatabaseTable* writable_table = nullptr;
    ApplyPoint* point = nullptr;
  };
  Database(const Hands& hands, base::DatabaseIndex index, Moment moment);

  base::DatabaseIndex index() const { return index_; }
  const Moment& moment() const { return moment_; }
  bool is_writable() const { return hands_.sink != nullptr; }
  ApplyPoint& point();

  // The record key of the key that comes next, where the caller has made it already; takes the
  // bytes, and leaves others.
  void offer_record_key(Epoch epoch, base::Bytes& record_key) {
    record_key_.swap(record_key);
    record_key_epoch_ = epoch;
  }

  // ---- reading ----
  // The key, if it is there and alive.
  base::Result<std::optional<FoundKey>> find(base::ByteView key);
  const Lookups& lookups() const { return lookups_; }  // of find
  // What WATCH compares: the entry that last wrote the key, or put it here with a whole
  // database; 0 where no live key is.
  base::Result<base::LogIndex> version(base::ByteView key);
  // Whether a read of this kind must wait for a tick, as an Error that says so.
  static base::Error needs_tick();
  static bool is_needs_tick(const base::Error& error);
  // Length of a string value, without reading it.
  base::Result<uint64_t> string_length(const FoundKey& found) const;
  base::Result<uint64_t> string_length(const KeyRecord& record) const;
  // Appends [from, from+length) of a string value, cut to its end.
  base::Status read_string(const FoundKey& found, uint64_t from, uint64_t length, base::Bytes& out);
  base::Status read_string(const KeyRecord& record, uint64_t from, uint64_t length,
                           base::Bytes& out);
  base::Result<base::Bytes> read_whole_string(const FoundKey& found);
  uint64_t key_count() const;
  uint64_t deadline_count() const;
  // The epoch that the database has now.
  Epoch epoch() const;

  // One step of a walk over live user keys in record order, from `position` on (a place in
  // that order: slot u16 be and user key; empty is the start). Steps over at most `steps_max`
  // records, dead ones included; `visit` gets user key and record of the live ones, and
  // returns false to stop behind it. The result is the next position, or nullopt at the end.
  using Visitor = absl::FunctionRef<bool(base::ByteView user_key, const KeyRecord& record)>;
  base::Result<std::optional<base::Bytes>> walk_keys(base::ByteView position, uint64_t steps_max,
                                                     Visitor visit);

  // The first prefix of `prefix_bytes` bytes among the user keys of the slot (dead ones
  // included) that `matches` takes; nullopt where it takes none. Counts in `steps` how many
  // prefixes it looked at: the cost is one seek each.
  using PrefixTest = absl::FunctionRef<bool(base::ByteView prefix)>;
  base::Result<std::optional<base::Bytes>> find_prefix(uint16_t slot, size_t prefix_bytes,
                                                       PrefixTest matches, uint64_t& steps);

  // ---- writing (apply only) ----
  // Sets the key to a string given whole, whatever it was before.
  base::Status set_string(base::ByteView key, const ValueInput& value, Deadline deadline);
  // Sets it to a computed string (INCR, GETDEL's kin, BITOP): lies in the index.
  // `is_edited` marks an edit in place (OBJECT ENCODING raw).
  base::Status set_computed(base::ByteView key, base::ByteView value, Deadline deadline,
                            bool is_edited);
  base::Status set_integer(base::ByteView key, int64_t value, Deadline deadline);
  // Overwrites [offset, offset+bytes) of the string, zero-filling a gap; touches only the
  // chunks that it must. Creates the key where it is missing. APPEND, SETRANGE, SETBIT.
  base::Status write_range(base::ByteView key, uint64_t offset, base::ByteView bytes);
  // Marks a live string of at most kChunkBytes as edited in place, though its bytes stay:
  // OBJECT ENCODING says so, WATCH sees no write.
  base::Status mark_edited(base::ByteView key);
  // Removes the key and all that belongs to it; whether it was there and alive.
  base::Result<bool> erase(base::ByteView key);
  // Gives the live key a deadline (nullopt removes it). CHECKs that the key is there.
  base::Status set_deadline(base::ByteView key, std::optional<uint64_t> deadline_ms);
  // Copies the key's value and deadline to a (possibly other) database under a new name,
  // whose old content goes. The source must be alive.
  base::Status copy_to(base::ByteView from, Database& target, base::ByteView to);
  // copy_to, then erase, without touching separated or chunked bytes (O(1)).
  base::Status move_to(base::ByteView from, Database& target, base::ByteView to);
  // Empties this database at once.
  void flush();

 private:
  struct Liveness {
    bool is_alive;
    bool is_due_by_clock;  // a read must wait for a tick
  };
  Liveness judge(const KeyRecord& record) const;
  DatabaseEntry& entry();
  // Due ones too. False: `found` holds nothing.
  base::Result<bool> look_up(base::ByteView key, FoundKey& found);
  base::Result<std::optional<FoundKey>> find_any(base::ByteView key);
  // Key of the 'K' record, until the next call. Made once for the calls of one command.
  base::ByteView record_key_of(base::ByteView key);
  base::Status read_fragments(const FragmentList& list, uint64_t from, uint64_t length,
                              base::Bytes& out);
  base::Status read_chunks(const ChunkedBody& body, uint64_t from, uint64_t length,
                           base::Bytes& out);

  // Puts the record, after `old` (alive or due) was released with all that belongs to it.
  // Whether the key counts as written (WATCH): only what is merely shown otherwise does not.
  enum class Touch : uint8_t { kWritten, kShownOtherwise };
  base::Status put_record(base::ByteView key, const std::optional<FoundKey>& old, KeyRecord record,
                          Touch touch = Touch::kWritten);
  // Puts it over a record that holds the same addresses, version and deadline.
  void rewrite_record(base::ByteView record_key, KeyRecord record, Touch touch = Touch::kWritten);
  // Removes what belongs to the record: expiry, references, and (unless it moves to another
  // owner) version and chunks.
  enum class Chunks : uint8_t { kRelease, kKeep };
  base::Status release(base::ByteView record_key, const KeyRecord& old, Chunks chunks);
  Version new_version();
  void write_chunks(const Version& version, uint64_t offset, base::ByteView bytes);
  base::Status write_chunk_part(const Version& version, uint32_t number, uint64_t from,
                                base::ByteView bytes);
  base::Status write_range_chunked(base::ByteView key, const KeyRecord& old, uint64_t offset,
                                   base::ByteView bytes);
  base::Status make_chunked(base::ByteView key, const std::optional<FoundKey>& old,
                            uint64_t old_length, uint64_t offset, base::ByteView bytes);
  base::Status copy_into_chunks(const KeyRecord& record, uint64_t length, const Version& version);
  std::optional<uint64_t> kept_deadline(const std::optional<FoundKey>& old,
                                        Deadline deadline) const;

  Hands hands_;
  base::DatabaseIndex index_;
  Moment moment_;
  base::Bytes record_key_;  // the last that record_key_of made
  Epoch record_key_epoch_;  // in it
  Lookups lookups_;
  base::Bytes encoded_;  // the record that was put last; kept for its memory
};

}  // namespace alfheim::types
