#include "machine/key_ahead.h"

#include "base/check.h"
#include "machine/machine.h"
#include "types/key_codec.h"

namespace alfheim::machine {

// First all places, then all records: when the last place is asked for, the first has come.
void prefetch_keys(Machine& machine, base::DatabaseIndex database,
                   std::span<const base::ByteView> keys) {
  std::array<uint64_t, kPrefetchedKeysMax> places;
  ALF_CHECK(keys.size() <= places.size());
  base::Bytes record_key;
  const index::ReadGuard guard = machine.index().read();
  const types::Epoch epoch = machine.published(guard).databases.at(database).epoch;
  for (size_t i = 0; i < keys.size(); ++i) {
    record_key.clear();
    types::put_key_record_key(record_key, epoch, keys[i]);
    places[i] = guard.prefetch(record_key);
  }
  for (size_t i = 0; i < keys.size(); ++i) guard.prefetch_record(places[i]);
}

KeyAhead::Known& KeyAhead::step(const index::Index& index, const types::DatabaseTable& databases) {
  while (looked_ < applied_ + kDistance && reader_.has_next()) look(index, databases);
  for (; fetched_ < looked_ && fetched_ < applied_ + kDistance / 2; ++fetched_) {
    const Known& known = known_[fetched_ % kDistance];
    if (!known.record_key.empty()) index.prefetch_record(known.hash);
  }
  Known& present = known_[applied_ % kDistance];
  if (looked_ <= applied_) present.record_key.clear();  // it could not be read
  ++applied_;
  return present;
}

void KeyAhead::look(const index::Index& index, const types::DatabaseTable& databases) {
  Known& known = known_[looked_ % kDistance];
  known.record_key.clear();
  const base::Result<Operation> operation = reader_.next();
  if (!operation) {
    reader_ = PayloadReader();  // whoever applies it finds and reports the same
    return;
  }
  ++looked_;
  const bool has_key = operation->kind == OperationKind::kCommand &&
                       peek_key(operation->body, known.database, known.key);
  if (!has_key) return;
  known.epoch = databases.at(known.database).epoch;
  types::put_key_record_key(known.record_key, known.epoch, known.key);
  known.hash = index.prefetch(known.record_key);
}

}  // namespace alfheim::machine
