// machine/transaction: the writes of one command (or one block), seen by itself first.
//
// Owns the changes until they are published as one; below it lies any RecordSource. So a
// handler reads its own writes, readers never see half a command, and a command that fails
// on an error is dropped whole. Reuses its memory from command to command.
//
// Thread: apply strand. Lifetime: of the machine; clear() between commands.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "types/record_source.h"

namespace alfheim::machine {

class Transaction : public types::RecordSource, public types::RecordSink {
 public:
  explicit Transaction(types::RecordSource& below) : below_(below) {}

  base::Result<std::optional<base::ByteView>> get(base::ByteView key,
                                                  base::Bytes& scratch) override;
  // Walks the merged state as it is now: later writes are not seen by this cursor.
  std::unique_ptr<types::RecordCursor> walk() override;
  uint64_t bytes_at_once_max() const override { return below_.bytes_at_once_max(); }
  void put(base::ByteView key, base::ByteView value) override;
  void erase(base::ByteView key) override;

  bool is_empty() const { return changes_.empty(); }
  size_t change_count() const { return changes_.size(); }
  // The i-th change; a nullopt value is an erase. Valid until the next write or clear().
  base::ByteView key_at(size_t i) const;
  std::optional<base::ByteView> value_at(size_t i) const;
  void clear();
  size_t memory_bytes() const { return bytes_.capacity() + changes_.capacity() * sizeof(Change); }

 private:
  struct Change {
    size_t key_begin = 0;
    size_t key_bytes = 0;
    size_t value_begin = 0;
    size_t value_bytes = 0;
    bool is_erase = false;
  };
  // Up to here a look at each change is faster than a hash.
  static constexpr size_t kLinearMax = 12;
  // Memory that one huge command left behind is given back above this.
  static constexpr size_t kKeptBytesMax = 1 << 20;

  std::optional<size_t> find(base::ByteView key) const;
  Change& change_of(base::ByteView key);

  types::RecordSource& below_;
  base::Bytes bytes_;
  std::vector<Change> changes_;
  absl::flat_hash_map<std::string, size_t, base::BytesHash, base::BytesEqual> by_key_;
};

}  // namespace alfheim::machine
