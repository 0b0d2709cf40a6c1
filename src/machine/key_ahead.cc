#include "machine/key_ahead.h"

#include "types/key_codec.h"

namespace alfheim::machine {

void KeyAhead::step(const index::Index& index, const types::DatabaseTable& databases) {
  while (looked_ < applied_ + kDistance && reader_.has_next()) look(index, databases);
  for (; fetched_ < looked_ && fetched_ < applied_ + kDistance / 2; ++fetched_) {
    const uint64_t hash = hashes_[fetched_ % kDistance];
    if (hash != 0) index.prefetch_record(hash);
  }
  ++applied_;
}

void KeyAhead::look(const index::Index& index, const types::DatabaseTable& databases) {
  uint64_t& hash = hashes_[looked_++ % kDistance];
  hash = 0;
  const base::Result<Operation> operation = reader_.next();
  if (!operation) {
    reader_ = PayloadReader();  // whoever applies it finds and reports the same
    return;
  }
  base::DatabaseIndex database;
  base::ByteView key;
  if (operation->kind != OperationKind::kCommand || !peek_key(operation->body, database, key)) {
    return;
  }
  record_key_.clear();
  types::put_key_record_key(record_key_, databases.at(database).epoch, key);
  hash = index.prefetch(record_key_);
}

}  // namespace alfheim::machine
