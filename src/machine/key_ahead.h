// machine/key_ahead: brings the keys of the operations to come into the processor's caches.
//
// With more keys than the caches hold, a small command spends most of its time waiting for two
// lines of memory: its key's place in the index's table, and its record. Both are asked for
// some operations ahead, so that they arrive while earlier ones are applied
// (docs/decisions/008). Only a hint: nothing depends on what it finds.
//
// Thread: apply strand. Lifetime: of one entry; borrows its payload.
#pragma once

#include <array>
#include <cstdint>

#include "index/index.h"
#include "machine/entry_codec.h"
#include "types/database_table.h"

namespace alfheim::machine {

class KeyAhead {
 public:
  explicit KeyAhead(const PayloadReader& reader) : reader_(reader) {}

  // The next operation is about to be applied.
  void step(const index::Index& index, const types::DatabaseTable& databases);

 private:
  // Places are asked for this many operations ahead, records half as many.
  static constexpr size_t kDistance = 16;

  void look(const index::Index& index, const types::DatabaseTable& databases);

  PayloadReader reader_;
  std::array<uint64_t, kDistance> hashes_{};  // by operation; 0: it has no key that is known
  size_t looked_ = 0;                         // operations whose place was asked for
  size_t fetched_ = 0;                        // and whose record was
  size_t applied_ = 0;
  base::Bytes record_key_;
};

}  // namespace alfheim::machine
