// types/logical_hash: what two nodes compare to prove that they hold the same data.
//
// A hash over the live keys of one database in record order: key, type, deadline and value
// bytes. Never addresses, layouts, epochs, references or orphans, which differ between a
// node that replayed the log and one that installed a snapshot later. The same bytes hash
// the same however they lie.
//
// Works in slices; the state must be the same through all of them (a view, or apply).
// Thread: the caller's. Format: docs/formats/index_records.md, "Logical hash".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "types/database.h"

struct XXH3_state_s;

namespace alfheim::types {

class LogicalHash {
 public:
  LogicalHash();
  ~LogicalHash();
  LogicalHash(const LogicalHash&) = delete;
  LogicalHash& operator=(const LogicalHash&) = delete;

  // Goes on through the database for about `bytes_max` bytes; true when it is at the end.
  // Call it with one database until true, then with the next. After an error start anew.
  base::Result<bool> step(Database& database, uint64_t bytes_max);
  uint64_t key_count() const { return key_count_; }
  // The hash of all databases stepped through so far.
  uint64_t digest() const;

 private:
  struct FreeState {
    void operator()(XXH3_state_s* state) const;
  };
  void add(base::ByteView bytes);
  void add_u64(uint64_t value);
  // Hashes the value's bytes from value_offset_ on; leaves it non-zero where bytes are left.
  base::Status add_value(Database& database, const KeyRecord& record, uint64_t length,
                         uint64_t& bytes_left);

  std::unique_ptr<XXH3_state_s, FreeState> state_;
  base::Bytes position_;       // where the walk goes on
  uint64_t value_offset_ = 0;  // non-zero: within the value of the key at position_
  uint64_t key_count_ = 0;
  base::Bytes scratch_;
};

}  // namespace alfheim::types
