// upkeep/persisted_source: the persisted state alone, as the types want to read it.
//
// Thread: the caller's. Lifetime: the snapshot outlives it.
#pragma once

#include <memory>
#include <optional>

#include "index/store.h"
#include "types/record_source.h"

namespace alfheim::upkeep {

class PersistedSource : public types::RecordSource {
 public:
  explicit PersistedSource(const index::StoreSnapshot& snapshot) : snapshot_(snapshot) {}
  base::Result<std::optional<base::ByteView>> get(base::ByteView key,
                                                  base::Bytes& scratch) override {
    return snapshot_.get(key, env::ReadMode::kMayBlock, scratch);
  }
  std::unique_ptr<types::RecordCursor> walk() override { return nullptr; }

 private:
  const index::StoreSnapshot& snapshot_;
};

}  // namespace alfheim::upkeep
