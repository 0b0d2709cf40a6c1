// machine/key_ahead: brings the keys of the operations to come into the processor's caches.
//
// With more keys than the caches hold, a small command spends most of its time waiting for two
// lines of memory: its key's place in the index's table, and its record. Both are asked for
// some operations ahead, so that they arrive while earlier ones are applied
// (docs/decisions/008). Only a hint: nothing depends on what it finds. KeyAhead does it for the
// operations of an entry, prefetch_keys for reads that wait in a connection.
//
// Thread: KeyAhead the apply strand, prefetch_keys any. Lifetime: of one entry; borrows its
// payload.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "index/index.h"
#include "machine/entry_codec.h"
#include "types/database_table.h"

namespace alfheim::machine {

class Machine;

// More at once would push the first out of the caches before they are read.
inline constexpr size_t kPrefetchedKeysMax = 32;
// Keys of one database that will be read soon, so many at most. Holds the index's lock for readers
// meanwhile.
void prefetch_keys(Machine& machine, base::DatabaseIndex database,
                   std::span<const base::ByteView> keys);

class KeyAhead {
 public:
  explicit KeyAhead(const PayloadReader& reader) : reader_(reader) {}

  // What is known of the next operation. `record_key` is empty where it has no key that is known.
  struct Known {
    base::DatabaseIndex database;
    base::ByteView key;      // in the payload
    base::Bytes record_key;  // made with the epoch that its database had then
    types::Epoch epoch;
    uint64_t hash = 0;
  };
  // The next operation is about to be applied. What is returned may be taken apart.
  Known& step(const index::Index& index, const types::DatabaseTable& databases);

 private:
  // Places are asked for this many operations ahead, records half as many.
  static constexpr size_t kDistance = 16;

  void look(const index::Index& index, const types::DatabaseTable& databases);

  PayloadReader reader_;
  std::array<Known, kDistance> known_;  // by operation
  size_t looked_ = 0;                   // operations whose place was asked for
  size_t fetched_ = 0;                  // and whose record was
  size_t applied_ = 0;
};

}  // namespace alfheim::machine
